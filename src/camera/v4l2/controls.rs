//! The controls of a device that exposure for a face needs. Only controls that the driver lists are read or set, and they are put back.

use v4l::Device;
use v4l::control::{Control, Description, Flags, Value};

use super::exposure::{Limits, Order, Setting, Steering};
use super::guard::{Failure, guarded};
use super::rate::Interval;
use crate::camera::FaceLight;
use crate::domain::Moment;

// From `linux/v4l2-controls.h`.

/// Who sets the exposure.
const EXPOSURE_AUTO: u32 = 0x009a_0901;
/// In units of 100 µs.
const EXPOSURE_ABSOLUTE: u32 = 0x009a_0902;
const GAIN: u32 = 0x0098_0913;
/// Values of [`EXPOSURE_AUTO`].
const AUTO: i64 = 0;
const MANUAL: i64 = 1;
const APERTURE_PRIORITY: i64 = 3;

/// The exposure of an open device.
pub(super) struct Exposure {
    steering: Steering,
    /// The value of [`EXPOSURE_AUTO`] when the device was opened: one of the automatics.
    automatic: i64,
    /// The gain when the face took over.
    own_gain: Option<i64>,
    has_gain: bool,
}

impl Exposure {
    /// `None` if the driver lists no such controls, or if somebody has set a fixed exposure: that is left as it is. `interval`, the time from frame to
    /// frame, limits the exposure, because a longer one would slow the camera down.
    pub(super) fn of(device: &Device, interval: Option<Interval>) -> Option<Exposure> {
        let listed = guarded(|| device.query_controls()).ok()?;
        let find = |id| listed.iter().find(|one| one.id == id && is_settable(one));
        let (mode, exposure) = (find(EXPOSURE_AUTO)?, find(EXPOSURE_ABSOLUTE)?);
        let can_be_manual = match &mode.items {
            Some(items) => items.iter().any(|(value, _)| i64::from(*value) == MANUAL),
            None => (mode.minimum..=mode.maximum).contains(&MANUAL),
        };
        let automatic = value(device, EXPOSURE_AUTO)?;
        if !can_be_manual || !matches!(automatic, AUTO | APERTURE_PRIORITY) {
            return None;
        }
        let frame = interval.map_or(i64::MAX, |interval| i64::try_from(interval.in_100_us()).unwrap_or(i64::MAX));
        let longest = exposure.maximum.min(frame).max(exposure.minimum);
        let gain = find(GAIN).map(|gain| [gain.minimum, gain.maximum]);
        let limits = Limits { exposure: [exposure.minimum.max(1), longest], gain };
        Some(Exposure { steering: Steering::new(limits), automatic, own_gain: None, has_gain: gain.is_some() })
    }

    /// Follows a face, and the time. After an error, exposure cannot be steered on this device.
    pub(super) fn follow(&mut self, device: &Device, light: Option<FaceLight>, now: Moment) -> Result<(), Failure> {
        let has_gain = self.has_gain;
        let current = || {
            let gain = if has_gain { value(device, GAIN) } else { None };
            Some(Setting { exposure: value(device, EXPOSURE_ABSOLUTE)?, gain })
        };
        let order = match light {
            Some(light) => {
                let was_steered = self.steering.is_steered();
                let order = self.steering.face(light, now, current);
                if order.is_some() && !was_steered {
                    self.own_gain = if has_gain { value(device, GAIN) } else { None };
                }
                order
            }
            None => self.steering.pass(now),
        };
        match order {
            None => Ok(()),
            Some(Order::Return) => self.put_back(device),
            Some(Order::Set(setting)) => {
                tracing::debug!(exposure_100_us = setting.exposure, gain = setting.gain, "exposure for a face");
                set(device, EXPOSURE_AUTO, MANUAL)?;
                set(device, EXPOSURE_ABSOLUTE, setting.exposure)?;
                setting.gain.map_or(Ok(()), |gain| set(device, GAIN, gain))
            }
        }
    }

    /// Puts everything back, before the device is closed.
    pub(super) fn restore(&mut self, device: &Device) {
        if self.steering.is_steered()
            && let Err(failure) = self.put_back(device)
        {
            tracing::debug!(reason = failure.reason, "a camera's exposure cannot be put back");
        }
    }

    fn put_back(&mut self, device: &Device) -> Result<(), Failure> {
        let gain = self.own_gain.take().map_or(Ok(()), |gain| set(device, GAIN, gain));
        set(device, EXPOSURE_AUTO, self.automatic)?;
        gain
    }
}

fn is_settable(control: &Description) -> bool {
    !control.flags.intersects(Flags::DISABLED | Flags::READ_ONLY | Flags::GRABBED)
}

fn value(device: &Device, id: u32) -> Option<i64> {
    match guarded(|| device.control(id)).ok()?.value {
        Value::Integer(value) => Some(value),
        _ => None,
    }
}

fn set(device: &Device, id: u32, value: i64) -> Result<(), Failure> {
    guarded(|| device.set_control(Control { id, value: Value::Integer(value) }))
}
