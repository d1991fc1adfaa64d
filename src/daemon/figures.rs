//! The figures on the page `/metrics`, one family after the other. `docs/metrics.md` lists them: keep the two alike.
//!
//! Knows nothing of the page's format.

use std::sync::atomic::Ordering::Relaxed;

use super::control::House;
use super::metrics::{Kind, Page};
use crate::board::soc_temperature_c;
use crate::hub;

impl House {
    /// The page.
    pub fn figures(&self) -> String {
        let mut page = Page::default();
        page.family("usher_info", Kind::Gauge, "Always 1; the labels say what runs.")
            .sample(&[("version", env!("CARGO_PKG_VERSION")), ("device", &self.device), ("model", &self.model)], 1);
        let now = self.clock.now();
        page.family("usher_uptime_seconds", Kind::Gauge, "Since the daemon was started.")
            .sample(&[], now.0.as_secs_f64());
        page.family("usher_people", Kind::Gauge, "Enrolled people.")
            .sample(&[], self.register.gallery().people().len() as f64);
        self.stages(&mut page);
        self.tally.write(&mut page);
        page.family("usher_model_latency_seconds", Kind::Gauge, "One run of each network, measured at the start.");
        for placement in &self.placements {
            page.sample(&[("model", &placement.model), ("on", &placement.on)], placement.latency_ms / 1000.0);
        }
        if let Some(celsius) = soc_temperature_c() {
            page.family("usher_soc_temperature_celsius", Kind::Gauge, "The processor's temperature.")
                .sample(&[], celsius);
        }
        self.connections(&mut page);
        if let Some(hub) = &self.hub {
            self.broker(hub, &mut page);
        }
        page.finish()
    }

    fn connections(&self, page: &mut Page) {
        let listeners = [("control", &self.reception.control), ("metrics", &self.reception.figures)];
        page.family("usher_connections", Kind::Gauge, "Connections that are open.");
        for (name, counts) in listeners {
            page.sample(&[("listener", name)], counts.open.load(Relaxed) as f64);
        }
        page.family(
            "usher_connections_turned_away_total",
            Kind::Counter,
            "Connections that were not taken, or closed to make room for another.",
        );
        for (name, counts) in listeners {
            page.sample(&[("listener", name)], counts.turned_away.load(Relaxed) as f64);
        }
    }

    fn stages(&self, page: &mut Page) {
        let now = self.clock.now();
        let mut each = |name, kind, help: &str, value: &dyn Fn(&super::health::Stage) -> f64| {
            page.family(name, kind, help);
            for stage in &self.stages {
                page.sample(&[("role", stage.role), ("name", &stage.name)], value(stage));
            }
        };
        let well = |stage: &super::health::Stage| if stage.trouble().is_none() { 1.0 } else { 0.0 };
        each("usher_stage_well", Kind::Gauge, "1 while nothing is wrong with the stage.", &well);
        each("usher_stage_silent_seconds", Kind::Gauge, "Since the stage last beat.", &|s| {
            s.silent_for(now).as_secs_f64()
        });
        each("usher_stage_handled_total", Kind::Counter, "Frames, or sightings, that the stage has handled.", &|s| {
            s.handled.load(Relaxed) as f64
        });
        each("usher_stage_dropped_total", Kind::Counter, "Those that were replaced by newer ones before.", &|s| {
            s.dropped.load(Relaxed) as f64
        });
        each("usher_stage_bad_total", Kind::Counter, "Those that could not be used.", &|s| s.bad.load(Relaxed) as f64);
        each("usher_stage_last_seconds", Kind::Gauge, "Time spent on the last one.", &|s| {
            s.last_us.load(Relaxed) as f64 / 1e6
        });
    }

    fn broker(&self, hub: &hub::Hub, page: &mut Page) {
        let online = hub.state() == hub::State::Online;
        let counts = hub.counts();
        page.family("usher_broker_online", Kind::Gauge, "1 while the broker is there.")
            .sample(&[], f64::from(u8::from(online)));
        page.family("usher_broker_connections_total", Kind::Counter, "Connections that the broker accepted.")
            .sample(&[], counts.connections as f64);
        page.family(
            "usher_broker_events_total",
            Kind::Counter,
            "Events handed to the broker, as they happened or late.",
        )
        .sample(&[("delivery", "live")], counts.live as f64)
        .sample(&[("delivery", "replayed")], counts.replayed as f64);
        page.family("usher_broker_dropped_total", Kind::Counter, "Events that the broker does not take.")
            .sample(&[], counts.dropped as f64);
        page.family(
            "usher_broker_snapshots_total",
            Kind::Counter,
            "Snapshots handed to the broker, and those that were given up.",
        )
        .sample(&[("outcome", "sent")], counts.snapshots as f64)
        .sample(&[("outcome", "dropped")], counts.snapshots_dropped as f64);
        page.family("usher_broker_refused_total", Kind::Counter, "Messages that the broker does not take.")
            .sample(&[], counts.refused as f64);
        if let Some(outbox) = self.recorder.journal().outbox() {
            page.family("usher_outbox_events", Kind::Gauge, "Events that wait for the broker.")
                .sample(&[], outbox.len() as f64);
            page.family("usher_outbox_bytes", Kind::Gauge, "The size of their records.")
                .sample(&[], outbox.bytes() as f64);
            page.family("usher_outbox_shed_total", Kind::Counter, "Events that the full outbox gave up.")
                .sample(&[], outbox.shed() as f64);
        }
        page.family("usher_commands_total", Kind::Counter, "Commands from the broker, by what came of them.")
            .sample(&[("outcome", "accepted")], counts.commands_accepted as f64)
            .sample(&[("outcome", "refused")], counts.commands_refused as f64)
            .sample(&[("outcome", "limited")], counts.commands_limited as f64)
            .sample(&[("outcome", "malformed")], counts.commands_malformed as f64)
            .sample(&[("outcome", "repeated")], counts.commands_repeated as f64);
    }
}
