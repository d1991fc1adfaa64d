//! The command to run next, as it must be typed: with this program's path and the configuration where they are needed.

use std::ffi::OsString;
use std::path::Path;

use super::places::{SYSTEM_CONFIG, installed_config};

/// The unit of the package.
const UNITS: [&str; 2] = ["/lib/systemd/system/usher.service", "/usr/lib/systemd/system/usher.service"];

/// `arguments` as a command for a shell: this program as it was called, with `--config` unless `config` is used anyway.
pub fn command(config: &Path, arguments: &str) -> String {
    let named = std::env::var_os("USHER_CONFIG").filter(|named| !named.is_empty());
    let used = named.map(Into::into).or_else(installed_config);
    written(program(), used.as_deref() != Some(config), config, arguments)
}

/// The same for a command that needs no configuration.
pub fn plain(arguments: &str) -> String {
    written(program(), false, Path::new(""), arguments)
}

/// This program as it was called.
fn program() -> OsString {
    std::env::args_os().next().unwrap_or_else(|| "usher".into())
}

fn written(program: OsString, with_config: bool, config: &Path, arguments: &str) -> String {
    let program = quoted(&program.to_string_lossy());
    match with_config {
        true => format!("{program} --config {} {arguments}", quoted(&config.display().to_string())),
        false => format!("{program} {arguments}"),
    }
}

/// What starts the daemon with this configuration: the service where the package has installed it and it reads this file.
pub fn start(config: &Path) -> String {
    let service = config == Path::new(SYSTEM_CONFIG) && UNITS.iter().any(|unit| Path::new(unit).exists());
    if service { "systemctl restart usher".to_owned() } else { command(config, "run") }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_as_it_is_written() {
        let config = Path::new("/home/ada/my door/usher.toml");
        assert_eq!(written("usher".into(), false, config, "run"), "usher run");
        assert_eq!(
            written("target/release/usher".into(), true, config, "run"),
            "target/release/usher --config '/home/ada/my door/usher.toml' run"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn without_the_service_the_daemon_is_started_by_hand() {
        assert!(start(Path::new("/home/ada/usher.toml")).ends_with(" run"));
    }
}
