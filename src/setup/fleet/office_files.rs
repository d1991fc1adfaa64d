//! What the office keeps of its servers: its signing key, the keys of the operator, credentials, and who is revoked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::authority::Authority;
use super::files;
use super::leaf::LeafPlan;
use super::membership::Membership;
use super::servers::ServerAddress;
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
/// The file that says which sites have a leaf server.
const LEAVES: &str = "leaves.json";
/// The file of the authority's key.
pub(super) const AUTHORITY_KEY: &str = "authority.key";

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
    pub(super) office_certificate: String,
    pub(super) system_certificate: String,
}

/// A site's leaf server.
#[derive(Clone, Serialize, Deserialize)]
struct KeptLeaf {
    /// Where its boards reach it, as `host:port`.
    server: String,
    /// Its credential at the fleet's servers, by which it is revoked.
    credential: UserId,
}

/// What `usher fleet leaf` gives.
pub struct NewLeaf {
    /// The folder with its files, which are secret.
    pub folder: PathBuf,
    /// The credential of the leaf that it replaces: revoke it.
    pub replaced: Option<UserId>,
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
    /// The sites of the list below, for the carrier.
    leaves: Leaves,
    kept_leaves: Arc<Mutex<BTreeMap<Site, KeptLeaf>>>,
    folder: PathBuf,
}

/// Who is revoked, and the file that says so.
struct Account {
    path: PathBuf,
    claims: Mutex<AccountClaims>,
    /// Whether the servers are not to be told who is revoked: they may know more than the file.
    held_back: AtomicBool,
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
        let path_of_leaves = folder.join(LEAVES);
        let leaves: BTreeMap<Site, KeptLeaf> = match path_of_leaves.try_exists().is_ok_and(|exists| exists) {
            true => files::read_json(&path_of_leaves)?,
            false => BTreeMap::new(),
        };
        Ok(OfficeFiles {
            fleet: secrets.fleet,
            key: OfficeKey::from_bytes(&secrets.office),
            secrets: Arc::new(secrets),
            account: Arc::new(Account { path, claims, held_back: AtomicBool::new(false) }),
            leaves: leaves.keys().cloned().collect(),
            kept_leaves: Arc::new(Mutex::new(leaves)),
            folder: folder.to_owned(),
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
        let Secrets { office_credential, office_certificate, .. } = &*self.secrets;
        let carrier = self.connection((office_credential, office_certificate), "office").start().await?;
        let (secrets, account) = (self.secrets.clone(), self.account.clone());
        let claim = move || match account.held_back.load(Relaxed) {
            true => None,
            false => secrets.keys.account_claim(&account.lock()).ok(),
        };
        carrier.keep_account(self.system("system"), claim);
        Ok(carrier)
    }

    /// Makes a credential for a board, at `now`, in seconds since 1970. `key` is the board's own, by which it opens its gallery's key; it travels in the
    /// token, too, so that no server can put another in its place.
    ///
    /// # Errors
    /// The files are damaged, or the system gives no random numbers.
    pub fn invite(&self, site: &Site, board: &Board, key: &BoardKey, now: i64) -> Result<Invited> {
        let gallery = Gallery::from(site);
        let leaf = self.leaf_of(site);
        let at = if leaf.is_some() { Domain::Leaf(site.clone()) } else { Domain::Hub };
        let role = Role::Board { site: site.clone(), gallery: gallery.clone(), board: board.clone(), at };
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
            leaf: leaf.is_some(),
            instance: None,
            servers: leaf.map_or_else(|| self.secrets.servers.clone(), |server| vec![server]),
            authority: self.secrets.authority.clone(),
            certificate: self.authority()?.client(&credential)?,
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
            if self.account.held_back.load(Relaxed) {
                // The servers take the newest list, and theirs may name more.
                return Ok(Pushed::Later(
                    "the office has not compared its list of revoked credentials with theirs yet".into(),
                ));
            }
            self.secrets.keys.account_claim(&claims)?
        };
        match push_account(self.system("revoke"), &claim).await {
            Ok(ClaimsPushed { refused: Some(why), .. }) => {
                bail!("a server refused the list of revoked credentials: {why}")
            }
            Ok(ClaimsPushed { accepted, .. }) => Ok(Pushed::Now(accepted.len())),
            Err(error) => Ok(Pushed::Later(error.to_string())),
        }
    }

    /// Keeps from the servers who is revoked, until [`OfficeFiles::take_over`]: where this folder was restored from a backup, its list is too short.
    pub fn hold_back(&self) {
        self.account.held_back.store(true, Relaxed);
    }

    /// Takes over credentials that were revoked after the backup from which this folder was restored. From then on the servers are told who is revoked.
    ///
    /// # Errors
    /// The list of the revoked is full or cannot be written; what is named is no credential.
    pub fn take_over(&self, credentials: &BTreeSet<String>, now: i64) -> Result<()> {
        let mut claims = self.account.lock();
        let mut changed = claims.clone();
        for credential in credentials {
            changed.revoke(&credential.parse()?, now)?;
        }
        if !credentials.is_empty() {
            files::write_json(&self.account.path, &changed)?;
            *claims = changed;
        }
        self.account.held_back.store(false, Relaxed);
        Ok(())
    }

    /// All credentials that are revoked.
    pub fn revoked(&self) -> BTreeSet<String> {
        self.account.lock().revoked.keys().map(ToString::to_string).collect()
    }

    /// Whether a credential is revoked.
    pub fn is_revoked(&self, credential: &UserId) -> bool {
        self.account.lock().revoked.contains_key(credential)
    }

    /// Makes the files of a site's leaf server, at `now`, in seconds since 1970. Boards that are invited from then on reach the fleet through it.
    ///
    /// # Errors
    /// The site has one, and it is not to be replaced; files are damaged or cannot be written.
    pub fn leaf(&self, site: &Site, server: &ServerAddress, replace: bool, now: i64) -> Result<NewLeaf> {
        let mut leaves = self.kept_leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get(site).filter(|_| !replace) {
            bail!(
                "{site} has a leaf server already, {}; --replace makes new files and shuts the old one out",
                leaf.server
            );
        }
        let hub = self.secrets.servers.iter().map(|server| server.parse()).collect::<Result<Vec<ServerAddress>>>()?;
        let authority = self.authority()?;
        let (folder, credential) = {
            let claims = self.account.lock();
            let (hub, authority, keys, claims) = (&hub[..], &authority, &self.secrets.keys, &*claims);
            LeafPlan { site, server, hub, authority, keys, claims, now }.write(&self.folder.join("servers"))?
        };
        let mut changed = leaves.clone();
        let replaced = changed.insert(site.clone(), KeptLeaf { server: server.to_string(), credential });
        files::write_json(&self.folder.join(LEAVES), &changed)?;
        *leaves = changed;
        self.leaves.add(site.clone());
        Ok(NewLeaf { folder, replaced: replaced.map(|leaf| leaf.credential) })
    }

    /// Where the boards of a site reach its leaf server, if it has one.
    fn leaf_of(&self, site: &Site) -> Option<String> {
        let leaves = self.kept_leaves.lock().unwrap_or_else(PoisonError::into_inner);
        leaves.get(site).map(|leaf| leaf.server.clone())
    }

    /// Fails if the authority's key is damaged. It is used only when a board or a leaf is invited, which is late to notice.
    pub fn check_authority(&self) -> Result<()> {
        self.authority()
            .map(drop)
            .with_context(|| format!("{} cannot be used", self.folder.join(AUTHORITY_KEY).display()))
    }

    fn authority(&self) -> Result<Authority> {
        Authority::load(&self.secrets.authority, &files::read(&self.folder.join(AUTHORITY_KEY))?)
    }

    /// A connection of the system account.
    fn system(&self, name: &str) -> Connection {
        self.connection((&self.secrets.system_credential, &self.secrets.system_certificate), name)
    }

    fn connection(&self, (credential, certificate): (&Credential, &String), name: &str) -> Connection {
        Connection {
            certificate: certificate.clone(),
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
