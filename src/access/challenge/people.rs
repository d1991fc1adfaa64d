//! Made-up heads and prints for the tests: solids of five landmarks, seen by a camera, moved through a film.

use std::time::Duration;

use super::look::{ChallengeLook, Identity};
use crate::domain::{Moment, Point};

/// Five landmarks in space, in eye distances: x to the right of the picture, y down, z towards the camera; the origin is between the eyes.
#[derive(Clone, Copy, Debug)]
pub struct Solid(pub [[f64; 3]; 5]);

/// How a solid is seen.
#[derive(Clone, Copy, Debug)]
pub struct Pose {
    /// In degrees; a positive yaw turns the nose to the right of the picture, a positive pitch turns it up.
    pub yaw: f64,
    pub pitch: f64,
    pub roll: f64,
    /// Pixels an eye distance.
    pub size: f64,
    /// From the camera, in eye distances; infinite for weak perspective. Half a metre is about 8.
    pub distance: f64,
}

/// Straight ahead, by a distant camera.
pub const AHEAD: Pose = Pose { yaw: 0.0, pitch: 0.0, roll: 0.0, size: 60.0, distance: f64::INFINITY };

/// The mean face of `vision/face_shape.rs`.
pub fn head() -> Solid {
    Solid([[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.58, 0.40], [-0.44, 1.09, -0.15], [0.44, 1.09, -0.15]])
}

/// A print of it whose points are as deep as `depth` says by their x. It looks right from the front.
fn print(depth: impl Fn(f64) -> f64) -> Solid {
    Solid(head().0.map(|[x, y, _]| [x, y, depth(x)]))
}

/// A flat print.
pub fn flat() -> Solid {
    print(|_| 0.0)
}

/// Bent round a cylinder, with the eyes at so many degrees to each side.
pub fn bent(degrees: f64) -> Solid {
    let radius = 0.5 / degrees.to_radians().sin();
    print(|x| (radius * radius - x * x).sqrt() - radius)
}

/// Folded along the nose by so many degrees to each side.
pub fn folded(degrees: f64) -> Solid {
    print(|x| -x.abs() * degrees.to_radians().tan())
}

impl Solid {
    /// Its landmarks in a picture.
    pub fn seen(&self, pose: &Pose) -> [Point; 5] {
        let [yaw, pitch, roll] = [pose.yaw, pose.pitch, pose.roll].map(f64::to_radians);
        self.0.map(|[x, y, z]| {
            let (x, z) = (x * yaw.cos() + z * yaw.sin(), z * yaw.cos() - x * yaw.sin());
            let (y, z) = (y * pitch.cos() - z * pitch.sin(), z * pitch.cos() + y * pitch.sin());
            let (x, y) = (x * roll.cos() - y * roll.sin(), x * roll.sin() + y * roll.cos());
            let near = if pose.distance.is_finite() { pose.distance / (pose.distance - z) } else { 1.0 };
            Point { x: (320.0 + pose.size * near * x) as f32, y: (200.0 + pose.size * near * y) as f32 }
        })
    }
}

/// The same landmarks with an error that has about this standard deviation in each coordinate, in pixels.
pub fn noisy(landmarks: [Point; 5], deviation: f64, random: &mut fastrand::Rng) -> [Point; 5] {
    // The sum of twelve equal distributions is nearly normal.
    let mut error = || deviation * ((0..12).map(|_| random.f64()).sum::<f64>() - 6.0);
    landmarks.map(|p| Point { x: p.x + error() as f32, y: p.y + error() as f32 })
}

/// A film of one face.
#[derive(Clone, Debug)]
pub struct Film {
    pub looks: Vec<ChallengeLook>,
    solid: Solid,
    fps: f64,
    /// The standard deviation of landmarks, in eye distances.
    noise: f64,
    random: fastrand::Rng,
    pose: Pose,
    /// The number of the next frame.
    frame: u64,
}

impl Film {
    /// Begins at zero, without a frame.
    pub fn of(solid: Solid, fps: f64) -> Film {
        let random = fastrand::Rng::with_seed(7);
        Film { looks: Vec::new(), solid, fps, noise: 0.0, random, pose: AHEAD, frame: 0 }
    }

    /// With errors of the landmarks, in eye distances; an int8 detector's are about 0.015.
    pub fn with_noise(mut self, noise: f64, seed: u64) -> Film {
        (self.noise, self.random) = (noise, fastrand::Rng::with_seed(seed));
        self
    }

    /// Seen from so near, in eye distances.
    pub fn seen_from(mut self, distance: f64) -> Film {
        self.pose.distance = distance;
        self
    }

    /// Turns to this yaw and pitch within so many seconds, as people do: slowly at first and at last.
    pub fn turn(mut self, yaw: f64, pitch: f64, seconds: f64) -> Film {
        let (from, frames) = (self.pose, (seconds * self.fps).round().max(1.0) as u64);
        for frame in 1..=frames {
            let t = frame as f64 / frames as f64;
            // The movement with the least jerk (Flash and Hogan 1985).
            let way = t * t * t * (10.0 - 15.0 * t + 6.0 * t * t);
            self.pose.yaw = from.yaw + (yaw - from.yaw) * way;
            self.pose.pitch = from.pitch + (pitch - from.pitch) * way;
            self.take();
        }
        self
    }

    /// Turns to this yaw within half a second.
    pub fn to(self, yaw: f64) -> Film {
        self.turn(yaw, 0.0, 0.5)
    }

    /// Stays for so many seconds.
    pub fn stay(self, seconds: f64) -> Film {
        let Pose { yaw, pitch, .. } = self.pose;
        self.turn(yaw, pitch, seconds)
    }

    /// Is at this yaw from the next frame on.
    pub fn cut_to(mut self, yaw: f64) -> Film {
        self.pose.yaw = yaw;
        self
    }

    /// Shows another solid from the next frame on.
    pub fn swap(mut self, solid: Solid) -> Film {
        self.solid = solid;
        self
    }

    /// Nothing for so many seconds.
    pub fn dark(mut self, seconds: f64) -> Film {
        self.frame += (seconds * self.fps).round() as u64;
        self
    }

    fn take(&mut self) {
        let frame = self.frame;
        self.frame += 1;
        let plain = self.solid.seen(&self.pose);
        self.looks.push(ChallengeLook {
            frame,
            captured_at: Moment(Duration::from_secs_f64(frame as f64 / self.fps)),
            landmarks: noisy(plain, self.noise * self.pose.size, &mut self.random),
            identity: Identity::Same,
            sure: self.pose.yaw.abs() <= 30.0 && self.pose.pitch.abs() <= 25.0,
        });
    }
}
