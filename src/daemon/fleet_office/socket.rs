//! The office's process: its store and its tasks, and the socket on which commands ask it. Only the user whom it runs as, and root, may ask.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answers;
use super::away::LinkError;
use super::desk::Office;
use super::link;
use super::term::TermError;
use crate::api::users::user_name;
use crate::daemon::connections::{self, Listener, ListenerCounts};
use crate::fleet::carrier::Carrier;
use crate::office::fleet::protocol::{API_SOCKET, Answer, MAX_LINE, SOCKET};

/// Commands that are served at once.
const AT_ONCE: usize = 16;
/// Connections to the API.
const API_AT_ONCE: usize = 32;
/// How long a command may take to send its request, or to take the answer.
const LINE_WITHIN: Duration = Duration::from_secs(30);

/// Why the office ends.
#[derive(Debug, Error)]
pub enum OfficeEnd {
    #[error("the office's socket {} cannot be made: {cause}", path.display())]
    Socket { path: PathBuf, cause: io::Error },
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl OfficeEnd {
    /// Whether another office spoke just now, so that this one did not begin.
    pub fn is_another_office(&self) -> bool {
        matches!(self, OfficeEnd::Link(LinkError::Term(TermError::Another { .. })))
    }
}

/// Serves commands, `api` and the servers until `stop` is done, or until another office writes.
///
/// # Errors
/// The socket cannot be made, or another office writes.
pub async fn run(
    office: Arc<Office>,
    carrier: Arc<dyn Carrier>,
    folder: &Path,
    take_over: bool,
    api: Router,
    stop: impl Future<Output = ()>,
) -> Result<(), OfficeEnd> {
    let (path, api_path) = (folder.join(SOCKET), folder.join(API_SOCKET));
    let made = |path: &Path| listen(path).map_err(|cause| OfficeEnd::Socket { path: path.to_owned(), cause });
    let (listener, of_api) = (made(&path)?, made(&api_path)?);
    tracing::info!(socket = %path.display(), "the office answers");
    let serving = tokio::spawn(serve(listener, office.clone()));
    let serving_api = tokio::spawn(connections::serve(
        Listener::Control(of_api),
        api,
        API_AT_ONCE,
        Arc::new(ListenerCounts::default()),
    ));
    let end = tokio::select! {
        error = link::keep(office, carrier, take_over) => Err(error.into()),
        () = stop => Ok(()),
    };
    serving.abort();
    serving_api.abort();
    drop(std::fs::remove_file(&path));
    drop(std::fs::remove_file(&api_path));
    end
}

/// Makes the socket with mode 0600. One that a dead office left is replaced: this process has the store, so no other office of it is alive.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::other("there is a file of that name that is not a socket"));
        }
        Ok(_) => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn serve(listener: UnixListener, office: Arc<Office>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let office = office.clone();
                tokio::spawn(async move {
                    let _place = place;
                    if let Err(error) = talk(stream, &office).await {
                        tracing::debug!(%error, "a command went away");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a command could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// One request, one answer.
async fn talk(stream: UnixStream, office: &Arc<Office>) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let (reader, mut writer) = stream.into_split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader.take(MAX_LINE));
    let read = timeout(LINE_WITHIN, reader.read_until(b'\n', &mut line));
    read.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let answer = match serde_json::from_slice(&line) {
        Ok(request) => {
            // A directory of users may take its time.
            let by = tokio::task::spawn_blocking(move || user_name(uid)).await.unwrap_or_default();
            answers::answer(office, request, by).await
        }
        Err(error) => Answer::Refused { why: format!("the request cannot be read: {error}"), may_force: false },
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    timeout(LINE_WITHIN, writer.write_all(&text)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
