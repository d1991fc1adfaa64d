//! Libraries in C that tests load into usher, from `tests/support`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds `tests/support/<source>` as the library `library`, in one step: others may be loading it. `needs` is what the compiler is told besides.
pub fn compiled(source: &str, library: &Path, needs: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(source);
    let unfinished = library.with_extension(format!("so.{}", std::process::id()));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&unfinished).arg(&source).args(needs);
    let built = compiler.output().expect("a C compiler, which Rust links with, too");
    assert!(built.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&built.stderr));
    std::fs::rename(unfinished, library).unwrap();
    library.to_owned()
}
