//! `usher fleet office`

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::join::now;
use crate::cli::context::{self, Context};
use crate::clock::SystemClock;
use crate::config::FleetRequests;
use crate::daemon::fleet_office::{
    Invitation, Issuer, IssuerError, Leaf, Office, OfficeApi, OfficeEnd, Revoked, Revoking, report, run,
};
use crate::fleet::carrier::Carrier;
use crate::fleet::{Board, BoardKey, Site};
use crate::office::fleet::{Book, Collected};
use crate::setup::fleet::{OfficeFiles, Pushed};
use crate::setup::models::Configured;
use crate::setup::{self, house};
use crate::store::{Store, StoreError};

/// The store in the office's folder.
const STORE: &str = "store";
/// The file of the galleries' keys there.
const KEYS: &str = "gallery-keys";

/// Run the office: say who may pass, and collect what happened.
///
/// Runs in the foreground and logs to standard error. SIGTERM or SIGINT stops it. It is the only writer: a second one is refused, and one that
/// is taken over stops. While it is away, boards go on with what they have; changes need it. Keep backups of its folder, which also holds the fleet's
/// keys: without them no board can be invited, and nobody enrolled.
#[derive(Args)]
pub struct RunOffice {
    /// Begin even if another office spoke in the last minutes; that one then stops
    #[arg(long)]
    take_over: bool,
}

impl RunOffice {
    pub fn run(self, folder: &Path, context: &Context) -> Result<()> {
        let config = context.config_of_office(folder)?;
        context::start_log(&config.log);
        let files = Arc::new(OfficeFiles::load(folder)?);
        files.check_authority()?;
        // The servers may know of revocations that are newer than a restored folder: it is compared first.
        files.hold_back();
        let store = Store::open(&folder.join(STORE)).map_err(|error| in_use(error, folder))?;
        let near_enough = house::near_enough(&config, &setup::embedder(&config)?, None)?;
        let mut book = Book::open(&store, &folder.join(KEYS), files.fleet, files.key.clone(), near_enough)?;
        book.decides = config.fleet.requests == FleetRequests::Ask;
        book = book.with_catalogue(Arc::new(Configured(config.clone())));
        let collected = Collected::open(&store)?;
        let issuer = Box::new(FilesIssuer(files.clone()));
        let clock = Arc::new(SystemClock::new());
        let office = Arc::new(Office::new(book, collected, issuer, clock.clone()));
        let api = OfficeApi::new(&office, report(&office, clock, &config))?;
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("the asynchronous runtime cannot be started")?;
        tokio.block_on(async {
            let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            let stop = async move {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::info!("the office stops");
            };
            api.serve_page(&config, folder)?;
            let carrier: Arc<dyn Carrier> = Arc::new(files.connect().await?);
            run(office, carrier, folder, self.take_over, api.router(), stop).await.map_err(with_flag)
        })
    }
}

/// Why the office's store cannot be opened.
fn in_use(error: StoreError, folder: &Path) -> anyhow::Error {
    match error {
        StoreError::Busy { .. } => anyhow::anyhow!(
            "an office runs on {} already: `usher fleet status` asks it, and `systemctl stop usher-office`, or Ctrl-C where it runs, stops it",
            folder.display()
        ),
        error => anyhow::Error::new(error).context("the office's store cannot be opened"),
    }
}

/// Names the flag by which an office takes over.
fn with_flag(end: OfficeEnd) -> anyhow::Error {
    let hint = if end.is_another_office() { " (--take-over)" } else { "" };
    anyhow::anyhow!("{end}{hint}")
}

/// Credentials from the office's files.
struct FilesIssuer(Arc<OfficeFiles>);

impl Issuer for FilesIssuer {
    fn invite(&self, site: &Site, board: &Board, key: &BoardKey) -> Result<Invitation, IssuerError> {
        let invited = self.0.invite(site, board, key, now()).map_err(in_words)?;
        Ok(Invitation { token: invited.token.to_string(), credential: invited.credential.to_string() })
    }

    fn leaf(&self, site: &Site, server: &str, replace: bool) -> Result<Leaf, IssuerError> {
        let server = server.parse().map_err(in_words)?;
        let made = self.0.leaf(site, &server, replace, now()).map_err(in_words)?;
        Ok(Leaf { folder: made.folder, replaced: made.replaced.map(|credential| credential.to_string()) })
    }

    fn revoke<'a>(&'a self, credential: &'a str) -> Revoking<'a> {
        Box::pin(async move {
            Ok(match self.0.revoke(credential, now()).await.map_err(in_words)? {
                Pushed::Now(_) => Revoked::AtServers,
                Pushed::Later(why) => Revoked::Later(why),
            })
        })
    }

    fn revoked(&self) -> BTreeSet<String> {
        self.0.revoked()
    }

    fn take_over(&self, credentials: &BTreeSet<String>) -> Result<(), IssuerError> {
        self.0.take_over(credentials, now()).map_err(in_words)
    }
}

fn in_words(error: anyhow::Error) -> IssuerError {
    IssuerError(format!("{error:#}"))
}
