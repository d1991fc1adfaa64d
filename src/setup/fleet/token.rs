//! The token that brings a membership to a board: one line of text, good for an hour.
//!
//! Nothing seals it but itself: who has the line has the board's credential and its key. After the hour `usher fleet join` refuses it. The credential
//! in it stays good, which is why the office revokes a board that was invited and did not come.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::files;
use super::membership::{Kept, Membership};

/// How long a board may join with a token.
pub const TOKEN_VALID: Duration = Duration::from_secs(3600);
/// What a token begins with. The number is of its format.
const MARK: &str = "usher-fleet-1.";
/// What tokens of every form begin with.
const ANY_MARK: &str = "usher-fleet-";
/// The longest token.
const MAX_TOKEN: usize = 16 * 1024;
/// How many characters of a hash show that a token is whole.
const CHECK: usize = 8;

/// The longest content, in bytes.
const MAX_CONTENT: usize = 64 * 1024;
/// How hard the content is compressed, from 0 to 10.
const LEVEL: u8 = 9;

/// A token's content. It is compressed: a terminal's line holds 4,095 bytes.
#[derive(Serialize, Deserialize)]
struct Content {
    /// In seconds since 1970.
    expires: i64,
    /// Without the claim.
    membership: Kept,
    claim: Claim,
}

/// A claim whose first two parts are plain text, which can be compressed.
#[derive(Serialize, Deserialize)]
struct Claim {
    header: String,
    body: String,
    signature: String,
}

impl Claim {
    fn open(claim: &str) -> Result<Claim> {
        let mut parts = claim.split('.');
        let mut next = || parts.next().context("the credential's claim has not three parts");
        let plain = |part: &str| Ok::<_, anyhow::Error>(String::from_utf8(URL_SAFE_NO_PAD.decode(part)?)?);
        Ok(Claim { header: plain(next()?)?, body: plain(next()?)?, signature: next()?.to_owned() })
    }

    fn close(&self) -> String {
        let Claim { header, body, signature } = self;
        format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(body))
    }
}

/// A token made at `now`, in seconds since 1970.
pub(super) fn write(membership: &Membership, now: i64) -> Result<Zeroizing<String>> {
    let valid = i64::try_from(TOKEN_VALID.as_secs())?;
    let (mut kept, claim) = (Kept::from(membership), Claim::open(&membership.credential.claim)?);
    kept.credential.claim.clear();
    let content = Content { expires: now.saturating_add(valid), membership: kept, claim };
    let content = Zeroizing::new(serde_json::to_vec(&content)?);
    let body = Zeroizing::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(compress_to_vec(&content, LEVEL)).as_slice()));
    Ok(Zeroizing::new(format!("{MARK}{}.{}", body.as_str(), check(&body))))
}

/// Joins: reads a token at `now`, in seconds since 1970, and writes the membership to `path`. It does not ask the servers: see [`Membership::check`].
///
/// # Errors
/// The token is damaged or too old, or the board is in a fleet already.
pub fn join(token: &str, path: &Path, now: i64) -> Result<Membership> {
    let membership = Membership { instance: Some(Uuid::new_v4()), ..read(token, now)? };
    require_free(path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        files::make_folder(folder)?;
    }
    membership.save(path)?;
    Ok(membership)
}

/// Fails unless a membership can be written to `path`: nothing that is there is ever replaced.
fn require_free(path: &Path) -> Result<()> {
    let place = path.display();
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("{place} cannot be looked at")),
        Ok(found) if found.is_dir() => {
            bail!("{place} is a folder: name a file for the membership, such as {}", path.join("fleet.json").display())
        }
        Ok(_) => {}
    }
    match Membership::load(path) {
        Ok(Membership { board, site, .. }) => bail!(
            "this board is {board} of {site} already; to leave that fleet and join another, stop usher, and delete {place} and {}",
            path.with_extension("keys").display()
        ),
        Err(error) => bail!(
            "there is a file {place}, and it is not a membership that can be read ({error:#}): name another file, or move it away if it was one"
        ),
    }
}

fn read(token: &str, now: i64) -> Result<Membership> {
    const DAMAGED: &str = "the token is damaged or incomplete; copy it again, as one line";
    let token = token.trim();
    if token.is_empty() {
        bail!("no token was given: paste the line that `usher fleet invite` printed at the office");
    }
    if token.starts_with(ANY_MARK) && !token.starts_with(MARK) {
        bail!(
            "the token has another form than this usher reads: install the office's version of usher here, or invite the board again"
        );
    }
    let parts = token.strip_prefix(MARK).and_then(|rest| rest.rsplit_once('.'));
    let (body, sum) = parts.filter(|_| token.len() <= MAX_TOKEN).context(DAMAGED)?;
    if check(body) != sum {
        bail!(DAMAGED);
    }
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(body).context(DAMAGED)?);
    let content = decompress_to_vec_with_limit(&bytes, MAX_CONTENT).map(Zeroizing::new);
    let content: Content = serde_json::from_slice(&content.ok().context(DAMAGED)?).context(DAMAGED)?;
    if now > content.expires {
        bail!("the token is older than an hour; make a new one at the office: usher fleet invite");
    }
    let mut kept = content.membership;
    kept.credential.claim = content.claim.close();
    kept.open()
}

/// Shows a token that was cut off or mistyped. It protects from nobody.
fn check(body: &str) -> String {
    blake3::hash(body.as_bytes()).to_hex().chars().take(CHECK).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{InitPlan, init};
    use super::*;
    use crate::fleet::BoardKey;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    const NOW: i64 = 1_700_000_000;

    #[test]
    fn a_token_brings_a_membership_once_and_for_an_hour() {
        let dir = tempfile::tempdir().unwrap();
        let servers = ["hub-a.example", "hub-b.example", "hub-c.example"].map(|text| text.parse().unwrap()).to_vec();
        let office = init(&InitPlan { servers, leaves: vec![], folder: dir.path().join("office"), now: NOW }).unwrap();
        let key = BoardKey::generate().unwrap();
        let invited = office.invite(&"berlin".parse().unwrap(), &"hall-2".parse().unwrap(), &key, NOW).unwrap();
        // A terminal's line holds 4,095 characters.
        println!("a token has {} characters", invited.token.len());
        assert!(invited.token.len() < 4000, "{}", invited.token.len());

        let path = dir.path().join("board/membership.json");
        let late = join(&invited.token, &path, NOW + 3601).err().unwrap().to_string();
        assert!(late.contains("usher fleet invite"), "{late}");
        for damaged in
            [&invited.token[..invited.token.len() - 9], &invited.token.replacen("-1.", "-1.x", 1), "usher-fleet-1.x.y"]
        {
            let error = join(damaged, &path, NOW).err().unwrap().to_string();
            assert!(error.contains("damaged"), "{error}");
        }
        for (other, why) in [(" ", "no token"), ("usher-fleet-2.x.y", "another form")] {
            let error = join(other, &path, NOW).err().unwrap().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(!path.exists());
        // A folder or another file is no membership, and nothing tells anybody to delete it.
        let other = dir.path().join("notes.txt");
        fs::write(&other, "mine").unwrap();
        for (place, why) in [(dir.path(), "is a folder"), (&other, "not a membership")] {
            let error = join(&invited.token, place, NOW).err().unwrap().to_string();
            assert!(error.contains(why) && !error.contains("delete"), "{error}");
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine");

        join(&format!(" {}\n", *invited.token), &path, NOW + 3600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let membership = Membership::load(&path).unwrap();
        assert_eq!((membership.fleet, membership.board.as_str()), (office.fleet, "hall-2"));
        let other = join(&invited.token, &dir.path().join("other.json"), NOW).unwrap();
        assert!(membership.instance.is_some() && membership.instance != other.instance, "one token, two boards");
        assert_eq!(membership.office.to_bytes(), office.key.public().to_bytes());
        assert_eq!(*membership.key.to_bytes(), *key.to_bytes());
        assert_eq!(membership.credential.user().unwrap(), invited.credential);
        assert!(join(&invited.token, &path, NOW).err().unwrap().to_string().contains("already"));
    }

    #[tokio::test]
    async fn a_revocation_is_on_disk_before_servers_have_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("office");
        let servers = vec!["127.0.0.1:1".parse().unwrap()];
        let office = init(&InitPlan { servers, leaves: vec![], folder: folder.clone(), now: NOW }).unwrap();
        let key = BoardKey::generate().unwrap();
        let invited = office.invite(&"a".parse().unwrap(), &"b".parse().unwrap(), &key, NOW).unwrap();
        let pushed = office.revoke(invited.credential.as_str(), NOW).await.unwrap();
        assert!(matches!(pushed, super::super::Pushed::Later(_)), "{pushed:?}");
        let again = super::super::OfficeFiles::load(&folder).unwrap();
        assert!(again.is_revoked(&invited.credential));
        assert!(office.revoke("nobody", NOW).await.is_err());
    }
}
