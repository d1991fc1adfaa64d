//! What a board needs to follow its site from one model to another: the records of the other model, the switch, and the daemon's main thread.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::daemon::threads::MainMessage;
use crate::domain::ModelId;
use crate::fleet::Replica;
use crate::office::switch::state::{After, Phase};
use crate::office::switch::{Switch, SwitchError};
use crate::office::{FleetPeople, Register};

/// Within which time of each other boards of a site restart.
const SPREAD: Duration = Duration::from_secs(20);

/// Why a board stays with the model that its site has left.
pub const FAILED: &str = "the board could not go over at its last start: its log says why";

/// The records of the other model.
pub struct Beside {
    pub model: ModelId,
    pub replica: Arc<Mutex<Replica<FleetPeople>>>,
    /// Whether the newest head says that they are all.
    pub whole: bool,
}

/// What leads this board from one model to another.
pub struct Leader {
    pub register: Register,
    pub switch: Arc<Switch>,
    pub to_main: Sender<MainMessage>,
    /// Whether the board was to go over at its last start, and did not.
    pub failed: bool,
    /// Why the board does not follow its site, in words.
    pub trouble: Option<String>,
    /// When the daemon restarts to compare by another model.
    pub restart: Option<Instant>,
    /// Boards of a site restart within this time of each other, so that not all its doors are closed at once.
    pub spread: Duration,
    /// Erases templates; a lockdown does not wait for that.
    pub finishing: Option<JoinHandle<Result<(), SwitchError>>>,
}

impl Leader {
    /// What leads a board whose daemon has just started.
    pub fn new(register: Register, switch: Arc<Switch>, to_main: Sender<MainMessage>) -> Leader {
        let state = switch.state();
        let failed = state.is_some_and(|state| state.phase == Phase::Begun && state.after == After::Now);
        let trouble = failed.then(|| FAILED.to_owned());
        Leader { register, switch, to_main, failed, trouble, restart: None, spread: SPREAD, finishing: None }
    }

    /// A part of the spread that differs from board to board.
    pub fn share_of_spread(&self, board: &str) -> Duration {
        let first = blake3::hash(board.as_bytes()).as_bytes().first().copied().unwrap_or_default();
        self.spread.mul_f64(f64::from(first) / 255.0)
    }
}
