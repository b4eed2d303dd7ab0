//! Flips every single bit of every blob in the tree: the reader must refuse each damaged blob.

use crate::table::Row;
use crate::{Job, Options, root};
use denselet::Network;
use std::path::{Path, PathBuf};

/// Size in bytes of the largest blob in the short form.
const SHORT: u64 = 16 << 10;

/// Returns one job for each blob.
pub(crate) fn jobs(options: &Options) -> Vec<Job> {
    let mut blobs = Vec::new();
    for folder in ["host-trainer/models", "tests/golden", "core/tests/golden"] {
        find(&root().join(folder), &mut blobs);
    }
    blobs.sort();
    if options.short {
        blobs.retain(|path| path.metadata().is_ok_and(|about| about.len() <= SHORT));
    }
    let jobs = blobs.into_iter().map(|path| {
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        Job::new(format!("bits of {name}"), move || flip(&path))
    });
    jobs.collect()
}

fn find(folder: &Path, blobs: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, blobs);
        } else if path.extension().is_some_and(|end| end == "dlt") {
            blobs.push(path);
        }
    }
}

fn flip(path: &Path) -> Row {
    let blob = match denselet_train::blob::Blob::read(path) {
        Ok(blob) => blob,
        Err(error) => return Row::finding(error.to_string()),
    };
    let mut arena = vec![0_u128; denselet::arena_len(blob.bytes()).div_ceil(16)];
    let arena: &mut [u8] = bytemuck::cast_slice_mut(&mut arena);
    // A vector of words has the alignment of a blob.
    let mut words = vec![0_u128; blob.bytes().len().div_ceil(16)];
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    let bytes = &mut bytes[..blob.bytes().len()];
    bytes.copy_from_slice(blob.bytes());
    if let Err(error) = Network::in_bytes(bytes, arena) {
        return Row::finding(format!("{}, unchanged: {error}", path.display()));
    }
    let mut accepted = Vec::new();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            if Network::in_bytes(bytes, arena).is_ok() {
                accepted.push(format!("byte {at} bit {bit} is accepted"));
            }
            bytes[at] ^= 1 << bit;
        }
    }
    let count = bytes.len() as u64 * 8;
    Row::of(count, &accepted).with_note("all refused")
}
