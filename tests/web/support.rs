//! What the end-to-end tests have, too: a house, its daemon, pictures to show it, a broker.

#[path = "../e2e/support/broker.rs"]
mod broker;
#[path = "../e2e/support/daemon.rs"]
mod daemon;
#[path = "../e2e/support/house.rs"]
mod house;
#[path = "../e2e/support/pictures.rs"]
mod pictures;

use std::time::{Duration, Instant};

pub use broker::{broker, free_port, retained};
pub use daemon::{Daemon, status};
pub use house::{House, lines};
pub use pictures::{Film, frame, photo, write_jpeg};

/// Far longer than anything takes; only a failing test waits that long.
pub const PATIENCE: Duration = Duration::from_secs(60);

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
