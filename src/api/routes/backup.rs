//! The backup: the whole store as one file.

use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::body::{self, Body};
use axum::extract::State;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::api::error::ApiError;
use crate::api::extract::{Bytes, Operator, blocking};
use crate::api::state::ApiState;
use crate::domain::{Event, StoreEvent};

/// Bytes that are read from the file at once.
const CHUNK_BYTES: usize = 256 << 10;
/// Backups that are made or sent at once: each takes the store's size on the disk until it is sent. More wait this long.
static BACKUPS: Semaphore = Semaphore::const_new(2);
const WAIT: Duration = Duration::from_secs(600);
/// Held while a backup has a name.
static MAKING_A_BACKUP: Mutex<()> = Mutex::new(());

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new().api_route(
        "/v1/backup",
        get_with(backup, |op| {
            op.id("backup")
                .tag("store")
                .summary("Download the whole store as one file")
                .description("`usher restore` reads it. It can open doors: keep it where nobody else can read it.")
        }),
    )
}

/// Writes the backup beside the store, where nobody else can open it, and sends it. The record comes first, so that it is in the backup. A store
/// that takes no records can still be backed up: then it is needed most.
async fn backup(State(state): State<Arc<ApiState>>, Operator(by): Operator) -> Result<Bytes, ApiError> {
    let permit = tokio::time::timeout(WAIT, BACKUPS.acquire()).await.map_err(|_| ApiError::BackupsBusy)?;
    let permit = permit.map_err(|error| ApiError::Failed(error.to_string()))?;
    let file = blocking(move || {
        if let Err(error) = state.recorder.record(&Event::Store(StoreEvent::BackupTaken { by })) {
            tracing::warn!(%error, "a backup is taken without a record");
        }
        let store = state.recorder.store();
        let path = store.dir().join("backup.new");
        // An open file stays readable without a name. The next backup takes the name only when this one has given it up.
        let _alone = MAKING_A_BACKUP.lock().unwrap_or_else(PoisonError::into_inner);
        let made = store.back_up_open(&path);
        let removed = std::fs::remove_file(&path);
        let (_, file) = made?;
        removed.map_err(|error| ApiError::Failed(error.to_string()))?;
        Ok(file)
    })
    .await?;
    let chunks = futures_util::stream::unfold(Some((file, permit)), |file| async move {
        let (mut file, permit): (File, SemaphorePermit<'static>) = file?;
        let read = move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            let length = file.read(&mut chunk)?;
            chunk.truncate(length);
            Ok::<_, std::io::Error>((chunk, (file, permit)))
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok((chunk, _))) if chunk.is_empty() => None,
            Ok(Ok((chunk, file))) => Some((Ok(body::Bytes::from(chunk)), Some(file))),
            Ok(Err(error)) => Some((Err(error), None)),
            Err(error) => Some((Err(std::io::Error::other(error)), None)),
        }
    });
    Ok(Bytes(Body::from_stream(chunks)))
}
