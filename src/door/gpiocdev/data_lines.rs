//! The two lines of a Wiegand reader: the kernel dates the beginning of each pulse, in its interrupt.

use std::time::Duration;

use ::gpiocdev::line::{Bias, EdgeDetection, Value, Values};
use ::gpiocdev::{AbiVersion, Request};

use super::super::reader::WiegandSettings;
use super::super::wiegand::{DataLine, Pulse, PulseLines};
use super::super::{Active, DoorError, LineId, Pull};
use super::chip::{ChipName, errno, locate, not_claimed, refused};

/// How many pulses the kernel keeps for a process that is late: more than twenty cards. Without it there are 32 for both lines, less than a card.
const KEPT: u32 = 1024;
/// How many pulses are read at once.
const AT_ONCE: usize = 64;

/// Both lines of a reader, claimed or to be claimed at the next use.
pub(super) struct DataLines {
    chip: ChipName,
    data: [LineId; 2],
    active: Active,
    pull: Pull,
    consumer: String,
    claimed: Option<Claimed>,
}

struct Claimed {
    request: Request,
    /// The numbers of D0 and D1.
    offsets: [u32; 2],
    description: String,
}

impl DataLines {
    /// Claims the lines of `settings` on `chip`.
    pub fn claim(chip: &str, settings: &WiegandSettings, consumer: String) -> Result<DataLines, DoorError> {
        let [Some(d0), Some(d1)] = &settings.data else {
            return Err(DoorError::NoLineGiven { what: "Wiegand reader".to_owned() });
        };
        let mut lines = DataLines {
            chip: ChipName::new(chip),
            data: [d0.clone(), d1.clone()],
            active: settings.active,
            pull: settings.pull,
            consumer,
            claimed: None,
        };
        lines.claimed = Some(lines.request()?);
        Ok(lines)
    }

    fn request(&mut self) -> Result<Claimed, DoorError> {
        let chip = self.chip.open("D0, D1")?;
        let [d0, d1] = &self.data;
        let [d0, d1] = [locate(self.chip.given(), &chip, d0)?, locate(self.chip.given(), &chip, d1)?];
        let description = format!("{d0} (D0) and {d1} (D1), pulses {}, {}", self.active, in_words(self.pull));
        let interface = chip.detect_abi_version().unwrap_or(AbiVersion::V2);
        if interface == AbiVersion::V1 {
            let why = "this kernel cannot date the pulses of two lines: a Wiegand reader needs Linux 5.10 or later";
            return Err(DoorError::Claim { line: description, why: why.to_owned() });
        }
        let offsets = [d0.offset, d1.offset];
        let mut builder = Request::builder();
        builder
            .on_chip(chip.path())
            .with_consumer(&self.consumer)
            .using_abi_version(interface)
            .with_kernel_event_buffer_size(KEPT)
            .with_lines(&offsets)
            .as_input();
        match self.active {
            Active::High => builder.as_active_high(),
            Active::Low => builder.as_active_low(),
        };
        builder.with_bias(Some(bias(self.pull))).with_edge_detection(EdgeDetection::RisingEdge);
        let request = builder.request();
        let request =
            request.map_err(|error| not_claimed(self.chip.given(), &chip, &description, d0.offset, &error))?;
        Ok(Claimed { request, offsets, description })
    }

    /// Runs `ask` on the lines, which are claimed if necessary. An error releases them.
    fn with<T>(&mut self, ask: impl FnOnce(&Claimed) -> ::gpiocdev::Result<T>) -> Result<T, DoorError> {
        let claimed = match self.claimed.take() {
            Some(claimed) => claimed,
            None => self.request()?,
        };
        let answer = ask(&claimed).map_err(|error| unread(self.chip.given(), &claimed.description, &error))?;
        self.claimed = Some(claimed);
        Ok(answer)
    }
}

/// The resistor in the chip.
pub(super) fn bias(pull: Pull) -> Bias {
    match pull {
        Pull::Up => Bias::PullUp,
        Pull::Down => Bias::PullDown,
        Pull::None => Bias::Disabled,
    }
}

/// The resistor, for descriptions.
pub(super) fn in_words(pull: Pull) -> &'static str {
    match pull {
        Pull::Up => "pulled up",
        Pull::Down => "pulled down",
        Pull::None => "no pull",
    }
}

/// Why lines could not be read.
pub(super) fn unread(chip: &str, lines: &str, error: &::gpiocdev::Error) -> DoorError {
    match refused(chip, lines, error) {
        DoorError::Claim { line: wires, why } => DoorError::Read { wires, why },
        other => other,
    }
}

impl Claimed {
    /// The buffered pulses. Blocks if there are none.
    fn read(&self) -> ::gpiocdev::Result<Vec<Pulse>> {
        let size = self.request.edge_event_u64_size();
        let mut buffer = vec![0; size * AT_ONCE];
        let filled = self.request.read_edge_events_into_slice(&mut buffer)?;
        let mut pulses = Vec::new();
        for event in buffer.chunks_exact(size.max(1)).take(filled / size.max(1)) {
            let event = self.request.edge_event_from_slice(event)?;
            let line = if event.offset == self.offsets[0] { DataLine::D0 } else { DataLine::D1 };
            pulses.push(Pulse { line, at: Duration::from_nanos(event.timestamp_ns), number: event.seqno });
        }
        Ok(pulses)
    }
}

impl PulseLines for DataLines {
    fn pulses(&mut self, timeout: Duration) -> Result<Vec<Pulse>, DoorError> {
        self.with(|claimed| match claimed.request.wait_edge_event(timeout) {
            Ok(true) => claimed.read(),
            Ok(false) => Ok(Vec::new()),
            // A signal to the process ends the wait.
            Err(error) if errno(&error) == Some(libc::EINTR) => Ok(Vec::new()),
            Err(error) => Err(error),
        })
    }

    fn levels(&mut self) -> Result<[bool; 2], DoorError> {
        self.with(|claimed| {
            let mut values = Values::from_offsets(&claimed.offsets);
            claimed.request.values(&mut values)?;
            Ok(claimed.offsets.map(|offset| values.get(offset) == Some(Value::Active)))
        })
    }

    fn describe(&self) -> String {
        match &self.claimed {
            Some(claimed) => claimed.description.clone(),
            None => format!("{}, which is lost", self.chip.given()),
        }
    }
}
