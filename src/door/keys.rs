//! Keys to entries: collects what is typed on a keypad into a PIN, and what a reader types into a tag's number. Pure: times are arguments.
//!
//! What has been typed is wiped from memory when it has become an entry, and when it is given up. No error says what it was.

use std::time::Duration;

use zeroize::{Zeroize, Zeroizing};

use crate::domain::{Entry, EntryKind, Moment, Pin};

/// Without a key for this long, what was typed before is forgotten.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(5);
/// The most characters of a tag's number, with the marks between them that are left out later.
const LONGEST_TAG: usize = 80;

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A digit or a letter.
    Char(char),
    /// Ends the entry.
    Enter,
    /// Forgets what was typed.
    Clear,
}

impl Key {
    /// The key with this legend on a telephone's keypad: `#` is Enter, and `*` is Clear.
    pub fn labelled(label: char) -> Key {
        match label {
            '#' => Key::Enter,
            '*' => Key::Clear,
            other => Key::Char(other),
        }
    }
}

/// What ends an entry, besides [`Key::Enter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryEnds {
    /// This many digits, [`Pin::SHORTEST`] to [`Pin::LONGEST`].
    pub length: Option<usize>,
    /// No key for this long.
    pub pause: Option<Duration>,
}

/// Collects keys.
pub struct KeyCollector {
    /// Digits for a PIN; letters, digits and what may be between them for a tag. Other characters are ignored.
    typed: EntryKind,
    ends: EntryEnds,
    /// Never grows beyond its first allocation, which would leave a copy behind.
    text: Zeroizing<String>,
    /// More was typed than fits. The rest is ignored up to the end of the entry, which is then none.
    too_long: bool,
    last_key: Option<Moment>,
}

impl KeyCollector {
    /// Nothing typed yet.
    pub fn new(typed: EntryKind, ends: EntryEnds) -> KeyCollector {
        let most = Self::most(typed);
        KeyCollector { typed, ends, text: Zeroizing::new(String::with_capacity(most)), too_long: false, last_key: None }
    }

    fn most(typed: EntryKind) -> usize {
        match typed {
            EntryKind::Pin => Pin::LONGEST,
            EntryKind::Tag => LONGEST_TAG,
        }
    }

    /// Adds a key. Returns the entry that it ends. Text that is no entry, such as a PIN of three digits, is forgotten.
    pub fn press(&mut self, key: Key, now: Moment) -> Option<Entry> {
        let before = self.tick(now);
        if before.is_some() {
            // The pause had ended the entry before this key.
            self.press(key, now);
            return before;
        }
        match key {
            Key::Enter => return self.finish(),
            Key::Clear => self.forget(),
            Key::Char(c) => {
                let fits = match self.typed {
                    EntryKind::Pin => c.is_ascii_digit(),
                    EntryKind::Tag => c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | ' '),
                };
                if fits {
                    self.push(c);
                    self.last_key = Some(now);
                }
                if self.ends.length.is_some_and(|length| self.typed == EntryKind::Pin && self.text.len() >= length) {
                    return self.finish();
                }
            }
        }
        None
    }

    /// Returns the entry that a pause has ended. Forgets what was typed too long ago.
    pub fn tick(&mut self, now: Moment) -> Option<Entry> {
        let quiet = now.since(self.last_key?);
        if self.ends.pause.is_some_and(|pause| quiet >= pause) {
            return self.finish();
        }
        if quiet > FORGOTTEN_AFTER {
            self.forget();
        }
        None
    }

    /// Whether something was typed that is no entry yet.
    pub fn is_under_way(&self) -> bool {
        self.last_key.is_some()
    }

    /// Forgets what was typed.
    pub fn forget(&mut self) {
        self.text.zeroize();
        self.too_long = false;
        self.last_key = None;
    }

    fn push(&mut self, c: char) {
        if self.text.len() >= Self::most(self.typed) {
            self.text.zeroize();
            self.too_long = true;
        }
        if !self.too_long {
            self.text.push(c);
        }
    }

    fn finish(&mut self) -> Option<Entry> {
        let entry = match self.typed {
            _ if self.too_long => None,
            EntryKind::Pin => self.text.parse().ok().map(Entry::Pin),
            EntryKind::Tag => self.text.parse().ok().map(Entry::Tag),
        };
        self.forget();
        entry
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    fn pin(digits: &str) -> Option<Entry> {
        Some(Entry::Pin(digits.parse().unwrap()))
    }

    fn tag(number: &str) -> Option<Entry> {
        Some(Entry::Tag(number.parse().unwrap()))
    }

    /// Types `text` on a telephone's keypad, a key every 100 ms from `start`, and returns what the last key gives.
    fn type_in(keys: &mut KeyCollector, text: &str, start: u64) -> Option<Entry> {
        let times = (0..).map(|number| at(start + number * 100));
        let mut last = None;
        for (label, now) in text.chars().zip(times) {
            assert_eq!(last, None, "{text}: an entry ended early");
            last = keys.press(Key::labelled(label), now);
        }
        last
    }

    #[test]
    fn enter_ends_a_pin_and_clear_begins_it_anew() {
        let mut keys = KeyCollector::new(EntryKind::Pin, EntryEnds::default());
        assert_eq!(type_in(&mut keys, "1234#", 0), pin("1234"));
        assert_eq!(type_in(&mut keys, "99*0007#", 1000), pin("0007"));
        assert_eq!(type_in(&mut keys, "#", 2000), None, "nothing was typed");
        assert_eq!(type_in(&mut keys, "123#", 3000), None, "too short");
        assert_eq!(type_in(&mut keys, "A12B34C#", 4000), pin("1234"), "letters on a keypad are no digits");
        assert!(!keys.is_under_way());
    }

    #[test]
    fn more_than_ten_digits_are_no_pin_and_neither_is_a_part_of_them() {
        let mut keys = KeyCollector::new(EntryKind::Pin, EntryEnds::default());
        assert_eq!(type_in(&mut keys, "1234567890#", 0), pin("1234567890"));
        assert_eq!(type_in(&mut keys, "12345678901#", 2000), None);
        assert_eq!(type_in(&mut keys, "123456789012345#", 4000), None);
        assert_eq!(type_in(&mut keys, "12345678901*1234#", 6000), pin("1234"));
    }

    #[test]
    fn a_fixed_length_ends_a_pin_by_itself() {
        let ends = EntryEnds { length: Some(6), pause: None };
        let mut keys = KeyCollector::new(EntryKind::Pin, ends);
        assert_eq!(type_in(&mut keys, "123456", 0), pin("123456"));
        assert_eq!(type_in(&mut keys, "#", 700), None, "an Enter behind it does no harm");
        assert_eq!(type_in(&mut keys, "1234#", 1000), pin("1234"), "Enter ends a shorter one");
    }

    #[test]
    fn a_pause_ends_a_pin_where_it_is_set_and_else_five_seconds_forget_it() {
        let ends = EntryEnds { length: None, pause: Some(Duration::from_secs(3)) };
        let mut keys = KeyCollector::new(EntryKind::Pin, ends);
        assert_eq!(type_in(&mut keys, "1234", 0), None);
        assert_eq!(keys.tick(at(3299)), None);
        assert_eq!(keys.tick(at(3300)), pin("1234"));
        assert_eq!(keys.tick(at(9000)), None, "and once");
        assert_eq!(type_in(&mut keys, "1234", 10_000), None);
        assert_eq!(keys.press(Key::Char('5'), at(14_000)), pin("1234"), "the pause was over before this key");
        assert!(keys.is_under_way(), "which begins the next entry");

        let mut keys = KeyCollector::new(EntryKind::Pin, EntryEnds::default());
        assert_eq!(type_in(&mut keys, "12", 0), None);
        assert_eq!(keys.press(Key::Char('3'), at(5100)), None, "in time");
        assert_eq!(type_in(&mut keys, "4#", 5200), pin("1234"));
        assert_eq!(type_in(&mut keys, "12", 10_000), None);
        assert_eq!(type_in(&mut keys, "3456#", 15_101), pin("3456"), "the first two are forgotten");
        assert_eq!(type_in(&mut keys, "1234", 20_000), None);
        assert_eq!(keys.tick(at(25_301)), None);
        assert!(!keys.is_under_way());
    }

    #[test]
    fn a_reader_types_a_tag() {
        let mut keys = KeyCollector::new(EntryKind::Tag, EntryEnds::default());
        assert_eq!(type_in(&mut keys, "0012345678#", 0), tag("0012345678"));
        assert_eq!(type_in(&mut keys, "04:a2:2b:1f#", 2000), tag("04A22B1F"));
        assert_eq!(type_in(&mut keys, &format!("{}#", "1".repeat(81)), 10_000), None, "too long");
        assert_eq!(type_in(&mut keys, "abc#", 30_000), None, "too short");
        let ends = EntryEnds { length: Some(4), pause: None };
        let mut keys = KeyCollector::new(EntryKind::Tag, ends);
        assert_eq!(type_in(&mut keys, "00123#", 0), tag("00123"), "a fixed length is for PINs");
    }

    #[test]
    fn what_was_typed_is_wiped() {
        let mut keys = KeyCollector::new(EntryKind::Pin, EntryEnds::default());
        let place = (keys.text.as_ptr(), keys.text.capacity());
        for text in ["1234567890#", "12345678901#", "12*"] {
            type_in(&mut keys, text, 0);
        }
        assert_eq!((keys.text.as_ptr(), keys.text.capacity(), keys.text.len()), (place.0, place.1, 0));
    }

    proptest! {
        #[test]
        fn every_pin_comes_out_as_it_was_typed(digits in "[0-9]{4,10}", rest in "[A-D]{0,5}", noise in prop::collection::vec(0u8..12, 0..30)) {
            let mut keys = KeyCollector::new(EntryKind::Pin, EntryEnds::default());
            let mut now = 0;
            for key in noise {
                now += 70;
                keys.press(Key::labelled(char::from(b"0123456789*#"[usize::from(key)])), at(now));
            }
            prop_assert_eq!(type_in(&mut keys, &format!("*{digits}{rest}#"), now + 70), pin(&digits));
        }

        #[test]
        fn no_keys_at_any_time_give_anything_but_entries(
            typed in prop::sample::select(vec![EntryKind::Pin, EntryKind::Tag]),
            length in prop::option::of(4usize..=10),
            pause in prop::option::of(1u64..6000),
            keys in prop::collection::vec((any::<char>(), 0u64..8000), 0..200),
        ) {
            let mut collector = KeyCollector::new(typed, EntryEnds { length, pause: pause.map(Duration::from_millis) });
            let mut now = 0;
            for (label, later) in keys {
                now += later;
                match (typed, collector.press(Key::labelled(label), at(now))) {
                    (EntryKind::Pin, Some(Entry::Tag(_))) | (EntryKind::Tag, Some(Entry::Pin(_))) => prop_assert!(false),
                    _ => prop_assert!(collector.text.len() <= KeyCollector::most(typed)),
                }
            }
        }
    }
}
