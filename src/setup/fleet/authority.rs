//! The fleet's own authority: it signs the certificates of the servers, and boards believe no other.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// An authority.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its private key, in PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    /// A new one. It is valid from 2020 to 2049, as the page's certificate is: a board's clock may be wrong, and nobody would renew it.
    pub(super) fn new() -> Result<Authority> {
        let mut params = dated(CertificateParams::default());
        params.distinguished_name.push(DnType::CommonName, "usher fleet");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)
            .context("the fleet's authority cannot be made")?;
        Ok(Authority { issuer })
    }

    /// Its certificate and key.
    pub(super) fn pair(&self) -> Pair {
        Pair { certificate: self.issuer.pem(), key: self.issuer.key().serialize_pem() }
    }

    /// A certificate for a server at `host`, a name or an address. Servers show it to boards and to each other.
    pub(super) fn server(&self, host: &str) -> Result<Pair> {
        let mut params = CertificateParams::new(vec![host.to_owned()])
            .map(dated)
            .with_context(|| format!("{host:?} cannot be in a certificate; use a name or an address"))?;
        params.distinguished_name.push(DnType::CommonName, host);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer).context("a server's certificate cannot be made")?;
        Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn dated(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params
}
