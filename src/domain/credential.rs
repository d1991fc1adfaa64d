//! What a person enters or presents at a door besides the face: a PIN, a tag.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

/// The digits of a PIN, [`Pin::SHORTEST`] to [`Pin::LONGEST`]. Wiped from memory when dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(Zeroizing<String>);

/// The text is no PIN. It does not say what the text was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PIN has 4 to 10 digits")]
pub struct NoPin;

impl Pin {
    /// The fewest digits.
    pub const SHORTEST: usize = 4;
    /// The most digits.
    pub const LONGEST: usize = 10;

    /// The digits.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// Why it is among the first that somebody would try; `None` if nothing is known against it.
    pub fn weakness(&self) -> Option<WeakPin> {
        let digits = self.0.as_bytes();
        let steps = |by: u8| {
            let next = |digit: u8| (digit.wrapping_sub(b'0').wrapping_add(by) % 10).wrapping_add(b'0');
            digits.iter().zip(digits.iter().skip(1)).all(|(one, other)| next(*one) == *other)
        };
        let pair_repeats = digits.iter().zip(digits.iter().skip(2)).all(|(one, other)| one == other);
        if steps(0) {
            Some(WeakPin::OneDigit)
        } else if steps(1) || steps(9) {
            Some(WeakPin::Run)
        } else {
            pair_repeats.then_some(WeakPin::Pair)
        }
    }
}

/// Why a PIN is easy to guess. Of each length, 120 PINs are weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPin {
    /// 0000
    #[error("all its digits are the same")]
    OneDigit,
    /// 1234, 4321, 8901
    #[error("its digits count up or down")]
    Run,
    /// 1212
    #[error("it repeats two digits")]
    Pair,
}

impl FromStr for Pin {
    type Err = NoPin;

    fn from_str(text: &str) -> Result<Pin, NoPin> {
        let fits = (Self::SHORTEST..=Self::LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(Pin(Zeroizing::new(text.to_owned()))) } else { Err(NoPin) }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

/// The number of a tag or card as a reader sends it: upper-case letters and digits, and `-` between the parts of a Wiegand number. Wiped from
/// memory when dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct TagNumber(Zeroizing<String>);

/// The text is no tag's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tag's number has 4 to 40 letters (A to Z) and digits, with -, : or blanks between them")]
pub struct NoTagNumber;

impl TagNumber {
    /// The number, normalised.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TagNumber {
    type Err = NoTagNumber;

    /// Readers differ in how they write the same number: letters of either case, and colons or blanks between bytes, which are left out.
    fn from_str(text: &str) -> Result<TagNumber, NoTagNumber> {
        let kept = text.chars().filter(|c| !matches!(c, ':' | ' '));
        let number: Zeroizing<String> = Zeroizing::new(kept.map(|c| c.to_ascii_uppercase()).collect());
        let plain = number.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let marks = number.bytes().filter(|b| *b == b'-').count();
        let fits = (4..=40).contains(&number.len()) && plain && number.len() - marks >= 4;
        if fits { Ok(TagNumber(number)) } else { Err(NoTagNumber) }
    }
}

impl fmt::Debug for TagNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TagNumber(..)")
    }
}

/// What a keypad or a reader at a door took in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Pin(Pin),
    Tag(TagNumber),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_has_four_to_ten_digits_and_is_never_printed() {
        for bad in ["", "123", "12345678901", "12a4", "١٢٣٤", "12 34", "-1234"] {
            assert_eq!(bad.parse::<Pin>(), Err(NoPin), "{bad}");
        }
        for good in ["1234", "0000000000"] {
            let pin: Pin = good.parse().unwrap();
            assert_eq!(pin.digits(), good);
            assert!(!format!("{pin:?}").contains(good));
        }
    }

    #[test]
    fn the_first_guesses_are_weak() {
        let weakness = |text: &str| text.parse::<Pin>().unwrap().weakness();
        for (text, why) in [
            ("0000", WeakPin::OneDigit),
            ("7777777777", WeakPin::OneDigit),
            ("1234", WeakPin::Run),
            ("0123456789", WeakPin::Run),
            ("7890", WeakPin::Run),
            ("4321", WeakPin::Run),
            ("2109", WeakPin::Run),
            ("1212", WeakPin::Pair),
            ("838383", WeakPin::Pair),
        ] {
            assert_eq!(weakness(text), Some(why), "{text}");
        }
        for text in ["1235", "2580", "1122", "12341", "4071", "121213"] {
            assert_eq!(weakness(text), None, "{text}");
        }
        let all = (0..10_000).filter(|number| weakness(&format!("{number:04}")).is_some()).count();
        assert_eq!(all, 120, "of the PINs of four digits");
    }

    #[test]
    fn a_tag_has_one_number_however_its_reader_writes_it() {
        let read = |text: &str| text.parse::<TagNumber>();
        assert_eq!(read("04:a2:2b:1f"), read("04A22B1F"));
        assert_eq!(read("04 a2 2b 1f").unwrap().as_str(), "04A22B1F");
        assert_eq!(read("W26-123-45678").unwrap().as_str(), "W26-123-45678");
        assert!(!format!("{:?}", read("04A22B1F")).contains("04A2"));
        for bad in ["", "123", "a-b-c", "----", "tag/1234", "ключ1", &"1".repeat(41)] {
            assert_eq!(read(bad), Err(NoTagNumber), "{bad}");
        }
    }
}
