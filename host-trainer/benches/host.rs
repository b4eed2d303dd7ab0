//! Measures the images per second of a network on this machine, in int8, bit-exact with the device: `cargo bench -p
//! denselet-train --bench host -- d2 2000`. RAYON_NUM_THREADS sets the threads. `xnnpack_d2.py` alternates it with another runtime.
#![allow(missing_docs, reason = "a program")]

use core::error::Error;
use denselet::layout::Order;
use denselet_train::blob::Blob;
use denselet_train::evaluate::logits;
use denselet_train::export::export;
use denselet_train::net::{Network, Normalisation};
use denselet_train::spec::Spec;
use std::time::Instant;

/// Rounds; the best counts.
const ROUNDS: usize = 5;

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn main() -> Result<(), Box<dyn Error>> {
    // Cargo's own arguments start with a dash.
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
    let net = words.next().unwrap_or_else(|| "d2".to_owned());
    let count: usize = words.next().map_or(Ok(1000), |word| word.parse())?;

    let spec = Spec::load(&net)?;
    let channels = spec.input.channels;
    let normalisation = Normalisation {
        mean: vec![127.5; channels],
        std: vec![64.0; channels],
    };
    let len = spec.input.height * spec.input.width * channels;
    let noise = (0..(2 * len) as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8);
    let noise: Vec<u8> = noise.collect();
    let network = Network::new(&spec, normalisation, 1);
    // The order that the host's inner loops were made for.
    let blob = Blob::new(&export(&network, &noise, Order::Plain, None)?)?;
    let images: Vec<u8> = noise.into_iter().cycle().take(count * len).collect();

    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        logits(&blob, &images, &|_| ())?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{net} {} threads {:.0} images/s",
        rayon::current_num_threads(),
        count as f64 / best
    );
    Ok(())
}
