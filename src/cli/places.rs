//! Where the configuration, the data and the control socket are when nobody names them: the system's folders for root, the user's own folders
//! (XDG base directory specification) for everybody else.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::api::users::own_uid;
use crate::config::CONTROL_SOCKET;

/// The system's configuration: root's, and the package's. It comes before a user's own.
pub const SYSTEM_CONFIG: &str = "/etc/usher/usher.toml";
/// The system's data.
const SYSTEM_DATA: &str = "/var/lib/usher";
/// The folder's name below each of the user's folders.
const NAME: &str = "usher";

/// The environment says no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "neither HOME nor XDG_CONFIG_HOME and XDG_DATA_HOME are set to absolute paths: set HOME, or name a file with --config"
)]
pub struct NoPlace;

/// The places of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The configuration file.
    pub config: PathBuf,
    /// The folder of what usher keeps.
    pub data: PathBuf,
    /// The folder of the control socket; `None` if the user has no folder for sockets ($XDG_RUNTIME_DIR).
    runtime: Option<PathBuf>,
    /// Whether these are the system's.
    pub is_system: bool,
}

impl Places {
    /// The places of the user who runs this: the system's for root, unless $XDG_CONFIG_HOME asks for others.
    ///
    /// # Errors
    /// There is no home.
    pub fn here() -> Result<Places, NoPlace> {
        Places::of(own_uid() == 0, variable)
    }

    fn of(root: bool, variable: impl Fn(&str) -> Option<PathBuf>) -> Result<Places, NoPlace> {
        if root && variable("XDG_CONFIG_HOME").is_none() {
            return Ok(Places {
                config: SYSTEM_CONFIG.into(),
                data: SYSTEM_DATA.into(),
                runtime: Path::new(CONTROL_SOCKET).parent().map(Path::to_owned),
                is_system: true,
            });
        }
        let below_home = |name: &str, below: &str| {
            variable(name).or_else(|| variable("HOME").map(|home| home.join(below))).map(|folder| folder.join(NAME))
        };
        Ok(Places {
            config: below_home("XDG_CONFIG_HOME", ".config").ok_or(NoPlace)?.join("usher.toml"),
            data: below_home("XDG_DATA_HOME", ".local/share").ok_or(NoPlace)?,
            runtime: variable("XDG_RUNTIME_DIR").map(|folder| folder.join(NAME)),
            is_system: false,
        })
    }

    /// The store's folder when `folder` is where everything is kept. The system's own folder has been the store itself from the first version on.
    pub fn store(&self, folder: &Path) -> PathBuf {
        if self.is_system && folder == self.data { folder.to_owned() } else { folder.join("store") }
    }

    /// The control socket when `folder` is where everything is kept.
    pub fn socket(&self, folder: &Path) -> PathBuf {
        self.runtime.as_deref().unwrap_or(folder).join("usher.sock")
    }
}

/// A variable of the environment that is an absolute path. The specification says to ignore others.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The configuration that is used when none is named: the system's if it is there, else this user's own if it is there.
pub fn installed_config() -> Option<PathBuf> {
    candidates().into_iter().find(|path| path.exists())
}

/// Where [`installed_config`] looks.
pub fn candidates() -> Vec<PathBuf> {
    let own = Places::here().ok().filter(|places| !places.is_system).map(|places| places.config);
    std::iter::once(PathBuf::from(SYSTEM_CONFIG)).chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: bool, set: &[(&str, &str)]) -> Result<Places, NoPlace> {
        Places::of(root, |name| set.iter().find(|(key, _)| *key == name).map(|(_, path)| PathBuf::from(path)))
    }

    #[test]
    fn a_user_has_folders_of_the_own_and_root_has_the_systems() {
        let own = places(false, &[("HOME", "/home/ada"), ("XDG_RUNTIME_DIR", "/run/user/7")]).unwrap();
        assert_eq!(own.config, Path::new("/home/ada/.config/usher/usher.toml"));
        assert_eq!(own.data, Path::new("/home/ada/.local/share/usher"));
        assert_eq!(own.store(&own.data), Path::new("/home/ada/.local/share/usher/store"));
        assert_eq!(own.socket(&own.data), Path::new("/run/user/7/usher/usher.sock"));

        let system = places(true, &[("HOME", "/root"), ("XDG_RUNTIME_DIR", "/run/user/0")]).unwrap();
        assert_eq!((system.config.to_str(), system.is_system), (Some(SYSTEM_CONFIG), true));
        assert_eq!(system.store(&system.data), Path::new("/var/lib/usher"));
        assert_eq!(system.store(Path::new("/srv")), Path::new("/srv/store"));
        assert_eq!(system.socket(&system.data), Path::new(CONTROL_SOCKET));
    }

    #[test]
    fn the_environment_names_other_folders_also_for_root() {
        let set = [("HOME", "/root"), ("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d")];
        let other = places(true, &set).unwrap();
        assert_eq!((other.config.as_path(), other.is_system), (Path::new("/c/usher/usher.toml"), false));
        // Without a folder for sockets, the socket is beside the store.
        assert_eq!(other.socket(&other.data), Path::new("/d/usher/usher.sock"));
    }

    #[test]
    fn without_a_home_there_is_no_place() {
        assert_eq!(places(false, &[]), Err(NoPlace));
        assert_eq!(places(false, &[("XDG_CONFIG_HOME", "/c")]), Err(NoPlace));
        assert!(places(false, &[("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d")]).is_ok());
    }
}
