//! How fast this machine trains a network: whole steps on random images. Beside the main path.

mod int8;

pub use int8::{Int8Speed, int8_speed};

use crate::net::{Network, Normalisation, Pass, Step, product_speed};
use crate::spec::Spec;
use crate::train::finite::first_broken;
use crate::train::{Optimiser, Recipe, parameters, trained_lengths};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use std::time::Instant;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Speed {
    /// The network.
    pub net: String,
    /// Images per step.
    pub batch: usize,
    /// Threads that worked.
    pub threads: usize,
    /// Steps that were timed.
    pub steps: usize,
    /// At the median step.
    pub images_per_second: f64,
    /// At the fastest step.
    pub best_images_per_second: f64,
    /// Six operations per multiply-accumulate as the paper writes the network, without the gradient of the image.
    pub gflops: f64,
    /// Of a matrix product that stays in the first cache level, on as many threads, in the same units.
    pub peak_gflops: f64,
    /// `gflops` / `peak_gflops`.
    pub fraction_of_peak: f64,
    /// Largest resident memory of the whole process, in MB; absent if the system does not tell.
    pub peak_rss_mb: Option<f64>,
}

/// Floating-point operations of one training step for one image.
fn operations(spec: &Spec) -> f64 {
    let stem = spec.maps().stem.pixels()
        * spec.stem.kernel_height
        * spec.stem.kernel_width
        * spec.input.channels
        * spec.stem.filters;
    6.0 * spec.macs() as f64 - 2.0 * stem as f64
}

/// Times training steps (forward, backward, update) for about `seconds`, after a short warm-up.
pub fn train_speed(spec: &Spec, batch: usize, seconds: f64) -> Speed {
    let mut bits = ChaCha8Rng::seed_from_u64(1);
    let channels = spec.input.channels;
    let normal = Normalisation {
        mean: vec![127.5; channels],
        std: vec![74.0; channels],
    };
    let mut network = Network::new(spec, normal, 1);
    let mut images = vec![0; batch * network.image_len()];
    bits.fill_bytes(&mut images);
    let labels: Vec<u16> = (0..batch)
        .map(|_| (bits.next_u64() % spec.classes as u64) as u16)
        .collect();
    let mut gradient = network.clone();
    let mut pass = Pass::training(spec, batch);
    let rule = Recipe::default().rule();
    let mut optimiser = Optimiser::new(rule, &trained_lengths(&mut network));
    let mut times = Vec::new();
    let start = Instant::now();
    let mut key = 0;
    while times.len() < 5 || start.elapsed().as_secs_f64() < seconds {
        let step = Instant::now();
        pass.step(
            &mut network,
            Step {
                images: &images,
                labels: &labels,
                key,
                ..Step::default()
            },
            &mut gradient,
        );
        optimiser.step(parameters(&mut network, &mut gradient), 0.01, 1.0);
        // Part of every step of a run.
        core::hint::black_box(first_broken(
            gradient.tensors(),
            network.tensors(),
            Vec::new(),
            &optimiser,
        ));
        key += 1;
        if key > 3 {
            times.push(step.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    let threads = rayon::current_num_threads();
    let images_per_second = batch as f64 / times[times.len() / 2];
    let gflops = images_per_second * operations(spec) / 1e9;
    let peak_gflops = product_speed(0.5);
    Speed {
        net: spec.name.clone(),
        batch,
        threads,
        steps: times.len(),
        images_per_second,
        best_images_per_second: batch as f64 / times[0],
        gflops,
        peak_gflops,
        fraction_of_peak: gflops / peak_gflops,
        peak_rss_mb: peak_rss_mb(),
    }
}

/// Largest resident memory of this process so far, in MB.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_run_gives_every_number() {
        let speed = train_speed(&Spec::load("digits").unwrap(), 8, 0.01);
        assert!(speed.images_per_second > 0.0 && speed.images_per_second <= speed.best_images_per_second);
        assert!(speed.peak_gflops > 0.0 && speed.fraction_of_peak > 0.0);
    }

    #[test]
    fn operations_leave_out_the_pictures_gradient() {
        let spec = Spec::load("d1").unwrap();
        assert_eq!(operations(&spec), 6.0 * 14_771_160.0 - 2.0 * 784.0 * 9.0 * 16.0);
    }
}
