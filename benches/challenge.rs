//! The processor time that the challenge adds to each frame of a face that is asked to turn its head. `docs/benchmarks.md` has results.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use usher::access::{Challenge, ChallengeLook, ChallengeSettings, CueState, Identity};
use usher::domain::{Moment, PersonId, Point, Side};

const FPS: u64 = 15;
/// Attempts that are timed.
const ATTEMPTS: u32 = 20_000;

/// A head that looks ahead, turns left, right, and looks ahead again.
fn film() -> Vec<ChallengeLook> {
    let degrees = |second: f32| match second {
        s if s < 0.5 => 0.0,
        s if s < 1.5 => 40.0 * ((s - 0.5) * std::f32::consts::PI).sin(),
        s if s < 2.0 => 0.0,
        s if s < 3.0 => -40.0 * ((s - 2.0) * std::f32::consts::PI).sin(),
        _ => 0.0,
    };
    let face: [[f32; 3]; 5] =
        [[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.58, 0.4], [-0.44, 1.09, -0.15], [0.44, 1.09, -0.15]];
    let frames = (0..4 * FPS).map(|frame| {
        let yaw = degrees(frame as f32 / FPS as f32).to_radians();
        ChallengeLook {
            frame,
            captured_at: Moment(Duration::from_micros(frame * 1_000_000 / FPS)),
            landmarks: face
                .map(|[x, y, z]| Point { x: 320.0 + 60.0 * (x * yaw.cos() + z * yaw.sin()), y: 200.0 + 60.0 * y }),
            identity: Identity::Same,
            sure: yaw.abs() < 0.5,
        }
    });
    frames.collect()
}

fn main() {
    let (film, settings) = (film(), ChallengeSettings::normal());
    let (mut shown, mut passed) = (0_u64, 0);
    let begun = Instant::now();
    for _ in 0..ATTEMPTS {
        let order = vec![Side::Left, Side::Right];
        let mut challenge = Challenge::new(&settings, PersonId(1), order, Moment::default());
        for look in &film {
            // As the referee does with each frame.
            challenge.look(black_box(look));
            black_box((challenge.state(), challenge.prompt()));
            shown += 1;
            if challenge.state() == CueState::Passed {
                passed += 1;
                break;
            }
        }
    }
    let spent = begun.elapsed();
    assert_eq!(passed, ATTEMPTS);
    println!("challenge: {:.3} µs a frame over {shown} frames", spent.as_secs_f64() * 1e6 / shown as f64);
}
