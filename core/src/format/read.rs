//! Bytes in, checked views out: one numbered rule, one error. The counterpart of `write.rs`.

use super::bytes::{first_not_zero, number_at};
use super::header::{check_header, header, input, is_in_reach};
use super::*;
use crate::error::FormatError;
use crate::limits;

/// Bytes that obey the rules of the format but 6, 17 and 19: the model, the plan and the readers of metadata check these.
///
/// The header is read once; records and arrays are read when they are needed.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'b> {
    bytes: &'b [u8],
    header: Header,
    /// How the stem's weights are stored.
    stem: RecordNumbers,
    /// Before the stem's arrays.
    start: Walk,
}

impl<'b> Blob<'b> {
    /// Checks `bytes` against every rule of the format about bytes alone.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn read(bytes: &'b [u8]) -> Result<Self, FormatError> {
        let numbers = check_header(bytes)?;
        let header = header(&numbers);
        let start = Walk::start(&numbers).ok_or(FormatError::TooLarge)?;
        let mut walk = start;
        check_zeros(bytes, &walk)?;
        let stem = RecordNumbers {
            codec: [0, numbers.codec],
            weights_len: [0, numbers.weights_len],
            ..RecordNumbers::default()
        };
        check_stage(bytes, header.order, &mut walk, (Kind::Stem(header.stem), stem))?;
        let mut widest = 0;
        for index in 0..header.stages {
            let record = check_record(bytes, index, header.stages, walk.shape)?;
            let kind = Kind::Stage(shape(&record));
            widest = widest.max(check_stage(bytes, header.order, &mut walk, (kind, record))?);
        }
        if start.zeros.checked_add(widest) != Some(start.zeros_end) {
            return Err(FormatError::Mask { at: start.zeros });
        }
        metadata::check(bytes, walk.at)?;
        Ok(Self {
            bytes,
            header,
            stem,
            start,
        })
    }

    /// What the header holds.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Bytes of the whole blob.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Where an array of this blob starts.
    #[cfg(feature = "coded")]
    pub(crate) fn offset(&self, array: &[u8]) -> usize {
        array.as_ptr().addr().wrapping_sub(self.bytes.as_ptr().addr())
    }

    /// Never true: a blob has at least a header.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The shapes of the stages after the stem, in order, with the codecs of the bottleneck's weights and of the others.
    pub fn records(&self) -> Records<'b> {
        Records(self.record_bytes())
    }

    /// Number of logits.
    pub fn classes(&self) -> usize {
        match self.records().last() {
            Some((StageShape::Head { classes }, _)) => classes,
            _ => 0,
        }
    }

    /// The stem, then every stage in order.
    pub fn stages(&self) -> Stages<'b> {
        Stages {
            bytes: self.bytes,
            order: self.header.order,
            stem: Some((self.header.stem, self.stem)),
            records: self.record_bytes(),
            walk: self.start,
        }
    }

    #[inline(never)]
    fn record_bytes(&self) -> &'b [u8] {
        self.bytes.get(HEADER_LEN..self.start.zeros).unwrap_or(&[])
    }

    /// The fields of the metadata, which follow the last stage.
    pub fn metadata(&self) -> Fields<'b> {
        let mut stages = self.stages();
        stages.by_ref().for_each(drop);
        Fields::new(self.bytes.get(stages.walk.at..).unwrap_or(&[]))
    }
}

/// The shapes of the stages after the stem, with the codecs of the bottleneck's weights and of the others.
#[derive(Clone, Debug)]
pub struct Records<'b>(&'b [u8]);

impl Iterator for Records<'_> {
    type Item = (StageShape, [Codec; 2]);

    // The compiler leaves out the numbers that a shape does not need.
    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        let (bytes, rest) = self.0.split_at_checked(RECORD_LEN)?;
        self.0 = rest;
        let record = record(bytes);
        Some((shape(&record), codecs(&record)))
    }
}

/// Takes the next record.
#[inline(never)]
fn next_record(records: &mut &[u8]) -> Option<RecordNumbers> {
    let (bytes, rest) = records.split_at_checked(RECORD_LEN)?;
    *records = rest;
    Some(record(bytes))
}

#[inline(always)]
fn record(bytes: &[u8]) -> RecordNumbers {
    let mut record = RecordNumbers::default();
    record.each(|range, number| *number = number_at(bytes, range));
    record
}

/// Where a walk over the parameters is: at which byte, and the map that the next stage reads.
#[derive(Clone, Copy, Debug)]
struct Walk {
    at: usize,
    shape: Shape,
    /// The run of zeros, which lies before the first array.
    zeros: usize,
    zeros_end: usize,
}

impl Walk {
    fn start(numbers: &HeaderNumbers) -> Option<Self> {
        let zeros = numbers.stages.checked_mul(RECORD_LEN)?.checked_add(HEADER_LEN)?;
        let zeros_end = numbers.zeros.checked_mul(ALIGN)?.checked_add(zeros)?;
        Some(Self {
            at: zeros_end,
            shape: input(numbers),
            zeros,
            zeros_end,
        })
    }

    /// The stage of this kind and record; moves on to the next one.
    fn step<'b>(
        &mut self,
        bytes: &'b [u8],
        order: Order,
        kind: Kind,
        record: &RecordNumbers,
    ) -> Result<StageBytes<'b>, FormatError> {
        let mut stage = StageBytes {
            kind,
            input: self.shape,
            codecs: codecs(record),
            sections: [&[]; 9],
        };
        for (section, slot) in Section::ALL.into_iter().zip(&mut stage.sections) {
            let [first_len, len] = record.weights_len;
            let needed = match section {
                Section::BottleneckWeights => Some(first_len),
                Section::Weights => Some(len),
                _ => section_len(section, order, kind, self.shape),
            };
            let needed = needed.ok_or(FormatError::TooLarge)?;
            if section == Section::Mask && record.masks == 0 {
                let zeros = bytes.get(self.zeros..self.zeros_end);
                let zeros = zeros.and_then(|zeros| zeros.get(..needed));
                *slot = zeros.ok_or(FormatError::Mask { at: self.zeros })?;
                continue;
            }
            let padded = needed
                .checked_next_multiple_of(ALIGN)
                .ok_or(FormatError::TooLarge)?;
            let rest = bytes.get(self.at..).unwrap_or(&[]);
            let truncated = FormatError::Truncated {
                at: self.at,
                needed,
                had: rest.len(),
            };
            let array = rest.get(..padded).ok_or(truncated)?;
            *slot = array.get(..needed).ok_or(truncated)?;
            self.at = self.at.checked_add(padded).ok_or(FormatError::TooLarge)?;
        }
        self.shape = next_shape(kind, self.shape).ok_or(FormatError::TooLarge)?;
        Ok(stage)
    }
}

/// The stem, then every stage of a blob in order.
#[derive(Clone, Debug)]
pub struct Stages<'b> {
    bytes: &'b [u8],
    order: Order,
    stem: Option<(StemShape, RecordNumbers)>,
    records: &'b [u8],
    walk: Walk,
}

impl<'b> Iterator for Stages<'b> {
    type Item = StageBytes<'b>;

    fn next(&mut self) -> Option<StageBytes<'b>> {
        let (kind, record) = match self.stem.take() {
            Some((stem, record)) => (Kind::Stem(stem), record),
            None => {
                let record = next_record(&mut self.records)?;
                (Kind::Stage(shape(&record)), record)
            }
        };
        // The same walk succeeded when the blob was read.
        self.walk.step(self.bytes, self.order, kind, &record).ok()
    }
}

/// The stage that a record describes. An unknown kind was refused when the blob was read.
fn shape(record: &RecordNumbers) -> StageShape {
    let RecordNumbers {
        bottleneck, outputs, ..
    } = *record;
    match record.kind {
        RecordNumbers::LAYER => StageShape::Layer {
            bottleneck: (bottleneck > 0).then_some(bottleneck),
            growth: outputs,
        },
        RecordNumbers::TRANSITION => StageShape::Transition { filters: outputs },
        _ => StageShape::Head { classes: outputs },
    }
}

/// The codecs of a record. An unknown one was refused when the blob was read.
fn codecs(record: &RecordNumbers) -> [Codec; 2] {
    record
        .codec
        .map(|number| Codec::from_number(number).unwrap_or_default())
}

/// Rules 11 to 13 for stage record `index` of `stages`.
fn check_record(
    bytes: &[u8],
    index: usize,
    stages: usize,
    input: Shape,
) -> Result<RecordNumbers, FormatError> {
    let start = index
        .checked_mul(RECORD_LEN)
        .and_then(|offset| offset.checked_add(HEADER_LEN));
    let start = start.ok_or(FormatError::TooLarge)?;
    let mut rest = bytes.get(start..).unwrap_or(&[]);
    let truncated = FormatError::Truncated {
        at: start,
        needed: RECORD_LEN,
        had: rest.len(),
    };
    let record = next_record(&mut rest).ok_or(truncated)?;
    let is_last = index.checked_add(1) == Some(stages);
    let is_layer = record.kind == RecordNumbers::LAYER;
    match (record.kind, is_last) {
        (RecordNumbers::LAYER | RecordNumbers::TRANSITION, false) | (RecordNumbers::HEAD, true) => {}
        (kind, _) => {
            let kind = u8::try_from(kind).unwrap_or(0);
            return Err(FormatError::Stage { index, kind });
        }
    }
    let added = if is_layer { record.outputs } else { 0 };
    let channels = input.channels.saturating_add(added);
    let has_bottleneck = record.bottleneck > 0;
    if record.outputs == 0 || channels > limits::CHANNELS || (!is_layer && has_bottleneck) {
        return Err(FormatError::Width { index });
    }
    if record.kind == RecordNumbers::TRANSITION && input.width < 2 {
        return Err(FormatError::NothingToPool { index });
    }
    Ok(record)
}

/// Rules 8, 14, 16, 18, 21, 22 and 23 for the parameters of one stage. Returns the bytes of the run of zeros that it needs.
fn check_stage(
    bytes: &[u8],
    order: Order,
    walk: &mut Walk,
    (kind, record): (Kind, RecordNumbers),
) -> Result<usize, FormatError> {
    let at = walk.at;
    for (section, (codec, len)) in [Section::BottleneckWeights, Section::Weights]
        .into_iter()
        .zip(record.codec.into_iter().zip(record.weights_len))
    {
        let weights = section_len(section, order, kind, walk.shape).ok_or(FormatError::TooLarge)?;
        // The stem runs row by row, so nothing could hold its decoded weights in between.
        let is_raw = weights == 0 || matches!(kind, Kind::Stem(_));
        let known = Codec::from_number(codec).filter(|&known| known == Codec::Raw || !is_raw);
        let known = known.ok_or(FormatError::Codec { at, found: codec })?;
        if let Err(needed) = known.check_len(weights, len) {
            return Err(FormatError::Weights {
                at,
                needed,
                found: len,
            });
        }
    }
    if record.masks > 1 {
        return Err(FormatError::Mask { at });
    }
    let stage = walk.step(bytes, order, kind, &record)?;
    if !is_in_reach(walk.shape) {
        return Err(FormatError::TooLarge);
    }
    parameters::check(bytes, at, order, &stage, record.masks > 0)?;
    let masks = stage.section(Section::Mask);
    Ok(if record.masks > 0 { 0 } else { masks.len() })
}

/// Rule 8 for the run of zeros.
fn check_zeros(bytes: &[u8], walk: &Walk) -> Result<(), FormatError> {
    let had = bytes.len().saturating_sub(walk.zeros);
    let zeros = bytes.get(walk.zeros..walk.zeros_end);
    let zeros = zeros.ok_or(FormatError::Truncated {
        at: walk.zeros,
        needed: walk.zeros_end.saturating_sub(walk.zeros),
        had,
    })?;
    match first_not_zero(zeros) {
        Some(nth) => Err(FormatError::NotZero {
            at: walk.zeros.saturating_add(nth),
        }),
        None => Ok(()),
    }
}
