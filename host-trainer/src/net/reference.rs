//! The network in double precision, written as the paper reads: what the gradient checks differentiate. Tests only.

use super::dropout::Dropout;
use super::{BatchNorm, Conv, Loss, Network, Normalisation, Pass, Role, Step};
use crate::spec::Spec;

/// A batch of feature maps, NHWC.
#[derive(Clone)]
struct Maps {
    n: usize,
    height: usize,
    width: usize,
    channels: usize,
    values: Vec<f64>,
}

/// The window of a pool.
struct Window {
    /// Rows from one window to the next; columns are always two.
    rows: usize,
    /// Rows and columns.
    side: usize,
    /// Rows above and columns left of the first pixel.
    before: [usize; 2],
}

impl Window {
    /// Two rows and columns without padding.
    fn pair(rows: usize) -> Self {
        Self {
            rows,
            side: 2,
            before: [0; 2],
        }
    }
}

impl Maps {
    fn at(&self, n: usize, y: usize, x: usize, c: usize) -> f64 {
        self.values[((n * self.height + y) * self.width + x) * self.channels + c]
    }

    fn norm_relu(&self, norm: &BatchNorm) -> Self {
        let mut out = self.clone();
        let count = (self.values.len() / self.channels) as f64;
        for c in 0..self.channels {
            let channel = || self.values.iter().skip(c).step_by(self.channels);
            let mean = channel().sum::<f64>() / count;
            let var = channel().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
            let scale = f64::from(norm.gamma[c]) / (var + f64::from(norm.epsilon)).sqrt();
            for value in out.values.iter_mut().skip(c).step_by(self.channels) {
                *value = ((*value - mean) * scale + f64::from(norm.beta[c])).max(0.0);
            }
        }
        out
    }

    fn conv(&self, conv: &Conv, step: [usize; 2], pads: [usize; 4]) -> Self {
        let [top, left, bottom, right] = pads;
        let height = (self.height + top + bottom - conv.kernel_height) / step[0] + 1;
        let width = (self.width + left + right - conv.kernel_width) / step[1] + 1;
        let mut values = Vec::new();
        for (n, y, x) in
            (0..self.n).flat_map(|n| (0..height).flat_map(move |y| (0..width).map(move |x| (n, y, x))))
        {
            for o in 0..conv.outputs {
                let mut sum = conv.bias.as_ref().map_or(0.0, |bias| f64::from(bias[o]));
                for ky in 0..conv.kernel_height {
                    for kx in 0..conv.kernel_width {
                        let (row, column) = (y * step[0] + ky, x * step[1] + kx);
                        if row < top
                            || column < left
                            || row - top >= self.height
                            || column - left >= self.width
                        {
                            continue;
                        }
                        for i in 0..conv.inputs {
                            let at =
                                ((o * conv.kernel_height + ky) * conv.kernel_width + kx) * conv.inputs + i;
                            sum += f64::from(conv.weight[at]) * self.at(n, row - top, column - left, i);
                        }
                    }
                }
                values.push(sum);
            }
        }
        Self {
            n: self.n,
            height,
            width,
            channels: conv.outputs,
            values,
        }
    }

    fn same(&self, conv: &Conv) -> Self {
        let (v, h) = (conv.kernel_height / 2, conv.kernel_width / 2);
        self.conv(conv, [1, 1], [v, h, v, h])
    }

    fn dropped(mut self, dropout: Option<Dropout>) -> Self {
        if let Some(dropout) = dropout {
            let mut mask = vec![1.0; self.values.len()];
            dropout.apply(&mut mask, 0);
            for (value, mask) in self.values.iter_mut().zip(mask) {
                *value *= f64::from(mask);
            }
        }
        self
    }

    fn window(&self, window: Window, height: usize, fold: impl Fn(&[f64]) -> f64) -> Self {
        let Window {
            rows,
            side,
            before: [above, left],
        } = window;
        let width = if side == 3 {
            (self.width - 1) / 2 + 1
        } else {
            self.width / 2
        };
        let mut values = Vec::new();
        for n in 0..self.n {
            for y in 0..height {
                for x in 0..width {
                    for c in 0..self.channels {
                        let mut seen = Vec::new();
                        for row in
                            (y * rows).saturating_sub(above)..(y * rows + side - above).min(self.height)
                        {
                            for column in (2 * x).saturating_sub(left)..(2 * x + side - left).min(self.width)
                            {
                                seen.push(self.at(n, row, column, c));
                            }
                        }
                        values.push(fold(&seen));
                    }
                }
            }
        }
        Self {
            height,
            width,
            values,
            ..*self
        }
    }

    fn halved(&self) -> Self {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        if self.height == 1 {
            self.window(Window::pair(1), 1, mean)
        } else {
            self.window(Window::pair(2), self.height / 2, mean)
        }
    }

    fn beside(&self, other: &Self) -> Self {
        let values = self
            .values
            .chunks(self.channels)
            .zip(other.values.chunks(other.channels))
            .flat_map(|(a, b)| a.iter().chain(b).copied().collect::<Vec<_>>())
            .collect();
        Self {
            channels: self.channels + other.channels,
            values,
            ..*self
        }
    }
}

/// Mean cross-entropy of a training step.
fn loss(network: &Network, images: &[u8], labels: &[u16], step: Step) -> f64 {
    let spec = &network.spec;
    let mut place = 0;
    let mut dropout = || {
        place += 1;
        Dropout::new(spec.dropout, step.key, place)
    };
    let channels = spec.input.channels;
    let values = images.iter().enumerate().map(|(i, v)| {
        (f64::from(*v) - f64::from(network.input.mean[i % channels]))
            / f64::from(network.input.std[i % channels])
    });
    let input = Maps {
        n: labels.len(),
        height: spec.input.height,
        width: spec.input.width,
        channels,
        values: values.collect(),
    };
    let s = &spec.stem;
    let vertical = if spec.input.height == 1 { 1 } else { s.stride };
    let pads = [s.pad_top, s.pad_left, s.pad_bottom, s.pad_right];
    let mut x = input.conv(&network.stem.conv, [vertical, s.stride], pads);
    if let Some(norm) = &network.stem.norm {
        x = x.norm_relu(norm);
    }
    if s.pool {
        let height = if x.height == 1 { 1 } else { (x.height - 1) / 2 + 1 };
        let before = |side: usize| usize::from(!(s.pool_same && side.is_multiple_of(2)));
        let pads = [before(x.height), before(x.width)];
        let window = Window {
            rows: 2,
            side: 3,
            before: pads,
        };
        x = x.window(window, height, |v| {
            v.iter().copied().fold(f64::NEG_INFINITY, f64::max)
        });
    }
    for block in &network.blocks {
        for layer in &block.layers {
            let mut y = x.norm_relu(&layer.norm1);
            if let (Some(conv), Some(norm)) = (&layer.conv1, &layer.norm2) {
                y = y.same(conv).dropped(dropout()).norm_relu(norm);
            }
            x = x.beside(&y.same(&layer.conv2).dropped(dropout()));
        }
        if let Some(transition) = &block.transition {
            if let Some(norm) = &transition.norm {
                x = x.norm_relu(norm);
            }
            x = x.halved().same(&transition.conv).dropped(dropout());
        }
    }
    if let Some(norm) = &network.final_norm {
        x = x.norm_relu(norm);
    }
    let head = &network.head;
    let mut sum = 0.0;
    for (map, label) in x.values.chunks(x.height * x.width * x.channels).zip(labels) {
        let logits: Vec<f64> = (0..head.outputs)
            .map(|o| {
                let products = map.iter().enumerate().map(|(i, v)| {
                    v * f64::from(head.weight[o * head.inputs + i % x.channels]) / (x.height * x.width) as f64
                });
                f64::from(head.bias[o]) + products.sum::<f64>()
            })
            .collect();
        let log_sum = logits.iter().map(|v| v.exp()).sum::<f64>().ln();
        let smoothing = f64::from(step.loss.smoothing);
        for (class, logit) in logits.iter().enumerate() {
            let hit = f64::from(u8::from(class == usize::from(*label)));
            sum -= (smoothing / logits.len() as f64 + hit * (1.0 - smoothing)) * (logit - log_sum);
        }
    }
    sum / labels.len() as f64
}

/// Compares the gradients of every tensor whose name holds `part` with finite differences.
pub(super) fn check(text: &str, part: &str) {
    check_spec(&Spec::parse(text, "checked").unwrap(), part);
}

/// The same for a network that no text describes.
pub(super) fn check_spec(spec: &Spec, part: &str) {
    const DISTANCE: f32 = 1.0 / 131_072.0;
    let channels = spec.input.channels;
    let normal = Normalisation {
        mean: vec![100.0; channels],
        std: vec![80.0; channels],
    };
    let mut network = Network::new(spec, normal, 11);
    // Away from the values of birth, so that every derivative is there.
    for tensor in network.tensors() {
        if tensor.name.ends_with("gamma") || tensor.name.ends_with("beta") {
            for (i, value) in tensor.values.iter_mut().enumerate() {
                *value += 0.3 * ((i * 37 % 11) as f32 / 5.0 - 1.0);
            }
        }
    }
    if let Some(conv1) = &mut network.blocks[0].layers[0].conv1 {
        conv1.bias = Some(vec![0.1; conv1.outputs]);
    }
    let conv2 = &mut network.blocks[0].layers[0].conv2;
    conv2.bias = Some((0..conv2.outputs).map(|o| o as f32 / 8.0).collect());
    if let Some(transition) = &mut network.blocks[0].transition {
        transition.conv.bias = Some(vec![-0.2; transition.conv.outputs]);
    }
    network.stem.conv.bias = Some(vec![0.05; network.stem.conv.outputs]);
    let n = 5;
    let images: Vec<u8> = (0..n * network.image_len())
        .map(|i| (i * i * 31 % 251) as u8)
        .collect();
    let labels: Vec<u16> = (0..n).map(|i| (i % spec.classes) as u16).collect();
    let step = Step {
        images: &images,
        labels: &labels,
        key: 5,
        loss: Loss {
            smoothing: 0.1,
            ..Loss::default()
        },
    };
    let mut gradient = network.clone();
    let mut trained = network.clone();
    let mut pass = Pass::training(spec, n);
    let score = pass.step(&mut trained, step, &mut gradient);
    let expected = loss(&network, &images, &labels, step);
    assert!(
        (score.loss - expected).abs() < 1e-5,
        "loss {} for {expected}",
        score.loss
    );
    let names: Vec<_> = gradient
        .tensors()
        .into_iter()
        .map(|t| (t.name, t.role, t.values.to_vec()))
        .collect();
    let mut checked = 0;
    for (at, (name, role, found)) in names.iter().enumerate() {
        if *role == Role::Statistic || !name.contains(part) {
            continue;
        }
        let largest = found.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let stride = (found.len() / 7).max(1);
        for i in (0..found.len()).step_by(stride) {
            let mut side = |distance: f32| {
                let original = network.tensors()[at].values[i];
                let moved = original + distance;
                network.tensors()[at].values[i] = moved;
                let loss = loss(&network, &images, &labels, step);
                network.tensors()[at].values[i] = original;
                (loss, f64::from(moved))
            };
            let (above, below) = (side(DISTANCE), side(-DISTANCE));
            let expected = (above.0 - below.0) / (above.1 - below.1);
            let error = (f64::from(found[i]) - expected).abs();
            let allowed = 2e-5 + 2e-3 * f64::from(largest).max(expected.abs());
            assert!(
                error < allowed,
                "{name}[{i}]: {} for {expected}, allowed {allowed}",
                found[i]
            );
            checked += 1;
        }
    }
    assert!(checked > 0, "no tensor is called {part}");
}

/// A small network with a bottleneck, two blocks and odd maps.
pub(super) const SMALL: &str = "classes = 3\ngrowth = 3\nblocks = [2, 2]\nbottleneck = true\ntheta = 0.5\n\
    [input]\nheight = 7\nwidth = 9\nchannels = 2\n[stem]\nfilters = 5\n";

#[test]
fn inference_agrees_with_the_clear_version() {
    for name in ["digits", "d3", "d5"] {
        let spec = Spec::load(name).unwrap();
        let channels = spec.input.channels;
        let normal = Normalisation {
            mean: vec![9.0; channels],
            std: vec![5.0; channels],
        };
        let mut network = Network::new(&spec, normal, 2);
        for tensor in network.tensors() {
            if tensor.role == Role::Statistic || tensor.role == Role::Offset {
                for (i, value) in tensor.values.iter_mut().enumerate() {
                    *value += 0.4 * ((i * 37 % 11) as f32 / 10.0);
                }
            }
        }
        let n = 3;
        let images: Vec<u8> = (0..n * network.image_len())
            .map(|i| (i * 31 % 17) as u8)
            .collect();
        let mut clear = Vec::new();
        network.observe(&images, n, &mut |_, values, _| clear = values.to_vec());
        let mut pass = Pass::inference(&spec, 4);
        let fast = pass.logits(&network, &images);
        for (clear, fast) in clear.iter().zip(fast) {
            assert!(
                (clear - fast).abs() < 1e-3 * clear.abs().max(1.0),
                "{name}: {fast} for {clear}"
            );
        }
    }
}
