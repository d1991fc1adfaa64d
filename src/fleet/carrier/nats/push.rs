//! Handing the servers a new claim of the account: how a revoked board is shut out at once, without a restart.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Deserialize;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::{Carrier, CarrierError, Link};
use super::{Connection, NatsCarrier};

/// Where servers take claims.
const UPDATE: &str = "$SYS.REQ.CLAIMS.UPDATE";
/// What the names of leaves begin with.
const LEAF: &str = "usher-leaf-";
/// How long to wait for the servers' answers.
const WITHIN: Duration = Duration::from_secs(3);

/// What the servers said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimsPushed {
    /// The names of the servers that have it.
    pub accepted: BTreeSet<String>,
    /// What a server said that refused it.
    pub refused: Option<String>,
}

/// An answer.
#[derive(Deserialize)]
struct Said {
    server: Server,
    data: Option<serde_json::Value>,
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct Server {
    name: String,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    description: String,
}

/// How long to wait before servers that did not all answer are asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// The pause once all servers have it: a list that was longer than the last one, and did not arrive, arrives then.
const WHOLE_AGAIN_AFTER: Duration = Duration::from_secs(300);
/// The pause while there is nothing to hand over yet.
const HELD_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl NatsCarrier {
    /// Hands the account's claim to the servers whenever they are reached again, and until all have it. `system` is a connection of the system account.
    /// It ends with this carrier.
    pub fn keep_account(&self, system: Connection, claim: impl Fn() -> Option<String> + Send + 'static) {
        let mut link = self.link.subscribe();
        tokio::spawn(async move {
            loop {
                if link.wait_for(|link| *link == Link::Online).await.is_err() {
                    return;
                }
                link.mark_unchanged();
                let pause = match claim() {
                    None => HELD_AGAIN_AFTER,
                    Some(claim) => match push_account(system.clone(), &claim).await {
                        Ok(ClaimsPushed { refused: Some(why), .. }) => {
                            tracing::error!(why, "a server refused the list of revoked credentials");
                            AGAIN_AFTER
                        }
                        Ok(pushed) if pushed.accepted.len() >= system.servers.len() => WHOLE_AGAIN_AFTER,
                        Ok(_) => AGAIN_AFTER,
                        Err(error) => {
                            tracing::warn!(%error, "the list of revoked credentials did not reach the servers");
                            AGAIN_AFTER
                        }
                    },
                };
                if let Ok(Err(_)) = timeout(pause, link.changed()).await {
                    return;
                }
            }
        });
    }
}

/// Hands a claim of an account to all servers; `connection` is one of the system account. Servers that are away take it from the others later.
///
/// # Errors
/// No server can be reached, or none answers.
pub async fn push_account(connection: Connection, claim: &str) -> Result<ClaimsPushed, CarrierError> {
    let (servers, deadline) =
        (connection.servers.len(), Instant::now().checked_add(WITHIN).unwrap_or_else(Instant::now));
    let carrier = connection.start().await?;
    let away = |why: String| CarrierError::Away { why };
    let mut link = carrier.link();
    let online = timeout_at(deadline, link.wait_for(|link| *link == Link::Online)).await;
    if !matches!(online, Ok(Ok(_))) {
        drop(online);
        let why = match &*carrier.link().borrow() {
            Link::Away { why } => why.clone(),
            Link::Online => "it took too long to connect".to_owned(),
        };
        return Err(away(why));
    }
    drop(online);
    let inbox = carrier.client.new_inbox();
    let mut answers = carrier.client.subscribe(inbox.clone()).await.map_err(|error| away(error.to_string()))?;
    carrier
        .client
        .publish_with_reply(UPDATE, inbox, claim.to_owned().into())
        .await
        .map_err(|error| away(error.to_string()))?;
    let mut pushed = ClaimsPushed::default();
    while pushed.accepted.len() < servers && pushed.refused.is_none() {
        let Ok(Some(answer)) = timeout_at(deadline, answers.next()).await else { break };
        // An answer without content says that nobody listens.
        let Ok(said) = serde_json::from_slice::<Said>(&answer.payload) else { break };
        match (said.data, said.error) {
            // Leaves confirm it, too. They also ask for it by themselves, and are not waited for.
            (Some(_), None) if said.server.name.starts_with(LEAF) => {}
            (Some(_), None) => {
                pushed.accepted.insert(said.server.name);
            }
            (_, problem) => {
                let why = problem.map(|problem| problem.description).unwrap_or_default();
                pushed.refused = Some(format!("{}: {why}", said.server.name));
            }
        }
    }
    match pushed.accepted.is_empty() && pushed.refused.is_none() {
        true => Err(away("no server has taken the claim".to_owned())),
        false => Ok(pushed),
    }
}
