//! The fleet's own authority: it signs the certificates of the servers and of their clients, and none of them believes another.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, date_time_ymd,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::fleet::carrier::Credential;

/// An authority.
pub(super) struct Authority {
    /// In PEM.
    pub(super) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A server's certificate and its private key.
pub(super) struct Pair {
    /// In PEM.
    pub(super) certificate: String,
    /// In PEM.
    pub(super) key: Zeroizing<String>,
    /// The SHA-256 of the public key (SubjectPublicKeyInfo in DER), in hexadecimal digits: by it, servers know each other.
    pub(super) pin: String,
}

impl Authority {
    /// A new one. It is valid from 2020 to 2049, as the page's certificate is: a board's clock may be wrong, and nobody would renew it.
    pub(super) fn new() -> Result<Authority> {
        let (params, key) = (own_params(), KeyPair::generate()?);
        let certificate = params.self_signed(&key).context("the fleet's authority cannot be made")?;
        Ok(Authority { certificate: certificate.pem(), issuer: Issuer::new(params, key) })
    }

    /// One that was made before, from its certificate and [`Authority::key`].
    pub(super) fn load(certificate: &str, key: &str) -> Result<Authority> {
        let key = KeyPair::from_pem(key).context("the authority's key is damaged; restore it from a backup")?;
        Ok(Authority { certificate: certificate.to_owned(), issuer: Issuer::new(own_params(), key) })
    }

    /// Its private key, in PEM. Secret.
    pub(super) fn key(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// A certificate for a server at `host`, a name or an address. Servers show it to their clients and to each other.
    pub(super) fn server(&self, host: &str) -> Result<Pair> {
        let mut params = CertificateParams::new(vec![host.to_owned()])
            .map(|params| dated(params, host))
            .with_context(|| format!("{host:?} cannot be in a certificate; use a name or an address"))?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer).context("a server's certificate cannot be made")?;
        let pin: String =
            Sha256::digest(key.subject_public_key_info()).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Pair { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()), pin })
    }

    /// A certificate, in PEM, for who connects with a credential. It proves nothing but that the office has let this client in; what it may do is in the
    /// credential.
    pub(super) fn client(&self, credential: &Credential) -> Result<String> {
        let mut params = dated(CertificateParams::default(), "usher");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let der = credential.tls_key();
        let key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(der.as_slice()))?;
        Ok(params.signed_by(&key, &self.issuer).context("a client's certificate cannot be made")?.pem())
    }
}

/// What the authority says of itself.
fn own_params() -> CertificateParams {
    let mut params = dated(CertificateParams::default(), "usher fleet");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn dated(mut params: CertificateParams, name: &str) -> CertificateParams {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params
}
