//! TLS: the trusted authorities, and this device's own certificate. The cryptography is ring's, which builds with a C compiler alone, also for
//! another processor.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// PEM files. They are read for each connection, so that a renewed certificate needs no restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The authorities that may sign the broker's certificate; `None` for those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The certificate with its chain, and its private key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A file that is missing or has the wrong content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

impl TlsSettings {
    /// Reads the files.
    ///
    /// # Errors
    /// Names the file that is at fault and what is wrong with it.
    pub fn load(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError(format!("TLS cannot be used: {error}")))?
            .with_root_certificates(self.roots()?);
        let config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate, "client_cert_file")?;
                let key_read = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| TlsError(format!("client_key_file {}: {error}", key.display())))?;
                builder.with_client_auth_cert(chain, key_read).map_err(|error| {
                    TlsError(format!("{} and {} do not go together: {error}", certificate.display(), key.display()))
                })?
            }
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        match &self.ca_file {
            Some(path) => {
                for certificate in certificates(path, "ca_file")? {
                    roots.add(certificate).map_err(|error| TlsError(format!("ca_file {}: {error}", path.display())))?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    return Err(TlsError(
                        "the system trusts no authority: install ca-certificates, or name the file of one as ca_file"
                            .to_owned(),
                    ));
                }
            }
        }
        Ok(roots)
    }
}

fn certificates(path: &PathBuf, key: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |what: String| TlsError(format!("{key} {}: {what}", path.display()));
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() { Err(wrong("there is no certificate in it".to_owned())) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing\n").unwrap();
        let missing = folder.path().join("missing.pem");
        let error = |settings: TlsSettings| settings.load().unwrap_err().to_string();

        let of_ca = |path: &PathBuf| TlsSettings { ca_file: Some(path.clone()), client: None };
        assert!(error(of_ca(&missing)).starts_with(&format!("ca_file {}", missing.display())));
        assert!(error(of_ca(&empty)).contains("no certificate"));

        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap().self_signed(&key).unwrap();
        let good = folder.path().join("good.pem");
        std::fs::write(&good, certificate.pem()).unwrap();
        let with_client = |certificate: &PathBuf, key: &PathBuf| TlsSettings {
            ca_file: Some(good.clone()),
            client: Some((certificate.clone(), key.clone())),
        };
        assert!(error(with_client(&empty, &missing)).starts_with("client_cert_file"));
        assert!(error(with_client(&good, &empty)).starts_with("client_key_file"));
        let of_another = folder.path().join("other.key");
        std::fs::write(&of_another, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert!(error(with_client(&good, &of_another)).contains("do not go together"));

        let own = folder.path().join("own.key");
        std::fs::write(&own, key.serialize_pem()).unwrap();
        assert!(with_client(&good, &own).load().is_ok());
    }
}
