//! The arithmetic a second time, as ARITHMETIC.md says it: separate maps, copied concatenation, no line buffer, no
//! ring, no plan. What `network_agrees` holds `core` against.

use denselet::kernel::Clamp;
use denselet::layout::{border, stem_position, tap_position};
use denselet::model::{Conv, Model, Stage};
use denselet::shape::{Shape, StemPool};

/// A map of bytes, `[y][x][c]`.
#[derive(Clone, Debug)]
struct Map {
    shape: Shape,
    values: Vec<u8>,
}

impl Map {
    fn new(height: usize, width: usize, channels: usize) -> Self {
        Self {
            shape: Shape {
                height,
                width,
                channels,
            },
            values: vec![0; height * width * channels],
        }
    }

    fn at(&self, y: usize, x: usize, c: usize) -> u8 {
        self.values[(y * self.shape.width + x) * self.shape.channels + c]
    }

    fn set(&mut self, y: usize, x: usize, c: usize, value: u8) {
        self.values[(y * self.shape.width + x) * self.shape.channels + c] = value;
    }

    fn clamped(&self, clamp: &Clamp<'_>) -> Self {
        let mut map = self.clone();
        for (i, value) in map.values.iter_mut().enumerate() {
            let c = i % self.shape.channels;
            *value = (*value ^ clamp.mask()[c]).saturating_sub(clamp.threshold()[c]);
        }
        map
    }
}

fn weight(conv: &Conv<'_>, o: usize, k: usize) -> i64 {
    let offset = conv.order.weight_offset(conv.length, conv.depth, o, k);
    i64::from(conv.weights.bytes[offset].cast_signed())
}

fn scale(acc: i64, m: i32) -> i64 {
    // The accumulator is 32 bits wide and wraps.
    (i64::from(acc as i32) * i64::from(m) + (1 << 31)).div_euclid(1 << 32)
}

fn requantise(acc: i64, m: i32) -> u8 {
    scale(acc, m).clamp(0, 255) as u8
}

/// A convolution with `taps_y` x 3 taps around each pixel, zero outside.
fn convolve(input: &Map, taps_y: usize, conv: &Conv<'_>) -> Map {
    let Shape {
        height,
        width,
        channels,
    } = input.shape;
    let mut out = Map::new(height, width, conv.outputs);
    let has_borders = conv.bias.len() > conv.outputs;
    for y in 0..height {
        for x in 0..width {
            for o in 0..conv.outputs {
                let row = if has_borders {
                    border(height, width, y, x)
                } else {
                    0
                };
                let mut acc = i64::from(conv.bias[row * conv.outputs + o]);
                for ky in 0..taps_y {
                    for kx in 0..3 {
                        let (Some(iy), Some(ix)) =
                            ((y + ky).checked_sub(taps_y / 2), (x + kx).checked_sub(1))
                        else {
                            continue;
                        };
                        if iy >= height || ix >= width {
                            continue;
                        }
                        for i in 0..channels {
                            let k = tap_position(3, channels, ky, kx, i);
                            acc += weight(conv, o, k) * i64::from(input.at(iy, ix, i));
                        }
                    }
                }
                out.set(y, x, o, requantise(acc, conv.multiplier[o]));
            }
        }
    }
    out
}

fn pointwise(input: &Map, conv: &Conv<'_>) -> Map {
    let Shape {
        height,
        width,
        channels,
    } = input.shape;
    let mut out = Map::new(height, width, conv.outputs);
    for y in 0..height {
        for x in 0..width {
            for o in 0..conv.outputs {
                let products = (0..channels).map(|i| weight(conv, o, i) * i64::from(input.at(y, x, i)));
                let acc = i64::from(conv.bias[o]) + products.sum::<i64>();
                out.set(y, x, o, requantise(acc, conv.multiplier[o]));
            }
        }
    }
    out
}

fn concat(old: &Map, new: &Map) -> Map {
    let Shape {
        height,
        width,
        channels,
    } = old.shape;
    let mut out = Map::new(height, width, channels + new.shape.channels);
    for y in 0..height {
        for x in 0..width {
            for c in 0..out.shape.channels {
                let value = if c < channels {
                    old.at(y, x, c)
                } else {
                    new.at(y, x, c - channels)
                };
                out.set(y, x, c, value);
            }
        }
    }
    out
}

/// Logits of one image.
pub fn run(blob: &[u8], image: &[u8]) -> Vec<i32> {
    let model = Model::read(blob).unwrap();
    let mut map = Map {
        shape: model.header().input,
        values: image.to_vec(),
    };
    let mut logits = Vec::new();
    for (stage, input) in model.stages() {
        assert_eq!(map.shape, input, "shapes along the way");
        match stage {
            Stage::Stem(stem) => {
                let s = stem.shape;
                let shape = s.convolved(input).unwrap();
                let mut out = Map::new(shape.height, shape.width, shape.channels);
                for y in 0..shape.height {
                    for x in 0..shape.width {
                        for o in 0..shape.channels {
                            let mut acc = i64::from(stem.conv.bias[o]);
                            for ky in 0..s.kernel_height {
                                for kx in 0..s.kernel_width {
                                    for i in 0..input.channels {
                                        let iy = (y * s.stride_y + ky).checked_sub(s.pad_top);
                                        let ix = (x * s.stride_x + kx).checked_sub(s.pad_left);
                                        let value = match (iy, ix) {
                                            (Some(iy), Some(ix)) if iy < input.height && ix < input.width => {
                                                map.at(iy, ix, i)
                                            }
                                            _ => stem.padding[i],
                                        };
                                        let k = stem_position(s.kernel_width, input.channels, ky, kx, i);
                                        acc += weight(&stem.conv, o, k) * i64::from(value);
                                    }
                                }
                            }
                            out.set(y, x, o, requantise(acc, stem.conv.multiplier[o]));
                        }
                    }
                }
                map = match s.pool {
                    StemPool::None => out,
                    pool => max_pool(&out, pool == StemPool::Same),
                };
            }
            Stage::Layer(layer) => {
                let clamped = map.clamped(&layer.clamp);
                let taps = if input.height == 1 { 1 } else { 3 };
                let read = match &layer.bottleneck {
                    Some(conv) => pointwise(&clamped, conv),
                    None => clamped,
                };
                map = concat(&map, &convolve(&read, taps, &layer.conv));
            }
            Stage::Transition(transition) => {
                let clamped = map.clamped(&transition.clamp);
                let shape = input.pooled(transition.conv.outputs);
                let mut out = Map::new(shape.height, shape.width, shape.channels);
                for y in 0..shape.height {
                    for x in 0..shape.width {
                        for o in 0..shape.channels {
                            let mut acc = i64::from(transition.conv.bias[o]);
                            for i in 0..input.channels {
                                for py in 0..input.pool_rows() {
                                    for px in 0..2 {
                                        let v = clamped.at(input.pool_rows() * y + py, 2 * x + px, i);
                                        acc += weight(&transition.conv, o, i) * i64::from(v);
                                    }
                                }
                            }
                            out.set(y, x, o, requantise(acc, transition.conv.multiplier[o]));
                        }
                    }
                }
                map = out;
            }
            Stage::Head(head) => {
                let clamped = map.clamped(&head.clamp);
                for o in 0..head.conv.outputs {
                    let mut acc = i64::from(head.conv.bias[o]);
                    for (n, &v) in clamped.values.iter().enumerate() {
                        acc += weight(&head.conv, o, n % input.channels) * i64::from(v);
                    }
                    logits.push(scale(acc, head.conv.multiplier[o]) as i32);
                }
            }
        }
    }
    logits
}

fn max_pool(input: &Map, is_same: bool) -> Map {
    let Shape {
        height,
        width,
        channels,
    } = input.shape;
    let mut out = Map::new((height - 1) / 2 + 1, (width - 1) / 2 + 1, channels);
    for y in 0..out.shape.height {
        for x in 0..out.shape.width {
            for c in 0..channels {
                let mut best = 0;
                // An even side begins one pixel later.
                let first = |at: usize, side: usize| 2 * at + usize::from(is_same && side.is_multiple_of(2));
                for iy in first(y, height)..first(y, height) + 3 {
                    for ix in first(x, width)..first(x, width) + 3 {
                        // Counted with one row and one column of padding.
                        if (1..=height).contains(&iy) && (1..=width).contains(&ix) {
                            best = best.max(input.at(iy - 1, ix - 1, c));
                        }
                    }
                }
                out.set(y, x, c, best);
            }
        }
    }
    out
}
