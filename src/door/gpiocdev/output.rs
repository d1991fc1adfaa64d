//! One output line: the relay's or a lamp's.

use ::gpiocdev::Request;
use ::gpiocdev::line::Value;

use super::super::{Active, DoorError, Level, LineId, Wires};
use super::chip::{ChipName, locate, not_claimed, refused};

/// An output line that is claimed, or will be claimed again at its next use because a write failed.
pub(super) struct OutputLine {
    chip: ChipName,
    line: LineId,
    active: Active,
    consumer: String,
    request: Option<Request>,
    /// The line as it was when it was last claimed.
    description: String,
}

impl OutputLine {
    /// Claims the line. Its first level is the safe one.
    pub fn claim(chip: &str, line: LineId, active: Active, consumer: String) -> Result<OutputLine, DoorError> {
        let description = format!("line {line} of {chip}, {active}");
        let mut output = OutputLine { chip: ChipName::new(chip), line, active, consumer, request: None, description };
        output.set(Level::Safe)?;
        Ok(output)
    }

    fn request(&mut self) -> Result<Request, DoorError> {
        let chip = self.chip.open(&self.description)?;
        let place = locate(self.chip.given(), &chip, &self.line)?;
        let description = format!("{place}, {}", self.active);
        let mut builder = Request::builder();
        builder.on_chip(&place.path).with_consumer(&self.consumer).with_line(place.offset);
        if self.active == Active::Low {
            builder.as_active_low();
        }
        // Inactive is safe; the kernel inverts an active-low line.
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
            // Dropping the request releases the line, which is claimed again the next time.
            Err(error) => Err(match refused(self.chip.given(), &self.description, &error) {
                DoorError::Claim { line: wires, why } => DoorError::Write { wires, level, why },
                other => other,
            }),
        }
    }
}

impl Wires for OutputLine {
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

impl Drop for OutputLine {
    fn drop(&mut self) {
        if let Some(request) = &self.request
            && let Err(error) = request.set_lone_value(Value::Inactive)
        {
            tracing::error!(line = %self.description, %error, "the line was not at its safe level when it was released");
        }
    }
}
