//! Bytes in, checked views out: one numbered rule, one error. The counterpart of `write.rs`.

use super::*;
use crate::error::FormatError;

/// Bytes that obey rules 1 to 5 and 7 to 16 of the format; rules 6, 17 and 18 are the model's and the plan's.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'b> {
    bytes: &'b [u8],
    header: Header,
}

impl<'b> Blob<'b> {
    /// Checks `bytes` against every rule of the format that speaks of bytes alone.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn read(bytes: &'b [u8]) -> Result<Self, FormatError> {
        let header = read_header(bytes)?;
        let blob = Self { bytes, header };
        let mut walk = blob.start()?;
        for _ in 0..=header.stages {
            let at = walk.at;
            if let Some(stage) = blob.step(&mut walk)? {
                check_padding(bytes, at, &stage)?;
                check_multipliers(at, &stage)?;
            }
        }
        if walk.at != bytes.len() {
            return Err(FormatError::Trailing { at: walk.at });
        }
        Ok(blob)
    }

    /// What the header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes of the whole blob.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never true: a blob has at least a header.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The stem, then every stage in order.
    pub fn stages(&self) -> Stages<'b> {
        Stages {
            blob: *self,
            walk: self.start().ok(),
        }
    }

    fn start(&self) -> Result<Walk, FormatError> {
        let records = self
            .header
            .stages
            .checked_mul(RECORD_LEN)
            .ok_or(FormatError::TooLarge)?;
        let at = HEADER_LEN.checked_add(records).ok_or(FormatError::TooLarge)?;
        Ok(Walk {
            index: 0,
            at,
            shape: self.header.input,
        })
    }

    /// The stage at the walk's place; moves the walk behind it. `None` behind the head.
    fn step(&self, walk: &mut Walk) -> Result<Option<StageBytes<'b>>, FormatError> {
        let kind = match walk.index.checked_sub(1) {
            None => Kind::Stem(self.header.stem),
            Some(index) if index >= self.header.stages => return Ok(None),
            Some(index) => Kind::Stage(self.record(index, walk.shape)?),
        };
        let mut sections: [&[u8]; 12] = [&[]; 12];
        for (section, slot) in Section::ALL.iter().zip(&mut sections) {
            let needed =
                section_len(*section, self.header.order, kind, walk.shape).ok_or(FormatError::TooLarge)?;
            let rest = self.bytes.get(walk.at..).unwrap_or(&[]);
            let truncated = FormatError::Truncated {
                at: walk.at,
                needed,
                had: rest.len(),
            };
            let padded = needed
                .checked_next_multiple_of(ALIGN)
                .ok_or(FormatError::TooLarge)?;
            if padded > rest.len() {
                return Err(truncated);
            }
            *slot = rest.get(..needed).ok_or(truncated)?;
            walk.at = walk.at.checked_add(padded).ok_or(FormatError::TooLarge)?;
        }
        let stage = StageBytes {
            kind,
            input: walk.shape,
            sections,
        };
        walk.shape = shape_behind(kind, walk.shape).ok_or(FormatError::TooLarge)?;
        walk.index = walk.index.saturating_add(1);
        Ok(Some(stage))
    }

    /// Reads the stage record `index` (rules 8 and 11 to 13).
    fn record(&self, index: usize, input: Shape) -> Result<StageShape, FormatError> {
        let start = index
            .checked_mul(RECORD_LEN)
            .and_then(|offset| offset.checked_add(HEADER_LEN))
            .ok_or(FormatError::TooLarge)?;
        let bytes = self
            .bytes
            .get(start..)
            .and_then(|rest| rest.get(..RECORD_LEN))
            .ok_or(FormatError::Truncated {
                at: start,
                needed: RECORD_LEN,
                had: self.bytes.len().saturating_sub(start),
            })?;
        for reserved in record::RESERVED {
            if bytes.get(reserved) != Some(&0) {
                return Err(FormatError::NotZero {
                    at: start.saturating_add(reserved),
                });
            }
        }
        let kind = bytes.get(record::KIND).copied().unwrap_or(0);
        let bottleneck = usize::from(u16_at(bytes, record::BOTTLENECK));
        let outputs = usize::from(u16_at(bytes, record::OUTPUTS));
        let is_last = index.checked_add(1) == Some(self.header.stages);
        let stage = match (kind, is_last) {
            (record::LAYER, false) => StageShape::Layer {
                bottleneck: (bottleneck > 0).then_some(bottleneck),
                growth: outputs,
            },
            (record::TRANSITION, false) => StageShape::Transition { filters: outputs },
            (record::HEAD, true) => StageShape::Head { classes: outputs },
            _ => return Err(FormatError::Stage { index, kind }),
        };
        let is_layer = kind == record::LAYER;
        let channels = input.channels.saturating_add(if is_layer { outputs } else { 0 });
        if outputs == 0 || channels > MAX_CHANNELS || (!is_layer && bottleneck > 0) {
            return Err(FormatError::Width { index });
        }
        if kind == record::TRANSITION && input.width < 2 {
            return Err(FormatError::NothingToPool { index });
        }
        Ok(stage)
    }
}

/// Where a walk over the stages is.
#[derive(Clone, Copy, Debug)]
struct Walk {
    /// 0 at the stem, then one more than the stage record's number.
    index: usize,
    at: usize,
    shape: Shape,
}

/// The stem, then every stage of a blob in order.
#[derive(Clone, Debug)]
pub struct Stages<'b> {
    blob: Blob<'b>,
    walk: Option<Walk>,
}

impl<'b> Iterator for Stages<'b> {
    type Item = StageBytes<'b>;

    fn next(&mut self) -> Option<StageBytes<'b>> {
        // The same walk succeeded when the blob was read.
        self.blob.step(self.walk.as_mut()?).ok().flatten()
    }
}

fn read_header(bytes: &[u8]) -> Result<Header, FormatError> {
    if bytes.len() < HEADER_LEN {
        return Err(FormatError::TooShort {
            needed: HEADER_LEN,
            had: bytes.len(),
        });
    }
    let mut found = [0; 4];
    found.copy_from_slice(bytes.get(field::MAGIC).unwrap_or(&[0; 4]));
    if found != MAGIC {
        return Err(FormatError::Magic { found });
    }
    let version = u16_at(bytes, field::VERSION);
    if version != VERSION {
        return Err(FormatError::Version { found: version });
    }
    let needed = usize_at(bytes, field::LEN)?;
    if needed != bytes.len() {
        return Err(FormatError::Length {
            needed,
            had: bytes.len(),
        });
    }
    let expected = u32_at(bytes, field::CRC);
    let found = crc32::crc32(bytes.get(field::CHECKED..).unwrap_or(&[]));
    if expected != found {
        return Err(FormatError::Crc { expected, found });
    }
    let order = match bytes.get(field::ORDER).copied().unwrap_or(u8::MAX) {
        0 => Order::Plain,
        1 => Order::Pairs,
        found => return Err(FormatError::Order { found }),
    };
    for at in field::RESERVED {
        if bytes.get(at) != Some(&0) {
            return Err(FormatError::NotZero { at });
        }
    }
    let found = field::INPUT.map(|range| u16_at(bytes, range));
    if found.iter().any(|&n| n == 0 || n > MAX_INPUT) {
        return Err(FormatError::Input { found });
    }
    let [height, width, channels] = found.map(usize::from);
    let input = Shape {
        height,
        width,
        channels,
    };
    Ok(Header {
        order,
        arena_len: usize_at(bytes, field::ARENA_LEN)?,
        input,
        stem: read_stem(bytes, input).ok_or(FormatError::Stem)?,
        stages: check_stages(u16_at(bytes, field::STAGES))?,
    })
}

/// A network ends in a head, so there is at least one stage.
fn check_stages(stages: u16) -> Result<usize, FormatError> {
    if stages == 0 {
        Err(FormatError::Stage { index: 0, kind: 0 })
    } else {
        Ok(usize::from(stages))
    }
}

fn read_stem(bytes: &[u8], input: Shape) -> Option<StemShape> {
    let fields = bytes.get(field::STEM)?;
    let [
        kernel_height,
        kernel_width,
        stride_y,
        stride_x,
        pad_top,
        pad_left,
        pad_bottom,
        pad_right,
        pool,
    ] = <[u8; 9]>::try_from(fields).ok()?;
    let kernel = 1..=15;
    let stride = 1..=4;
    let in_range = kernel.contains(&kernel_height)
        && kernel.contains(&kernel_width)
        && stride.contains(&stride_y)
        && stride.contains(&stride_x)
        && pad_top.max(pad_bottom) < kernel_height
        && pad_left.max(pad_right) < kernel_width
        && pool < 2;
    let filters = usize::from(u16_at(bytes, field::FILTERS));
    let stem = StemShape {
        kernel_height: kernel_height.into(),
        kernel_width: kernel_width.into(),
        stride_y: stride_y.into(),
        stride_x: stride_x.into(),
        pad_top: pad_top.into(),
        pad_left: pad_left.into(),
        pad_bottom: pad_bottom.into(),
        pad_right: pad_right.into(),
        pool: pool == 1,
        filters,
    };
    (in_range && filters > 0 && stem.output(input).is_some()).then_some(stem)
}

/// Rule 8 for the parameters: what fills an array up to a multiple of four bytes is zero.
fn check_padding(bytes: &[u8], mut at: usize, stage: &StageBytes<'_>) -> Result<(), FormatError> {
    for section in stage.sections {
        let end = at.saturating_add(section.len());
        let padded = end.checked_next_multiple_of(ALIGN).ok_or(FormatError::TooLarge)?;
        let filling = bytes.get(end..padded).unwrap_or(&[]);
        if let Some(nth) = filling.iter().position(|&byte| byte != 0) {
            return Err(FormatError::NotZero {
                at: end.saturating_add(nth),
            });
        }
        at = padded;
    }
    Ok(())
}

/// Rule 16.
fn check_multipliers(mut at: usize, stage: &StageBytes<'_>) -> Result<(), FormatError> {
    for (name, section) in Section::ALL.iter().zip(stage.sections) {
        let is_multiplier = matches!(name, Section::Multiplier | Section::BottleneckMultiplier);
        if is_multiplier
            && section
                .chunks_exact(4)
                .any(|m| m.last().is_some_and(|&top| top > 0x7f))
        {
            return Err(FormatError::Multiplier { at });
        }
        at = at.saturating_add(section.len()).next_multiple_of(ALIGN);
    }
    Ok(())
}

fn u16_at(bytes: &[u8], range: Range<usize>) -> u16 {
    bytes
        .get(range)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], range: Range<usize>) -> u32 {
    bytes
        .get(range)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

fn usize_at(bytes: &[u8], range: Range<usize>) -> Result<usize, FormatError> {
    usize::try_from(u32_at(bytes, range)).map_err(|_| FormatError::TooLarge)
}
