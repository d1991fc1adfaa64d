//! The page over the fleet, and the API that it asks: what only an office has, in front of what the office reports of its boards.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;

use super::answers;
use super::desk::Office;
use crate::accounts::Accounts;
use crate::api::accounts::{AccountBook, AccountsDesk};
use crate::api::fleet::{Answering, FleetDesk, FleetOffice, OfficeDesks};
use crate::api::{self, ApiError};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::daemon::connections::{Budget, ListenerCounts};
use crate::daemon::page;
use crate::daemon::tcp_address::AddressTrouble;
use crate::domain::{Actor, Event};
use crate::office::fleet::protocol::Request;
use crate::store::Change;
use crate::web::Place;

/// The office's store, in its folder. The page's own certificate lies beside it.
const STORE: &str = "store";

/// The API of an office, and the accounts of its page.
pub struct OfficeApi {
    router: Router,
    accounts: Arc<Accounts>,
    clock: Arc<dyn Clock>,
}

impl OfficeApi {
    /// The paths of the fleet and of accounts in front of `reports`, which answers everything else.
    ///
    /// # Errors
    /// The accounts cannot be read.
    pub fn new(office: &Arc<Office>, reports: Router) -> Result<OfficeApi> {
        let store = office.with(|book| book.trees.store.clone());
        let (accounts, clock): (_, Arc<dyn Clock>) = (Arc::new(Accounts::open(&store)?), Arc::new(SystemClock::new()));
        let desks = OfficeDesks {
            desk: FleetDesk(Some(Arc::new(Desk(office.clone())))),
            accounts: AccountsDesk {
                accounts: accounts.clone(),
                book: Arc::new(OwnRecords { office: office.clone(), clock: clock.clone() }),
                clock: clock.clone(),
            },
        };
        Ok(OfficeApi { router: api::office_router(desks, reports), accounts, clock })
    }

    /// The router. Each request must carry an [`api::Caller`].
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The accounts of the page.
    pub fn accounts(&self) -> Arc<Accounts> {
        self.accounts.clone()
    }

    /// Serves the page as `[web]` says, until the runtime ends. Must be called within a runtime.
    ///
    /// # Errors
    /// The time zone is not known.
    pub fn serve_page(&self, config: &Config, folder: &Path) -> Result<()> {
        if !config.web.enabled {
            return Ok(());
        }
        let mut config = config.clone();
        config.store.path = folder.join(STORE);
        let site = page::site(&config, Place::Office, self.router(), self.accounts.clone(), self.clock.clone())?;
        let (counts, trouble) = (Arc::new(ListenerCounts::default()), AddressTrouble::default());
        tokio::spawn(page::serve(config, site, Budget::claim(0).web, counts, trouble));
        Ok(())
    }
}

/// The office, as the API asks it.
struct Desk(Arc<Office>);

impl FleetOffice for Desk {
    fn ask(&self, request: Request, by: Actor) -> Answering<'_> {
        Box::pin(async move { answers::answer(&self.0, request, by.to_string()).await })
    }
}

/// Changes of accounts are in the office's own journal, each in the commit of its record.
struct OwnRecords {
    office: Arc<Office>,
    clock: Arc<dyn Clock>,
}

impl AccountBook for OwnRecords {
    fn commit(&self, event: &Event, changes: &[Change]) -> Result<(), ApiError> {
        let recorded = self.office.collected.record_own_with(event, &self.clock.stamp(), changes);
        recorded.map(drop).map_err(|error| ApiError::Failed(format!("nothing was changed: {error}")))
    }
}
