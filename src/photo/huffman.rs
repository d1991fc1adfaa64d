//! The Huffman codes of a sequential JPEG (ITU-T T.81, annexes C and F), read only as far as a [`super::glimpse`] needs: differences of
//! block means; everything else is skipped.

/// Codes of up to this many bits are looked up at once. Longer ones are rare.
const QUICK: u32 = 12;
const LONGEST: u32 = 16;
/// Coefficients of a block, and the most bits of a difference between two blocks.
const BLOCK: u32 = 64;
const MOST_DIFFERENCE: u32 = 11;

/// A table of codes; empty at first.
pub(super) struct Table {
    /// For each start of [`QUICK`] bits the code's length and its symbol, `length << 8 | symbol`; 0 where the code is longer.
    quick: Box<[u16; 1 << QUICK]>,
    /// For each such start all coefficients whose codes lie in it: see [`Run`].
    runs: Box<[Run; 1 << QUICK]>,
    counts: [u8; LONGEST as usize],
    /// For each length of a code the first code that is too large, and what to add to a code for its place among the symbols.
    beyond: [u32; LONGEST as usize + 1],
    shift: [i32; LONGEST as usize + 1],
    symbols: Vec<u8>,
}

/// Coefficients that are skipped together: their bits, with those of their values; how far they advance in the block; and whether the block
/// ends behind them. No bits: none can be skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Run {
    bits: u8,
    advance: u8,
    ends: bool,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            quick: Box::new([0; 1 << QUICK]),
            runs: Box::new([Run::default(); 1 << QUICK]),
            counts: [0; LONGEST as usize],
            beyond: [0; LONGEST as usize + 1],
            shift: [0; LONGEST as usize + 1],
            symbols: Vec::new(),
        }
    }
}

impl Table {
    /// Replaces the table: the number of codes of each length, and their symbols in order. `None` if there are more codes than a length has.
    /// A camera sends the same tables with each frame, so these cost nothing.
    pub fn fill(&mut self, counts: &[u8; LONGEST as usize], symbols: &[u8]) -> Option<()> {
        if self.counts == *counts && self.symbols == symbols {
            return Some(());
        }
        self.quick.fill(0);
        self.runs.fill(Run::default());
        self.symbols.clear();
        self.counts = [0; LONGEST as usize];
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
        for (start, run) in (0..).zip(self.runs.iter_mut()) {
            *run = run_at(&self.quick, start);
        }
        self.symbols.extend_from_slice(symbols);
        self.counts = *counts;
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

/// The coefficients whose codes lie in the [`QUICK`] bits of `start`.
fn run_at(quick: &[u16; 1 << QUICK], start: u32) -> Run {
    let mut run = Run::default();
    while u32::from(run.bits) < QUICK && !run.ends {
        // The bits behind those that are known are taken for zero: a code that needs them is too long.
        let rest = (start << run.bits) & ((1 << QUICK) - 1);
        let found = quick.get(rest as usize).copied().unwrap_or_default();
        let (length, symbol) = ((found >> 8) as u8, (found & 255) as u8);
        if length == 0 || u32::from(run.bits + length) > QUICK {
            break;
        }
        match coefficient(u32::from(symbol)) {
            Some(0) => run.ends = true,
            Some(advance) => run.advance += advance as u8,
            None => break,
        }
        run.bits += length + (symbol & 15);
    }
    run
}

/// How far a symbol advances in its block; 0 if the block ends. `None` if there is no such symbol.
#[inline(always)]
fn coefficient(symbol: u32) -> Option<u32> {
    match (symbol, symbol & 15) {
        (0, _) => Some(0),
        (0xF0, _) => Some(16),
        (_, 0) => None,
        _ => Some((symbol >> 4) + 1),
    }
}

/// The bits of a scan, without the bytes stuffed into it.
#[derive(Clone, Copy)]
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
        if let Some(word) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*word);
            // Whether none of the eight bytes is FF: whether no byte of the complement is zero.
            let other = !word;
            if other.wrapping_sub(0x0101_0101_0101_0101) & !other & 0x8080_8080_8080_8080 == 0 {
                // As many whole bytes as fit. The part of the next byte that fits too is there twice in the end, with the same bits.
                self.held |= word >> self.count;
                self.at += ((63 - self.count) >> 3) as usize;
                self.count |= 56;
                return;
            }
        }
        if self.count < 32 {
            // By value, so that the others may stay in registers.
            *self = self.refilled_by_bytes();
        }
    }

    #[cold]
    fn refilled_by_bytes(mut self) -> Bits<'a> {
        // Without the part of a byte.
        self.held &= !(u64::MAX >> self.count);
        while self.count < 56 {
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
        self
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
    #[inline(always)]
    pub fn difference(&mut self, table: &Table) -> Option<i32> {
        let mut bits = *self;
        bits.refill();
        let (length, size) = table.look_up(bits.held)?;
        if size > MOST_DIFFERENCE {
            return None;
        }
        bits.skip(length);
        // Without a branch, which the processor would guess wrong half of the time. Of no bits the value is 0.
        let value = ((bits.held >> 1) >> (63 - size)) as i32;
        bits.skip(size);
        *self = bits;
        let negative = i32::from(value < (1 << size) >> 1);
        Some(value - negative * ((1 << size) - 1))
    }

    /// Skips such a difference.
    #[inline(always)]
    pub fn skip_difference(&mut self, table: &Table) -> Option<()> {
        self.refill();
        let (length, size) = table.look_up(self.held)?;
        self.skip(length + size.min(MOST_DIFFERENCE));
        (size <= MOST_DIFFERENCE).then_some(())
    }

    /// Skips a block's other coefficients (F.2.2.2).
    #[inline(always)]
    pub fn skip_block(&mut self, table: &Table) -> Option<()> {
        let mut bits = *self;
        let mut place = 1;
        while place < BLOCK {
            bits.refill();
            // Always inside: the compiler drops the check.
            let run = table.runs.get((bits.held >> (64 - QUICK)) as usize).copied().unwrap_or_default();
            let behind = place + u32::from(run.advance);
            // A run that leaves the block begins in it and ends in the next.
            if run.bits > 0 && behind + u32::from(run.ends) <= BLOCK {
                // At most 12 + 15 bits.
                bits.skip(u32::from(run.bits));
                place = if run.ends { BLOCK } else { behind };
                continue;
            }
            let (length, symbol) = table.look_up(bits.held)?;
            // At most 16 + 15 bits.
            bits.skip(length + (symbol & 15));
            place = match coefficient(symbol)? {
                0 => BLOCK,
                advance => place + advance,
            };
        }
        *self = bits;
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
    #[expect(clippy::unusual_byte_groupings, reason = "the groups are codes and their bits")]
    fn coefficients_are_skipped_together_as_one_by_one() {
        // Codes: 00 ends the block, 01 is one zero and three bits, 100 two zeros and one bit, 1010... sixteen zeros.
        let mut counts = [0; 16];
        (counts[1], counts[2], counts[3]) = (2, 1, 1);
        let mut table = Table::default();
        table.fill(&counts, &[0, 0x03, 0x21, 0xF0]).unwrap();
        let run = |start: u32| run_at(&table.quick, start);
        assert_eq!(run(0b01_111_01_000_00), Run { bits: 12, advance: 2, ends: true });
        assert_eq!(run(0b100_1_100_0_100_1), Run { bits: 12, advance: 9, ends: false });
        assert_eq!(run(0b1010_1010_01_11), Run { bits: 13, advance: 33, ends: false });
        assert_eq!(run(0b11 << 10), Run::default());
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..2000 {
            // Whole blocks, to the last coefficient or to an early end, one behind the other.
            let (mut written, mut blocks) = (String::new(), Vec::new());
            for _ in 0..6 {
                let mut place = 1;
                while place < 64 {
                    let (code, advance) = match random.u8(0..9) {
                        0 if place < 48 => ("1010".to_owned(), 16),
                        1..=2 if place < 62 => (format!("100{}", random.u8(0..2)), 3),
                        3 if place > 9 => ("00".to_owned(), 64 - place),
                        _ => (format!("01{:03b}", random.u8(0..8)), 1),
                    };
                    written += &code;
                    place += advance;
                }
                blocks.push(written.len());
            }
            written += &"1".repeat(72 - written.len() % 8);
            let byte = |bits: &[u8]| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap();
            let stuffed = |byte: u8| if byte == 0xFF { vec![0xFF, 0] } else { vec![byte] };
            let bytes: Vec<u8> = written.as_bytes().chunks(8).flat_map(|bits| stuffed(byte(bits))).collect();
            let mut bits = Bits::new(&bytes);
            for (read, end) in blocks.into_iter().enumerate() {
                bits.skip_block(&table).unwrap();
                // What is held are the bits behind the block.
                let next = &written[end..end + 8];
                bits.refill();
                assert_eq!(bits.held >> 56, u64::from(byte(next.as_bytes())), "{read}");
            }
        }
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
