//! The task behind the hub: [`run`] makes one connection after another.
//!
//! Knows nothing of what the messages say. All retrying is in `run`; each connection begins with a fresh client, tells again all
//! that the broker shall keep, and goes on with the first event that was not acknowledged.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::backoff::Backoff;
use super::client::{self, Events, Heard, Will};
use super::failure::Failure;
use super::link::{End as LinkEnd, Link, ROOM, WINDOW};
use super::shared::Shared;
use super::{HubSettings, State};

/// How a connection ended.
enum End {
    /// As it was asked to.
    Stopped,
    /// Or not: `why` for people, how long the connection had been good, and whether the next one is worth an early try.
    Lost { why: String, online: Option<Duration>, early: bool },
}

/// A connection that ends within this time is short; so many in a row are told, because two clients with one id end each other's.
const SHORT: Duration = Duration::from_secs(60);
const OFTEN: u32 = 3;
/// So many times in a row the next connection is tried soon, to find out what the broker does not take. Then it has to wait.
const EARLY_TRIES: u32 = 40;

/// Connects, and connects again, until `stopping` turns true.
pub async fn run(shared: Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    let mut backoff = Backoff::default();
    let mut outage = Outage::default();
    let (mut short, mut tries) = (0, 0);
    while let End::Lost { mut why, online, early } = connect_once(&shared, &mut stopping, &mut outage).await {
        backoff.ended_after(online.unwrap_or_default());
        if online.is_some_and(|online| online >= SHORT) {
            tries = 0;
        }
        if early && tries < EARLY_TRIES {
            tries += 1;
            backoff.begin_anew();
        }
        short = if online.is_some_and(|online| online < SHORT) && !early { short + 1 } else { 0 };
        if short >= OFTEN {
            why = format!(
                "{why}; this is the {short}. short connection in a row: does another device use the client id {}? Then set \
                 [mqtt] client_id",
                shared.settings.client_id
            );
            outage.flaps(&shared.settings.address(), &why, short);
        }
        outage.goes_on(&shared.settings.address(), &why);
        shared.state.send_replace(State::Offline { why });
        tokio::select! {
            () = sleep(backoff.next()) => {}
            () = stop_is_asked(&mut stopping) => break,
        }
    }
}

/// One connection, from the first packet to its end.
async fn connect_once(shared: &Shared, stopping: &mut watch::Receiver<bool>, outage: &mut Outage) -> End {
    // A session would bring back what the device does not listen to for now.
    let clean_start = shared.settings.clean_start || shared.is_deaf();
    let settings = &HubSettings { clean_start, ..shared.settings.clone() };
    let address = settings.address();
    let tls = match settings.tls.as_ref().map(|tls| tls.load()).transpose() {
        Ok(tls) => tls,
        Err(error) => return End::Lost { why: format!("[mqtt.tls] {error}"), online: None, early: false },
    };
    let will = Will { topic: shared.topics.status(), payload: "offline" };
    let (client, mut events) = client::open(settings, tls, Some(will), ROOM, 2 * WINDOW as u16);
    let first = tokio::select! {
        first = events.next() => first,
        () = stop_is_asked(stopping) => return End::Stopped,
    };
    let largest = match first {
        Ok(Heard::Accepted { largest }) => largest,
        Ok(_) => {
            let failure = Failure::Protocol("its first answer is another packet".to_owned());
            return End::Lost { why: failure.while_connecting(&address), online: None, early: false };
        }
        Err(failure) => return End::Lost { why: failure.while_connecting(&address), online: None, early: false },
    };
    let since = Instant::now();
    shared.state.send_replace(State::Online);
    shared.counts.connected();

    let mut link = Link::begin(shared, client, largest);
    let end = live(&mut link, &mut events, stopping, || outage.is_over(&address)).await;
    match end {
        Ok(()) => {
            link.over(None);
            End::Stopped
        }
        Err(failure) => {
            // What was acknowledged just before is not to blame, and is not sent again.
            for heard in events.rest() {
                link.hear(heard);
            }
            let early = link.over(Some(&failure));
            let why = format!("{address} was lost: {}", failure.while_online());
            End::Lost { why, online: Some(since.elapsed()), early }
        }
    }
}

/// Sends what waits until the connection breaks, or until everything is said after a stop was asked for. Calls `answered` when the
/// broker has acknowledged something.
async fn live(
    link: &mut Link<'_>,
    events: &mut Events,
    stopping: &mut watch::Receiver<bool>,
    mut answered: impl FnMut(),
) -> Result<(), Failure> {
    let mut asked = false;
    loop {
        // The client writes at least a ping in each keep-alive span. Longer silence means that it hangs in a write.
        let silence = events.keep_alive() * 2;
        // Kept over the inner loop: the client's poll must not be dropped half way, or a packet could be lost.
        let mut poll = pin!(timeout(silence, events.next()));
        let heard = loop {
            link.feed();
            tokio::select! {
                heard = &mut poll => break heard.map_err(|_| Failure::Silent)??,
                () = link.shared.work.notified() => {}
                () = link.time_is_up() => {
                    if link.is_stuck() {
                        return Err(Failure::Unacknowledged);
                    }
                }
                () = stop_is_asked(stopping), if !asked => {
                    asked = true;
                    link.leave();
                }
            }
        };
        if matches!(heard, Heard::Acknowledged { .. }) {
            answered();
        }
        if link.hear(heard) == LinkEnd::Over {
            return Ok(());
        }
    }
}

async fn stop_is_asked(stopping: &mut watch::Receiver<bool>) {
    // An error means that the hub is gone; then its task is about to be aborted anyway.
    let _ = stopping.wait_for(|&stop| stop).await;
}

/// Sees to it that an outage is told once, and once that it is over. A broker is there when it has acknowledged something: one
/// that accepts connections and then says nothing would else fill the log.
#[derive(Default)]
struct Outage {
    since: Option<Instant>,
    was_there: bool,
}

impl Outage {
    fn goes_on(&mut self, address: &str, why: &str) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            tracing::warn!(broker = address, why, "the broker is away; trying again from time to time");
        } else {
            tracing::debug!(broker = address, why, "the broker is still away");
        }
    }

    /// Short connections that end again and again are told once for each tenth of them.
    fn flaps(&mut self, address: &str, why: &str, times: u32) {
        if times == OFTEN || times.is_multiple_of(10) {
            tracing::warn!(broker = address, why, "the broker ends connections soon");
        }
    }

    fn is_over(&mut self, address: &str) {
        match self.since.take() {
            Some(since) => {
                tracing::info!(broker = address, away_for_s = since.elapsed().as_secs(), "the broker is back");
            }
            None if !self.was_there => tracing::info!(broker = address, "connected to the broker"),
            None => {}
        }
        self.was_there = true;
    }
}
