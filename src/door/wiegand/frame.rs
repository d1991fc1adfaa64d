//! Bits to what they mean: cards of 26, 34 and 37 bits with their parities, and key presses of 4 and 8 bits. Pure.
//!
//! | bits | format | even parity over | facility | number | odd parity over |
//! |---|---|---|---|---|---|
//! | 26 | H10301 | the first 13 | 8 bits | 16 bits | the last 13 |
//! | 34 | H10306 | the first 17 | 16 bits | 16 bits | the last 17 |
//! | 37 | H10304 | the first 19 | 16 bits | 19 bits | the last 19 |
//!
//! A parity bit is counted with what it covers. In 37 bits the one in the middle is covered twice. A key is its number in 4 bits, or in 8, of
//! which the first 4 are the inverse of the last; 10 is `*` and 11 is `#`.

use super::super::Unreadable;
use super::super::keys::Key;
use super::pulses::Bits;
use crate::domain::TagNumber;

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Card(TagNumber),
    Key(Key),
}

/// A card's format.
struct CardFormat {
    bits: u32,
    facility_bits: u32,
    number_bits: u32,
}

impl CardFormat {
    /// How many bits each parity covers, itself among them.
    fn covered(&self) -> u32 {
        self.bits.div_ceil(2)
    }
}

const CARDS: [CardFormat; 3] = [
    CardFormat { bits: 26, facility_bits: 8, number_bits: 16 },
    CardFormat { bits: 34, facility_bits: 16, number_bits: 16 },
    CardFormat { bits: 37, facility_bits: 16, number_bits: 19 },
];

/// Reads a frame.
///
/// # Errors
/// A parity is wrong, or no known format has as many bits.
pub fn read(bits: Bits) -> Result<Frame, Unreadable> {
    match bits.count {
        4 => Ok(Frame::Key(key(bits.value))),
        8 if low(bits.value, 4) == low(!(bits.value >> 4), 4) => Ok(Frame::Key(key(low(bits.value, 4)))),
        8 => Err(Unreadable::Parity { bits: 8 }),
        count => {
            let format = CARDS.iter().find(|format| format.bits == count);
            card(format.ok_or(Unreadable::NoFormat { bits: count })?, bits.value)
        }
    }
}

/// The lowest `count` bits.
fn low(value: u64, count: u32) -> u64 {
    value & 1_u64.checked_shl(count).unwrap_or_default().wrapping_sub(1)
}

fn key(number: u64) -> Key {
    match u32::try_from(number).ok().and_then(|number| char::from_digit(number, 10)) {
        Some(digit) => Key::Char(digit),
        None if number == 10 => Key::Clear,
        None if number == 11 => Key::Enter,
        // Keys for functions.
        None => Key::Char('F'),
    }
}

fn card(format: &CardFormat, value: u64) -> Result<Frame, Unreadable> {
    let unreadable = || Unreadable::Parity { bits: format.bits };
    let covered = format.covered();
    let first = value >> format.bits.saturating_sub(covered);
    let (even, odd) = (first.count_ones(), low(value, covered).count_ones());
    if !even.is_multiple_of(2) || odd.is_multiple_of(2) {
        return Err(unreadable());
    }
    let number = low(value >> 1, format.number_bits);
    let facility = low(value >> format.number_bits.saturating_add(1), format.facility_bits);
    format!("W{}-{facility}-{number}", format.bits).parse().map(Frame::Card).map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A card as its reader sends it.
    fn written(format: &CardFormat, facility: u64, number: u64) -> Bits {
        let mut value = (facility << format.number_bits | number) << 1;
        let half = format.covered();
        if (value >> (format.bits - half)).count_ones() % 2 == 1 {
            value |= 1 << (format.bits - 1);
        }
        if low(value, half).count_ones().is_multiple_of(2) {
            value |= 1;
        }
        Bits { value, count: format.bits }
    }

    fn tag(number: &str) -> Result<Frame, Unreadable> {
        Ok(Frame::Card(number.parse().unwrap()))
    }

    #[test]
    fn cards_that_are_known_from_elsewhere_are_read() {
        // Written out bit by bit: parity, facility, number, parity.
        let bits = |text: &str| {
            let digits: String = text.chars().filter(|c| *c != ' ').collect();
            Bits { value: u64::from_str_radix(&digits, 2).unwrap(), count: digits.len() as u32 }
        };
        // Of the data, the first twelve bits have nine ones and the last twelve have six.
        assert_eq!(read(bits("1 01111011 1011001001101110 1")), tag("W26-123-45678"));
        assert_eq!(read(bits("0 00000000 0000000000000001 0")), tag("W26-0-1"));
        assert_eq!(read(bits("0 00000000 0000000000000000 1")), tag("W26-0-0"));
        assert_eq!(read(bits("0 11111111 1111111111111111 1")), tag("W26-255-65535"));
        assert_eq!(read(bits("1 0000000000000001 0000000000000001 0")), tag("W34-1-1"));
        // The bit in the middle, the 18th of the data, belongs to both halves.
        assert_eq!(read(bits("1 0000000000000000 0100000000000000000 0")), tag("W37-0-131072"));
    }

    #[test]
    fn keys_have_four_or_eight_bits() {
        for number in 0..10u64 {
            let expected = Ok(Frame::Key(Key::Char(char::from_digit(number as u32, 10).unwrap())));
            assert_eq!(read(Bits { value: number, count: 4 }), expected);
            assert_eq!(read(Bits { value: (!number & 0xf) << 4 | number, count: 8 }), expected);
        }
        assert_eq!(read(Bits { value: 0xa, count: 4 }), Ok(Frame::Key(Key::Clear)));
        assert_eq!(read(Bits { value: 0xb, count: 4 }), Ok(Frame::Key(Key::Enter)));
        assert_eq!(read(Bits { value: 0b0100_1011, count: 8 }), Ok(Frame::Key(Key::Enter)));
        assert_eq!(read(Bits { value: 0b0100_1010, count: 8 }), Err(Unreadable::Parity { bits: 8 }));
    }

    #[test]
    fn other_lengths_are_no_format() {
        for count in (0..=64).filter(|count| ![4, 8, 26, 34, 37].contains(count)) {
            assert_eq!(read(Bits { value: 0, count }), Err(Unreadable::NoFormat { bits: count }));
        }
    }

    fn card_of(format: usize, facility: u64, number: u64) -> (u64, u64, Bits) {
        let format = &CARDS[format];
        let (facility, number) = (low(facility, format.facility_bits), low(number, format.number_bits));
        (facility, number, written(format, facility, number))
    }

    proptest! {
        #[test]
        fn any_number_comes_back(format in 0usize..3, facility: u64, number: u64) {
            let (facility, number, bits) = card_of(format, facility, number);
            prop_assert_eq!(read(bits), tag(&format!("W{}-{facility}-{number}", bits.count)));
        }

        #[test]
        fn a_flipped_bit_is_refused(format in 0usize..3, facility: u64, number: u64, at: u32) {
            let (_, _, bits) = card_of(format, facility, number);
            let flipped = Bits { value: bits.value ^ 1 << (at % bits.count), ..bits };
            prop_assert_eq!(read(flipped), Err(Unreadable::Parity { bits: bits.count }));
        }

        #[test]
        fn a_missing_or_additional_bit_is_refused(format in 0usize..3, facility: u64, number: u64, at: u32) {
            let (_, _, Bits { value, count }) = card_of(format, facility, number);
            let at = at % count;
            let without = (value >> (at + 1)) << at | low(value, at);
            let without = Bits { value: without, count: count - 1 };
            prop_assert!(read(without).is_err());
            let with = (value >> at) << (at + 1) | 1 << at | low(value, at);
            let with = Bits { value: with, count: count + 1 };
            prop_assert!(read(with).is_err());
        }

        #[test]
        fn no_bits_panic(value: u64, count in 0u32..=64) {
            drop(read(Bits { value, count }));
        }
    }
}
