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
    let mut lines = Lines {
        chip: ChipName::new(chip),
        inputs: settings.inputs.clone(),
        consumer: settings.consumer("inputs"),
        interface: None,
    };
    match lines.claim(true) {
        Ok(claimed) => {
            let told = vec![false; settings.inputs.len()];
            Ok(Box::new(Edges { lines, claimed: Some(claimed), told }))
        }
        Err(in_use @ DoorError::LineInUse { .. }) => Err(in_use),
        Err(no_edges) => {
            // Whatever the reason: if the lines can be read without edges, they are.
            let levels = Asked::claim(lines)?;
            let every = POLL.as_millis();
            tracing::info!(chip, reason = %no_edges, "no edges of these inputs: they are asked every {every} ms");
            Ok(Box::new(Polled::new(levels, &settings.inputs, POLL)))
        }
    }
}

/// Which lines, and how.
struct Lines {
    chip: ChipName,
    inputs: Vec<(Input, InputSettings)>,
    consumer: String,
    /// `None`: the newest that the kernel has.
    interface: Option<AbiVersion>,
}

struct Claimed {
    request: Request,
    /// The line's number of each input.
    offsets: Vec<u32>,
    descriptions: Vec<String>,
}

impl Lines {
    fn claim(&mut self, edges: bool) -> Result<Claimed, DoorError> {
        let names = self.names();
        let chip = self.chip.find(&names)?;
        // The first interface (before Linux 5.10) does not know how to switch a resistor off.
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
        match refused(self.chip.given(), &self.names(), error) {
            DoorError::Claim { line: wires, why } => DoorError::Read { wires, why },
            other => other,
        }
    }

    /// For messages.
    fn names(&self) -> String {
        let names: Vec<String> = self.inputs.iter().map(|(input, _)| input.to_string()).collect();
        names.join(", ")
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

/// Inputs that can only be asked; each is claimed by itself, because the kernel's first interface wants all lines of a claim alike.
struct Asked(Vec<(Lines, Option<Claimed>)>);

impl Asked {
    fn claim(lines: Lines) -> Result<Asked, DoorError> {
        let alone = |input: &(Input, InputSettings)| Lines {
            chip: ChipName::new(lines.chip.given()),
            inputs: vec![input.clone()],
            consumer: lines.consumer.clone(),
            interface: lines.interface,
        };
        let mut asked = Vec::new();
        for mut line in lines.inputs.iter().map(alone) {
            let claimed = line.claim(false)?;
            asked.push((line, Some(claimed)));
        }
        Ok(Asked(asked))
    }
}

impl Levels for Asked {
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

    /// What no test from outside reaches on a new kernel: the first interface, with which inputs can only be asked. On the chip that
    /// `USHER_GPIO_SIM` names; `tests/hil/gpio.rs` says more of it.
    #[test]
    #[ignore = "needs a chip of gpio-sim"]
    fn the_kernels_first_interface_is_asked_and_debounced_here() {
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
        assert!(lines.claim(true).is_err(), "no edges of two lines that differ, nor debouncing");
        let mut contacts = Polled::new(Asked::claim(lines).unwrap(), &inputs, POLL);
        assert!(contacts.describe()[1].contains("line 10") && contacts.describe()[1].contains("asked every 10 ms"));
        let change = |input, active| Change { input, active };
        let open = vec![change(Input::Sensor, true), change(Input::ExitButton, false)];
        assert_eq!(contacts.read(), Ok(open), "nothing hangs on the lines, and the chip pulls them up");
        pull(9, "pull-down");
        assert_eq!(contacts.wait(Duration::from_secs(20)), Ok(vec![change(Input::Sensor, false)]));
        pull(10, "pull-down");
        assert_eq!(contacts.wait(Duration::from_secs(20)), Ok(vec![change(Input::ExitButton, true)]));
        assert_eq!(contacts.wait(Duration::from_millis(100)), Ok(vec![]));
    }
}
