//! Decides the size, channels and depth of the images of a folder before they are decoded.

use super::error::DataError;
use super::image_file::{ImageHeader, Wanted};
use super::listing::listed;
use super::reading::Reading;
use crate::spec::Input;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Most bytes of all decoded images.
const MOST_BYTES: u64 = 1 << 32;
/// Most pixels of all images before they are resized.
const MOST_PIXELS: u64 = 1 << 40;
/// Sizes that a message lists.
const LISTED: usize = 4;

/// Common format of the decoded images.
pub(super) struct Plan {
    /// Rows and columns.
    pub(super) size: (usize, usize),
    pub(super) wanted: Wanted,
    /// Images with transparent pixels, counted while they are decoded.
    pub(super) transparent: core::cell::Cell<usize>,
}

impl Plan {
    /// Decides the format from the headers of all image files.
    pub(super) fn new(
        folder: &Path,
        files: &[&(PathBuf, ImageHeader)],
        reading: &Reading,
        notes: &mut Vec<String>,
    ) -> Result<Self, DataError> {
        if files.is_empty() {
            let expected = "at least one whole image";
            return Err(DataError::field(folder, "images", expected, "none"));
        }
        let count = |is: fn(&ImageHeader) -> bool| files.iter().filter(|(_, header)| is(header)).count();
        let rotated = count(|header| header.is_rotated);
        if rotated > 0 {
            notes.push(format!("images that are rotated by their metadata: {rotated}"));
        }
        let size = size(folder, files, reading, notes)?;
        // A network of another size does not decide the channels.
        let input = reading.input.filter(|input| (input.height, input.width) == size);
        let is_colour = is_colour(count(|header| header.is_colour), files.len(), input, notes);
        let deep = count(|header| header.is_deep);
        let is_deep = deep == files.len();
        if deep > 0 && !is_deep {
            if reading.encoding.is_some() {
                let expected = "images of 16 bits, because the network's encoding is for measurements";
                let found = format!("{deep} of 16 bits and {} of 8", files.len() - deep);
                return Err(DataError::field(folder, "images", expected, found));
            }
            notes.push(format!(
                "{deep} of {} images have 16 bits: they are divided by 257 to 8 bits, because the others have 8",
                files.len()
            ));
        }
        let values = size.0 as u64 * size.1 as u64 * if is_colour { 3 } else { 1 };
        let bytes = values
            .saturating_mul(if is_deep { 4 } else { 1 })
            .saturating_mul(files.len() as u64);
        let sides = files
            .iter()
            .map(|(_, header)| header.height as u64 * header.width as u64);
        let pixels = sides.fold(0u64, u64::saturating_add);
        if bytes > MOST_BYTES || pixels > MOST_PIXELS {
            let expected = format!(
                "at most {MOST_BYTES} bytes of images, decoded from at most {MOST_PIXELS} pixels: give fewer or smaller images"
            );
            let found = format!("{} images: {bytes} bytes of {pixels} pixels", files.len());
            return Err(DataError::field(folder, "images", expected, found));
        }
        let is_resized = files
            .iter()
            .any(|(_, header)| (header.height, header.width) != size);
        Ok(Self {
            size,
            wanted: Wanted {
                size: is_resized.then_some(size),
                is_colour,
                is_deep,
            },
            transparent: core::cell::Cell::new(0),
        })
    }
}

/// Returns the rows and columns of all images: the network's if they are resized, otherwise their common size.
fn size(
    folder: &Path,
    files: &[&(PathBuf, ImageHeader)],
    reading: &Reading,
    notes: &mut Vec<String>,
) -> Result<(usize, usize), DataError> {
    let mut sizes: BTreeMap<(usize, usize), (usize, &Path)> = BTreeMap::new();
    for (path, header) in files {
        sizes.entry((header.height, header.width)).or_insert((0, path)).0 += 1;
    }
    if let (Some(input), true) = (reading.input, reading.resize) {
        let size = (input.height, input.width);
        let resized: usize = sizes
            .iter()
            .filter(|(of, _)| **of != size)
            .map(|(_, (count, _))| count)
            .sum();
        if resized > 0 {
            notes.push(format!(
                "images that are resized to {}x{}: {resized}",
                size.0, size.1
            ));
        }
        return Ok(size);
    }
    if let [size] = sizes.keys().copied().collect::<Vec<_>>()[..] {
        return Ok(size);
    }
    let mut shown: Vec<_> = sizes.into_iter().collect();
    shown.sort_by_key(|(_, (count, _))| core::cmp::Reverse(*count));
    let shown = shown.iter().map(|((height, width), (count, path))| {
        format!("{count} of {height}x{width} (such as {})", path.display())
    });
    let found = listed(shown, LISTED);
    let expected = if reading.input.is_none() && reading.resize {
        "images of one size, because the network's file gives no size: write `[input]` in it"
    } else {
        "images of one size, or `--resize` to resize them to the network's"
    };
    Err(DataError::field(folder, "size", expected, found))
}

/// Whether images have three channels: as the network has, otherwise if at least one image has colour.
fn is_colour(colour: usize, all: usize, input: Option<Input>, notes: &mut Vec<String>) -> bool {
    match input.map(|input| input.channels) {
        Some(1) => {
            if colour > 0 {
                notes.push(format!(
                    "images that become grey, because the network has one channel: {colour} of {all}"
                ));
            }
            false
        }
        Some(3) => {
            if colour < all {
                let grey = all - colour;
                notes.push(format!(
                    "grey images that become colour, because the network has three channels: {grey} of {all}"
                ));
            }
            true
        }
        _ => {
            if colour > 0 && colour < all {
                let grey = all - colour;
                notes.push(format!(
                    "grey images that become colour, because others have colour: {grey} of {all}"
                ));
            }
            colour > 0
        }
    }
}
