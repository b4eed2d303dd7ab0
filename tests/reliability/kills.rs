//! `kill -9` at random moments: the files are readable at once, and the same command then ends with the same bytes.

use crate::runs::{self, Files, Place, What};
use crate::table::Row;
use crate::{Job, Options};
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::Instant;

/// Default number of kills of all commands together.
const KILLS: usize = 50;
const SHORT: usize = 12;

/// Returns one job for each command that writes.
pub(crate) fn jobs(options: &Options) -> Vec<Job> {
    let kills = options.kills.unwrap_or(if options.short { SHORT } else { KILLS });
    let seed = options.seed;
    let jobs = What::ALL.into_iter().enumerate().map(|(nth, what)| {
        // The first commands get the remainder.
        let share = (kills + What::ALL.len() - 1 - nth) / What::ALL.len();
        Job::new(format!("kill -9 {}", what.name()), move || {
            let mut bits = ChaCha8Rng::seed_from_u64(seed + nth as u64);
            let mut done = 0;
            match kill(what, share, &mut bits, &mut done) {
                Ok(()) => Row::of(done, &[]).with_note("same bytes"),
                Err(error) => Row {
                    executions: done,
                    ..Row::finding(error)
                },
            }
        })
    });
    jobs.collect()
}

fn kill(what: What, kills: usize, bits: &mut ChaCha8Rng, done: &mut u64) -> Result<(), String> {
    let place = Place::new(what)?;
    let since = Instant::now();
    let expected = place.expected()?;
    let whole = since.elapsed();
    // A run that can be resumed is killed several times before its end.
    let latest = match what {
        What::Train | What::Finetune => whole / 3,
        What::Export | What::Import => whole,
    };
    while *done < kills as u64 {
        let mut child = place.command().spawn().map_err(|error| error.to_string())?;
        let share = f64::from(bits.next_u32()) / f64::from(u32::MAX);
        let until = Instant::now() + latest.mul_f64(share);
        // Half of the kills happen as soon as a file is being written, or at their moment if none is.
        let waits_for_a_file = bits.next_u32().is_multiple_of(2);
        let is_early = || !waits_for_a_file || runs::unfinished(&place.out()).is_empty();
        while Instant::now() < until && is_early() {
            std::thread::sleep(Duration::from_micros(100));
        }
        let ended = child.try_wait().map_err(|error| error.to_string())?;
        if ended.is_none() {
            child.kill().map_err(|error| error.to_string())?;
            *done += 1;
        }
        child.wait().map_err(|error| error.to_string())?;
        runs::readable(&place.out()).map_err(|error| format!("after kill {done}: {error}"))?;
        if ended.is_some() {
            end(&place, &expected)?;
        }
    }
    end(&place, &expected)
}

/// Runs the command to its end, compares its files, and empties the place.
fn end(place: &Place, expected: &Files) -> Result<(), String> {
    // `import` refuses a folder with a network in it; such a network must be whole.
    if place.what() != What::Import || runs::files(&place.out())?.is_empty() {
        runs::succeed(&mut place.command())?;
    }
    runs::compare(&runs::files(&place.out())?, expected)?;
    let left = runs::unfinished(&place.out());
    if !left.is_empty() {
        return Err(format!("left {}", left.join(", ")));
    }
    place.empty()
}
