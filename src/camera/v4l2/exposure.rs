//! Exposure for a face: from how bright the nearest face is to the exposure and gain that make it well lit. Pure: time and settings are arguments.
//!
//! A camera's own automatic measures the whole picture, so a person before a bright door is a silhouette. The automatic keeps control while faces come
//! out well, or nobody is there. Only a face that stays too dark or too bright takes it over, and it gets it back soon after the face has gone.

use std::time::Duration;

use crate::camera::FaceLight;
use crate::domain::Moment;

/// Mean brightness of a face, 0 to 255, that the automatic is left alone with. Faces of LFW lie in it, whatever their skin.
const COMFORT: [f32; 2] = [60.0, 200.0];
/// Once exposure is steered, it is corrected outside of this.
const GOOD: [f32; 2] = [95.0, 150.0];
/// What it is corrected to.
const TARGET: f32 = 120.0;
/// Pictures are coded with about this exponent (sRGB), so light changes by this power of the brightness.
const GAMMA: f32 = 2.2;
/// The most that light is changed in one step, either way.
const LARGEST_STEP: f32 = 2.5;
/// A face must be outside [`COMFORT`] for this long: the automatic may just be adapting.
const TAKEN_AFTER: Duration = Duration::from_millis(700);
/// After a change, pictures need this long until they show it.
const SETTLES_IN: Duration = Duration::from_millis(300);
/// The automatic gets control back when no face was seen for this long.
const RETURNED_AFTER: Duration = Duration::from_secs(3);

/// What a driver is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// In units of 100 µs, as `V4L2_CID_EXPOSURE_ABSOLUTE` has them.
    pub(super) exposure: i64,
    /// In the driver's own unit; `None` if there is no such control.
    pub(super) gain: Option<i64>,
}

/// Lowest and highest settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) exposure: [i64; 2],
    pub(super) gain: Option<[i64; 2]>,
}

/// What to do with the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Manual exposure with this setting.
    Set(Setting),
    /// Back to the automatic.
    Return,
}

/// Who controls the exposure, and since when.
#[derive(Clone, Copy, Debug)]
enum Control {
    /// The automatic; a face has been outside [`COMFORT`] since then.
    Automatic {
        unwell_since: Option<Moment>,
    },
    Steered {
        setting: Setting,
        set_at: Moment,
        seen_at: Moment,
    },
}

/// Steers the exposure of one camera.
#[derive(Debug)]
pub(super) struct Steering {
    limits: Limits,
    control: Control,
}

impl Steering {
    /// The automatic is in control.
    pub(super) fn new(limits: Limits) -> Steering {
        Steering { limits, control: Control::Automatic { unwell_since: None } }
    }

    /// Whether the automatic is off.
    pub(super) fn is_steered(&self) -> bool {
        matches!(self.control, Control::Steered { .. })
    }

    /// What follows from a face. `current` reads what the driver is set to now; it is called only when that matters.
    pub(super) fn face(
        &mut self,
        light: FaceLight,
        now: Moment,
        current: impl FnOnce() -> Option<Setting>,
    ) -> Option<Order> {
        let FaceLight { brightness, captured_at } = light;
        let within = |[low, high]: [f32; 2]| !brightness.is_finite() || (low..=high).contains(&brightness);
        match &mut self.control {
            Control::Automatic { unwell_since } if within(COMFORT) => {
                *unwell_since = None;
                None
            }
            Control::Automatic { unwell_since } => {
                let since = *unwell_since.get_or_insert(captured_at);
                if captured_at.since(since) < TAKEN_AFTER {
                    return None;
                }
                let setting = current()?;
                self.change(setting, brightness, now)
            }
            Control::Steered { setting, set_at, seen_at } => {
                *seen_at = now;
                // A picture from before the change says nothing about it.
                if within(GOOD) || captured_at < set_at.after(SETTLES_IN) {
                    return None;
                }
                let setting = *setting;
                self.change(setting, brightness, now)
            }
        }
    }

    /// What follows from the time alone.
    pub(super) fn pass(&mut self, now: Moment) -> Option<Order> {
        match self.control {
            Control::Steered { seen_at, .. } if now.since(seen_at) > RETURNED_AFTER => {
                self.control = Control::Automatic { unwell_since: None };
                Some(Order::Return)
            }
            _ => None,
        }
    }

    fn change(&mut self, from: Setting, brightness: f32, now: Moment) -> Option<Order> {
        let to = self.limits.corrected(from, brightness);
        if to == from {
            return None;
        }
        self.control = Control::Steered { setting: to, set_at: now, seen_at: now };
        Some(Order::Set(to))
    }
}

impl Limits {
    /// The setting that brings a face of this brightness nearer to [`TARGET`]. More light comes from a longer exposure first, because gain brings
    /// noise; less light from less gain first.
    fn corrected(&self, from: Setting, brightness: f32) -> Setting {
        let light = (TARGET / brightness.clamp(1.0, 255.0)).powf(GAMMA).clamp(LARGEST_STEP.recip(), LARGEST_STEP);
        let [shortest, longest] = self.exposure;
        // Rounded away from the present one, so that a short exposure changes at all. Casts saturate.
        let wanted = from.exposure.max(1) as f32 * light;
        let exposure = if light > 1.0 { wanted.ceil() } else { wanted.floor() } as i64;
        let exposure = exposure.clamp(shortest, longest.max(shortest));
        let Some((gain, [lowest, highest])) = from.gain.zip(self.gain) else {
            return Setting { exposure, gain: None };
        };
        // An eighth of the range at a time, and three quarters of it at most: the rest is mostly noise.
        let range = highest.saturating_sub(lowest).max(0);
        let step = range.saturating_add(7) / 8;
        let top = lowest.saturating_add((range / 4).saturating_mul(3));
        if light > 1.0 && from.exposure >= longest {
            let more = gain.saturating_add(step).min(top.max(gain));
            return Setting { exposure: from.exposure, gain: Some(more) };
        }
        if light < 1.0 && gain > lowest {
            return Setting { exposure: from.exposure, gain: Some(gain.saturating_sub(step).max(lowest)) };
        }
        Setting { exposure, gain: Some(gain) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { exposure: [1, 660], gain: Some([0, 80]) };

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    /// A face before a camera whose pictures follow its setting with a delay, seen ten times a second for `seconds`. Returns the brightness at the
    /// end, and the orders.
    fn stand(steering: &mut Steering, start_ms: u64, seconds: u64, lit: impl Fn(Setting) -> f32) -> (f32, Vec<Order>) {
        let mut setting = Setting { exposure: 100, gain: Some(0) };
        let mut orders = Vec::new();
        let mut shown = lit(setting);
        for tenth in 0..seconds * 10 {
            let now = at(start_ms + tenth * 100);
            let light = FaceLight { brightness: shown, captured_at: now };
            shown = lit(setting);
            let order = steering.face(light, now, || Some(setting)).or_else(|| steering.pass(now));
            orders.extend(order);
            if let Some(Order::Set(next)) = order {
                setting = next;
            }
        }
        (shown, orders)
    }

    /// A lens: brightness by exposure and gain.
    fn lens(scale: f32) -> impl Fn(Setting) -> f32 {
        move |setting| {
            let light = setting.exposure as f32 * (1.0 + setting.gain.unwrap_or_default() as f32 / 16.0) * scale;
            (255.0 * light.min(1.0).powf(1.0 / GAMMA)).min(255.0)
        }
    }

    #[test]
    fn a_face_before_a_bright_door_becomes_well_lit_in_few_steps() {
        for (scale, before) in [(0.0001, ..45.0), (0.000_02, ..16.0)] {
            let mut steering = Steering::new(LIMITS);
            let lit = lens(scale);
            assert!(before.contains(&lit(Setting { exposure: 100, gain: Some(0) })));
            let (shown, orders) = stand(&mut steering, 0, 12, &lit);
            assert!((90.0..=155.0).contains(&shown) || scale < 0.000_1, "{scale}: {shown} {orders:?}");
            assert!(shown > 60.0 && orders.len() < 16, "{scale}: {shown} {orders:?}");
        }
    }

    #[test]
    fn a_face_that_glares_becomes_darker() {
        let mut steering = Steering::new(LIMITS);
        let (shown, orders) = stand(&mut steering, 0, 5, lens(0.02));
        assert!((90.0..=155.0).contains(&shown) && orders.len() < 8, "{shown} {orders:?}");
    }

    #[test]
    fn a_face_that_comes_out_well_and_a_passing_flicker_change_nothing() {
        let mut steering = Steering::new(LIMITS);
        assert!(stand(&mut steering, 0, 5, |_| 80.0).1.is_empty());
        for tenth in 0..40 {
            let (now, brightness) = (at(tenth * 100), if tenth % 5 == 0 { 100.0 } else { 20.0 });
            let light = FaceLight { brightness, captured_at: now };
            assert_eq!(steering.face(light, now, || panic!("nothing is read")), None);
        }
    }

    #[test]
    fn the_automatic_gets_control_back_when_the_face_has_gone() {
        let mut steering = Steering::new(LIMITS);
        stand(&mut steering, 0, 3, lens(0.0001));
        assert!(steering.is_steered());
        assert_eq!(steering.pass(at(5_000)), None);
        assert_eq!(steering.pass(at(6_000)), Some(Order::Return));
        assert!(!steering.is_steered());
        assert_eq!(steering.pass(at(60_000)), None);
    }

    #[test]
    fn a_picture_from_before_a_change_is_not_corrected_again() {
        let mut steering = Steering::new(LIMITS);
        let dark = |ms| FaceLight { brightness: 20.0, captured_at: at(ms) };
        let setting = Setting { exposure: 100, gain: None };
        assert_eq!(steering.face(dark(0), at(50), || Some(setting)), None);
        let order = steering.face(dark(700), at(750), || Some(setting));
        assert_eq!(order, Some(Order::Set(Setting { exposure: 250, gain: None })));
        assert_eq!(steering.face(dark(1_000), at(1_060), || None), None);
        assert!(steering.face(dark(1_100), at(1_160), || None).is_some());
    }

    #[test]
    fn gain_comes_after_exposure_and_goes_before_it() {
        let set = |exposure, gain| Setting { exposure, gain: Some(gain) };
        assert_eq!(LIMITS.corrected(set(400, 0), 20.0), set(660, 0));
        assert_eq!(LIMITS.corrected(set(660, 0), 20.0), set(660, 10));
        assert_eq!(LIMITS.corrected(set(660, 60), 20.0), set(660, 60), "the rest is noise");
        assert_eq!(LIMITS.corrected(set(660, 10), 220.0), set(660, 0));
        assert_eq!(LIMITS.corrected(set(1, 0), 250.0), set(1, 0));
    }

    proptest! {
        #[test]
        fn any_face_and_limits_keep_the_limits(
            exposure: i64, brightness: f32, least in 0i64..100_000, more in 0i64..100_000,
            gain in prop::option::of((any::<i64>(), any::<i64>(), any::<i64>())),
        ) {
            let limits = Limits { exposure: [least, least + more], gain: gain.map(|(_, low, high)| [low, high]) };
            let to = limits.corrected(Setting { exposure, gain: gain.map(|(now, ..)| now) }, brightness);
            prop_assert!((least..=least + more).contains(&to.exposure) || to.exposure == exposure);
        }
    }
}
