//! Input lines: edges and debouncing by the kernel where the chip and the kernel have them, else asked every 10 ms.
//!
//! Knows nothing of what a change of an input means.

use std::time::Duration;

use ::gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value, Values};
use ::gpiocdev::{AbiVersion, Request};

use super::super::contacts::{Levels, Polled};
use super::super::{Active, Change, Contacts, DoorError, Input, InputSettings, Pull, WiringSettings};
use super::chip::{ChipName, errno, locate, not_claimed, refused, user};

/// How often inputs without edges are asked.
const POLL: Duration = Duration::from_millis(10);

/// The longest wait for an edge before the levels are asked: some kernels do not wake who waits on a chip that vanishes.
const LOOK: Duration = Duration::from_millis(250);

/// How many edges are taken at once; the kernel keeps 16 for each line by itself.
const EDGES: usize = 16;

/// Claims the inputs of `settings` on `chip`.
pub(super) fn open(chip: &str, settings: &WiringSettings) -> Result<Box<dyn Contacts>, DoorError> {
    let mut lines =
        Lines { chip: ChipName::new(chip), inputs: settings.inputs.clone(), consumer: settings.consumer("inputs") };
    match lines.claim(true) {
        Ok(claimed) => {
            let told = vec![false; settings.inputs.len()];
            Ok(Box::new(Edges { lines, claimed: Some(claimed), told }))
        }
        Err(in_use @ DoorError::LineInUse { .. }) => Err(in_use),
        Err(no_edges) => {
            // Whatever the reason: if the lines can be read without edges, they are.
            let claimed = lines.claim(false)?;
            let every = POLL.as_millis();
            tracing::info!(chip, reason = %no_edges, "no edges of these inputs: they are asked every {every} ms");
            let levels = Asked { lines, claimed: Some(claimed) };
            Ok(Box::new(Polled::new(levels, &settings.inputs, POLL)))
        }
    }
}

/// Which lines, and how.
struct Lines {
    chip: ChipName,
    inputs: Vec<(Input, InputSettings)>,
    consumer: String,
}

struct Claimed {
    request: Request,
    /// The line's number of each input.
    offsets: Vec<u32>,
    descriptions: Vec<String>,
}

impl Lines {
    fn claim(&mut self, edges: bool) -> Result<Claimed, DoorError> {
        let chip = self.chip.find()?;
        // The first interface of the kernel (before Linux 5.10) does not know how to switch a resistor off.
        let first = chip.detect_abi_version() == Ok(AbiVersion::V1);
        let mut builder = Request::builder();
        builder.on_chip(chip.path()).with_consumer(&self.consumer);
        let (mut offsets, mut descriptions) = (Vec::new(), Vec::new());
        for (input, settings) in &self.inputs {
            let missing = || DoorError::NoLineGiven { what: input.to_string() };
            let place = locate(self.chip.given(), &chip, settings.line.as_ref().ok_or_else(missing)?)?;
            builder.with_line(place.offset).as_input();
            match settings.active() {
                Active::High => builder.as_active_high(),
                Active::Low => builder.as_active_low(),
            };
            builder.with_bias(match settings.pull {
                Pull::Up => Some(Bias::PullUp),
                Pull::Down => Some(Bias::PullDown),
                Pull::None if first => None,
                Pull::None => Some(Bias::Disabled),
            });
            if edges {
                builder.with_edge_detection(EdgeDetection::BothEdges);
                if !settings.debounce.is_zero() {
                    builder.with_debounce_period(settings.debounce);
                }
            }
            offsets.push(place.offset);
            let how = if edges { "told by the kernel" } else { "asked every 10 ms" };
            descriptions.push(format!("{input}: {place}, {settings}, {how}"));
        }
        let request = builder.request().map_err(|error| {
            // Which of the lines it is the kernel does not say; one that is in use can be found.
            let used = (0..offsets.len()).find(|&index| user(&chip, offsets[index]).is_some());
            let line = used.map_or_else(|| descriptions.join("; "), |index| descriptions[index].clone());
            let offset = used.or(Some(0)).and_then(|index| offsets.get(index)).copied().unwrap_or(0);
            let mut told = not_claimed(self.chip.given(), &chip, &line, offset, &error);
            if let DoorError::Claim { why, .. } = &mut told
                && errno(&error) == Some(libc::EINVAL)
            {
                why.push_str("; this kernel may be unable to set pull: use an external resistor and pull = \"none\"");
            }
            told
        })?;
        Ok(Claimed { request, offsets, descriptions })
    }

    /// What it means that the lines could not be read.
    fn unread(&self, error: &::gpiocdev::Error) -> DoorError {
        let names: Vec<String> = self.inputs.iter().map(|(input, _)| input.to_string()).collect();
        match refused(self.chip.given(), &names.join(", "), error) {
            DoorError::Claim { line: wires, why } => DoorError::Read { wires, why },
            other => other,
        }
    }

    /// As [`Contacts::describe`], also while nothing is claimed.
    fn describe(&self, claimed: Option<&Claimed>) -> Vec<String> {
        let lost = || self.inputs.iter().map(|(input, _)| format!("{input}: {} is lost", self.chip.given())).collect();
        claimed.map_or_else(lost, |claimed| claimed.descriptions.clone())
    }
}

impl Claimed {
    /// Whether each input is active, as the kernel has debounced it.
    fn levels(&self) -> ::gpiocdev::Result<Vec<bool>> {
        let mut values = Values::from_offsets(&self.offsets);
        self.request.values(&mut values)?;
        Ok(self.offsets.iter().map(|&offset| values.get(offset) == Some(Value::Active)).collect())
    }

    /// The edges that have come, oldest first: which input, and whether it became active. Call it when there are some.
    fn edges(&self) -> ::gpiocdev::Result<Vec<(usize, bool)>> {
        let size = self.request.edge_event_u64_size();
        let mut buffer = vec![0; size * EDGES];
        let filled = self.request.read_edge_events_into_slice(&mut buffer)?;
        let mut edges = Vec::new();
        for event in buffer[..filled.min(size * EDGES)].chunks_exact(size) {
            let event = self.request.edge_event_from_slice(event)?;
            if let Some(index) = self.offsets.iter().position(|&offset| offset == event.offset) {
                edges.push((index, event.kind == EdgeKind::Rising));
            }
        }
        Ok(edges)
    }
}

/// Inputs whose edges the kernel tells, debounced.
struct Edges {
    lines: Lines,
    /// `None` after an error, until the next use.
    claimed: Option<Claimed>,
    /// What each input was told to be last.
    told: Vec<bool>,
}

impl Edges {
    /// Takes `states` in their order, and says which of them are news.
    fn news(&mut self, states: impl IntoIterator<Item = (usize, bool)>) -> Vec<Change> {
        let mut changes = Vec::new();
        for (index, active) in states {
            if self.told[index] != active {
                self.told[index] = active;
                changes.push(Change { input: self.lines.inputs[index].0, active });
            }
        }
        changes
    }

    /// Runs `ask` on the lines, claimed if need be; an error lets go of them. The flag says that they were claimed anew.
    fn with<T>(&mut self, ask: impl FnOnce(&Claimed, bool) -> ::gpiocdev::Result<T>) -> Result<T, DoorError> {
        let (claimed, anew) = match self.claimed.take() {
            Some(claimed) => (claimed, false),
            None => (self.lines.claim(true)?, true),
        };
        let answer = ask(&claimed, anew).map_err(|error| self.lines.unread(&error))?;
        self.claimed = Some(claimed);
        Ok(answer)
    }
}

impl Contacts for Edges {
    fn read(&mut self) -> Result<Vec<Change>, DoorError> {
        let levels = self.with(|claimed, _| claimed.levels())?;
        self.told.copy_from_slice(&levels);
        let inputs = self.lines.inputs.iter().zip(levels);
        Ok(inputs.map(|((input, _), active)| Change { input: *input, active }).collect())
    }

    fn wait(&mut self, timeout: Duration) -> Result<Vec<Change>, DoorError> {
        let mut left = timeout;
        loop {
            let slice = left.min(LOOK);
            let states = self.with(|claimed, anew| {
                if !anew && edge_within(claimed, slice)? {
                    return claimed.edges();
                }
                // Also what an edge that the kernel lost would have told.
                Ok(claimed.levels()?.into_iter().enumerate().collect())
            })?;
            let changes = self.news(states);
            left -= slice;
            if left.is_zero() || !changes.is_empty() {
                return Ok(changes);
            }
        }
    }

    fn describe(&self) -> Vec<String> {
        self.lines.describe(self.claimed.as_ref())
    }
}

/// Waits for an edge; a signal to the process ends the wait early.
fn edge_within(claimed: &Claimed, slice: Duration) -> ::gpiocdev::Result<bool> {
    match claimed.request.wait_edge_event(slice) {
        Err(error) if errno(&error) == Some(libc::EINTR) => Ok(false),
        other => other,
    }
}

/// Inputs that can only be asked.
struct Asked {
    lines: Lines,
    claimed: Option<Claimed>,
}

impl Levels for Asked {
    fn levels(&mut self) -> Result<Vec<bool>, DoorError> {
        let claimed = match self.claimed.take() {
            Some(claimed) => claimed,
            None => self.lines.claim(false)?,
        };
        let levels = claimed.levels().map_err(|error| self.lines.unread(&error))?;
        self.claimed = Some(claimed);
        Ok(levels)
    }

    fn describe(&self) -> Vec<String> {
        self.lines.describe(self.claimed.as_ref())
    }
}
