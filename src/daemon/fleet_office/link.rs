//! The office at the servers: it publishes what they do not have, and says each minute what each gallery looks like. What boards say is read beside
//! that, so that a lockdown does not wait for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::away::LinkError;
use super::desk::{LinkState, Office, SPEAKS_EVERY};
use super::reconcile::{Servers, galleries, subject};
use super::revocations::{self, RevocationsError};
use super::term::Term;
use super::{collecting, hearing, models, places, requests, upkeep};
use crate::fleet::carrier::{self, Carrier, CarrierError, Message, Stream, Subject};
use crate::fleet::{Gallery, Head, Opened};
use crate::office::fleet::{Book, BookError, HeadTimes, Item, StreamPlace};

/// Between two attempts, at first and at most.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// After so many refusals of one kind and gallery, the others of that kind wait for the next minute, too.
const REFUSALS: usize = 3;
/// How long a first connection may take before something is said of it.
const CONNECTS_WITHIN: Duration = Duration::from_secs(3);

/// Keeps the office at the servers, and ends what was begun. Returns only when another office writes.
pub async fn keep(office: Arc<Office>, carrier: Arc<dyn Carrier>, take_over: bool) -> LinkError {
    tokio::select! {
        error = keep_there(&office, carrier, take_over) => error,
        never = upkeep::keep(&office) => match never {},
    }
}

async fn keep_there(office: &Arc<Office>, carrier: Arc<dyn Carrier>, take_over: bool) -> LinkError {
    connected(&*carrier).await;
    let (mut pause, mut term) = (PAUSE, None);
    let mut spoken = Spoken::default();
    loop {
        let mut at = AtServers {
            office: office.clone(),
            carrier: carrier.clone(),
            servers: Servers::default(),
            spoken: std::mem::take(&mut spoken),
            revoked: 0,
        };
        let stayed = at.stay(&mut term, take_over).await;
        spoken = at.spoken;
        let error = match stayed {
            Ok(()) => {
                // A stream was made anew.
                pause = PAUSE;
                continue;
            }
            Err(error) if error.is_final() => return error,
            // The process ends.
            Err(LinkError::Task(error)) if error.is_cancelled() => std::future::pending().await,
            Err(error) => error,
        };
        if office.state() == LinkState::Online {
            pause = PAUSE;
        }
        tracing::warn!(%error, "the office is not at the servers, and tries again");
        office.set_state(LinkState::Away(error.to_string()));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Waits for the first connection to the servers, for a while: until then, their absence is no trouble.
pub async fn connected(carrier: &dyn Carrier) {
    let mut link = carrier.link();
    let online = link.wait_for(|link| *link == carrier::Link::Online);
    drop(tokio::time::timeout(CONNECTS_WITHIN, online).await);
}

/// Waits until the connection to the servers is lost; why.
pub async fn lost(link: &mut watch::Receiver<carrier::Link>) -> CarrierError {
    loop {
        if let carrier::Link::Away { why } = &*link.borrow_and_update() {
            return CarrierError::Away { why: why.clone() };
        }
        if link.changed().await.is_err() {
            return CarrierError::Away { why: "the connection has ended".to_owned() };
        }
    }
}

/// When heads were signed, in milliseconds since 1970.
#[derive(Default)]
struct Spoken {
    /// The newest head of each gallery, since the start.
    newest: BTreeMap<Gallery, u64>,
    /// Until when any was signed before the start; `None` before that was read.
    until: Option<u64>,
}

/// Whether the servers can be reached, and do not take this: another thing may still be taken.
fn is_refusal(error: &CarrierError) -> bool {
    matches!(error, CarrierError::Refused { .. } | CarrierError::TooLarge { .. })
}

struct AtServers {
    office: Arc<Office>,
    carrier: Arc<dyn Carrier>,
    servers: Servers,
    spoken: Spoken,
    /// How many revoked credentials the servers know of.
    revoked: usize,
}

impl AtServers {
    /// Works until something fails, or until a stream was made anew.
    async fn stay(&mut self, term: &mut Option<Term>, take_over: bool) -> Result<(), LinkError> {
        let (fleet, key, store) = self.office.with(|book| (book.fleet, book.key.clone(), book.trees.store.clone()));
        let carrier = self.carrier.clone();
        carrier.prepare(&Stream::Office).await?;
        let begun =
            Term::begin(&*carrier, &store, (fleet, &key), take_over, term.clone(), self.office.now_ms()).await?;
        let term = term.insert(begun);
        // What is revoked meanwhile is published once more.
        self.revoked = self.office.issuer.revoked().len();
        let shut_out = revocations::compare(&self.office, &*carrier).await?;
        self.office.wrote_nothing();
        self.servers = Servers::read(&*carrier, self.office.with(|book| galleries(book))).await?;
        for (stream, birth) in &self.servers.births {
            if let Stream::People(gallery) = stream {
                let place = StreamPlace { birth: *birth, sequence: self.servers.newest(stream) };
                self.office.wrote(gallery, place);
            }
        }
        let mut servers = std::mem::take(&mut self.servers);
        self.servers = self
            .office
            .change(move |book| {
                let epoch = |gallery: Gallery| Some((gallery.clone(), book.epoch(&gallery)?));
                let epochs: BTreeMap<Gallery, u64> = shut_out.into_iter().filter_map(epoch).collect();
                servers.compare(book)?;
                // Who was shut out gets no later key.
                for (gallery, epoch) in epochs {
                    if book.epoch(&gallery) == Some(epoch) {
                        book.renew(&gallery)?;
                    }
                }
                Ok::<_, BookError>(servers)
            })
            .await??;
        let mut changed = self.office.changed.subscribe();
        self.publish(true).await?;
        self.office.set_state(LinkState::Online);
        tracing::info!("the office is at the servers");
        let mut connection = carrier.link();
        let office = self.office.clone();
        let mut places = std::pin::pin!(places::keep(&office, &*carrier));
        let mut asked = std::pin::pin!(requests::keep(&office, &*carrier));
        let mut collected = std::pin::pin!(collecting::keep(&office, &*carrier));
        let mut heard = std::pin::pin!(hearing::keep(&office, &*carrier));
        let mut minute = tokio::time::interval_at(tokio::time::Instant::now() + SPEAKS_EVERY, SPEAKS_EVERY);
        loop {
            tokio::select! {
                done = changed.changed() => match done {
                    Ok(()) => self.publish(false).await?,
                    Err(_) => return Ok(()),
                },
                error = lost(&mut connection) => return Err(error.into()),
                never = &mut places => match never {},
                error = &mut asked => return Err(error.into()),
                error = &mut collected => return Err(error),
                error = &mut heard => return Err(error),
                _ = minute.tick() => {
                    term.go_on(&*carrier, (fleet, &key), self.office.now_ms()).await?;
                    // A site may have got a leaf.
                    for stream in [Stream::Journal, Stream::Boards, Stream::Requests] {
                        carrier.prepare(&stream).await?;
                    }
                    self.publish(true).await?;
                    let (rows, now_ms) = (super::confirming::rows_of_boards(&self.office)?, self.office.now_ms());
                    // One site's trouble is not the others'.
                    if let Err(error) = self.office.change(move |book| models::advance(book, &rows, now_ms)).await? {
                        tracing::error!(%error, "a site cannot go over to its other model; tried again in a minute. See that the office's folder can be written");
                    }
                    if self.made_anew().await? {
                        return Ok(());
                    }
                }
            }
            // A new site has a stream of its own.
            if self.office.with(|book| Stream::all(galleries(book)).len() != self.servers.births.len()) {
                return Ok(());
            }
        }
    }

    /// Publishes what the servers do not have, then the heads of what has changed, or of all.
    async fn publish(&mut self, all_heads: bool) -> Result<(), LinkError> {
        let revoked = self.office.issuer.revoked().len();
        if revoked != self.revoked {
            match revocations::publish(&self.office, &*self.carrier).await {
                // It is said again with the next change, or in a minute.
                Err(RevocationsError::Carrier(error)) if is_refusal(&error) => {
                    tracing::error!(%error, "ALARM: the servers refuse to keep the list of revoked credentials; they follow it all the same");
                }
                published => {
                    published?;
                    self.revoked = revoked;
                }
            }
        }
        let mut heads: BTreeSet<Gallery> = BTreeSet::new();
        if all_heads {
            self.office.with(Book::try_refused_again);
            heads = self.office.with(|book| galleries(book)).into_iter().collect();
        }
        let mut refusals = BTreeMap::new();
        // The first one each time: rules come first, also those of a lockdown that was ordered meanwhile.
        let changes = loop {
            let (changes, first) = self.office.with(|book| (book.changes, book.unsent.first().cloned()));
            let Some(item) = first else { break changes };
            match self.publish_one(&item).await {
                Err(LinkError::Carrier(error)) if is_refusal(&error) => self.set_aside(&item, &error, &mut refusals),
                published => published?,
            }
            if let Item::Rules(_) = item {
                // Who waits for these does not wait for all that follows.
                self.office.sent.send_modify(|_| {});
            }
            if !matches!(item, Item::Answers(..)) {
                heads.insert(item.gallery());
            }
        };
        for gallery in &heads {
            match self.publish_head(gallery).await {
                // It is said again in a minute.
                Err(LinkError::Carrier(error)) if is_refusal(&error) => {
                    tracing::error!(%gallery, %error, "ALARM: the servers refuse to say how old the site's list of people is");
                }
                published => published?,
            }
        }
        self.office.sent.send_modify(|sent| *sent = changes);
        Ok(())
    }

    /// Goes on without what the servers refuse.
    fn set_aside(&self, item: &Item, error: &CarrierError, refusals: &mut BTreeMap<(&'static str, Gallery), usize>) {
        let (kind, gallery, why) = (item.kind(), item.gallery(), error.to_string());
        let count = refusals.entry((kind, gallery.clone())).or_default();
        *count = count.saturating_add(1);
        match *count < REFUSALS {
            true => self.office.with(|book| book.set_aside(item, &why)),
            // The stream is full, rather than one of them too large.
            false => self.office.with(|book| book.set_aside_all(item, &why)),
        }
        tracing::error!(%gallery, what = kind, %error, "ALARM: the servers refuse what the office says, so boards of this site do not hear of it; tried again in a minute. `usher fleet status` lists it");
    }

    async fn publish_one(&mut self, item: &Item) -> Result<(), LinkError> {
        if let Item::Dropped(..) = item {
            let pattern = subject(item);
            self.carrier.purge(&pattern).await?;
            self.servers.purged(&pattern);
        }
        let found = self.office.with(|book| Some((subject(item), book.bytes(item)?.to_vec())));
        if let Some((subject, payload)) = found {
            let text = subject.to_string();
            let expected = Some(self.servers.sequences.get(&text).copied().unwrap_or_default());
            let sent = *blake3::hash(&payload).as_bytes();
            let sequence = self.carrier.publish(Message { expected, ..Message::new(subject, payload) }).await?;
            self.servers.sequences.insert(text, sequence);
            if let Item::Person(gallery, ..) = item
                && let Some(birth) = self.servers.births.get(&Stream::People(gallery.clone()))
            {
                self.office.wrote(gallery, StreamPlace { birth: *birth, sequence });
            }
            // It may have changed meanwhile.
            self.office.with(|book| {
                if book.bytes(item).is_none_or(|now| *blake3::hash(now).as_bytes() == sent) {
                    book.is_sent(item);
                }
            });
        } else {
            self.office.with(|book| book.is_sent(item));
        }
        Ok(())
    }

    async fn publish_head(&mut self, gallery: &Gallery) -> Result<(), LinkError> {
        // Boards take no head that is older than the one before, also where this clock was ahead and has been set back, and the servers have lost that head.
        let times = HeadTimes::open(&self.office.with(|book| book.trees.store.clone()))?;
        let until = match self.spoken.until {
            Some(until) => until,
            None => *self.spoken.until.insert(times.until()?),
        };
        let before = match self.spoken.newest.get(gallery) {
            Some(before) => *before,
            None => self.newest_head(gallery).await?.unwrap_or_default().max(until),
        };
        let at_ms = self.office.now_ms().max(before.saturating_add(1));
        if let Err(error) = tokio::task::spawn_blocking(move || times.reserve(at_ms)).await? {
            tracing::error!(%error, "when heads were signed cannot be kept; boards hear them all the same");
        }
        self.spoken.newest.insert(gallery.clone(), at_ms);
        if let Some(head) = self.office.with(|book| book.head(gallery, at_ms))? {
            let payload: Vec<u8> = head.into();
            self.carrier.publish(Message::new(Subject::head(gallery), payload)).await?;
        }
        Ok(())
    }

    /// When the newest head at the servers was signed.
    async fn newest_head(&self, gallery: &Gallery) -> Result<Option<u64>, LinkError> {
        let stored = self.carrier.newest(&Subject::head(gallery)).await?;
        let (public, fleet) = self.office.with(|book| (book.key.public(), book.fleet));
        Ok(stored.and_then(|stored| match public.open::<Head>(fleet, &stored.payload) {
            Ok(Opened::Body(head)) => Some(head.at_ms),
            Ok(Opened::SetAside { .. }) | Err(_) => None,
        }))
    }

    /// Whether a stream was made anew since it was read.
    async fn made_anew(&self) -> Result<bool, LinkError> {
        for (stream, birth) in &self.servers.births {
            let state = self.carrier.state(stream).await?;
            if state.birth != *birth {
                return Ok(true);
            }
            if !matches!(stream, Stream::Rules | Stream::Keys | Stream::Answers | Stream::People(_)) {
                continue;
            }
            // Something that this office did not write, or the loss of what it wrote last.
            if state.messages > 0 && state.last != self.servers.newest(stream) {
                tracing::warn!(%stream, "the servers have something else than the office wrote last: it is compared");
                return Ok(true);
            }
        }
        Ok(false)
    }
}
