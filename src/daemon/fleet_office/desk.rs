//! The office as its tasks share it: the book, the collected records, how things stand at the servers, and what boards said last.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{JoinError, spawn_blocking};
use uuid::Uuid;

use super::instances::Instances;
use crate::clock::Clock;
use crate::domain::Stamp;
use crate::fleet::{Board, BoardKey, Gallery, Head, Site};
use crate::office::fleet::protocol::BoardReport;
use crate::office::fleet::{Author, Book, BookError, Collected, KeptError, People, StreamPlace};

/// How often the office speaks, and looks through what boards say.
pub const SPEAKS_EVERY: Duration = Duration::from_secs(60);
/// The most boards whose reports are kept.
const MOST_REPORTS: usize = 10_000;
/// The pause between two parts of sealing a gallery anew.
const BREATH: Duration = Duration::from_millis(1);
/// A report is believed to be made so long after the head that it proves, in milliseconds: heads come each minute.
const AFTER_HEAD_MS: i64 = 120_000;

/// Makes credentials for boards at the servers, and takes them back.
pub trait Issuer: Send + Sync {
    /// A credential for a board, in a token that also holds the board's own key.
    ///
    /// # Errors
    /// In words: why not, and what to do.
    fn invite(&self, site: &Site, board: &Board, key: &BoardKey) -> Result<Invitation, IssuerError>;

    /// The files of a leaf server for a site, which its boards reach at `server`, `host` or `host:port`.
    ///
    /// # Errors
    /// In words: why not, and what to do.
    fn leaf(&self, site: &Site, server: &str, replace: bool) -> Result<Leaf, IssuerError>;

    /// Takes a credential back: from then on the servers refuse it.
    fn revoke<'a>(&'a self, credential: &'a str) -> Revoking<'a>;

    /// All credentials that were taken back.
    fn revoked(&self) -> BTreeSet<String>;

    /// Takes over credentials that were taken back after the backup from which the office was restored; usually none. From then on the servers may be told
    /// who is shut out.
    ///
    /// # Errors
    /// In words: why not, and what to do.
    fn take_over(&self, credentials: &BTreeSet<String>) -> Result<(), IssuerError>;
}

/// The taking back of a credential.
pub type Revoking<'a> = Pin<Box<dyn Future<Output = Result<Revoked, IssuerError>> + Send + 'a>>;

/// Why a credential was not made or taken back, and what to do.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct IssuerError(pub String);

/// Who knows that a credential was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The servers refuse it.
    AtServers,
    /// It is on disk, and the servers will be told when they can be reached; why they cannot.
    Later(String),
}

/// A token for a board.
pub struct Invitation {
    /// It is secret.
    pub token: String,
    /// The name of the credential in it.
    pub credential: String,
}

/// A site's leaf server.
pub struct Leaf {
    /// The folder with its files, which are secret.
    pub folder: PathBuf,
    /// The credential of the one that it replaces.
    pub replaced: Option<String>,
}

/// How the office stands at the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    #[default]
    Connecting,
    Online,
    Away(String),
}

/// What a board last said, with the time at the server that stored it.
#[derive(Clone, Debug)]
pub struct Report {
    /// By which key.
    pub author: Author,
    pub said: BoardReport,
    /// In milliseconds since 1970.
    pub at_ms: i64,
    /// When this office signed the newest head that the board had heard then, in milliseconds since 1970; 0 before the first one.
    pub head_ms: u64,
}

impl Report {
    /// When the board was heard, in milliseconds since 1970: not long after the head that it had heard, so that a server which repeats a report does not make
    /// it younger. `None` before its first head.
    pub fn heard_ms(&self) -> Option<i64> {
        let head_ms = i64::try_from(self.head_ms).unwrap_or(i64::MAX);
        (head_ms > 0).then(|| self.at_ms.min(head_ms.saturating_add(AFTER_HEAD_MS)))
    }

    /// Reports in the order in which the board made them.
    fn order(&self) -> (u64, u64) {
        (self.head_ms, self.said.number)
    }
}

/// Why something that was begun is not ended yet. It is tried again by itself.
#[derive(Debug, Error)]
pub enum Unended {
    #[error(transparent)]
    Book(#[from] BookError),
    #[error(transparent)]
    Kept(#[from] KeptError),
    #[error("a task failed: {0}")]
    Task(#[from] JoinError),
}

/// The office.
pub struct Office {
    book: Mutex<Book>,
    pub collected: Collected,
    pub issuer: Box<dyn Issuer>,
    clock: Arc<dyn Clock>,
    /// The number of changes.
    pub changed: watch::Sender<u64>,
    /// The number of changes that the servers have.
    pub sent: watch::Sender<u64>,
    /// Grows with each report.
    pub heard: watch::Sender<u64>,
    state: Mutex<LinkState>,
    reports: Mutex<BTreeMap<Board, Report>>,
    /// When this process began, in milliseconds since 1970.
    pub began_ms: u64,
    /// The epoch of each gallery, and the sum of its records' versions, when the office had first read what the servers have.
    began: Mutex<BTreeMap<Gallery, (u64, u64)>>,
    instances: Mutex<Instances>,
    /// Up to where the servers have each gallery's people.
    people: Mutex<BTreeMap<Gallery, StreamPlace>>,
}

impl Office {
    /// An office that is not at the servers yet.
    pub fn new(book: Book, collected: Collected, issuer: Box<dyn Issuer>, clock: Arc<dyn Clock>) -> Office {
        let changed = watch::Sender::new(book.changes);
        let began_ms = milliseconds(clock.wall());
        Office {
            began_ms,
            began: Mutex::default(),
            book: Mutex::new(book),
            collected,
            issuer,
            clock,
            changed,
            sent: watch::Sender::new(u64::MAX),
            heard: watch::Sender::new(0),
            state: Mutex::default(),
            reports: Mutex::default(),
            instances: Mutex::default(),
            people: Mutex::default(),
        }
    }

    /// Reads the book, or notes something in memory. Must not wait for the disk.
    pub fn with<T>(&self, read: impl FnOnce(&mut Book) -> T) -> T {
        read(&mut lock(&self.book))
    }

    /// Works with the book on a thread that may wait for the disk.
    pub fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Book) -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JoinError>> + Send + 'static {
        let office = self.clone();
        spawn_blocking(move || office.with(work))
    }

    /// The same for a change, which is then published.
    pub async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Book) -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let done = self.blocking(work).await;
        let changes = self.with(|book| book.changes);
        self.changed.send_if_modified(|before| std::mem::replace(before, changes) != changes);
        done
    }

    /// Seals everybody by the newest key of their gallery, and destroys the older ones. The book can be used in between.
    ///
    /// # Errors
    /// The store or the keys cannot be written; call it again.
    pub async fn end_epochs(self: &Arc<Self>) -> Result<(), Unended> {
        while self.change(Book::end_some).await?? {
            // Who waits for the book gets it now: its lock is not fair.
            tokio::time::sleep(BREATH).await;
        }
        Ok(())
    }

    /// Erases somebody who was forgotten from the collected records. Returns from how many.
    ///
    /// # Errors
    /// The store cannot be read or written; call it again.
    pub async fn erase(self: &Arc<Self>, uuid: Uuid) -> Result<u64, Unended> {
        let office = self.clone();
        Ok(spawn_blocking(move || office.collected.erase(uuid, &office.stamp())).await??)
    }

    /// The time, for the office's own records.
    pub fn stamp(&self) -> Stamp {
        self.clock.stamp()
    }

    /// The wall clock, in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        milliseconds(self.clock.wall())
    }

    /// How the office stands at the servers.
    pub fn state(&self) -> LinkState {
        lock(&self.state).clone()
    }

    /// Notes how the office stands at the servers.
    pub fn set_state(&self, state: LinkState) {
        *lock(&self.state) = state;
    }

    /// Where a gallery's people end at the servers, as far as the office wrote them; `None` if that is not known.
    pub fn written(&self, gallery: &Gallery) -> Option<StreamPlace> {
        lock(&self.people).get(gallery).copied()
    }

    /// Notes the place of a record that the servers have.
    pub fn wrote(&self, gallery: &Gallery, place: StreamPlace) {
        let mut people = lock(&self.people);
        let before = people.insert(gallery.clone(), place);
        if before.is_some_and(|before| before.birth == place.birth && before.sequence >= place.sequence) {
            // The stream was made anew, and its birth has not been read yet.
            people.remove(gallery);
        }
    }

    /// Forgets what was written: it is read from the servers.
    pub fn wrote_nothing(&self) {
        lock(&self.people).clear();
    }

    /// The office has read what the servers have: what was signed before this process is known from here on, or is lost.
    pub fn begin_hearing(&self) {
        let known = self.with(|book| {
            let of = |(gallery, people): (&Gallery, &People)| (gallery.clone(), (people.kept.epoch, people.total()));
            book.galleries.iter().map(of).collect::<Vec<_>>()
        });
        let mut began = lock(&self.began);
        for (gallery, known) in known {
            began.entry(gallery).or_insert(known);
        }
    }

    /// Whether a head, which this office signed, counts what the store does not know: it was signed before the office was restored from a backup.
    pub fn has_lost(&self, head: &Head) -> bool {
        let Some((epoch, model)) =
            self.with(|book| book.galleries.get(&head.gallery).map(|of| (of.kept.epoch, of.kept.model.clone())))
        else {
            return false;
        };
        if head.epoch > epoch {
            return true;
        }
        let is_before = head.at_ms < self.began_ms && model.is_none_or(|model| model == head.model);
        let began = lock(&self.began);
        let known = began.get(&head.gallery).filter(|_| is_before);
        known.is_some_and(|(epoch, total)| head.epoch >= *epoch && head.total > *total)
    }

    /// The office goes on above that head.
    pub fn went_on_after(&self, head: &Head) {
        if let Some((_, total)) = lock(&self.began).get_mut(&head.gallery) {
            *total = head.total.max(*total);
        }
    }

    /// What boards said last.
    pub fn reports(&self) -> BTreeMap<Board, Report> {
        lock(&self.reports).clone()
    }

    /// Notes what a board calls itself, and raises the alarm if two boards have its name.
    pub fn note_instance(&self, board: &Board, instance: &str) {
        if lock(&self.instances).note(board, instance) {
            tracing::error!(%board, "ALARM: two boards speak as {board}: its token was used at both. Revoke it, and invite each by a name of its own");
        }
    }

    /// Whether two boards speak by this name.
    pub fn are_two(&self, board: &Board) -> bool {
        lock(&self.instances).are_two(board)
    }

    /// Forgets what a board called itself: it was shut out.
    pub fn forget_instance(&self, board: &Board) {
        lock(&self.instances).forget(board);
    }

    /// Notes what a board says. Returns whether it is new: made after what it said before, or by another board of that name.
    pub fn note_report(&self, board: &Board, report: Report) -> bool {
        let mut reports = lock(&self.reports);
        let room = reports.len() < MOST_REPORTS || reports.contains_key(board);
        // A server may repeat what a board said earlier.
        let is_new = room
            && reports
                .get(board)
                .is_none_or(|before| before.author != report.author || before.order() < report.order());
        if is_new {
            reports.insert(board.clone(), report);
            drop(reports);
            self.heard.send_modify(|count| *count += 1);
        }
        is_new
    }
}

fn milliseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
