//! `GET /metrics`: the daemon's metrics in Prometheus' text format. `docs/metrics.md` lists them: keep the two alike.
//!
//! Names of people are never among them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::connections::ConnectionCounts;
use super::fleet::{Connection, FleetState};
use super::record_counter::RecordCounter;
use super::stage::Stage;
use crate::api::status::PlacementStatus;
use crate::board::soc_temperature_c;
use crate::clock::Clock;
use crate::gallery::Gallery;
use crate::hub::{ConnectionState, Hub};
use crate::office::Recorder;

pub use prometheus_text::CONTENT_TYPE;

/// The page of metrics. Each call of [`Metrics::page`] reads the current values.
pub struct Metrics(Registry);

/// Where the values come from.
pub struct Sources {
    pub stages: Vec<Arc<Stage>>,
    pub record_counter: Arc<RecordCounter>,
    pub connections: ConnectionCounts,
    pub placements: Vec<PlacementStatus>,
    pub gallery: Arc<Gallery>,
    pub recorder: Arc<Recorder>,
    /// `None` without a broker.
    pub hub: Option<Arc<Hub>>,
    /// `None` for a board that is in no fleet.
    pub fleet: Option<Arc<FleetState>>,
    pub clock: Arc<dyn Clock>,
    pub device: String,
    pub model: String,
}

impl Metrics {
    /// A page with the values of `sources`.
    pub fn new(sources: Sources) -> Metrics {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(sources));
        Metrics(registry)
    }

    /// The page, in the format of [`CONTENT_TYPE`].
    pub fn page(&self) -> String {
        let mut page = String::new();
        if prometheus_text::encode(&mut page, &self.0).is_err() {
            // Writing to a String does not fail, so this is one of the encoder's own errors.
            tracing::error!("the metrics cannot be encoded");
        }
        page
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("device", &self.device).finish_non_exhaustive()
    }
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.device(&mut page)?;
        self.stages(&mut page)?;
        self.journal(&mut page)?;
        self.connections(&mut page)?;
        if let Some(fleet) = &self.fleet {
            self.fleet(fleet, &mut page)?;
        }
        match &self.hub {
            Some(hub) => self.broker(hub, &mut page),
            None => Ok(()),
        }
    }
}

impl Sources {
    fn device(&self, page: &mut Page<'_>) -> fmt::Result {
        let info = [("version", env!("CARGO_PKG_VERSION")), ("device", &self.device), ("model", &self.model)];
        page.gauges("usher_info", "Always 1; the labels say what runs.", [(info, 1)])?;
        page.gauge("usher_uptime_seconds", "Since the daemon was started.", self.clock.now().0.as_secs_f64())?;
        page.gauge("usher_people", "Enrolled people.", self.gallery.size().people)?;
        let latencies = self.placements.iter().map(|placement| {
            ([("model", placement.model.as_str()), ("on", &placement.on)], placement.latency_ms / 1000.0)
        });
        page.gauges("usher_model_latency_seconds", "One run of each network, measured at the start.", latencies)?;
        match soc_temperature_c() {
            Some(celsius) => page.gauge("usher_soc_temperature_celsius", "The processor's temperature.", celsius),
            None => Ok(()),
        }
    }

    fn stages(&self, page: &mut Page<'_>) -> fmt::Result {
        let now = self.clock.now();
        fn labels(stage: &Stage) -> [(&'static str, &str); 2] {
            [("role", stage.role.as_str()), ("name", &stage.name)]
        }
        let stages = || self.stages.iter().map(|stage| (labels(stage), &**stage));
        let well = stages().map(|(labels, stage)| (labels, i64::from(stage.trouble().is_none())));
        page.gauges("usher_stage_well", "1 while nothing is wrong with the stage.", well)?;
        let silent = stages().map(|(labels, stage)| (labels, stage.silent_for(now).as_secs_f64()));
        page.gauges("usher_stage_silent_seconds", "Since the last heartbeat of the stage.", silent)?;
        let handled = stages().map(|(labels, stage)| (labels, stage.handled.load(Relaxed)));
        page.counters("usher_stage_handled", "Frames or messages that the stage has handled.", handled)?;
        let dropped = stages().map(|(labels, stage)| (labels, stage.dropped.load(Relaxed)));
        page.counters("usher_stage_dropped", "Frames or messages that newer ones replaced.", dropped)?;
        let bad = stages().map(|(labels, stage)| (labels, stage.bad.load(Relaxed)));
        page.counters("usher_stage_bad", "Frames that could not be used.", bad)?;
        let last = stages().map(|(labels, stage)| (labels, stage.last_us.load(Relaxed) as f64 / 1e6));
        page.gauges("usher_stage_last_seconds", "Time spent on the last frame.", last)
    }

    fn journal(&self, page: &mut Page<'_>) -> fmt::Result {
        let counts = self.record_counter.read();
        let records = counts.records.iter().map(|(kind, count)| ([("kind", kind.as_str())], *count));
        page.counters("usher_journal_records", "Records written to the journal, by kind.", records)?;
        let denials = counts.denials.iter().map(|(reason, count)| ([("reason", reason.as_str())], *count));
        page.counters("usher_denials", "Denials, by reason.", denials)?;
        let help = "From the capture of the frame that decided to the relay, for grants.";
        page.histogram("usher_capture_to_door_seconds", help, counts.sum_s(), counts.grants, &counts.buckets())
    }

    fn connections(&self, page: &mut Page<'_>) -> fmt::Result {
        let listeners = [("control", &self.connections.control), ("metrics", &self.connections.metrics)];
        let open = listeners.map(|(name, counts)| ([("listener", name)], counts.open.load(Relaxed)));
        page.gauges("usher_connections", "Open connections.", open)?;
        let turned_away = listeners.map(|(name, counts)| ([("listener", name)], counts.turned_away.load(Relaxed)));
        let help = "Connections that were not accepted, or closed to make room for another.";
        page.counters("usher_connections_turned_away", help, turned_away)
    }

    fn fleet(&self, fleet: &FleetState, page: &mut Page<'_>) -> fmt::Result {
        let (standing, status) = (fleet.standing(), fleet.status());
        let online = standing.connection == Connection::Online;
        page.gauge("usher_fleet_online", "1 while a server of the fleet is connected.", i64::from(online))?;
        if let Some(age) = fleet.age() {
            page.gauge("usher_fleet_heard_seconds", "Since the office was last heard.", age.as_secs_f64())?;
        }
        if let Some(whole) = standing.whole {
            page.gauge("usher_fleet_whole", "1 if the board holds the office's list of people.", i64::from(whole))?;
        }
        if let Some(ahead) = standing.clock_ahead_ms {
            let help = "How far this board's clock is ahead of the servers'.";
            page.gauge("usher_fleet_clock_ahead_seconds", help, ahead as f64 / 1000.0)?;
        }
        page.gauge("usher_fleet_waiting", "Records that the servers have not acknowledged yet.", status.waiting)?;
        page.gauge("usher_fleet_set_aside", "Records of the fleet that were set aside.", standing.set_aside)?;
        page.counter("usher_fleet_refused", "Records that the office did not sign.", standing.refused)
    }

    fn broker(&self, hub: &Hub, page: &mut Page<'_>) -> fmt::Result {
        let online = hub.state() == ConnectionState::Online;
        let counts = hub.counts();
        page.gauge("usher_broker_online", "1 while the broker is connected.", i64::from(online))?;
        page.counter("usher_broker_connections", "Connections that the broker accepted.", counts.connections)?;
        let events = [([("delivery", "live")], counts.live), ([("delivery", "replayed")], counts.replayed)];
        page.counters("usher_broker_events", "Events handed to the broker, as they happened or late.", events)?;
        page.counter("usher_broker_dropped", "Events that the broker does not accept.", counts.dropped)?;
        let snapshots =
            [([("outcome", "sent")], counts.snapshots), ([("outcome", "dropped")], counts.snapshots_dropped)];
        page.counters("usher_broker_snapshots", "Snapshots handed to the broker, and dropped ones.", snapshots)?;
        page.counter("usher_broker_refused", "Messages that the broker does not accept.", counts.refused)?;
        if let Some(outbox) = self.recorder.journal().outbox() {
            page.gauge("usher_outbox_events", "Events that wait for the broker.", outbox.len())?;
            page.gauge("usher_outbox_bytes", "The size of their records.", outbox.bytes())?;
            page.counter("usher_outbox_shed", "Events that the full outbox dropped.", outbox.shed())?;
        }
        let commands = [
            ([("outcome", "accepted")], counts.commands_accepted),
            ([("outcome", "refused")], counts.commands_refused),
            ([("outcome", "limited")], counts.commands_limited),
            ([("outcome", "malformed")], counts.commands_malformed),
            ([("outcome", "repeated")], counts.commands_repeated),
        ];
        page.counters("usher_commands", "Commands from the broker, by their outcome.", commands)?;
        let entries = [
            ([("outcome", "accepted")], counts.entries_accepted),
            ([("outcome", "limited")], counts.entries_limited),
            ([("outcome", "malformed")], counts.entries_malformed),
            ([("outcome", "retained")], counts.entries_retained),
        ];
        page.counters("usher_broker_entries", "PINs and tags from the broker, by their outcome.", entries)
    }
}

/// Writes families of samples. The names of counters are given without `_total`, which the format adds.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges<'v, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'static str, &'v str); N], V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        samples.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters(name, help, [([], value)])
    }

    fn counters<'v, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'static str, &'v str); N], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        samples.into_iter().try_for_each(|(labels, value)| {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// `buckets` are upper limits with the number of values above the limit before.
    fn histogram(&mut self, name: &str, help: &str, sum: f64, count: u64, buckets: &[(f64, u64)]) -> fmt::Result {
        let mut histogram = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        histogram.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Written<F>(F);

    impl<F> fmt::Debug for Written<F> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Written")
        }
    }

    impl<F: Fn(&mut Page<'_>) -> fmt::Result + Send + Sync + 'static> Collector for Written<F> {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            self.0(&mut Page(encoder))
        }
    }

    fn page(write: impl Fn(&mut Page<'_>) -> fmt::Result + Send + Sync + 'static) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Written(write)));
        Metrics(registry).page()
    }

    #[test]
    fn a_page_is_as_prometheus_describes_it() {
        let text = page(|page| {
            page.gauge("usher_up", "Whether\nit \\ runs.", 1)?;
            let frames = [
                ([("role", "vision"), ("name", "a\"b\\c\nd")], 12_345_678_901),
                ([("role", "camera"), ("name", "x")], 0),
            ];
            page.counters("usher_frames", "Frames.", frames)?;
            page.counter("usher_alone", "One.", 7)?;
            page.gauges("usher_share", "Share.", [([("name", "x")], 0.25)])?;
            page.histogram("usher_delay_seconds", "Delay.", 1.5, 4, &[(0.1, 2), (0.25, 1)])
        });
        let expected = "# HELP usher_up Whether\\nit \\\\ runs.\n# TYPE usher_up gauge\nusher_up 1\n\
            # HELP usher_frames_total Frames.\n# TYPE usher_frames_total counter\n\
            usher_frames_total{role=\"vision\",name=\"a\\\"b\\\\c\\nd\"} 12345678901\n\
            usher_frames_total{role=\"camera\",name=\"x\"} 0\n\
            # HELP usher_alone_total One.\n# TYPE usher_alone_total counter\nusher_alone_total 7\n\
            # HELP usher_share Share.\n# TYPE usher_share gauge\nusher_share{name=\"x\"} 0.25\n\
            # HELP usher_delay_seconds Delay.\n# TYPE usher_delay_seconds histogram\n\
            usher_delay_seconds_bucket{le=\"0.1\"} 2\nusher_delay_seconds_bucket{le=\"0.25\"} 3\n\
            usher_delay_seconds_bucket{le=\"+Inf\"} 4\nusher_delay_seconds_sum 1.5\nusher_delay_seconds_count 4\n";
        assert_eq!(text, expected);
    }

    /// A label's value as a reader of the format takes it.
    fn unescaped(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match (c, (c == '\\').then(|| rest.next()).flatten()) {
                ('\\', Some('n')) => out.push('\n'),
                ('\\', Some(escaped)) => out.push(escaped),
                (plain, _) => out.push(plain),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn any_label_and_any_value_read_back(label in any::<String>(), value in any::<f64>()) {
            let sample = label.clone();
            let text = page(move |page| page.gauges("usher_x", &sample, [([("name", sample.as_str())], value)]));
            // Three lines: whatever the label holds, it breaks none of them.
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert_eq!(lines.len(), 4);
            let (head, number) = lines[2].rsplit_once(' ').unwrap();
            let quoted = head.strip_prefix("usher_x{name=\"").unwrap().strip_suffix("\"}").unwrap();
            prop_assert_eq!(unescaped(quoted), label);
            let read: f64 = number.parse().unwrap();
            prop_assert!(read == value || read.is_nan() && value.is_nan());
        }
    }
}
