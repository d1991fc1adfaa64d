//! A fleet as its office shows it: sites, boards and people, and what can be done to them. A daemon has none of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::FromRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accounts::AccountsDesk;
use super::error::ApiError;
use super::state::ApiState;
use crate::domain::Actor;
use crate::fleet::{Board, Site};
use crate::office::fleet::protocol::{Answer, Request};
pub use crate::office::fleet::protocol::{BoardReport, BoardRow, Done, OfficeStatus, PersonRow, Proof, SiteRow};

/// An answer of the office that is still to come.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// The office of a fleet.
pub trait FleetOffice: Send + Sync {
    /// Carries a request out. It takes up to 20 s, while servers and boards are waited for.
    fn ask(&self, request: Request, by: Actor) -> Answering<'_>;
}

/// The office, where this process is one.
#[derive(Clone)]
pub struct FleetDesk(pub Option<Arc<dyn FleetOffice>>);

impl FromRef<Arc<ApiState>> for FleetDesk {
    /// A daemon is no office.
    fn from_ref(_: &Arc<ApiState>) -> FleetDesk {
        FleetDesk(None)
    }
}

impl FleetDesk {
    /// What the office answers.
    ///
    /// # Errors
    /// This is no office, or it refuses: then in its words.
    pub(super) async fn ask(&self, request: Request, by: Actor) -> Result<Answer, ApiError> {
        let FleetDesk(Some(office)) = self else { return Err(ApiError::NoOffice) };
        match office.ask(request, by).await {
            Answer::Refused { why, .. } => Err(ApiError::Invalid(why)),
            answer => Ok(answer),
        }
    }
}

/// What the routes of an office act on.
#[derive(Clone)]
pub struct OfficeDesks {
    pub desk: FleetDesk,
    pub accounts: AccountsDesk,
}

impl FromRef<OfficeDesks> for FleetDesk {
    fn from_ref(state: &OfficeDesks) -> FleetDesk {
        state.desk.clone()
    }
}

impl FromRef<OfficeDesks> for AccountsDesk {
    fn from_ref(state: &OfficeDesks) -> AccountsDesk {
        state.accounts.clone()
    }
}

/// Addresses a site in a path.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SitePath {
    /// The site's name.
    #[schemars(with = "String")]
    pub site: Site,
}

/// Addresses a board in a path.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BoardPath {
    /// The board's name.
    #[schemars(with = "String")]
    pub board: Board,
}

/// Begins the lockdown of a site, or ends it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteLockdown {
    /// Whether it begins.
    pub on: bool,
    /// Who still passes; null for nobody.
    #[serde(default)]
    pub group: Option<String>,
}

/// Forgets somebody of a site for good.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteForgetting {
    /// Their name, employee id or uuid.
    pub person: String,
}
