//! Input lines: with edge detection and debouncing by the kernel if the chip and the kernel have them, otherwise polled every 10 ms.

use std::time::Duration;

use ::gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value, Values};
use ::gpiocdev::{AbiVersion, Request};

use super::super::contacts::{Levels, Polled};
use super::super::{Active, Contacts, DoorError, Input, InputChange, InputSettings, Pull, WiringSettings};
use super::chip::{ChipName, errno, locate, not_claimed, refused, user};

/// The interval of polling.
const POLL: Duration = Duration::from_millis(10);

/// The longest wait for an edge before the levels are read: some kernels do not wake a process that waits on a chip that vanishes.
const READ_AFTER: Duration = Duration::from_millis(250);

/// How many edges are read at once; the kernel buffers 16 for each line.
const EDGES: usize = 16;

/// Claims the inputs of `settings` on `chip`.
pub(super) fn open(chip: &str, settings: &WiringSettings) -> Result<Box<dyn Contacts>, DoorError> {
    let mut lines = Lines {
        chip: ChipName::new(chip),
        inputs: settings.inputs.clone(),
        consumer: settings.consumer("inputs"),
        interface: None,
    };
    match lines.claim(true) {
        Ok(claimed) => {
            let states = vec![false; settings.inputs.len()];
            Ok(Box::new(Edges { lines, claimed: Some(claimed), states }))
        }
        Err(in_use @ DoorError::LineInUse { .. }) => Err(in_use),
        Err(no_edges) => {
            // Whatever the reason: the lines may be readable without edges.
            let levels = PolledLines::claim(lines)?;
            let every = POLL.as_millis();
            tracing::info!(chip, reason = %no_edges, "no edge detection for these inputs: they are polled every {every} ms");
            Ok(Box::new(Polled::new(levels, &settings.inputs, POLL)))
        }
    }
}

/// The input lines and how to claim them.
struct Lines {
    chip: ChipName,
    inputs: Vec<(Input, InputSettings)>,
    consumer: String,
    /// `None` for the newest that the kernel has.
    interface: Option<AbiVersion>,
}

struct Claimed {
    request: Request,
    /// The line number of each input.
    offsets: Vec<u32>,
    descriptions: Vec<String>,
}

impl Lines {
    fn claim(&mut self, edges: bool) -> Result<Claimed, DoorError> {
        let names = self.names();
        let chip = self.chip.open(&names)?;
        // The first interface (before Linux 5.10) cannot switch a resistor off.
        let newest = || chip.detect_abi_version().unwrap_or(AbiVersion::V2);
        let interface = self.interface.unwrap_or_else(newest);
        let first = interface == AbiVersion::V1;
        let mut builder = Request::builder();
        builder.on_chip(chip.path()).with_consumer(&self.consumer).using_abi_version(interface);
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
            let how = if edges { "edges by the kernel" } else { "polled every 10 ms" };
            descriptions.push(format!("{input}: {place}, {settings}, {how}"));
        }
        let request = builder.request().map_err(|error| {
            // The kernel does not say which of the lines it refuses, but one that is in use can be found.
            let used = offsets.iter().zip(&descriptions).find(|(offset, _)| user(&chip, **offset).is_some());
            let line = used.map_or_else(|| descriptions.join("; "), |(_, description)| description.clone());
            let offset = used.map(|(offset, _)| offset).or(offsets.first()).copied().unwrap_or(0);
            let mut refusal = not_claimed(self.chip.given(), &chip, &line, offset, &error);
            if let DoorError::Claim { why, .. } = &mut refusal
                && errno(&error) == Some(libc::EINVAL)
            {
                why.push_str("; this kernel may be unable to set pull: use an external resistor and pull = \"none\"");
            }
            refusal
        })?;
        Ok(Claimed { request, offsets, descriptions })
    }

    /// Why the lines could not be read.
    fn unread(&self, error: &::gpiocdev::Error) -> DoorError {
        match refused(self.chip.given(), &self.names(), error) {
            DoorError::Claim { line: wires, why } => DoorError::Read { wires, why },
            other => other,
        }
    }

    /// The inputs, for messages.
    fn names(&self) -> String {
        let names: Vec<String> = self.inputs.iter().map(|(input, _)| input.to_string()).collect();
        names.join(", ")
    }

    /// As [`Contacts::describe`], also while the lines are not claimed.
    fn describe(&self, claimed: Option<&Claimed>) -> Vec<String> {
        let lost = || self.inputs.iter().map(|(input, _)| format!("{input}: {} is lost", self.chip.given())).collect();
        claimed.map_or_else(lost, |claimed| claimed.descriptions.clone())
    }
}

impl Claimed {
    /// Whether each input is active, debounced by the kernel.
    fn levels(&self) -> ::gpiocdev::Result<Vec<bool>> {
        let mut values = Values::from_offsets(&self.offsets);
        self.request.values(&mut values)?;
        Ok(self.offsets.iter().map(|&offset| values.get(offset) == Some(Value::Active)).collect())
    }

    /// The buffered edges, oldest first: the index of the input, and whether it became active. Blocks if there are none.
    fn edges(&self) -> ::gpiocdev::Result<Vec<(usize, bool)>> {
        let size = self.request.edge_event_u64_size();
        let mut buffer = vec![0; size * EDGES];
        let filled = self.request.read_edge_events_into_slice(&mut buffer)?;
        let mut edges = Vec::new();
        for event in buffer.chunks_exact(size.max(1)).take(filled / size.max(1)) {
            let event = self.request.edge_event_from_slice(event)?;
            if let Some(index) = self.offsets.iter().position(|&offset| offset == event.offset) {
                edges.push((index, event.kind == EdgeKind::Rising));
            }
        }
        Ok(edges)
    }
}

/// Inputs whose debounced edges the kernel reports.
struct Edges {
    lines: Lines,
    /// `None` after an error, until the next use.
    claimed: Option<Claimed>,
    /// The last returned state of each input.
    states: Vec<bool>,
}

impl Edges {
    /// Takes over `states`, by the index of the input, and returns those that are changes.
    fn changes(&mut self, states: impl IntoIterator<Item = (usize, bool)>) -> Vec<InputChange> {
        let mut changes = Vec::new();
        for (index, active) in states {
            let Some((known, (input, _))) = self.states.get_mut(index).zip(self.lines.inputs.get(index)) else {
                continue;
            };
            if std::mem::replace(known, active) != active {
                changes.push(InputChange { input: *input, active });
            }
        }
        changes
    }

    /// Runs `ask` on the lines, which are claimed if necessary; the flag says whether they were. An error releases them.
    fn with<T>(&mut self, ask: impl FnOnce(&Claimed, bool) -> ::gpiocdev::Result<T>) -> Result<T, DoorError> {
        let (claimed, fresh) = match self.claimed.take() {
            Some(claimed) => (claimed, false),
            None => (self.lines.claim(true)?, true),
        };
        let answer = ask(&claimed, fresh).map_err(|error| self.lines.unread(&error))?;
        self.claimed = Some(claimed);
        Ok(answer)
    }
}

impl Contacts for Edges {
    fn read(&mut self) -> Result<Vec<InputChange>, DoorError> {
        let levels = self.with(|claimed, _| claimed.levels())?;
        self.states.clone_from(&levels);
        let inputs = self.lines.inputs.iter().zip(levels);
        Ok(inputs.map(|((input, _), active)| InputChange { input: *input, active }).collect())
    }

    fn wait(&mut self, timeout: Duration) -> Result<Vec<InputChange>, DoorError> {
        let mut left = timeout;
        loop {
            let slice = left.min(READ_AFTER);
            let states = self.with(|claimed, fresh| {
                if !fresh && edge_within(claimed, slice)? {
                    return claimed.edges();
                }
                // Also finds changes whose edges the kernel lost.
                Ok(claimed.levels()?.into_iter().enumerate().collect())
            })?;
            let changes = self.changes(states);
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

/// Input lines to be polled. Each is claimed separately, because the kernel's first interface allows only equal lines in one claim.
struct PolledLines(Vec<(Lines, Option<Claimed>)>);

impl PolledLines {
    fn claim(lines: Lines) -> Result<PolledLines, DoorError> {
        let alone = |input: &(Input, InputSettings)| Lines {
            chip: ChipName::new(lines.chip.given()),
            inputs: vec![input.clone()],
            consumer: lines.consumer.clone(),
            interface: lines.interface,
        };
        let mut claimed_lines = Vec::new();
        for mut line in lines.inputs.iter().map(alone) {
            let claimed = line.claim(false)?;
            claimed_lines.push((line, Some(claimed)));
        }
        Ok(PolledLines(claimed_lines))
    }
}

impl Levels for PolledLines {
    fn levels(&mut self) -> Result<Vec<bool>, DoorError> {
        let mut all = Vec::new();
        for (line, slot) in &mut self.0 {
            let claimed = match slot.take() {
                Some(claimed) => claimed,
                None => line.claim(false)?,
            };
            all.extend(claimed.levels().map_err(|error| line.unread(&error))?);
            *slot = Some(claimed);
        }
        Ok(all)
    }

    fn describe(&self) -> Vec<String> {
        self.0.iter().flat_map(|(line, claimed)| line.describe(claimed.as_ref())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::{Contact, LineId};

    /// Tests the first interface, which can only poll inputs and which no test from outside reaches on a new kernel. Runs on the chip that
    /// `USHER_GPIO_SIM` names; see `tests/hil/gpio.rs`.
    #[test]
    #[ignore = "needs a chip of gpio-sim"]
    fn the_kernels_first_interface_is_polled_and_debounced_here() {
        let configfs =
            std::env::var_os("USHER_GPIO_SIM").expect("USHER_GPIO_SIM: the configfs folder of a gpio-sim chip");
        let configfs = std::path::PathBuf::from(configfs);
        let said = |name: &str| std::fs::read_to_string(configfs.join(name)).unwrap().trim().to_owned();
        let sysfs = format!("/sys/devices/platform/{}/{}", said("dev_name"), said("bank0/chip_name"));
        let pull = |line: u32, to: &str| std::fs::write(format!("{sysfs}/sim_gpio{line}/pull"), to).unwrap();
        let input = |line, contact| InputSettings {
            line: Some(LineId::Number(line)),
            contact,
            pull: Pull::Up,
            debounce: Duration::from_millis(20),
        };
        let inputs = vec![
            (Input::Sensor, input(9, Contact::NormallyClosed)),
            (Input::ExitButton, input(10, Contact::NormallyOpen)),
        ];
        let mut lines = Lines {
            chip: ChipName::new(&said("bank0/label")),
            inputs: inputs.clone(),
            consumer: "usher inputs test".to_owned(),
            interface: Some(AbiVersion::V1),
        };
        assert!(lines.claim(true).is_err(), "no edge detection for two lines that differ, nor debouncing");
        let mut contacts = Polled::new(PolledLines::claim(lines).unwrap(), &inputs, POLL);
        assert!(contacts.describe()[1].contains("line 10") && contacts.describe()[1].contains("polled every 10 ms"));
        let change = |input, active| InputChange { input, active };
        let open = vec![change(Input::Sensor, true), change(Input::ExitButton, false)];
        assert_eq!(contacts.read(), Ok(open), "nothing is connected to the lines, and the chip pulls them up");
        pull(9, "pull-down");
        assert_eq!(contacts.wait(Duration::from_secs(20)), Ok(vec![change(Input::Sensor, false)]));
        pull(10, "pull-down");
        assert_eq!(contacts.wait(Duration::from_secs(20)), Ok(vec![change(Input::ExitButton, true)]));
        assert_eq!(contacts.wait(Duration::from_millis(100)), Ok(vec![]));
    }
}
