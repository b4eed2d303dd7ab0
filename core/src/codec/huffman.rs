//! A canonical Huffman code of at most 8 bits, with a table that finds up to three weights at once.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "lengths are 0 to 15, entries and weights of a code at most 256, and a slice has fewer bits than `usize` counts"
)]

/// The decoding table: an entry for each byte that can come next. It holds the weights whose codes are whole in that byte, up to
/// three, in its lower three bytes; above them how many these are, and how many bits their codes have.
type Table = [u32; TABLE_WORDS];
pub(super) const TABLE_WORDS: usize = 256;
const COUNT: u32 = 24;
const BITS: u32 = 28;

/// Bits of the longest code.
const LONGEST: usize = 8;

/// Bytes of the longest description of a code, with the padding that may follow the last weight.
pub(super) const DESCRIPTION_LIMIT: usize = Code::START + 128 + 3;

/// Look-ups with one refill of the buffer, whose codes have 32 bits at most.
const LOOKUPS: usize = 4;
/// Bytes that they can write: a whole entry after at most 15 weights.
const WRITTEN: usize = 15 + 4;

/// Weights of an array that pay for joining entries: fewer are decoded one at a time in less time.
const WORTH_JOINING: usize = 1200;

/// Decodes a stream, and checks that it is exactly `out.len()` weights of a complete code.
pub(super) fn decode(stream: &[u32], out: &mut [u8], table: &mut Table) -> Option<()> {
    let code = Code::read(stream)?;
    code.fill(table)?;
    if out.len() >= WORTH_JOINING {
        join(table);
    }
    let mut bits = Bits {
        stream,
        at: code.end(),
    };
    let mut rest = out;
    while let Some(piece) = rest.first_chunk_mut::<WRITTEN>() {
        let mut buffer = bits.peek();
        // The upper bytes of the entries, added up.
        let mut sum = 0;
        for _ in 0..LOOKUPS {
            let entry = entry(table, buffer);
            let at = wide(sum & 15);
            if let Some(group) = piece.get_mut(at..at + 4) {
                group.copy_from_slice(&entry.to_le_bytes());
            }
            buffer >>= entry >> BITS;
            sum += entry >> COUNT;
        }
        bits.at += wide(sum >> (BITS - COUNT));
        rest = rest.get_mut(wide(sum & 15)..)?;
    }
    // The codes after the last weight are not there, so one weight at a time.
    for weight in rest {
        [*weight, ..] = entry(table, bits.peek()).to_le_bytes();
        bits.at += wide(code.length(usize::from(weight.wrapping_sub(code.lowest))));
    }
    bits.is_at_end().then_some(())
}

/// The entry of the byte that comes next.
#[inline(always)]
fn entry(table: &Table, buffer: u32) -> u32 {
    let [next, ..] = buffer.to_le_bytes();
    table.get(usize::from(next)).copied().unwrap_or(0)
}

/// A small number as a length or a place.
#[inline(always)]
fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Adds to each entry of one weight those that follow it in the same byte.
fn join(table: &mut Table) {
    // An entry reads entries of lower places only, and itself: these have one weight still.
    for place in (0..TABLE_WORDS).rev() {
        let Some(&first) = table.get(place) else { return };
        let mut joined = first;
        let mut bits = first >> BITS;
        for shift in [8, 16] {
            let next = table.get(place >> bits).copied().unwrap_or(0);
            bits += next >> BITS;
            if wide(bits) > LONGEST {
                break;
            }
            joined += ((next & 0xff) << shift) + (next >> COUNT << COUNT);
        }
        if let Some(entry) = table.get_mut(place) {
            *entry = joined;
        }
    }
}

/// Bits of a stream, from the lowest of its first word on.
struct Bits<'s> {
    stream: &'s [u32],
    at: usize,
}

impl Bits<'_> {
    /// The next 32 bits; zeros after the end.
    #[inline(always)]
    fn peek(&self) -> u32 {
        let word = |nth| self.stream.get(nth).copied().unwrap_or(0);
        let (nth, shift) = (self.at / 32, self.at % 32);
        word(nth) >> shift | word(nth + 1) << 1 << (31 - shift)
    }

    /// Whether the last word has been reached and what is left of it is zero.
    fn is_at_end(&self) -> bool {
        self.at.div_ceil(32) == self.stream.len() && self.peek() == 0
    }
}

/// The description of a code, at the start of its stream.
struct Code<'s> {
    stream: &'s [u32],
    /// The weight of the first length.
    lowest: u8,
    /// How many lengths there are, 1 to 256.
    count: usize,
}

impl<'s> Code<'s> {
    /// Bytes before the first length.
    const START: usize = 2;

    fn read(stream: &'s [u32]) -> Option<Self> {
        let [lowest, last, ..] = stream.first()?.to_le_bytes();
        Some(Self {
            stream,
            lowest,
            count: usize::from(last) + 1,
        })
    }

    /// Bits of the description.
    fn end(&self) -> usize {
        8 * (Self::START + self.count.div_ceil(2))
    }

    /// The length of the `nth` weight's code as it is stored: four bits, zero after the end of the stream.
    fn length(&self, nth: usize) -> u32 {
        let (at, shift) = (Self::START + nth / 2, nth % 2 * 4);
        let word = self.stream.get(at / 4).copied().unwrap_or(0);
        word >> (at % 4 * 8 + shift) & 15
    }

    /// Fills the table with one weight an entry; `None` if the code is not complete, or if it has another description as well.
    fn fill(&self, table: &mut Table) -> Option<()> {
        let last = usize::from(self.lowest ^ 0x80) + self.count - 1;
        let is_filled = self.count.is_multiple_of(2) || self.length(self.count) == 0;
        if last > usize::from(u8::MAX) || !is_filled {
            return None;
        }
        if self.count == 1 {
            table.fill(u32::from(self.lowest) | 1 << COUNT);
            return (self.length(0) == 0).then_some(());
        }
        if self.length(0) == 0 || self.length(self.count - 1) == 0 {
            return None;
        }
        // How much of all bytes the codes of each length start; then, where the next one of each length starts.
        let mut places = [0; LONGEST + 1];
        for length in (0..self.count).map(|nth| self.length(nth)) {
            *places.get_mut(wide(length))? += share(length);
        }
        let mut end = 0;
        for share in &mut places {
            (*share, end) = (end, end + *share);
        }
        if wide(end) != TABLE_WORDS {
            return None;
        }
        for nth in 0..self.count {
            let length = self.length(nth);
            let next = places.get_mut(wide(length))?;
            // A code starts with its highest bit, which is the lowest of a byte of the stream.
            let first = usize::from(u8::try_from(*next).unwrap_or(0).reverse_bits());
            *next += share(length);
            if length > 0 {
                let weight = self.lowest.wrapping_add(u8::try_from(nth).unwrap_or(0));
                let entry = u32::from(weight) | 1 << COUNT | length << BITS;
                let places = table.iter_mut().skip(first).step_by(1 << length);
                places.for_each(|place| *place = entry);
            }
        }
        Some(())
    }
}

/// Of the 256 bytes, those that start with a code of this length; none start with a code that does not exist.
fn share(length: u32) -> u32 {
    if length == 0 { 0 } else { 256 >> length }
}
