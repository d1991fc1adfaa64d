//! The Huffman codes of a sequential JPEG (ITU-T T.81, annexes C and F), read only as far as a [`super::glimpse`] needs: differences of
//! block means; everything else is skipped.

/// Codes of up to this many bits are looked up at once. Longer ones are rare.
const QUICK: u32 = 11;
const LONGEST: u32 = 16;
/// Coefficients of a block.
const BLOCK: u32 = 64;

/// A table of codes; empty at first.
pub(super) struct Table {
    /// For each start of [`QUICK`] bits the code's length and its symbol, `length << 8 | symbol`; 0 where the code is longer.
    quick: Box<[u16; 1 << QUICK]>,
    /// For each length of a code the first code that is too large, and what to add to a code for its place among the symbols.
    beyond: [u32; LONGEST as usize + 1],
    shift: [i32; LONGEST as usize + 1],
    symbols: Vec<u8>,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            quick: Box::new([0; 1 << QUICK]),
            beyond: [0; LONGEST as usize + 1],
            shift: [0; LONGEST as usize + 1],
            symbols: Vec::new(),
        }
    }
}

impl Table {
    /// Replaces the table: the number of codes of each length, and their symbols in order. `None` if there are more codes than a length has.
    pub fn fill(&mut self, counts: &[u8; LONGEST as usize], symbols: &[u8]) -> Option<()> {
        self.quick.fill(0);
        self.symbols.clear();
        self.symbols.extend_from_slice(symbols);
        let (mut code, mut place) = (0_u32, 0_usize);
        for (length, count) in (1..=LONGEST).zip(counts) {
            code <<= 1;
            *self.shift.get_mut(length as usize)? = place as i32 - code as i32;
            for symbol in symbols.get(place..place + usize::from(*count))? {
                if code >= 1 << length {
                    return None;
                }
                if length <= QUICK {
                    let (first, same) = (code << (QUICK - length), 1 << (QUICK - length));
                    let starts = self.quick.get_mut(first as usize..(first + same) as usize)?;
                    starts.fill((length as u16) << 8 | u16::from(*symbol));
                }
                code += 1;
            }
            place += usize::from(*count);
            *self.beyond.get_mut(length as usize)? = code;
        }
        Some(())
    }

    /// The length and the symbol of the code at the start of `bits`, the highest first.
    #[inline(always)]
    fn look_up(&self, bits: u64) -> Option<(u32, u32)> {
        // Always inside: the compiler drops the check.
        match self.quick.get((bits >> (64 - QUICK)) as usize) {
            Some(&found) if found != 0 => Some((u32::from(found >> 8), u32::from(found & 255))),
            _ => self.look_up_long(bits),
        }
    }

    #[cold]
    fn look_up_long(&self, bits: u64) -> Option<(u32, u32)> {
        for length in QUICK + 1..=LONGEST {
            let code = (bits >> (64 - length)) as u32;
            if code < *self.beyond.get(length as usize)? {
                let place = usize::try_from(code as i32 + self.shift.get(length as usize)?).ok()?;
                return Some((length, u32::from(*self.symbols.get(place)?)));
            }
        }
        None
    }
}

/// The bits of a scan, without the bytes stuffed into it.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, the highest first, and their number.
    held: u64,
    count: u32,
    /// How many of them were made up after the end.
    made_up: u32,
}

impl<'a> Bits<'a> {
    /// Begins at the first byte after a scan's header.
    pub fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, at: 0, held: 0, count: 0, made_up: 0 }
    }

    /// Holds at least 32 bits.
    #[inline(always)]
    fn refill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(word) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*word);
            // Whether one of the eight bytes is FF: whether its complement is zero.
            let other = !word;
            if other.wrapping_sub(0x0101_0101_0101_0101) & !other & 0x8080_8080_8080_8080 == 0 {
                self.held |= word >> self.count;
                let bytes = (64 - self.count) / 8;
                self.at += bytes as usize;
                self.count += bytes * 8;
                // The bits of a byte that is held in part are read again.
                self.held &= u64::MAX << (64 - self.count);
                return;
            }
        }
        self.refill_by_bytes();
    }

    fn refill_by_bytes(&mut self) {
        while self.count <= 56 {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xFF), Some(0)) => {
                    self.at += 2;
                    0xFF
                }
                // A marker, or the end.
                (Some(0xFF) | None, _) => {
                    self.made_up += 8;
                    0
                }
                (Some(&byte), _) => {
                    self.at += 1;
                    byte
                }
            };
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    #[inline(always)]
    fn skip(&mut self, bits: u32) {
        self.held <<= bits;
        self.count -= bits;
    }

    /// Whether more bits were read than there are.
    pub fn are_over(&self) -> bool {
        self.count < self.made_up
    }

    /// The difference between this block's first coefficient and the previous one's (F.2.2.1).
    pub fn difference(&mut self, table: &Table) -> Option<i32> {
        self.refill();
        let (length, size) = table.look_up(self.held)?;
        self.skip(length);
        match size {
            0 => Some(0),
            1..=11 => {
                let value = (self.held >> (64 - size)) as i32;
                self.skip(size);
                Some(if value < 1 << (size - 1) { value - (1 << size) + 1 } else { value })
            }
            _ => None,
        }
    }

    /// Skips a block's other coefficients (F.2.2.2).
    #[inline(always)]
    pub fn skip_block(&mut self, table: &Table) -> Option<()> {
        let mut place = 1;
        while place < BLOCK {
            self.refill();
            let (length, symbol) = table.look_up(self.held)?;
            let size = symbol & 15;
            // At most 16 + 15 bits.
            self.skip(length + size);
            place += match (symbol, size) {
                (0, _) => return Some(()),
                (0xF0, _) => 16,
                (_, 0) => return None,
                _ => (symbol >> 4) + 1,
            };
        }
        (place == BLOCK).then_some(())
    }

    /// Goes on behind the next restart marker.
    pub fn restart(&mut self) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        let found = rest.windows(2).position(|pair| matches!(pair, [0xFF, 0xD0..=0xD7]))?;
        *self = Bits { at: self.at + found + 2, ..Bits::new(self.bytes) };
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two symbols of two bits, one of three, one of thirteen.
    fn table() -> Table {
        let mut counts = [0; 16];
        (counts[1], counts[2], counts[12]) = (2, 1, 1);
        let mut table = Table::default();
        table.fill(&counts, &[0, 3, 0x21, 0xF0]).unwrap();
        table
    }

    #[test]
    fn codes_are_found_by_their_lengths() {
        let table = table();
        let find = |bits: u64, length: u32| table.look_up(bits << (64 - length));
        assert_eq!((find(0b00, 2), find(0b01, 2), find(0b100, 3)), (Some((2, 0)), Some((2, 3)), Some((3, 0x21))));
        assert_eq!(find(0b1_0100_0000_0000, 13), Some((13, 0xF0)));
        assert_eq!(find(0b11, 2), None);
    }

    #[test]
    fn differences_and_stuffed_bytes_are_read() {
        let table = table();
        // 01 111 (+7), 01 000 (-7), 00 (0), then ones until a stuffed byte.
        let bytes = [0b0111_1010, 0b0000_1111, 0xFF, 0x00, 0xFF, 0xD9];
        let mut bits = Bits::new(&bytes);
        let read: Vec<_> = (0..3).map(|_| bits.difference(&table)).collect();
        assert_eq!(read, [Some(7), Some(-7), Some(0)]);
        assert!(!bits.are_over());
        bits.skip(12);
        assert!(!bits.are_over());
        bits.skip(1);
        assert!(bits.are_over());
    }

    #[test]
    fn too_many_codes_for_a_length_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Table::default().fill(&counts, &[1, 2, 3]).is_none());
        assert!(Table::default().fill(&counts, &[1]).is_none());
    }

    #[test]
    fn a_scan_goes_on_behind_its_restart_marker() {
        let table = table();
        let mut bits = Bits::new(&[0b0011_1111, 0xFF, 0xD3, 0b0111_1000]);
        assert_eq!(bits.difference(&table), Some(0));
        bits.restart().unwrap();
        assert_eq!(bits.difference(&table), Some(7));
        assert!(bits.restart().is_none());
    }
}
