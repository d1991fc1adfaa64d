//! The control API's part about the record: reading, checking and erasing, amending attendance, noting a site head, and the backup.
//!
//! Decides nothing itself.

use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::control::{Failure, House, Peer, blocking};
use super::wire::{AmendRequest, EraseAnswer, EraseRequest, HeadRequest, VerifiedWire};
use crate::ledger::{Dated, LedgerError, Order, Window};
use crate::store::StoreError;

/// Bytes of a backup that are sent at once.
const CHUNK_BYTES: usize = 256 << 10;
/// So many backups are made or sent at once; more wait for so long.
static BACKUPS: Semaphore = Semaphore::const_new(2);
const BACKUP_PATIENCE: Duration = Duration::from_secs(600);
/// Held while a backup has a name.
static MAKING_A_BACKUP: Mutex<()> = Mutex::new(());

/// The routes.
pub fn routes() -> Router<Arc<House>> {
    Router::new()
        .route("/v1/journal", get(journal))
        .route("/v1/journal/verify", get(verify))
        .route("/v1/journal/erase", post(erase))
        .route("/v1/journal/{which}", get(one))
        .route("/v1/attendance/amend", post(amend))
        .route("/v1/head", post(note_head))
        .route("/v1/backup", get(backup))
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Failure {
        let status = match &error {
            LedgerError::NotAnId { .. } | LedgerError::Ambiguous { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure(status, error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

/// Which records: those after a number, oldest first; or the newest, of all or of those before a number. Of them only those whose time,
/// as they are dated, lies between `since` and `until`, and whose kind is among `kinds`, which commas separate.
#[derive(Deserialize)]
struct Range {
    limit: Option<usize>,
    after: Option<u64>,
    before: Option<u64>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    kinds: Option<String>,
}

impl Range {
    fn window(&self) -> Window {
        let time = |at: Option<Timestamp>| at.and_then(|at| SystemTime::try_from(at).ok());
        let kinds = self.kinds.iter().flat_map(|kinds| kinds.split(',')).filter(|kind| !kind.is_empty());
        Window { since: time(self.since), until: time(self.until), kinds: kinds.map(str::to_owned).collect() }
    }
}

async fn journal(State(house): State<Arc<House>>, Query(range): Query<Range>) -> Result<Json<Vec<Value>>, Failure> {
    blocking(move || {
        let limit = range.limit.unwrap_or(100).min(10_000);
        let journal = house.recorder.journal();
        let window = range.window();
        let records = match (range.after, range.before) {
            (Some(after), _) => journal.select(after.saturating_add(1).., Order::OldestFirst, limit, &window)?,
            (None, before) => journal.select(..before.unwrap_or(u64::MAX), Order::NewestFirst, limit, &window)?,
        };
        Ok(records.iter().map(Dated::to_json).collect())
    })
    .await
}

async fn one(State(house): State<Arc<House>>, Path(which): Path<String>) -> Result<Json<Value>, Failure> {
    blocking(move || match house.recorder.journal().look_up_dated(&which)? {
        Some(record) => Ok(record.to_json()),
        None => Err(Failure(StatusCode::NOT_FOUND, format!("there is no record {which}"))),
    })
    .await
}

async fn verify(State(house): State<Arc<House>>) -> Result<Json<VerifiedWire>, Failure> {
    blocking(move || {
        if let Some(why) = house.recorder.store().standby_reason() {
            let lost = house.recorder.gap().map_or(0, |gap| gap.lost);
            let told = format!("the journal cannot be read now, and {lost} events are in no record yet: {why}");
            return Err(Failure(StatusCode::SERVICE_UNAVAILABLE, told));
        }
        let verified = house.recorder.journal().verify();
        let untold = house.recorder.gap();
        let checked = verified.map(|verified| VerifiedWire::new(verified, untold.as_ref()));
        checked.map_err(|broken| Failure(StatusCode::CONFLICT, broken.to_string()))
    })
    .await
}

async fn erase(
    State(house): State<Arc<House>>,
    ConnectInfo(Peer(by)): ConnectInfo<Peer>,
    Json(request): Json<EraseRequest>,
) -> Result<Json<EraseAnswer>, Failure> {
    blocking(move || {
        let before = request.before.and_then(|before| SystemTime::try_from(before).ok());
        let records = house.recorder.erase(crate::domain::PersonId(request.person), before, &by)?;
        if let Some(hub) = &house.hub {
            hub.forget(request.person);
        }
        tracing::info!(records, %by, "a person was erased from the journal");
        Ok(EraseAnswer { records })
    })
    .await
}

async fn amend(
    State(house): State<Arc<House>>,
    ConnectInfo(Peer(by)): ConnectInfo<Peer>,
    Json(request): Json<AmendRequest>,
) -> Result<Json<Value>, Failure> {
    blocking(move || match request.event(by) {
        Some(event) => Ok(house.recorder.record_change(&event, &[])?.to_json()),
        None => Err(Failure(StatusCode::UNPROCESSABLE_ENTITY, "an amendment adds or voids, one of both".to_owned())),
    })
    .await
}

async fn note_head(
    State(house): State<Arc<House>>,
    ConnectInfo(Peer(by)): ConnectInfo<Peer>,
    Json(request): Json<HeadRequest>,
) -> Result<Json<()>, Failure> {
    blocking(move || Ok(house.recorder.record_change(&request.event(by), &[]).map(drop)?)).await
}

/// The whole store as a file of bytes. It is written beside the store first, and nobody else can open it there. Many who ask at once are
/// served one after the other.
async fn backup(State(house): State<Arc<House>>) -> Result<Response, Failure> {
    let failed = |why: String| Failure(StatusCode::INTERNAL_SERVER_ERROR, why);
    // Each takes the store's size on the disk until it is sent.
    let Ok(permit) = tokio::time::timeout(BACKUP_PATIENCE, BACKUPS.acquire()).await else {
        let why = "other backups are being made; try again when they are done";
        return Err(Failure(StatusCode::SERVICE_UNAVAILABLE, why.to_owned()));
    };
    let permit = permit.map_err(|error| failed(error.to_string()))?;
    let file = blocking(move || {
        let store = house.recorder.store();
        let path = store.dir().join("backup.new");
        // Open, it stays readable until it has been sent. Another one is begun under that name only when this one has none.
        let _alone = MAKING_A_BACKUP.lock().unwrap_or_else(PoisonError::into_inner);
        let made = store.back_up_open(&path);
        let removed = std::fs::remove_file(&path);
        let (_, file) = made?;
        removed.map_err(|error| failed(error.to_string()))?;
        Ok(file)
    })
    .await?
    .0;
    let file = (file, permit);
    let chunks = futures_util::stream::unfold(Some(file), |file| async move {
        let file: (File, SemaphorePermit<'static>) = file?;
        let read = move || {
            let (mut file, permit) = file;
            let mut chunk = vec![0; CHUNK_BYTES];
            let length = file.read(&mut chunk)?;
            chunk.truncate(length);
            let file = (file, permit);
            Ok::<_, std::io::Error>((chunk, file))
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok((chunk, _))) if chunk.is_empty() => None,
            Ok(Ok((chunk, file))) => Some((Ok(Bytes::from(chunk)), Some(file))),
            Ok(Err(error)) => Some((Err(error), None)),
            Err(error) => Some((Err(std::io::Error::other(error)), None)),
        }
    });
    Ok(Response::new(Body::from_stream(chunks)))
}
