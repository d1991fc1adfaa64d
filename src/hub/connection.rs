//! The task behind the hub: [`run`] makes one connection after another.
//!
//! All retrying is in `run`. Each connection starts with a new client, publishes all retained messages again, and continues with the first event
//! that was not acknowledged.

use std::pin::pin;

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::backoff::Backoff;
use super::client::{self, ClientEvent, Events, Will};
use super::failure::{BrokerFailure, NO_ACKNOWLEDGEMENT};
use super::link::{End as LinkEnd, Link, ROOM, WINDOW};
use super::settings::HubSettings;
use super::shared::ConnectionState;
use super::task::Task;

/// How a connection ended.
enum End {
    /// On request.
    Stopped,
    /// By a failure: why in words, how long the connection had been established, and whether the next one should be tried soon.
    Lost { why: String, online: Option<Duration>, early: bool },
}

/// A connection that ends within this time is short. [`OFTEN`] in a row are reported, because two clients with one id end each other's
/// connections.
const SHORT: Duration = Duration::from_secs(60);
const OFTEN: u32 = 3;
/// The most connections in a row that are tried soon to find out what the broker does not accept.
const EARLY_TRIES: u32 = 40;

/// Connects and reconnects until `stopping` turns true.
pub async fn run(mut task: Task, mut stopping: watch::Receiver<bool>) {
    let mut backoff = Backoff::default();
    let mut outage = Outage::default();
    let (mut short, mut tries) = (0, 0);
    while let End::Lost { mut why, online, early } = connect_once(&mut task, &mut stopping, &mut outage).await {
        backoff.ended_after(online.unwrap_or_default());
        if online.is_some_and(|online| online >= SHORT) {
            tries = 0;
        }
        if early && tries < EARLY_TRIES {
            tries += 1;
            backoff.reset();
        }
        short = if online.is_some_and(|online| online < SHORT) && !early { short + 1 } else { 0 };
        if short >= OFTEN {
            why = format!(
                "{why}; {short} short connections in a row: does another device use the client id {}? Then set \
                 [mqtt] client_id",
                task.settings.client_id
            );
            outage.flaps(&task.settings.address(), &why, short);
        }
        outage.goes_on(&task.settings.address(), &why);
        task.shared.state.send_replace(ConnectionState::Offline { why });
        tokio::select! {
            () = sleep(backoff.next()) => {}
            () = stop_is_asked(&mut stopping) => break,
        }
    }
}

/// One connection, from the first packet to its end.
async fn connect_once(task: &mut Task, stopping: &mut watch::Receiver<bool>, outage: &mut Outage) -> End {
    // A session would restore subscriptions that are paused.
    let clean_start = task.settings.clean_start || task.is_paused();
    let settings = &HubSettings { clean_start, ..task.settings.clone() };
    let address = settings.address();
    let tls = match settings.tls.as_ref().map(|tls| tls.load()).transpose() {
        Ok(tls) => tls,
        Err(error) => return End::Lost { why: format!("[mqtt.tls] {error}"), online: None, early: false },
    };
    let will = Will { topic: task.topics.status(), payload: "offline" };
    let (client, mut events) = client::open(settings, tls, Some(will), ROOM, 2 * WINDOW as u16);
    let first = tokio::select! {
        first = events.next() => first,
        () = stop_is_asked(stopping) => return End::Stopped,
    };
    let largest = match first {
        Ok(ClientEvent::Accepted { largest }) => largest,
        Ok(_) => {
            let failure = BrokerFailure::Protocol(NO_ACKNOWLEDGEMENT.to_owned());
            return End::Lost { why: failure.while_connecting(&address), online: None, early: false };
        }
        Err(failure) => return End::Lost { why: failure.while_connecting(&address), online: None, early: false },
    };
    let since = Instant::now();
    task.shared.state.send_replace(ConnectionState::Online);
    task.shared.counts.connections.increment();

    let mut link = Link::begin(task, client, largest);
    let end = live(&mut link, &mut events, stopping, || outage.is_over(&address)).await;
    match end {
        Ok(()) => {
            link.over(None);
            End::Stopped
        }
        Err(failure) => {
            // Messages that were acknowledged just before are not to blame, and are not sent again.
            for event in events.rest() {
                link.handle(event);
            }
            let early = link.over(Some(&failure));
            let why = format!("{address} was lost: {}", failure.while_online());
            End::Lost { why, online: Some(since.elapsed()), early }
        }
    }
}

/// Sends what waits until the connection breaks, or until the farewell after a stop was requested. Calls `answered` when the broker has acknowledged
/// something.
async fn live(
    link: &mut Link<'_>,
    events: &mut Events,
    stopping: &mut watch::Receiver<bool>,
    mut answered: impl FnMut(),
) -> Result<(), BrokerFailure> {
    let shared = link.task.shared.clone();
    let mut asked = false;
    loop {
        // The client writes at least a ping in each keep-alive interval. A longer silence means that it hangs in a write.
        let silence = events.keep_alive() * 2;
        // Kept over the inner loop: dropping the client's poll before it is ready could lose a packet.
        let mut poll = pin!(timeout(silence, events.next()));
        let event = loop {
            link.feed();
            tokio::select! {
                event = &mut poll => break event.map_err(|_| BrokerFailure::Silent)??,
                () = shared.work.notified() => {}
                () = link.time_is_up() => {
                    if link.is_stuck() {
                        return Err(BrokerFailure::Unacknowledged);
                    }
                }
                () = stop_is_asked(stopping), if !asked => {
                    asked = true;
                    link.leave();
                }
            }
        };
        if matches!(event, ClientEvent::Acknowledged { .. }) {
            answered();
        }
        if link.handle(event) == LinkEnd::Over {
            return Ok(());
        }
    }
}

async fn stop_is_asked(stopping: &mut watch::Receiver<bool>) {
    // An error means that the hub was dropped, which aborts this task.
    let _ = stopping.wait_for(|&stop| stop).await;
}

/// Logs an outage once, and its end once. The broker counts as back when it has acknowledged something: one that accepts connections and then
/// says nothing would fill the log otherwise.
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

    /// Logs every tenth of repeated short connections.
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
