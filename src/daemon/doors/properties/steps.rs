//! What can happen: steps, and random histories of them.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use crate::daemon::doors::OperatorOrder;
use crate::domain::Mode;
use crate::door::Input;

/// The time of a clock after a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakes {
    In1970,
    Yesterday,
    Right,
    YearsAhead,
}

impl Wakes {
    pub fn at(self, before: SystemTime) -> SystemTime {
        const DAY: Duration = Duration::from_secs(86_400);
        match self {
            Wakes::In1970 => SystemTime::UNIX_EPOCH + Duration::from_secs(20),
            Wakes::Yesterday => before - DAY,
            Wakes::Right => before + Duration::from_secs(600),
            Wakes::YearsAhead => before + 730 * DAY,
        }
    }
}

impl Step {
    /// Whether usher restarts.
    pub fn starts_anew(&self) -> bool {
        matches!(self, Step::Restart | Step::Reboot { .. })
    }
}

#[derive(Clone, Debug)]
pub enum Step {
    /// Three frames of a new face; person 0 is a stranger.
    Seen {
        door: usize,
        person: u32,
        age_ms: u64,
        inwards: bool,
    },
    Contact {
        door: usize,
        input: Input,
        active: bool,
    },
    Order {
        door: usize,
        order: OperatorOrder,
        late: bool,
    },
    /// The frames of the last face again.
    SeenAgain,
    /// An operator lets somebody in without a face.
    Admit {
        door: usize,
        person: u32,
        inwards: bool,
    },
    Amnesty,
    Wait {
        ms: u64,
    },
    SetClock {
        seconds: i64,
    },
    /// Somebody is disabled, or enabled again.
    Enabled {
        person: u32,
        enabled: bool,
    },
    /// Whether the kernel reports a synchronised clock.
    Synchronised(Option<bool>),
    /// A power cut, after which the clock shows this.
    Reboot {
        wall: Wakes,
    },
    WriterFails(bool),
    /// The disk does not answer for this long.
    DiskStalls {
        ms: u64,
    },
    /// The daemon begins to stop.
    Stop,
    Restart,
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let door = 0usize..2;
    let input = prop::sample::select(vec![Input::Sensor, Input::ExitButton, Input::Tamper]);
    let order = prop_oneof![
        3 => (0u64..20_000).prop_map(|ms| OperatorOrder::Unlock { duration: Some(Duration::from_millis(ms)) }),
        2 => Just(OperatorOrder::Lock),
        1 => Just(OperatorOrder::Mode(Mode::Lockdown { group: None })),
        1 => Just(OperatorOrder::Mode(Mode::Lockdown { group: Some("guards".into()) })),
        1 => Just(OperatorOrder::Mode(Mode::Release)),
        3 => Just(OperatorOrder::Mode(Mode::Normal)),
    ];
    let seconds = prop_oneof![-40_000_000i64..40_000_000, -7200i64..7200];
    let step = prop_oneof![
        8 => (door.clone(), 0u32..6, 0u64..1200, any::<bool>())
            .prop_map(|(door, person, age_ms, inwards)| Step::Seen { door, person, age_ms, inwards }),
        6 => (door.clone(), input, any::<bool>()).prop_map(|(door, input, active)| Step::Contact { door, input, active }),
        2 => (door.clone(), 0u32..6, any::<bool>())
            .prop_map(|(door, person, inwards)| Step::Admit { door, person, inwards }),
        4 => (door, order, prop::bool::weighted(0.2)).prop_map(|(door, order, late)| Step::Order { door, order, late }),
        1 => Just(Step::SeenAgain),
        1 => Just(Step::Amnesty),
        6 => prop_oneof![1u64..12_000, Just(300_000u64)].prop_map(|ms| Step::Wait { ms }),
        1 => seconds.prop_map(|seconds| Step::SetClock { seconds }),
        1 => (1u32..4, any::<bool>()).prop_map(|(person, enabled)| Step::Enabled { person, enabled }),
        1 => prop::sample::select(vec![None, Some(false), Some(true)]).prop_map(Step::Synchronised),
        1 => prop::sample::select(vec![Wakes::In1970, Wakes::Yesterday, Wakes::Right, Wakes::YearsAhead])
            .prop_map(|wall| Step::Reboot { wall }),
        1 => any::<bool>().prop_map(Step::WriterFails),
        1 => (1u64..20_000).prop_map(|ms| Step::DiskStalls { ms }),
        1 => prop_oneof![1 => Just(Step::Stop), 3 => Just(Step::Restart)],
    ];
    prop::collection::vec(step, 1..40)
}
