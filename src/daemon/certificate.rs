//! usher's own certificate for the page, made at the first start.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use thiserror::Error;

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum CertificateError {
    #[error("{} cannot be used for the page's TLS: {why} ([web] tls)", path.display())]
    Unusable { path: PathBuf, why: String },
    #[error("the page's certificate cannot be made: {0}")]
    Made(#[from] rcgen::Error),
}

/// The files of a certificate and its private key, in PEM.
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The certificate in `folder`. Makes one for `names` if there is none, or if there are other names now.
///
/// It is valid from 2020 to 2049: a board whose clock is not set yet must be able to use it, and nobody would renew it. Browsers ask once whether
/// to trust it, whatever its dates are.
pub fn own(folder: &Path, names: &[String]) -> Result<Pair, CertificateError> {
    let pair = Pair { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    let names_file = folder.join("names");
    let listed = format!("{}\n", names.join("\n"));
    let made_for = fs::read_to_string(&names_file).unwrap_or_default();
    if made_for == listed && pair.certificate.exists() && pair.key.exists() {
        return Ok(pair);
    }
    let mut params = CertificateParams::new(names)?;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.distinguished_name.push(DnType::CommonName, "usher");
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| unusable(folder, &error))?;
    // The names last: whatever is cut off before is made again.
    for (path, text, mode) in [
        (&pair.key, key.serialize_pem(), 0o600),
        (&pair.certificate, certificate.pem(), 0o644),
        (&names_file, listed, 0o644),
    ] {
        write(path, &text, mode).map_err(|error| unusable(path, &error))?;
    }
    tracing::info!(certificate = %pair.certificate.display(), sha256 = fingerprint(certificate.der()), "made a certificate for the page");
    Ok(pair)
}

/// A file or folder that is at fault, and why.
pub fn unusable(path: &Path, why: &dyn std::fmt::Display) -> CertificateError {
    CertificateError::Unusable { path: path.to_owned(), why: why.to_string() }
}

/// As browsers show it: SHA-256 of the certificate, in pairs of hexadecimal digits.
fn fingerprint(der: &[u8]) -> String {
    use sha2::Digest as _;
    let pairs: Vec<String> = sha2::Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// Replaces a file as a whole.
fn write(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let part = path.with_extension("part");
    match fs::remove_file(&part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Err(_) | Ok(()) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_certificate_is_made_once_for_the_same_names() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("web");
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let pair = own(&folder, &names(&["localhost", "192.0.2.7", "door.local"])).unwrap();
        let first = fs::read(&pair.certificate).unwrap();
        assert_eq!(fs::metadata(&pair.key).unwrap().permissions().mode() & 0o777, 0o600);
        own(&folder, &names(&["door.local", "localhost", "192.0.2.7", "localhost"])).unwrap();
        assert_eq!(fs::read(&pair.certificate).unwrap(), first);
        own(&folder, &names(&["localhost"])).unwrap();
        let second = fs::read(&pair.certificate).unwrap();
        assert_ne!(second, first);
        fs::remove_file(&pair.key).unwrap();
        own(&folder, &names(&["localhost"])).unwrap();
        assert_ne!(fs::read(&pair.certificate).unwrap(), second, "a lost key is replaced");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = own(&file.join("web"), &["localhost".to_owned()]).err().unwrap().to_string();
        assert!(error.contains("file"), "{error}");
    }
}
