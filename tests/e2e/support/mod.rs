//! Support for the tests: a house with its own door, a daemon in it, and pictures to show it.

mod broker;
mod camera;
mod compiled;
mod daemon;
mod house;
mod pictures;
#[path = "../../support/raw.rs"]
mod raw;
mod small_disk;
#[cfg(feature = "gstreamer")]
mod stream;
mod terminal;
mod visitor;

use std::time::{Duration, Instant};

pub use broker::{Observer, broker, broker_at, broker_for, free_port, metrics, mute_broker, retained};
pub use camera::MadeUpCamera;
pub use compiled::compiled;
#[cfg(feature = "gstreamer")]
pub use daemon::handled;
pub use daemon::{Daemon, status};
pub use house::{House, lines};
pub use pictures::{Film, frame, photo, side_by_side, sized_frame, write_jpeg};
#[cfg(feature = "gstreamer")]
pub use raw::raw;
pub use small_disk::SmallDisk;
#[cfg(feature = "gstreamer")]
pub use stream::{HttpCamera, RtspCamera, certificate};
pub use terminal::Terminal;
pub use visitor::{PASSWORD, Page, Visitor, add_account, page_on, with_page};

/// Far longer than anything takes; only a failing test waits that long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The wall clock, in milliseconds since 1970.
#[cfg(feature = "gstreamer")]
pub fn wall_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// Polls until there is an answer.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
