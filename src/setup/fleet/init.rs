//! A new fleet: keys, certificates, credentials, and the files of each server.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::authority::Authority;
use super::files;
use super::office_files::{AUTHORITY_KEY, OfficeFiles, Secrets};
use super::servers::{self, ServerAddress};
use crate::fleet::carrier::{AccountClaims, OperatorKeys, Role};
use crate::fleet::{FleetId, OfficeKey, Site};

/// What `usher fleet init` is asked for.
pub struct InitPlan {
    /// One server or three.
    pub servers: Vec<ServerAddress>,
    /// Sites with a leaf server of their own, and where their boards reach it.
    pub leaves: Vec<(Site, ServerAddress)>,
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
    let InitPlan { servers, leaves, folder, now } = plan;
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
    let twice = |(at, (site, _)): (usize, &(Site, ServerAddress))| {
        leaves.iter().skip(at.saturating_add(1)).any(|(other, _)| other == site)
    };
    if leaves.iter().enumerate().any(twice) {
        bail!("a site is named twice: it has one leaf server");
    }
    files::make_folder(folder)?;
    let mut content = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    if content.next().is_some() {
        bail!("{} is not empty; choose another folder: the keys of a fleet are never overwritten", folder.display());
    }
    let (keys, authority) = (OperatorKeys::generate()?, Authority::new()?);
    let claims = AccountClaims { issued: *now, ..AccountClaims::default() };
    servers::write(&folder.join("servers"), servers, &authority, &keys, &claims)?;
    files::write(&folder.join(AUTHORITY_KEY), &authority.key())?;
    let (office_credential, system_credential) =
        (keys.credential(&Role::Office, *now)?, keys.credential(&Role::System, *now)?);
    let secrets = Secrets {
        schema: 1,
        fleet: FleetId::generate(),
        servers: servers.iter().map(ServerAddress::to_string).collect(),
        office_certificate: authority.client(&office_credential)?,
        system_certificate: authority.client(&system_credential)?,
        authority: authority.certificate,
        office: OfficeKey::generate()?.to_bytes(),
        office_credential,
        system_credential,
        keys,
    };
    // Last: with it, the folder is an office's.
    let office = OfficeFiles::create(folder, secrets, claims)?;
    for (site, server) in leaves {
        office.leaf(site, server, false, *now)?;
    }
    Ok(office)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    fn plan(folder: &Path, servers: &[&str]) -> InitPlan {
        let servers = servers.iter().map(|server| server.parse().unwrap()).collect();
        InitPlan {
            servers,
            leaves: vec![("berlin".parse().unwrap(), "leaf".parse().unwrap())],
            folder: folder.to_owned(),
            now: 1_700_000_000,
        }
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
        assert_eq!(all.len(), 4 + 3 * 6 + 8, "{all:?}");
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
