//! A new fleet: keys, certificates, credentials, and the files of each server.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::authority::Authority;
use super::files;
use super::office_files::{OfficeFiles, Secrets};
use super::servers::{self, ServerAddress};
use crate::fleet::carrier::{AccountClaims, OperatorKeys, Role};
use crate::fleet::{FleetId, OfficeKey};

/// What `usher fleet init` is asked for.
pub struct InitPlan {
    /// One server or three.
    pub servers: Vec<ServerAddress>,
    /// The office's folder. It must be empty or not exist.
    pub folder: PathBuf,
    /// The time, in seconds since 1970.
    pub now: i64,
}

/// Makes the files of a new fleet. Servers' files are in `servers/` of the folder, one folder each.
///
/// # Errors
/// There is something in the folder; the number of servers is wrong; files cannot be written.
pub fn init(plan: &InitPlan) -> Result<OfficeFiles> {
    let InitPlan { servers, folder, now } = plan;
    if servers.len() != 1 && servers.len() != 3 {
        bail!("name one server or three, not {}: of three, one may fail", servers.len());
    }
    if servers
        .iter()
        .enumerate()
        .any(|(at, server)| servers.iter().skip(at.saturating_add(1)).any(|other| other == server))
    {
        bail!("a server is named twice");
    }
    files::make_folder(folder)?;
    let mut content = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    if content.next().is_some() {
        bail!("{} is not empty; choose another folder: the keys of a fleet are never overwritten", folder.display());
    }
    let (keys, authority) = (OperatorKeys::generate()?, Authority::new()?);
    let claims = AccountClaims { issued: *now, ..AccountClaims::default() };
    servers::write(&folder.join("servers"), servers, &authority, &keys, &claims)?;
    let pair = authority.pair();
    files::write(&folder.join("authority.key"), &pair.key)?;
    let secrets = Secrets {
        schema: 1,
        fleet: FleetId::generate(),
        servers: servers.iter().map(ServerAddress::to_string).collect(),
        authority: pair.certificate,
        office: OfficeKey::generate()?.to_bytes(),
        office_credential: keys.credential(&Role::Office, *now)?,
        system_credential: keys.credential(&Role::System, *now)?,
        keys,
    };
    // Last: with it, the folder is an office's.
    OfficeFiles::create(folder, secrets, claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    fn plan(folder: &Path, servers: &[&str]) -> InitPlan {
        let servers = servers.iter().map(|server| server.parse().unwrap()).collect();
        InitPlan { servers, folder: folder.to_owned(), now: 1_700_000_000 }
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn everything_is_secret_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("office");
        init(&plan(&folder, &["a", "b", "c"])).unwrap();
        let all = files(&folder);
        assert_eq!(all.len(), 3 + 3 * 6, "{all:?}");
        for path in &all {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600, "{}", path.display());
        }
        let before: Vec<_> = all.iter().map(|path| fs::read(path).unwrap()).collect();
        let error = init(&plan(&folder, &["a"])).err().unwrap().to_string();
        assert!(error.contains("not empty"), "{error}");
        assert_eq!(all.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>(), before);
        OfficeFiles::load(&folder).unwrap();
    }

    #[test]
    fn one_server_or_three() {
        let dir = tempfile::tempdir().unwrap();
        for servers in [&[][..], &["a", "b"], &["a", "b", "c", "d"], &["a", "a", "b"]] {
            assert!(init(&plan(&dir.path().join("x"), servers)).is_err(), "{servers:?}");
        }
        assert!(!dir.path().join("x").exists());
    }
}
