//! Who may connect to the servers: NATS's claims of version 2, signed by the operator's and the account's keys.
//!
//! A claim is a JSON Web Token with the algorithm `ed25519-nkey`: <https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt>.
//! The operator signs accounts, the account signs users. A user proves to hold the key of its claim by signing what the server sends. An account
//! lists the users that are revoked.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::{KeyPair, KeyPairType};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;
use zeroize::Zeroizing;

use super::Role;
use crate::fleet::Board;

/// The most revoked users. The account's claim travels as one message; each user takes some 75 bytes of it.
pub const MAX_REVOKED: usize = 5000;

/// Why a claim cannot be made or read.
#[derive(Debug, Error)]
pub enum ClaimsError {
    /// A key is not one of the kind that is needed.
    #[error("a key of the fleet's servers cannot be used ({why}); restore the office's folder from a backup")]
    Key {
        /// What is wrong with it.
        why: String,
    },
    /// The system gave no random numbers.
    #[error("the system gives no random numbers: {why}")]
    Random {
        /// Its words.
        why: String,
    },
    /// The list is full.
    #[error("{MAX_REVOKED} credentials are revoked, and no more fit; make a new fleet with `usher fleet init`")]
    Full,
}

/// A user's public key, as NATS writes it: `U` and 55 more characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UserId(String);

impl UserId {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = ClaimsError;

    fn from_str(text: &str) -> Result<UserId, ClaimsError> {
        match KeyPair::from_public_key(text).map_err(wrong)?.key_pair_type() {
            KeyPairType::User => Ok(UserId(text.to_owned())),
            _ => Err(ClaimsError::Key { why: "it is a key of another kind".to_owned() }),
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What somebody needs to connect: a claim and the key to it. Secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credential {
    /// The user's claim.
    pub claim: String,
    /// The user's private key (an NKey seed).
    pub seed: Zeroizing<String>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

impl Credential {
    /// Whose it is.
    ///
    /// # Errors
    /// The seed is not the seed of a user.
    pub fn user(&self) -> Result<UserId, ClaimsError> {
        Ok(UserId(self.key()?.public_key()))
    }

    /// The private key of the certificate that the servers want to see besides: Ed25519, as PKCS #8 in DER (RFC 8410). It follows from the seed, so that a
    /// token need not carry it.
    pub fn tls_key(&self) -> Zeroizing<Vec<u8>> {
        const BEFORE: [u8; 16] = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
        let key = Zeroizing::new(blake3::derive_key(
            "usher 2026-12 fleet: key of a client's certificate",
            self.seed.as_bytes(),
        ));
        Zeroizing::new([BEFORE.as_slice(), key.as_slice()].concat())
    }

    /// The claim and the seed in the file by which a server connects to others.
    pub fn to_file(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY \
             SEED------\n",
            self.claim,
            self.seed.as_str()
        ))
    }

    /// The pair of keys.
    pub(super) fn key(&self) -> Result<KeyPair, ClaimsError> {
        read(&self.seed, KeyPairType::User)
    }
}

/// The keys that the office keeps: the operator's and the two accounts'. Whoever has them owns the fleet's servers.
#[derive(Clone, Serialize, Deserialize)]
pub struct OperatorKeys {
    operator: Zeroizing<String>,
    account: Zeroizing<String>,
    system: Zeroizing<String>,
}

/// What is said of the account `usher`, which changes when somebody is revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountClaims {
    /// When the newest claim was made, in seconds since 1970. Servers keep the newest.
    pub issued: i64,
    /// Users that are shut out, with the time of their revocation in seconds since 1970.
    pub revoked: BTreeMap<UserId, i64>,
}

impl AccountClaims {
    /// Shuts a user out from `now` on, in seconds since 1970. Returns whether it was not shut out before.
    ///
    /// # Errors
    /// The list is full.
    pub fn revoke(&mut self, user: &UserId, now: i64) -> Result<bool, ClaimsError> {
        if !self.revoked.contains_key(user) && self.revoked.len() >= MAX_REVOKED {
            return Err(ClaimsError::Full);
        }
        self.issued = now.max(self.issued.saturating_add(1));
        // A claim that was made in this same second, or by a clock that was ahead, is shut out, too.
        Ok(self.revoked.insert(user.clone(), now.saturating_add(86_400 * 3650)).is_none())
    }
}

impl OperatorKeys {
    /// New keys.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate() -> Result<OperatorKeys, ClaimsError> {
        Ok(OperatorKeys {
            operator: seed(&generate(KeyPairType::Operator)?)?,
            account: seed(&generate(KeyPairType::Account)?)?,
            system: seed(&generate(KeyPairType::Account)?)?,
        })
    }

    /// The operator's claim, which names the system account. It is part of the servers' configuration.
    ///
    /// # Errors
    /// A key is damaged.
    pub fn operator_claim(&self, now: i64) -> Result<String, ClaimsError> {
        let operator = self.operator()?;
        let body = json!({ "type": "operator", "version": 2, "system_account": self.system_account()? });
        sign(&operator, &operator.public_key(), "usher", now, body)
    }

    /// The account in which the fleet's subjects are.
    ///
    /// # Errors
    /// A key is damaged.
    pub fn account(&self) -> Result<String, ClaimsError> {
        Ok(read(&self.account, KeyPairType::Account)?.public_key())
    }

    /// The account of the servers themselves.
    ///
    /// # Errors
    /// A key is damaged.
    pub fn system_account(&self) -> Result<String, ClaimsError> {
        Ok(read(&self.system, KeyPairType::Account)?.public_key())
    }

    /// The claim of the account `usher`.
    ///
    /// # Errors
    /// A key is damaged.
    pub fn account_claim(&self, claims: &AccountClaims) -> Result<String, ClaimsError> {
        let revoked: BTreeMap<&str, i64> = claims.revoked.iter().map(|(user, since)| (user.as_str(), *since)).collect();
        let mut body = account(json!({ "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1 }));
        if let Some(body) = body.as_object_mut() {
            body.insert("revocations".to_owned(), json!(revoked));
        }
        sign(&self.operator()?, &self.account()?, "usher", claims.issued, body)
    }

    /// The claim of the system account.
    ///
    /// # Errors
    /// A key is damaged.
    pub fn system_claim(&self, now: i64) -> Result<String, ClaimsError> {
        sign(&self.operator()?, &self.system_account()?, "SYS", now, account(json!({})))
    }

    /// A new user with the permissions of its role, which does not expire. Made at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// A key is damaged, or the system gives no random numbers.
    pub fn credential(&self, role: &Role, now: i64) -> Result<Credential, ClaimsError> {
        let user = generate(KeyPairType::User)?;
        let permissions = role.permissions(&user.public_key());
        let body = json!({
            "type": "user",
            "version": 2,
            "pub": { "allow": permissions.publish },
            "sub": { "allow": permissions.subscribe },
            "subs": -1,
            "data": -1,
            "payload": -1,
            // A leaf's credential is of no use to a client, and a board's is of none to a leaf.
            "allowed_connection_types": [match role {
                Role::Leaf { .. } | Role::LeafSystem => "LEAFNODE",
                Role::System | Role::Office | Role::Board { .. } => "STANDARD",
            }],
        });
        let issuer = match role {
            Role::System | Role::LeafSystem => &self.system,
            Role::Office | Role::Leaf { .. } | Role::Board { .. } => &self.account,
        };
        let issuer = read(issuer, KeyPairType::Account)?;
        Ok(Credential { claim: sign(&issuer, &user.public_key(), &name(role), now, body)?, seed: seed(&user)? })
    }

    fn operator(&self) -> Result<KeyPair, ClaimsError> {
        read(&self.operator, KeyPairType::Operator)
    }
}

fn name(role: &Role) -> String {
    match role {
        Role::Office => "office".to_owned(),
        Role::System => "system".to_owned(),
        Role::Leaf { site, .. } => format!("leaf of {site}"),
        Role::LeafSystem => "leaf".to_owned(),
        Role::Board { board, .. } => Board::to_string(board),
    }
}

/// What an account's claim says but for revocations: no limits but those of JetStream.
fn account(jetstream: Value) -> Value {
    let mut limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
    });
    if let (Some(limits), Value::Object(jetstream)) = (limits.as_object_mut(), jetstream) {
        limits.extend(jetstream);
    }
    json!({ "type": "account", "version": 2, "limits": limits, "default_permissions": { "pub": {}, "sub": {} } })
}

/// A claim of `issuer` about `subject`.
fn sign(issuer: &KeyPair, subject: &str, name: &str, now: i64, body: Value) -> Result<String, ClaimsError> {
    let mut claims = json!({ "iat": now, "iss": issuer.public_key(), "name": name, "sub": subject, "nats": body });
    // An id: a hash of the claim without it.
    let id = blake3::hash(claims.to_string().as_bytes()).to_hex();
    if let Some(claims) = claims.as_object_mut() {
        claims.insert("jti".to_owned(), json!(id.as_str()));
    }
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let signed = format!("{}.{}", encoded(&header), encoded(&claims));
    let signature = issuer.sign(signed.as_bytes()).map_err(wrong)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn generate(kind: KeyPairType) -> Result<KeyPair, ClaimsError> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(|error| ClaimsError::Random { why: error.to_string() })?;
    KeyPair::new_from_raw(kind, *secret).map_err(wrong)
}

fn seed(key: &KeyPair) -> Result<Zeroizing<String>, ClaimsError> {
    key.seed().map(Zeroizing::new).map_err(wrong)
}

fn read(seed: &str, kind: KeyPairType) -> Result<KeyPair, ClaimsError> {
    let key = KeyPair::from_seed(seed).map_err(wrong)?;
    match std::mem::discriminant(&key.key_pair_type()) == std::mem::discriminant(&kind) {
        true => Ok(key),
        false => Err(ClaimsError::Key { why: "it is a key of another kind".to_owned() }),
    }
}

fn wrong(error: nkeys::error::Error) -> ClaimsError {
    ClaimsError::Key { why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The claims, if the signature of the issuer that they name is right.
    fn open(claim: &str) -> Value {
        let (signed, signature) = claim.rsplit_once('.').unwrap();
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap()).unwrap();
        let issuer = KeyPair::from_public_key(claims["iss"].as_str().unwrap()).unwrap();
        issuer.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        claims
    }

    #[test]
    fn the_operator_signs_accounts_and_the_account_signs_users() {
        let keys = OperatorKeys::generate().unwrap();
        let operator = open(&keys.operator_claim(5).unwrap());
        assert_eq!(operator["iss"], operator["sub"]);
        assert_eq!(operator["nats"]["system_account"], keys.system_account().unwrap());
        let account = open(&keys.account_claim(&AccountClaims::default()).unwrap());
        assert_eq!(account["iss"], operator["iss"]);
        assert_eq!(account["sub"], keys.account().unwrap());

        let credential = keys.credential(&Role::Office, 5).unwrap();
        let user = open(&credential.claim);
        assert_eq!(user["iss"], account["sub"]);
        assert_eq!(user["sub"], credential.user().unwrap().as_str());
        assert_eq!(open(&keys.credential(&Role::System, 5).unwrap().claim)["iss"], keys.system_account().unwrap());
        assert!(!format!("{credential:?}").contains("SU"), "the secret is not shown");
    }

    #[test]
    fn a_revocation_makes_a_newer_claim() {
        let keys = OperatorKeys::generate().unwrap();
        let user = keys.credential(&Role::Office, 5).unwrap().user().unwrap();
        let mut claims = AccountClaims { issued: 100, ..AccountClaims::default() };
        assert!(claims.revoke(&user, 50).unwrap());
        assert!(!claims.revoke(&user, 50).unwrap());
        assert_eq!(claims.issued, 102, "also where the clock went back");
        let account = open(&keys.account_claim(&claims).unwrap());
        assert!(account["nats"]["revocations"][user.as_str()].as_i64().unwrap() > 5);
        let back: AccountClaims = serde_json::from_str(&serde_json::to_string(&claims).unwrap()).unwrap();
        assert_eq!(back, claims);
    }

    #[test]
    fn a_seed_of_another_kind_is_refused() {
        let keys = OperatorKeys::generate().unwrap();
        let wrong = Credential { claim: String::new(), seed: keys.account.clone() };
        assert!(wrong.user().unwrap_err().to_string().contains("another kind"));
        assert!(Credential { claim: String::new(), seed: "SU".to_owned().into() }.user().is_err());
    }
}
