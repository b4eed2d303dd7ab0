//! Weights as coded bytes: the counterpart of `denselet::codec`. After packing, before the blob; lossless.

use denselet::codec::Codec;

/// How weights are to be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// The smallest code of each array of weights of at most 7 bits, if it saves at least a quarter of the bytes; others stay
    /// raw, as those of 8 bits do.
    #[default]
    Auto,
    /// A byte per weight.
    Raw,
    /// The fixed code of the fewest bits that holds an array's weights; raw where none does.
    Fixed,
    /// A Huffman code for every array that it makes smaller.
    Huffman,
}

/// An array in the code that `coding` chooses.
pub fn code(coding: Coding, weights: &[i8]) -> (Codec, Vec<u8>) {
    let codecs: &[Codec] = match coding {
        Coding::Raw => &[],
        Coding::Fixed => &[Codec::Planes, Codec::Nibbles],
        Coding::Huffman => &[Codec::Huffman],
        Coding::Auto if weights.iter().any(|weight| !(-64..64).contains(weight)) => &[],
        Coding::Auto => &[Codec::Planes, Codec::Nibbles, Codec::Huffman],
    };
    let coded = codecs
        .iter()
        .filter_map(|&codec| Some((codec, encode(codec, weights)?)));
    let limit = match coding {
        Coding::Auto => weights.len() / 4 * 3,
        _ => weights.len().saturating_sub(1),
    };
    let smallest = coded.min_by_key(|(_, bytes)| bytes.len());
    smallest
        .filter(|(_, bytes)| bytes.len() <= limit)
        .unwrap_or_else(|| (Codec::Raw, raw(weights)))
}

fn raw(weights: &[i8]) -> Vec<u8> {
    weights.iter().map(|weight| weight.cast_unsigned()).collect()
}

/// An array in a codec; `None` if the codec cannot hold a weight.
pub fn encode(codec: Codec, weights: &[i8]) -> Option<Vec<u8>> {
    match codec {
        Codec::Raw => Some(raw(weights)),
        Codec::Nibbles => nibbles(weights),
        Codec::Planes => planes(weights),
        Codec::Huffman => huffman(weights),
    }
}

/// Weights counted from the lowest integer of so many bits.
fn centred(weights: &[i8], bits: u32) -> Option<Vec<u8>> {
    let half = 1i16 << (bits - 1);
    let values = weights.iter().map(|&weight| {
        let value = i16::from(weight) + half;
        (0..2 * half).contains(&value).then_some(value as u8)
    });
    values.collect()
}

fn nibbles(weights: &[i8]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; weights.len().div_ceil(8) * 4];
    for (nth, value) in centred(weights, 4)?.into_iter().enumerate() {
        bytes[nth / 8 * 4 + nth % 4] |= value << (nth / 4 % 2 * 4);
    }
    Some(bytes)
}

fn planes(weights: &[i8]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; weights.len().div_ceil(32) * 12];
    for (nth, value) in centred(weights, 3)?.into_iter().enumerate() {
        let (triple, group, byte) = (nth / 32 * 12, nth / 4 % 8, nth % 4);
        bytes[triple + group / 4 * 4 + byte] |= (value & 3) << (group % 4 * 2);
        bytes[triple + 8 + byte] |= value >> 2 << group;
    }
    Some(bytes)
}

/// Bits of the longest code.
const LONGEST: usize = 8;

fn huffman(weights: &[i8]) -> Option<Vec<u8>> {
    let (&low, &high) = (weights.iter().min()?, weights.iter().max()?);
    let place = |weight: i8| (i16::from(weight) - i16::from(low)) as usize;
    let mut counts = vec![0u64; place(high) + 1];
    weights.iter().for_each(|&weight| counts[place(weight)] += 1);
    let lengths = lengths(&counts);
    let mut bytes = vec![low.cast_unsigned(), (counts.len() - 1) as u8];
    bytes.extend(
        lengths
            .chunks(2)
            .map(|pair| pair[0] | pair.get(1).map_or(0, |high| high << 4)),
    );
    let codes = codes(&lengths);
    let (mut pending, mut count) = (0u32, 0);
    for &weight in weights {
        pending |= u32::from(codes[place(weight)]) << count;
        count += lengths[place(weight)];
        while count >= 8 {
            bytes.push(pending as u8);
            pending >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        bytes.push(pending as u8);
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Some(bytes)
}

/// Canonical codes of these lengths, the first bit lowest.
fn codes(lengths: &[u8]) -> Vec<u8> {
    let mut codes = vec![0; lengths.len()];
    let mut next = 0u16;
    for length in 1..=LONGEST as u8 {
        next <<= 1;
        for (code, _) in codes.iter_mut().zip(lengths).filter(|(_, own)| **own == length) {
            *code = (next as u8).reverse_bits() >> (8 - length);
            next += 1;
        }
    }
    codes
}

/// Lengths of at most [`LONGEST`] bits of an optimal code for symbols that occur so often; 0 for those that do not, and for one
/// that is alone. Package-merge (Larmore and Hirschberg, 1990): a symbol may buy a bit of each length once, and a code is what the
/// cheapest of these purchases make.
fn lengths(counts: &[u64]) -> Vec<u8> {
    let mut leaves: Vec<(u64, Vec<usize>)> = (counts.iter().enumerate())
        .filter(|(_, count)| **count > 0)
        .map(|(symbol, &count)| (count, vec![symbol]))
        .collect();
    leaves.sort();
    let mut lengths = vec![0; counts.len()];
    let bought = 2 * leaves.len().saturating_sub(1);
    let mut list = leaves.clone();
    for _ in 1..LONGEST {
        let packages = list.chunks_exact(2).map(|pair| {
            let symbols = pair[0].1.iter().chain(&pair[1].1).copied().collect();
            (pair[0].0 + pair[1].0, symbols)
        });
        list = packages.chain(leaves.iter().cloned()).collect();
        // A stable sort by weight alone: the same code on every machine.
        list.sort_by_key(|(count, _)| *count);
    }
    for (_, symbols) in list.iter().take(bought) {
        symbols.iter().for_each(|&symbol| lengths[symbol] += 1);
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;
    use denselet::codec::{TABLE_WORDS, decode};

    /// Seeded weights from `low` to `high`, more of them near zero.
    fn weights(count: usize, low: i8, high: i8, seed: u64) -> Vec<i8> {
        let mut state = seed * 2 + 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / 16_777_216.0 - 0.5
        };
        let value = |x: f32| {
            (x * f32::from(high))
                .round()
                .clamp(f32::from(low), f32::from(high)) as i8
        };
        (0..count)
            .map(|_| value(4.0 * next() * next() * 2.0 * next()))
            .collect()
    }

    fn decoded(codec: Codec, bytes: &[u8], count: usize) -> Option<Vec<i8>> {
        let words: Vec<u32> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|&word| u32::from_le_bytes(word))
            .collect();
        let (mut out, mut table) = (vec![0xa5; count], vec![0; TABLE_WORDS]);
        decode(codec, &words, &mut out, &mut table).ok()?;
        Some(out.into_iter().map(u8::cast_signed).collect())
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for count in (4..400).step_by(4) {
            for (low, high) in [(0, 0), (-1, 1), (-4, 3), (-8, 7), (-16, 15), (-127, 127)] {
                let weights = weights(count, low, high, count as u64);
                for &codec in Codec::ALL {
                    let Some(bytes) = encode(codec, &weights) else {
                        let limit = if codec == Codec::Planes { 3 } else { 7 };
                        assert!(high > limit, "{codec:?}");
                        continue;
                    };
                    assert_eq!(codec.check_len(count, bytes.len()), Ok(()), "{codec:?} {count}");
                    assert_eq!(
                        decoded(codec, &bytes, count).as_ref(),
                        Some(&weights),
                        "{codec:?} {count} {high}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_code_is_close_to_the_entropy() {
        let weights = weights(20_000, -8, 7, 5);
        let mut counts = [0.0f64; 256];
        weights
            .iter()
            .for_each(|weight| counts[usize::from(weight.cast_unsigned())] += 1.0);
        let bits = counts
            .iter()
            .filter(|count| **count > 0.0)
            .map(|count| count * (20_000.0 / count).log2());
        let (entropy, bytes) = (bits.sum::<f64>() / 8.0, huffman(&weights).unwrap().len() as f64);
        assert!(
            entropy <= bytes && bytes < 1.04 * entropy + 12.0,
            "{bytes} bytes, {entropy} at least"
        );
    }

    #[test]
    fn rare_weights_get_codes_of_eight_bits_at_most() {
        // Fibonacci's numbers would make codes as long as there are symbols.
        let mut counts = vec![1u64, 1];
        (2..30).for_each(|n| counts.push(counts[n - 1] + counts[n - 2]));
        let lengths = lengths(&counts);
        assert_eq!(lengths.iter().max(), Some(&8));
        let kraft: u32 = lengths.iter().map(|&length| 256 >> length).sum();
        assert_eq!(kraft, 256);
        // Without a limit the codes are those of the textbook.
        assert_eq!(super::lengths(&[5, 0, 1, 1, 2]), [1, 0, 3, 3, 2]);
    }

    #[test]
    fn int8_weights_stay_raw_unless_asked() {
        let wide: Vec<i8> = (0..4000).map(|n| (n * 37 % 255 - 127) as i8).collect();
        assert_eq!(code(Coding::Auto, &wide).0, Codec::Raw);
        assert_eq!(code(Coding::Fixed, &wide).0, Codec::Raw);
        let narrow = weights(4000, -4, 3, 1);
        assert_eq!(code(Coding::Raw, &narrow).0, Codec::Raw);
        assert_eq!(code(Coding::Fixed, &narrow).0, Codec::Planes);
        assert_eq!(code(Coding::Fixed, &weights(4000, -8, 7, 1)).0, Codec::Nibbles);
        assert_eq!(code(Coding::Auto, &narrow).0, Codec::Huffman);
    }
}
