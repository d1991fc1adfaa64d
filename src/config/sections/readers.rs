//! Keypads and readers of tags at a door: which lines or which device, and what ends an entry.

use std::path::PathBuf;
use std::time::Duration;

use super::{ms, section};
use crate::config::rule::{self, SECOND, span};
use crate::config::text::{off_at_zero, span_text};
use crate::domain::{Active, EntryKind, LineId, Pull};

section! {
    /// A reader of tags, a keypad or both in one housing, on two lines (Wiegand): cards of 26, 34 and 37 bits, and keys of 4 and 8 bits. Only with
    /// `driver = "gpiocdev"`. **The reader's lines carry 5 V: never connect them to the board without a level shifter**
    /// ([keypads.md](keypads.md#wiegand)).
    Wiegand {
        /// The line of D0, often a green wire.
        #[schemars(schema_with = "rule::line", example = 20)]
        d0: Option<LineId> = None,
        /// The line of D1, often a white wire.
        #[schemars(schema_with = "rule::line", example = 21)]
        d1: Option<LineId> = None,
        /// The level of a pulse at the board. A reader pulses low; a level shifter that inverts makes that `"high"`.
        active: Active = Active::Low,
        /// The resistor in the chip. `"none"` where the level shifter has its own.
        pull: Pull = Pull::Up,
        /// For keypads: the number of digits that ends a PIN by itself. Without it, and as well as it, the key `#` does.
        #[schemars(range(min = 4, max = 10), example = 6)]
        pin_length: Option<u32> = None,
        /// For keypads: a pause of this length ends a PIN, too. `"0s"`: it does not.
        #[serde(with = "off_at_zero")]
        #[schemars(schema_with = "span::<0, { 5 * SECOND }>", example = &"3s")]
        pin_pause: Option<Duration> = None,
    }
}

section! {
    /// A keypad that is a matrix of keys, rows and columns on lines of the board. Only with `driver = "gpiocdev"`. usher drives the rows low, one after the
    /// other, and reads the columns every 10 ms.
    #[schemars(extend("required" = ["rows", "columns"]))]
    Keypad {
        /// The lines of the rows, from the top.
        #[schemars(schema_with = "rule::lines", example = [7, 8, 9, 10])]
        rows: Vec<LineId> = Vec::new(),
        /// The lines of the columns, from the left.
        #[schemars(schema_with = "rule::lines", example = [11, 12, 16, 18])]
        columns: Vec<LineId> = Vec::new(),
        /// What is on the keys, row by row: as many characters as there are keys. `#` ends a PIN, and the asterisk begins it anew. Other characters that are
        /// no digits do nothing.
        #[schemars(schema_with = "rule::any")]
        keys: String = "123A456B789C*0#D".to_owned(),
        /// The resistors that pull the columns up: in the chip (`"up"`), or outside it (`"none"`).
        pull: Pull = Pull::Up,
        /// How long a key must be down before it counts.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<0, SECOND>")]
        debounce: Duration = ms(20),
        /// The number of digits that ends a PIN by itself. Without it, and as well as it, the key `#` does.
        #[schemars(range(min = 4, max = 10), example = 6)]
        pin_length: Option<u32> = None,
        /// A pause of this length ends a PIN, too. `"0s"`: it does not.
        #[serde(with = "off_at_zero")]
        #[schemars(schema_with = "span::<0, { 5 * SECOND }>", example = &"3s")]
        pin_pause: Option<Duration> = None,
    }
}

section! {
    /// A keypad or a reader of tags on USB that types like a keyboard, with any driver. usher takes it for itself alone: what is typed goes nowhere else.
    #[schemars(extend("required" = ["device"]))]
    Evdev {
        /// The device's file. Its name in `/dev/input/by-id` stays the same. It may be plugged in at any time.
        #[schemars(schema_with = "rule::path", example = &"/dev/input/by-id/usb-keypad-event-kbd")]
        device: PathBuf = PathBuf::new(),
        /// What is typed: the digits of a PIN, or the number of a tag. Enter ends either; Escape and Backspace begin it anew.
        reads: EntryKind = EntryKind::Pin,
        /// The number of digits that ends a PIN by itself.
        #[schemars(range(min = 4, max = 10), example = 6)]
        pin_length: Option<u32> = None,
        /// A pause of this length ends a PIN or a tag, too; for readers that send no Enter, `"200ms"`. `"0s"`: it does not.
        #[serde(with = "off_at_zero")]
        #[schemars(schema_with = "span::<0, { 5 * SECOND }>", example = &"3s")]
        pause: Option<Duration> = None,
    }
}
