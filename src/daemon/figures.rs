//! Measurements over the last day, in memory: one sample a minute.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::{Timestamp, Unit};

use super::stage::{Role, Stage};
use crate::api::figures::{CameraSample, Figures, Sample};
use crate::board::soc_temperature_c;
use crate::clock::Clock;
use crate::domain::Moment;
use crate::ledger::Outbox;

/// The span of a sample.
const SPAN: Duration = Duration::from_secs(60);
/// How often the counters are looked at within a span.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Samples of a day.
const MOST: usize = 1440;

/// The samples of the last day.
#[derive(Debug, Default)]
pub struct Recent {
    samples: Mutex<VecDeque<Sample>>,
}

impl Recent {
    /// All of them.
    pub fn figures(&self) -> Figures {
        Figures { every_s: SPAN.as_secs() as u32, samples: self.lock().iter().cloned().collect() }
    }

    /// The newest one.
    pub fn newest(&self) -> Option<Sample> {
        self.lock().back().cloned()
    }

    fn add(&self, sample: Sample) {
        let mut samples = self.lock();
        if samples.len() >= MOST {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Samples the counters of the stages until the runtime ends.
pub async fn sample(recent: Arc<Recent>, stages: Vec<Arc<Stage>>, outbox: Option<Arc<Outbox>>, clock: Arc<dyn Clock>) {
    let mut span = Span::begin(&stages, clock.now());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        span.look(&stages, outbox.as_ref().map(|outbox| outbox.len() as u64));
        if clock.now().since(span.began) >= SPAN {
            recent.add(span.end(&stages, clock.now(), clock.wall(), soc_temperature_c()));
            span = Span::begin(&stages, clock.now());
        }
    }
}

/// A sample under construction.
struct Span {
    began: Moment,
    /// What had been handled at its beginning, by role and name.
    handled: BTreeMap<(&'static str, String), u64>,
    /// Of each camera: what vision had handled at the last look, and the times of frames that were seen since.
    times: BTreeMap<String, (u64, Vec<f64>)>,
    queue: Option<u64>,
}

impl Span {
    fn begin(stages: &[Arc<Stage>], now: Moment) -> Span {
        let handled = stages.iter().map(|stage| (key(stage), stage.handled.load(Relaxed))).collect();
        let vision = stages.iter().filter(|stage| stage.role.looks_at_frames());
        let times = vision.map(|stage| (stage.name.clone(), (stage.handled.load(Relaxed), Vec::new()))).collect();
        Span { began: now, handled, times, queue: None }
    }

    /// Notes the time of the newest frame of each camera that has a new one, and how many events wait.
    fn look(&mut self, stages: &[Arc<Stage>], queue: Option<u64>) {
        self.queue = self.queue.max(queue);
        for stage in stages.iter().filter(|stage| stage.role.looks_at_frames()) {
            let (before, times) = self.times.entry(stage.name.clone()).or_default();
            let handled = stage.handled.load(Relaxed);
            if handled > *before {
                *before = handled;
                times.push(stage.last_us.load(Relaxed) as f64 / 1000.0);
            }
        }
    }

    fn end(&self, stages: &[Arc<Stage>], now: Moment, wall: SystemTime, temperature_c: Option<f64>) -> Sample {
        let seconds = now.since(self.began).as_secs_f64().max(0.001);
        let rate = |is_wanted: fn(Role) -> bool, name: &str| {
            let stage = stages.iter().find(|stage| is_wanted(stage.role) && stage.name == name)?;
            let before = self.handled.get(&key(stage)).copied().unwrap_or_default();
            Some(stage.handled.load(Relaxed).saturating_sub(before) as f64 / seconds)
        };
        let cameras = stages.iter().filter(|stage| stage.role == Role::Camera);
        let camera = |stage: &Arc<Stage>| {
            let times = self.times.get(&stage.name).map_or(&[][..], |(_, times)| times);
            CameraSample {
                name: stage.name.clone(),
                frames_per_s: rate(|role| role == Role::Camera, &stage.name).unwrap_or_default(),
                looked_at_per_s: rate(Role::looks_at_frames, &stage.name).unwrap_or_default(),
                latency_ms: (!times.is_empty()).then(|| times.iter().sum::<f64>() / times.len() as f64),
            }
        };
        let at = Timestamp::try_from(wall).and_then(|at| at.round(Unit::Second)).unwrap_or(Timestamp::UNIX_EPOCH);
        Sample { at: at.to_string(), cameras: cameras.map(camera).collect(), temperature_c, queue: self.queue }
    }
}

fn key(stage: &Stage) -> (&'static str, String) {
    (stage.role.as_str(), stage.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::earliest;

    #[test]
    fn a_sample_has_the_rates_of_its_span() {
        let start = Moment(Duration::from_secs(100));
        let stages = [Stage::new(Role::Camera, "front", start), Stage::new(Role::Vision, "front", start)];
        stages[0].handled.store(1000, Relaxed);
        let mut span = Span::begin(&stages, start);
        stages[0].handled.store(1900, Relaxed);
        for (handled, us) in [(10, 20_000), (10, 90_000), (30, 40_000)] {
            stages[1].handled.store(handled, Relaxed);
            stages[1].last_us.store(us, Relaxed);
            span.look(&stages, Some(handled));
        }
        let sample = span.end(&stages, start + Duration::from_secs(60), earliest(), Some(51.5));
        // At the second look there was no new frame.
        let camera =
            CameraSample { name: "front".into(), frames_per_s: 15.0, looked_at_per_s: 0.5, latency_ms: Some(30.0) };
        let expected = Sample {
            at: "2026-01-01T00:00:00Z".into(),
            cameras: vec![camera],
            temperature_c: Some(51.5),
            queue: Some(30),
        };
        assert_eq!(sample, expected);
    }

    #[test]
    fn a_day_is_kept() {
        let recent = Recent::default();
        for minute in 0..2000u32 {
            let at = minute.to_string();
            recent.add(Sample { at, cameras: Vec::new(), temperature_c: None, queue: None });
        }
        let figures = recent.figures();
        assert_eq!((figures.every_s, figures.samples.len(), figures.samples[0].at.as_str()), (60, 1440, "560"));
        assert_eq!(recent.newest().unwrap().at, "1999");
    }
}
