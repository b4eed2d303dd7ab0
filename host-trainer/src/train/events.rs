//! Writes the figures of each epoch as a TensorBoard event file.
//!
//! TensorBoard reads on while a file grows, so a run appends to its file; a run that goes on first takes away what the
//! file holds beyond the checkpoint and what a kill cut short. The format is a row of records: the length (u64) and its
//! checksum (u32), an `Event` of `tensorflow/core/util/event.proto`, and its checksum, all little endian; checksums are
//! those of `tensorflow/core/lib/hash/crc32c.h`.

use super::{Epoch, TrainError};
use crate::whole_file;
use prost::Message;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Name of the file in a run's folder; TensorBoard looks for the word in its middle.
const FILE_NAME: &str = "events.out.tfevents.denselet";

/// What the first record says of the format.
const FILE_VERSION: &str = "brain.Event:2";

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    /// Here the epoch, from 1.
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// Brings the folder's file to what the history says: appends epochs that it lacks, and writes it anew, with the times it
/// had, if it holds anything else.
pub(crate) fn follow(folder: &Path, history: &[Epoch]) -> Result<(), TrainError> {
    let path = folder.join(FILE_NAME);
    let named = |error: io::Error| {
        TrainError::Log(io::Error::new(
            error.kind(),
            format!("{}: {error}", path.display()),
        ))
    };
    let before = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(named(error)),
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64());
    let after = extend(&before, history, now);
    match after.strip_prefix(&before[..]) {
        Some([]) => Ok(()),
        Some(more) if !before.is_empty() => {
            let mut file = OpenOptions::new().append(true).open(&path).map_err(named)?;
            file.write_all(more).map_err(named)?;
            file.sync_data().map_err(named)
        }
        _ => whole_file::write(&path, &after).map_err(TrainError::Log),
    }
}

/// The file that says the history: records of `before` as far as they say it too, then new ones, made `now`.
fn extend(before: &[u8], history: &[Epoch], now: f64) -> Vec<u8> {
    let mut after = Vec::new();
    let mut rest = before;
    let mut kept = |after: &mut Vec<u8>, wanted: &Event| {
        let Some((event, record)) = first(rest) else {
            rest = &[];
            return false;
        };
        let says_it = says(&event) == says(wanted) && event.file_version == wanted.file_version;
        if says_it {
            after.extend_from_slice(&rest[..record]);
            rest = &rest[record..];
        } else {
            rest = &[];
        }
        says_it
    };
    let head = Event {
        wall_time: now,
        file_version: Some(FILE_VERSION.into()),
        ..Event::default()
    };
    for event in [head].into_iter().chain(history.iter().map(|done| of(done, now))) {
        if !kept(&mut after, &event) {
            after.extend(record(&event.encode_to_vec()));
        }
    }
    after
}

/// What checkpoints know too: neither times nor speeds.
fn says(event: &Event) -> (i64, Vec<&Scalar>) {
    let scalars = event.summary.iter().flat_map(|summary| &summary.value);
    (event.step, scalars.filter(|scalar| scalar.tag != SPEED).collect())
}

const SPEED: &str = "images_per_second";

fn of(done: &Epoch, now: f64) -> Event {
    let scalar = |tag: &str, value: f64| Scalar {
        tag: tag.into(),
        simple_value: Some(value as f32),
    };
    let mut value = vec![
        scalar("loss", done.loss),
        scalar("accuracy/training", done.accuracy),
    ];
    value.extend(
        done.held_out_accuracy
            .map(|share| scalar("accuracy/held_out", share)),
    );
    value.extend(done.held_out_loss.map(|loss| scalar("loss/held_out", loss)));
    value.extend(done.bits_per_weight.map(|bits| scalar("bits_per_weight", bits)));
    value.extend(done.blob_bytes.map(|bytes| scalar("blob_bytes", bytes as f64)));
    value.push(scalar("rate", f64::from(done.rate)));
    // 0 stands for an unknown speed.
    value.extend((done.images_per_second > 0.0).then(|| scalar(SPEED, done.images_per_second)));
    Event {
        wall_time: now,
        step: done.number as i64,
        file_version: None,
        summary: Some(Summary { value }),
    }
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [
        &length[..],
        &checksum(&length).to_le_bytes(),
        data,
        &checksum(data).to_le_bytes(),
    ]
    .concat()
}

/// The first record's event and the record's length, unless it was cut short or is none.
fn first(bytes: &[u8]) -> Option<(Event, usize)> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*sum) != checksum(length) {
        return None;
    }
    let (data, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*sum) != checksum(data) {
        return None;
    }
    Some((Event::decode(data).ok()?, bytes.len() - rest.len()))
}

/// CRC-32C, masked so that checksums of data that hold checksums stay good.
fn checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(count: usize) -> Vec<Epoch> {
        let epoch = |number| Epoch {
            number,
            loss: 1.0 / number as f64,
            accuracy: 0.5,
            held_out_accuracy: (number > 1).then_some(0.25),
            held_out_loss: None,
            bits_per_weight: None,
            blob_bytes: None,
            rate: 0.1,
            images_per_second: 100.0,
            seconds: 1.0,
        };
        (1..=count).map(epoch).collect()
    }

    /// As a checkpoint remembers them.
    fn loaded(mut history: Vec<Epoch>) -> Vec<Epoch> {
        for epoch in &mut history {
            (epoch.images_per_second, epoch.seconds) = (0.0, 0.0);
        }
        history
    }

    fn events(mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let (event, length) = first(bytes).unwrap();
            events.push(event);
            bytes = &bytes[length..];
        }
        events
    }

    #[test]
    fn a_checksum_is_tensorflows() {
        // Every file that it writes begins with a record of 24 bytes, so with these.
        assert_eq!(checksum(&24_u64.to_le_bytes()), 0x224b_7fa3);
    }

    #[test]
    fn a_file_grows_and_goes_on_with_its_times() {
        let one = extend(&[], &epochs(1), 1.0);
        let two = extend(&one, &epochs(2), 2.0);
        assert!(two.starts_with(&one));
        let found = events(&two);
        assert_eq!(found[0].file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!(
            found
                .iter()
                .map(|event| (event.step, event.wall_time))
                .collect::<Vec<_>>(),
            [(0, 1.0), (1, 1.0), (2, 2.0)]
        );
        let tags = |event: &Event| -> Vec<String> {
            let values = &event.summary.as_ref().unwrap().value;
            values.iter().map(|scalar| scalar.tag.clone()).collect()
        };
        assert_eq!(tags(&found[1]).len(), 4);
        assert_eq!(tags(&found[2])[2], "accuracy/held_out");
        // Going on changes nothing; going back to an earlier checkpoint removes the later events.
        assert_eq!(extend(&two, &loaded(epochs(2)), 3.0), two);
        assert_eq!(extend(&two, &loaded(epochs(1)), 3.0), one);
        // A record cut short is written again.
        let cut = extend(&two[..two.len() - 3], &epochs(2), 4.0);
        assert!(cut.starts_with(&one));
        assert_eq!(events(&cut)[2].wall_time, 4.0);
        // A file that is not an event file is replaced.
        assert_eq!(extend(b"something else", &epochs(1), 1.0), one);
        let mut other = epochs(1);
        other[0].loss = 7.0;
        assert_eq!(extend(&two, &other, 5.0).len(), one.len());
    }

    #[test]
    fn what_is_on_disk_follows_the_history() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        for count in [1, 3, 2] {
            follow(folder.path(), &epochs(count)).unwrap();
            assert_eq!(events(&std::fs::read(&path).unwrap()).len(), 1 + count);
        }
    }
}
