//! What a board holds after it joined: who it is, whom it believes, and its keys.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::files;
use super::secret;
use crate::fleet::carrier::{Connection, Credential, Domain, NatsCarrier};
use crate::fleet::{Board, BoardKey, FleetId, Gallery, OfficePublic, RequestPublic, Site};

/// A board's place in a fleet.
#[derive(Clone)]
pub struct Membership {
    /// The fleet.
    pub fleet: FleetId,
    /// The board's site.
    pub site: Site,
    /// The people whom it carries.
    pub gallery: Gallery,
    /// Its name.
    pub board: Board,
    /// The office's key: what it did not sign is refused.
    pub office: OfficePublic,
    /// The office's key to which this board seals its requests.
    pub requests: RequestPublic,
    /// What opens the gallery's key. Secret.
    pub key: BoardKey,
    /// The servers, as `host:port`.
    pub servers: Vec<String>,
    /// The certificate of the fleet's authority, in PEM.
    pub authority: String,
    /// What the servers admit. Secret.
    pub credential: Credential,
    /// The certificate that the servers want to see besides, in PEM.
    pub certificate: String,
    /// Whether these servers are the leaf of the board's site.
    pub leaf: bool,
    /// Chosen at random by whoever joins: two boards that join with one token have different ones. `None` in a token.
    pub instance: Option<Uuid>,
}

/// A membership as JSON, in the file and in the token.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    schema: u32,
    fleet: FleetId,
    site: Site,
    gallery: Gallery,
    board: Board,
    #[serde(with = "secret")]
    office: Zeroizing<[u8; 32]>,
    #[serde(with = "secret")]
    requests: Zeroizing<[u8; 32]>,
    #[serde(with = "secret")]
    key: Zeroizing<[u8; 32]>,
    servers: Vec<String>,
    authority: String,
    pub(super) credential: Credential,
    certificate: String,
    leaf: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instance: Option<Uuid>,
}

impl Membership {
    /// Reads the file that `usher fleet join` wrote.
    ///
    /// # Errors
    /// It is missing, damaged, or can be read by others.
    pub fn load(path: &Path) -> Result<Membership> {
        files::read_json::<Kept>(path)?.open().with_context(|| format!("{} cannot be used", path.display()))
    }

    /// Writes the file. Only its owner may read it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        files::write_json(path, &Kept::from(self))
    }

    /// Connects as the board, without waiting for it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The membership is damaged.
    pub async fn connect(&self) -> Result<NatsCarrier> {
        Ok(self.connection().start().await?)
    }

    /// Connects once, to see whether the servers can be reached and admit this board.
    ///
    /// # Errors
    /// They cannot, or do not.
    pub async fn check(&self) -> Result<()> {
        Ok(self.connection().check().await?)
    }

    fn connection(&self) -> Connection {
        let at = if self.leaf { Domain::Leaf(self.site.clone()) } else { Domain::Hub };
        Connection {
            servers: self.servers.clone(),
            authority: self.authority.clone(),
            credential: self.credential.clone(),
            name: format!("usher {}", self.board),
            certificate: self.certificate.clone(),
            at,
            leaves: self.leaf.then(|| self.site.clone()).into_iter().collect(),
        }
    }
}

impl From<&Membership> for Kept {
    fn from(membership: &Membership) -> Kept {
        Kept {
            schema: 1,
            fleet: membership.fleet,
            site: membership.site.clone(),
            gallery: membership.gallery.clone(),
            board: membership.board.clone(),
            office: Zeroizing::new(membership.office.to_bytes()),
            requests: Zeroizing::new(membership.requests.to_bytes()),
            key: membership.key.to_bytes(),
            servers: membership.servers.clone(),
            authority: membership.authority.clone(),
            credential: membership.credential.clone(),
            certificate: membership.certificate.clone(),
            leaf: membership.leaf,
            instance: membership.instance,
        }
    }
}

impl Kept {
    /// The membership, if all of it can be used.
    pub(super) fn open(self) -> Result<Membership> {
        if self.schema != 1 {
            bail!("it was written by a newer usher; update this one");
        }
        self.credential.user()?;
        Ok(Membership {
            fleet: self.fleet,
            site: self.site,
            gallery: self.gallery,
            board: self.board,
            office: OfficePublic::from_bytes(&self.office).context("the office's key is damaged")?,
            requests: RequestPublic::from_bytes(&self.requests),
            key: BoardKey::from_bytes(&self.key),
            servers: self.servers,
            authority: self.authority,
            credential: self.credential,
            certificate: self.certificate,
            leaf: self.leaf,
            instance: self.instance,
        })
    }
}
