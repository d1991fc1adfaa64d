//! The lines of a Raspberry Pi, through the registers of its GPIO block (crate `rppal`).
//!
//! Writing a register cannot fail, but something else may drive the line. Inputs are polled every 10 ms, which costs a read of a register.

use std::time::Duration;

use ::rppal::gpio::{Error, Gpio, InputPin, Level as Logic, Mode, OutputPin, Pin};
use ::rppal::system::DeviceInfo;

use super::contacts::{Levels, Polled};
use super::indicator::Lamps;
use super::reader::ReaderSettings;
use super::{
    Active, DoorError, InputSettings, Level, LineId, Pull, Survey, SurveyedLine, Wires, Wiring, WiringSettings,
    gpiocdev,
};

/// The interval of polling.
const POLL: Duration = Duration::from_millis(10);

/// The labels of the kernel's chips for the same lines.
const LABELS: [&str; 3] = ["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"];

/// Claims the lines of `settings`.
pub(super) fn open(settings: &WiringSettings) -> Result<Wiring, DoorError> {
    settings.lines()?;
    if settings.readers.iter().any(ReaderSettings::needs_lines) {
        return Err(DoorError::NoReaders);
    }
    let gpio = gpio()?;
    let output =
        |what: &str, line: &Option<LineId>, active| OutputLine::claim(&gpio, what, number(what, line)?, active);
    let relay = output("relay", &settings.relay.line, settings.relay.active)?;
    let lamps = settings.indicator.as_ref().map(|lamps| {
        Lamps::claim(lamps, |signal, line| {
            Ok(Box::new(output(&format!("{} lamp", signal.word()), &Some(line.clone()), lamps.active)?) as Box<_>)
        })
    });
    let indicator = lamps.transpose()?.map(|lamps| Box::new(lamps) as Box<_>);
    let contacts = match settings.inputs.as_slice() {
        [] => None,
        inputs => Some(Box::new(Polled::new(Inputs::claim(&gpio, settings)?, inputs, POLL)) as Box<_>),
    };
    Ok(Wiring { relay: Box::new(relay), indicator, contacts, readers: Vec::new() })
}

/// Describes the board, and the lines as the kernel knows them.
pub(super) fn survey(settings: &WiringSettings) -> Result<Survey, DoorError> {
    let model = model()?;
    let lines = settings.lines()?.into_iter().map(|(what, line)| {
        let line = number(&what, &Some(line.clone()));
        let used_by = line.as_ref().ok().and_then(|&number| user(number));
        SurveyedLine { what, line: line.map(name), used_by }
    });
    Ok(Survey { device: format!("rppal on a {model}"), lines: lines.collect() })
}

/// An output line. Dropping it leaves the line an output at its safe level.
struct OutputLine {
    pin: OutputPin,
    active: Active,
    description: String,
    /// The line did not read as it was written, which was logged.
    contradicted: bool,
}

impl OutputLine {
    /// Its level is set before it becomes an output.
    fn claim(gpio: &Gpio, what: &str, number: u8, active: Active) -> Result<OutputLine, DoorError> {
        let pin = pin(gpio, what, number)?;
        let mut pin = match active {
            Active::High => pin.into_output_low(),
            Active::Low => pin.into_output_high(),
        };
        pin.set_reset_on_drop(false);
        let description = format!("{} through rppal, {active}", name(number));
        let mut output = OutputLine { pin, active, description, contradicted: false };
        output.set(Level::Safe);
        Ok(output)
    }

    fn set(&mut self, level: Level) {
        let logic = match (self.active, level) {
            (Active::High, Level::Energised) | (Active::Low, Level::Safe) => Logic::High,
            (Active::High, Level::Safe) | (Active::Low, Level::Energised) => Logic::Low,
        };
        self.pin.write(logic);
        let contradicted = self.pin.is_set_high() != (logic == Logic::High);
        if contradicted && !self.contradicted {
            tracing::warn!(line = %self.description, %level, "the line does not read as it was written: a short, or another program?");
        }
        self.contradicted = contradicted;
    }
}

impl Wires for OutputLine {
    fn energise(&mut self) -> Result<(), DoorError> {
        self.set(Level::Energised);
        Ok(())
    }

    fn safe(&mut self) -> Result<(), DoorError> {
        self.set(Level::Safe);
        Ok(())
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

impl Drop for OutputLine {
    fn drop(&mut self) {
        self.set(Level::Safe);
    }
}

/// The input lines with the levels at which they are active.
struct Inputs {
    pins: Vec<(InputPin, Active)>,
    descriptions: Vec<String>,
}

impl Inputs {
    fn claim(gpio: &Gpio, settings: &WiringSettings) -> Result<Inputs, DoorError> {
        let mut inputs = Inputs { pins: Vec::new(), descriptions: Vec::new() };
        for (input, of) in &settings.inputs {
            let what = input.to_string();
            let number = number(&what, &of.line)?;
            let pin = pin(gpio, &what, number)?;
            inputs.pins.push((biased(pin, of), of.active()));
            let every = POLL.as_millis();
            inputs.descriptions.push(format!("{what}: {} through rppal, {of}, polled every {every} ms", name(number)));
        }
        Ok(inputs)
    }
}

fn biased(pin: Pin, settings: &InputSettings) -> InputPin {
    match settings.pull {
        Pull::Up => pin.into_input_pullup(),
        Pull::Down => pin.into_input_pulldown(),
        Pull::None => pin.into_input(),
    }
}

impl Levels for Inputs {
    fn levels(&mut self) -> Result<Vec<bool>, DoorError> {
        Ok(self.pins.iter().map(|(pin, active)| pin.is_high() == (*active == Active::High)).collect())
    }

    fn describe(&self) -> Vec<String> {
        self.descriptions.clone()
    }
}

/// The register block, mapped into this process.
fn gpio() -> Result<Gpio, DoorError> {
    model()?;
    Gpio::new().map_err(|error| match error {
        Error::PermissionDenied(path) => DoorError::NotAllowed { path },
        Error::UnknownModel => DoorError::UnknownPi { model: board() },
        other => {
            let why = format!("{other}; rppal needs /dev/gpiomem or /dev/mem, and a /dev/gpiochip of the kernel");
            DoorError::Claim { line: "the GPIO of this Raspberry Pi".to_owned(), why }
        }
    })
}

/// Takes the pin from this process's pool, unless the kernel knows a user of it.
fn pin(gpio: &Gpio, what: &str, number: u8) -> Result<Pin, DoorError> {
    if let Some(by) = user(number) {
        return Err(DoorError::LineInUse { line: format!("{} ({what})", name(number)), by });
    }
    let pin = gpio.get(number).map_err(|error| match error {
        Error::PinUsed(_) => {
            DoorError::LineInUse { line: format!("{} ({what})", name(number)), by: "usher itself".to_owned() }
        }
        Error::PinNotAvailable(_) => no_line(number),
        other => DoorError::Claim { line: name(number), why: other.to_string() },
    })?;
    let mode = pin.mode();
    if !matches!(mode, Mode::Input | Mode::Output | Mode::Null) {
        tracing::warn!(line = %name(number), what, "the pin had function {mode} of another peripheral until now; is that one switched off?");
    }
    Ok(pin)
}

/// The user of the line, if the kernel knows one.
fn user(number: u8) -> Option<String> {
    LABELS.iter().find_map(|label| gpiocdev::user(label, u32::from(number)))
}

fn number(what: &str, line: &Option<LineId>) -> Result<u8, DoorError> {
    match line {
        Some(LineId::Number(number)) => u8::try_from(*number).map_err(|_| no_line(*number)),
        Some(name) => Err(no_line(name)),
        None => Err(DoorError::NoLineGiven { what: what.to_owned() }),
    }
}

fn no_line(line: impl ToString) -> DoorError {
    let there = "rppal takes BCM numbers: 2 to 27 are on the header of 40 pins".to_owned();
    DoorError::NoLine { chip: format!("this {}", board()), line: line.to_string(), there }
}

fn name(number: u8) -> String {
    format!("GPIO {number}")
}

/// The model of this Raspberry Pi.
fn model() -> Result<String, DoorError> {
    match DeviceInfo::new() {
        Ok(info) => Ok(info.model().to_string()),
        Err(_) if board().contains("Raspberry Pi") => Err(DoorError::UnknownPi { model: board() }),
        Err(_) => Err(DoorError::NotAPi { found: board() }),
    }
}

/// The board's name in its device tree.
fn board() -> String {
    match std::fs::read_to_string("/sys/firmware/devicetree/base/model") {
        Ok(model) => model.trim_end_matches('\0').to_owned(),
        Err(_) => "a machine without a device tree".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_named_by_its_number_only() {
        assert_eq!(number("relay", &Some(LineId::Number(17))), Ok(17));
        for wrong in [LineId::Number(256), LineId::Name("GPIO17".into())] {
            let error = number("relay", &Some(wrong)).unwrap_err();
            assert!(error.to_string().contains("BCM numbers"), "{error}");
        }
        assert_eq!(number("relay", &None), Err(DoorError::NoLineGiven { what: "relay".into() }));
    }

    #[test]
    fn another_machine_gets_the_advice_to_use_the_other_driver() {
        if !board().contains("Raspberry Pi") {
            let error = gpio().unwrap_err();
            assert!(matches!(error, DoorError::NotAPi { .. }) && error.to_string().contains("gpiocdev"), "{error}");
        }
    }
}
