//! One output line: the relay's or a lamp's.
//!
//! Knows nothing of what hangs on it.

use ::gpiocdev::Request;
use ::gpiocdev::line::Value;

use super::super::{Active, DoorError, Level, LineId, Wires};
use super::chip::{ChipName, locate, not_claimed, refused};

/// An output that is claimed, or to be claimed again at its next use because a write failed.
pub(super) struct Output {
    chip: ChipName,
    line: LineId,
    active: Active,
    consumer: String,
    request: Option<Request>,
    /// Which line it was when it was claimed last.
    description: String,
}

impl Output {
    /// Requests the line with its safe level as its first one.
    pub fn claim(chip: &str, line: LineId, active: Active, consumer: String) -> Result<Output, DoorError> {
        let description = format!("line {line} of {chip}, {active}");
        let mut output = Output { chip: ChipName::new(chip), line, active, consumer, request: None, description };
        output.set(Level::Safe)?;
        Ok(output)
    }

    fn request(&mut self) -> Result<Request, DoorError> {
        let chip = self.chip.find(&self.description)?;
        let place = locate(self.chip.given(), &chip, &self.line)?;
        let description = format!("{place}, {}", self.active);
        let mut builder = Request::builder();
        builder.on_chip(&place.path).with_consumer(&self.consumer).with_line(place.offset);
        if self.active == Active::Low {
            builder.as_active_low();
        }
        // Inactive is safe, whatever the level on the wire is: the kernel turns it around.
        let request = builder.as_output(Value::Inactive).request();
        let request =
            request.map_err(|error| not_claimed(self.chip.given(), &chip, &description, place.offset, &error))?;
        self.description = description;
        Ok(request)
    }

    fn set(&mut self, level: Level) -> Result<(), DoorError> {
        let value = match level {
            Level::Safe => Value::Inactive,
            Level::Energised => Value::Active,
        };
        let request = match self.request.take() {
            Some(request) => request,
            None => self.request()?,
        };
        match request.set_lone_value(value) {
            Ok(()) => {
                self.request = Some(request);
                Ok(())
            }
            // The request is dropped, and the line claimed anew the next time.
            Err(error) => Err(match refused(self.chip.given(), &self.description, &error) {
                DoorError::Claim { line: wires, why } => DoorError::Write { wires, level, why },
                other => other,
            }),
        }
    }
}

impl Wires for Output {
    fn energise(&mut self) -> Result<(), DoorError> {
        self.set(Level::Energised)
    }

    fn safe(&mut self) -> Result<(), DoorError> {
        self.set(Level::Safe)
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(request) = &self.request
            && let Err(error) = request.set_lone_value(Value::Inactive)
        {
            tracing::error!(line = %self.description, %error, "not at its safe level when it was given back");
        }
    }
}
