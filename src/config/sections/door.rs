//! A door: its lock, what it asks of people, and what is connected to which line.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Evdev, Keypad, Wiegand, ms, s, section};
use crate::config::rule::{self, DAY, MINUTE, SECOND, span};
use crate::config::text::{off_at_zero, span_text};
use crate::config::values::Asked;
use crate::domain::{Active, Assurance, Contact, EntryKind, LineId, Pull};

section! {
    /// One section for each door; at least one.
    ///
    /// The tables `[door.simulated]` to `[door.evdev]` belong to the `[[door]]` that they follow, and come after its own keys. A key of another driver is
    /// an error, and so is a line that is used twice. [Doors and their wiring](doors.md) shows what to connect.
    ///
    /// With `"gpiocdev"` a line is its number on the chip, or in quotes the name that the chip gives it, as `gpioinfo` shows it. With `"rppal"` it is the
    /// BCM number, 0 to 57: GPIO 17 is pin 11 of the header. The simulated driver needs no lines.
    Door {
        /// The door's name on the broker and in the journal; unique.
        #[schemars(schema_with = "rule::name")]
        name: String = "front".to_owned(),
        /// How long the lock stays open after a grant.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<100, MINUTE>")]
        pulse: Duration = s(3),
        /// The longest time for which consecutive pulses keep the lock open. Nothing exceeds it.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<SECOND, { 5 * MINUTE }>")]
        max_on: Duration = s(60),
        /// The longest time for which the lock may be *held* open: by a schedule, or for an evacuation. `"0s"`: the lock is not made to be held, and opens
        /// for `max_on` at most.
        #[serde(with = "off_at_zero")]
        #[schemars(schema_with = "span::<0, { 7 * DAY }>", example = &"12h")]
        max_hold: Option<Duration> = None,
        /// Whether the lock closes as soon as the door is closed again, without waiting for the end of the pulse. Needs `[door.sensor]`.
        relock_on_close: bool = true,
        /// How long the door may be open before a warning. Below `held_open_alarm`. `"0s"`: no warning.
        #[serde(with = "off_at_zero")]
        #[schemars(schema_with = "span::<0, DAY>")]
        held_open_warning: Option<Duration> = Some(s(30)),
        /// How long the door may be open before an alarm. `"0s"`: no alarm. Time in which the lock is held open does not count.
        #[serde(with = "off_at_zero")]
        #[schemars(schema_with = "span::<0, DAY>")]
        held_open_alarm: Option<Duration> = Some(s(60)),
        /// Whether a door that opens while locked raises an alarm. Set it to `false` where people leave by a handle without a contact.
        forced_open_alarm: bool = true,
        /// The name of the `[[schedule]]` during which the door stands unlocked. Needs `max_hold`.
        #[schemars(schema_with = "rule::any", example = &"office")]
        unlock_schedule: Option<String> = None,
        /// The group of which somebody must be let in first each day: before that, nobody else is, and the door does not stand unlocked. The person who opens the
        /// hours of `unlock_schedule` opens them [to their end](doors.md#the-first-person), also past midnight.
        #[schemars(schema_with = "rule::any", example = &"keyholders")]
        first_person: Option<String> = None,
        /// Two people must be recognised within this time, on two tracks, and both must be allowed to pass
        /// [when the second comes](verdicts.md#two-people). `"0s"`: one is enough.
        #[serde(with = "off_at_zero")]
        #[schemars(schema_with = "span::<0, { 5 * MINUTE }>")]
        two_person: Option<Duration> = None,
        /// What is asked of people [beyond being recognised](verdicts.md#more-than-a-face): one word, or a list of words of which any suffices, such as
        /// `["challenge", "face+pin"]`. `"recognised"` asks nothing: a photograph opens the door. `"auto"` is `"challenge"` with `"rppal"` and
        /// `"gpiocdev"`, and `"recognised"` with the simulated driver. A `[[permit]]` may ask something else of its people.
        #[schemars(schema_with = "rule::assurance_or_auto")]
        assurance: Asked = Asked::Auto,
        /// How people at the door are told which way to turn the head. `"auto"`: by the lamps `left` and `right` of `[door.indicator]`, if it has them.
        /// `"display"`: by something that shows the [prompt](mqtt.md#prompts) that usher publishes. `"none"`: not at all. Where people are not told,
        /// they are asked to turn left first and then right, always: that still stops prints, and no video that does the same.
        prompt: PromptChannel = PromptChannel::Auto,
        /// Whether somebody is there to let people in who cannot turn the head. Otherwise usher warns about a door that asks everybody to.
        attended: bool = false,
        /// The zone that going out leads to. Together with `inside`.
        #[schemars(schema_with = "rule::name", example = &"street")]
        outside: Option<String> = None,
        /// The zone that going in leads to; another one than `outside`.
        #[schemars(schema_with = "rule::name", example = &"office")]
        inside: Option<String> = None,
        /// Of the doors with the same word here, only one at a time may be unlocked or open.
        #[schemars(schema_with = "rule::name", example = &"airlock")]
        interlock: Option<String> = None,
        /// What moves the lock. `"simulated"` moves nothing and only logs what it would do; `"rppal"` drives a Raspberry Pi, `"gpiocdev"` any Linux board.
        driver: DoorDriver = DoorDriver::Simulated,
        /// What the lock does when its power is cut: a fail-secure strike stays locked, a fail-safe magnet opens. `usher doctor` reports it. With either,
        /// the relay at rest means locked as long as there is power.
        lock: Lock = Lock::FailSecure,
        /// The chip of the door's lines: a path such as `/dev/gpiochip0`, a name such as `gpiochip0`, or a label such as `pinctrl-bcm2711`, as `gpiodetect`
        /// shows them. A label stays the same when chips are numbered anew at boot.
        #[schemars(schema_with = "rule::any", extend("x-only" = ["driver", "gpiocdev"]))]
        chip: String = "/dev/gpiochip0".to_owned(),
        #[schemars(extend("x-only" = ["driver", "simulated"]))]
        simulated: Option<SimulatedDoor> = None,
        relay: Option<Relay> = None,
        indicator: Option<Indicator> = None,
        sensor: Option<Sensor> = None,
        exit_button: Option<ExitButton> = None,
        tamper: Option<Tamper> = None,
        wiegand: Option<Wiegand> = None,
        keypad: Option<Keypad> = None,
        evdev: Option<Evdev> = None,
    }
}

impl Door {
    /// What it asks, with `auto` resolved; any of these suffices.
    pub fn tiers(&self) -> Vec<Assurance> {
        match (&self.assurance, self.driver) {
            (Asked::Any(tiers), _) => tiers.0.clone(),
            (Asked::Auto, DoorDriver::Simulated) => vec![Assurance::Recognised],
            (Asked::Auto, DoorDriver::Rppal | DoorDriver::Gpiocdev) => vec![Assurance::Challenge],
        }
    }

    /// Whether people at the door are told which way to turn the head.
    pub fn has_prompts(&self) -> bool {
        let lamps = || self.indicator.as_ref().is_some_and(|lamps| lamps.left.is_some() && lamps.right.is_some());
        match self.prompt {
            PromptChannel::Auto => lamps(),
            PromptChannel::Display => true,
            PromptChannel::None => false,
        }
    }

    /// Whether a device of this door takes PINs. Entries over MQTT are apart: `[mqtt] entries`.
    pub fn takes_pins(&self) -> bool {
        let typed = self.evdev.as_ref().is_some_and(|evdev| evdev.reads == EntryKind::Pin);
        self.wiegand.is_some() || self.keypad.is_some() || typed
    }

    /// Whether a device of this door takes tags. Entries over MQTT are apart: `[mqtt] entries`.
    pub fn takes_tags(&self) -> bool {
        self.wiegand.is_some() || self.evdev.as_ref().is_some_and(|evdev| evdev.reads == EntryKind::Tag)
    }

    /// The zones outside and inside; both are set or neither is.
    pub fn zones(&self) -> Option<(&str, &str)> {
        self.outside.as_deref().zip(self.inside.as_deref())
    }
}

/// What drives the lines of a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DoorDriver {
    /// Nothing.
    Simulated,
    /// The registers of a Raspberry Pi.
    Rppal,
    /// The kernel's GPIO character device.
    Gpiocdev,
}

/// How people at a door are told what to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PromptChannel {
    /// By two lamps, if the door has them.
    #[default]
    Auto,
    /// By a display of somebody else's.
    Display,
    /// Not at all.
    None,
}

/// What a lock does when its power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lock {
    /// It stays locked, as a strike does.
    FailSecure,
    /// It opens, as a magnet does.
    FailSafe,
}

impl Lock {
    /// The word, as in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Lock::FailSecure => "fail-secure",
            Lock::FailSafe => "fail-safe",
        }
    }
}

section! {
    /// Simulated doors only: inputs that people and tests play. Without this table, all inputs are at rest for good.
    #[schemars(extend("required" = ["inputs"]))]
    SimulatedDoor {
        /// A text file that is read every 50 ms, with lines such as `sensor = open`, `exit_button = pressed`, `tamper = open`; at rest they are `closed`,
        /// `released`, `closed`. An input that the file does not name is at rest, and so are all when there is no file. A line that makes no sense is
        /// logged and ignored. Only inputs whose table (`[door.sensor]` …) is there exist.
        #[schemars(schema_with = "rule::path", example = &"/run/usher/front.inputs")]
        inputs: PathBuf = PathBuf::new(),
    }
}

section! {
    /// The relay of the lock. Required by `"rppal"` and `"gpiocdev"`.
    Relay {
        /// The relay's line. Drivers other than `"simulated"` require it.
        #[schemars(schema_with = "rule::line", example = 17)]
        line: Option<LineId> = None,
        /// The level that energises the relay, which lets the door be opened. The other one is the safe level: it is set before the line becomes an output,
        /// after that, and when usher ends.
        active: Active = Active::High,
    }
}

section! {
    /// Lamps beside the door: one for each line that is set, never two at once but for `left` and `right`.
    Indicator {
        /// The lamp that says: come in.
        #[schemars(schema_with = "rule::line", example = 22)]
        granted: Option<LineId> = None,
        /// The lamp that says: no.
        #[schemars(schema_with = "rule::line", example = 23)]
        denied: Option<LineId> = None,
        /// The lamp that says: something is wrong with this door.
        #[schemars(schema_with = "rule::line", example = 24)]
        fault: Option<LineId> = None,
        /// The lamp that says: turn your head to the left. Together with `right`; while people are asked to look up, both are lit.
        #[schemars(schema_with = "rule::line", example = 25)]
        left: Option<LineId> = None,
        /// The lamp that says: turn your head to the right.
        #[schemars(schema_with = "rule::line", example = 27)]
        right: Option<LineId> = None,
        /// The level that lights a lamp.
        active: Active = Active::High,
    }
}

section! {
    /// The contact that senses whether the door is open. `contact` and `pull` mean the same for all three inputs:
    ///
    /// - A contact is described *at rest*: while the door is closed, the button released, the housing closed. The input is active (open, pressed,
    ///   open) when the contact is not as it is at rest.
    /// - With `pull = "up"` the contact leads from the line to ground: a closed contact reads low, an open one is pulled high by the chip.
    /// - With `pull = "down"` it leads from the line to the board's supply (3.3 V, never more): a closed contact reads high, an open one low.
    /// - With `pull = "none"` it is as with `"up"`, but the resistor that pulls up is outside the chip. This is for chips that cannot pull: many ignore
    ///   the request silently.
    ///
    /// | Contact | Pull | Active at |
    /// |---|---|---|
    /// | normally-closed | up, none | high, and when the wire is cut |
    /// | normally-closed | down | low, and when the wire is cut |
    /// | normally-open | up, none | low |
    /// | normally-open | down | high |
    Sensor {
        /// The input's line. Drivers other than `"simulated"` require it.
        #[schemars(schema_with = "rule::line", example = 5)]
        line: Option<LineId> = None,
        /// The contact while the door is closed.
        contact: Contact = Contact::NormallyClosed,
        /// The resistor in the chip.
        pull: Pull = Pull::Up,
        /// How long a new level must last before it counts. The kernel debounces for `"gpiocdev"` (Linux 5.10 and later); otherwise usher reads the line every
        /// 10 ms.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<0, { 5 * SECOND }>")]
        debounce: Duration = ms(30),
    }
}

section! {
    /// The button beside the door, on the inside. It must open the door by wire as well: see [free egress](doors.md#free-egress).
    ExitButton {
        /// The input's line. Drivers other than `"simulated"` require it.
        #[schemars(schema_with = "rule::line", example = 6)]
        line: Option<LineId> = None,
        /// The contact while the button is released.
        contact: Contact = Contact::NormallyOpen,
        /// The resistor in the chip.
        pull: Pull = Pull::Up,
        /// How long a new level must last before it counts.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<0, { 5 * SECOND }>")]
        debounce: Duration = ms(30),
    }
}

section! {
    /// The contact in the housing of the reader or of the board.
    Tamper {
        /// The input's line. Drivers other than `"simulated"` require it.
        #[schemars(schema_with = "rule::line", example = 13)]
        line: Option<LineId> = None,
        /// The contact while the housing is closed.
        contact: Contact = Contact::NormallyClosed,
        /// The resistor in the chip.
        pull: Pull = Pull::Up,
        /// How long a new level must last before it counts.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<0, { 5 * SECOND }>")]
        debounce: Duration = ms(100),
    }
}
