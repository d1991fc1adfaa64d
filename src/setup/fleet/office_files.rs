//! What the office keeps of its servers: its signing key, the keys of the operator, credentials, and who is revoked.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::files;
use super::membership::Membership;
use super::{secret, token};
use crate::fleet::carrier::{
    AccountClaims, ClaimsPushed, Connection, Credential, Domain, Leaves, NatsCarrier, OperatorKeys, Role, UserId,
    push_account,
};
use crate::fleet::{Board, BoardKey, FleetId, Gallery, OfficeKey, RequestKey, Site};

/// The office's file of secrets.
const SECRETS: &str = "office.json";
/// The file that says who is revoked.
const ACCOUNT: &str = "account.json";

/// The file of secrets. It is written once.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Secrets {
    pub(super) schema: u32,
    pub(super) fleet: FleetId,
    pub(super) servers: Vec<String>,
    pub(super) authority: String,
    #[serde(with = "secret")]
    pub(super) office: Zeroizing<[u8; 32]>,
    pub(super) keys: OperatorKeys,
    pub(super) office_credential: Credential,
    pub(super) system_credential: Credential,
}

/// The office's files.
#[derive(Clone)]
pub struct OfficeFiles {
    /// The fleet.
    pub fleet: FleetId,
    /// What the office signs with.
    pub key: OfficeKey,
    secrets: Arc<Secrets>,
    account: Arc<Account>,
    leaves: Leaves,
}

/// Who is revoked, and the file that says so.
struct Account {
    path: PathBuf,
    claims: Mutex<AccountClaims>,
}

/// What `usher fleet invite` gives.
pub struct Invited {
    /// One line of text for `usher fleet join`. It is secret.
    pub token: Zeroizing<String>,
    /// The credential in it, by which it is revoked.
    pub credential: UserId,
}

/// What became of a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// So many of the servers have it; the others take it from them.
    Now(usize),
    /// No server has it yet. The office hands it over as soon as it reaches one.
    Later(String),
}

impl OfficeFiles {
    pub(super) fn create(folder: &Path, secrets: Secrets, claims: AccountClaims) -> Result<OfficeFiles> {
        files::write_json(&folder.join(ACCOUNT), &claims)?;
        files::write_json(&folder.join(SECRETS), &secrets)?;
        OfficeFiles::load(folder)
    }

    /// Reads the files that [`super::init`] wrote.
    ///
    /// # Errors
    /// A file is missing, damaged, or can be read by others.
    pub fn load(folder: &Path) -> Result<OfficeFiles> {
        let path = folder.join(SECRETS);
        if !path.try_exists().is_ok_and(|exists| exists) {
            bail!(
                "there is no office in {}, or you may not look there: run this as root or as the office's user, name its folder with --folder, or \
                 begin a fleet with `usher fleet init`",
                folder.display()
            );
        }
        let secrets: Secrets = files::read_json(&path)?;
        if secrets.schema != 1 {
            bail!("{} was written by a newer usher; update this one", path.display());
        }
        let path = folder.join(ACCOUNT);
        let claims = Mutex::new(files::read_json(&path)?);
        Ok(OfficeFiles {
            fleet: secrets.fleet,
            key: OfficeKey::from_bytes(&secrets.office),
            secrets: Arc::new(secrets),
            account: Arc::new(Account { path, claims }),
            leaves: Leaves::default(),
        })
    }

    /// The servers, as `host:port`.
    pub fn servers(&self) -> &[String] {
        &self.secrets.servers
    }

    /// Connects as the office, without waiting for it. Whenever servers are reached, they are handed the list of who is revoked. Must be called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// The files are damaged.
    pub async fn connect(&self) -> Result<NatsCarrier> {
        let carrier = self.connection(&self.secrets.office_credential, "office").start().await?;
        let (secrets, account) = (self.secrets.clone(), self.account.clone());
        let claim = move || secrets.keys.account_claim(&account.lock()).ok();
        carrier.keep_account(self.connection(&self.secrets.system_credential, "system"), claim);
        Ok(carrier)
    }

    /// Makes a credential for a board, at `now`, in seconds since 1970. `key` is the board's own, by which it opens its gallery's key; it travels in the
    /// token, too, so that no server can put another in its place.
    ///
    /// # Errors
    /// The files are damaged, or the system gives no random numbers.
    pub fn invite(&self, site: &Site, board: &Board, key: &BoardKey, now: i64) -> Result<Invited> {
        let gallery = Gallery::from(site);
        let role = Role::Board { site: site.clone(), gallery: gallery.clone(), board: board.clone(), at: Domain::Hub };
        let credential = self.secrets.keys.credential(&role, now)?;
        let user = credential.user()?;
        let membership = Membership {
            fleet: self.fleet,
            site: site.clone(),
            gallery,
            board: board.clone(),
            office: self.key.public(),
            requests: RequestKey::of(&self.key).public(),
            key: key.clone(),
            servers: self.secrets.servers.clone(),
            authority: self.secrets.authority.clone(),
            credential,
        };
        Ok(Invited { token: token::write(&membership, now)?, credential: user })
    }

    /// Shuts a credential out from `now` on, in seconds since 1970: on disk first, then at the servers, which close its connections.
    ///
    /// # Errors
    /// The list of the revoked is full or cannot be written; a server refuses it.
    pub async fn revoke(&self, credential: &str, now: i64) -> Result<Pushed> {
        let user: UserId = credential.parse()?;
        let claim = {
            let mut claims = self.account.lock();
            let mut changed = claims.clone();
            changed.revoke(&user, now)?;
            files::write_json(&self.account.path, &changed)?;
            *claims = changed;
            self.secrets.keys.account_claim(&claims)?
        };
        match push_account(self.connection(&self.secrets.system_credential, "revoke"), &claim).await {
            Ok(ClaimsPushed { refused: Some(why), .. }) => {
                bail!("a server refused the list of revoked credentials: {why}")
            }
            Ok(ClaimsPushed { accepted, .. }) => Ok(Pushed::Now(accepted.len())),
            Err(error) => Ok(Pushed::Later(error.to_string())),
        }
    }

    /// Whether a credential is revoked.
    pub fn is_revoked(&self, credential: &UserId) -> bool {
        self.account.lock().revoked.contains_key(credential)
    }

    fn connection(&self, credential: &Credential, name: &str) -> Connection {
        Connection {
            servers: self.secrets.servers.clone(),
            authority: self.secrets.authority.clone(),
            credential: credential.clone(),
            name: format!("usher {name}"),
            at: Domain::Hub,
            leaves: self.leaves.clone(),
        }
    }
}

impl Account {
    fn lock(&self) -> MutexGuard<'_, AccountClaims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
