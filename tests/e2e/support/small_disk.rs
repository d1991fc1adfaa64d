//! A disk that can be filled. Needs to mount a small file system, which only root may do.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// A small file system in memory; unmounted when it is dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may not mount one.
    pub fn mount(at: PathBuf) -> Option<SmallDisk> {
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(&at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk(at)),
            _ => {
                // Bypasses the test runner's capture.
                let notice = "SKIPPED: no file system can be mounted here; run the tests of a full disk as root\n";
                std::io::stderr().write_all(notice.as_bytes()).unwrap();
                None
            }
        }
    }

    /// Fills it completely.
    pub fn fill(&self) {
        self.fill_but(0);
    }

    /// Leaves space for this many bytes, in whole blocks.
    pub fn fill_but(&self, bytes: u64) {
        let mut ballast = fs::File::create(self.0.join("ballast")).unwrap();
        let block = vec![1; 1 << 16];
        while ballast.write_all(&block).is_ok() {}
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length - bytes).unwrap();
    }

    /// Remounts it, read-only or not; `false` where that fails, as while a file is open for writing.
    pub fn remount(&self, read_only: bool) -> bool {
        let options = if read_only { "remount,ro" } else { "remount,rw" };
        Command::new("mount").args(["-o", options]).arg(&self.0).status().unwrap().success()
    }

    /// Frees the space again.
    pub fn make_room(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
