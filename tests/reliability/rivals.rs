//! Two runs in one folder: the second is refused, and the first ends as if it were alone.

use crate::Job;
use crate::runs::{self, Place, What};
use crate::table::Row;
use core::time::Duration;
use std::process::Stdio;

/// Attempts to start a second run during the first.
const ATTEMPTS: u64 = 5;

/// Returns one job for each command that locks its folder.
pub(crate) fn jobs() -> Vec<Job> {
    let jobs = [What::Train, What::Finetune].map(|what| {
        Job::new(format!("two at once, {}", what.name()), move || {
            let mut refused = 0;
            match rival(what, &mut refused) {
                Ok(()) => Row::of(refused, &[]).with_note("the second is refused"),
                Err(error) => Row {
                    executions: refused,
                    ..Row::finding(error)
                },
            }
        })
    });
    jobs.into()
}

fn rival(what: What, refused: &mut u64) -> Result<(), String> {
    let place = Place::new(what)?;
    let expected = place.expected()?;
    let mut first = place.command().spawn().map_err(|error| error.to_string())?;
    // The first files show that the first run has begun.
    while runs::files(&place.out())?.is_empty() {
        if first.try_wait().map_err(|error| error.to_string())?.is_some() {
            return Err("the first run ended before it wrote anything".into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    for _ in 0..ATTEMPTS {
        let second = place.command().stderr(Stdio::piped()).output();
        let second = second.map_err(|error| error.to_string())?;
        let has_ended = first.try_wait().map_err(|error| error.to_string())?.is_some();
        if has_ended {
            break;
        }
        if second.status.success() {
            let _ = first.kill();
            let _ = first.wait();
            return Err(
                "expected the second run to be refused, but it succeeded in the folder of the first".into(),
            );
        }
        *refused += 1;
    }
    let status = first.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err("the first run failed".into());
    }
    if *refused == 0 {
        return Err("the first run ended before a second one could be tried".into());
    }
    runs::compare(&runs::files(&place.out())?, &expected)
}
