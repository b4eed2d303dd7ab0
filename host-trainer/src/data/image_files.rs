//! Image files that have no classes, in the shape that a network takes.

use super::error::DataError;
use super::image_file::{self, FORMATS, Pixels, Wanted};
use super::reading::Reading;
use crate::spec::Input;
use std::path::PathBuf;

/// Adds what was expected to the error of a decoder.
fn not_an_image(error: DataError) -> DataError {
    match error {
        DataError::Image { path, source } => {
            let expected = format!("a whole image ({FORMATS}): replace the file");
            DataError::field(&path, "image", expected, source)
        }
        other => other,
    }
}

/// Reads image files for a network that takes images of `input`. Returns their bytes, image after image, and a sentence for
/// everything that was inferred.
///
/// # Errors
///
/// Names the file that cannot be decoded, and the one that has another size if `reading` does not allow resizing.
pub fn image_files(
    files: &[PathBuf],
    input: Input,
    reading: &Reading,
) -> Result<(Vec<u8>, Vec<String>), DataError> {
    let mut bytes = Vec::new();
    let mut notes = Vec::new();
    for file in files {
        if !matches!(input.channels, 1 | 3) {
            let expected =
                format!("a network of 1 or 3 channels for images, this one takes {input}: evaluate arrays");
            return Err(DataError::field(file, "image", expected, "an image file"));
        }
        if file.is_dir() {
            let expected = "an image file: give the files in it, or measure a data set with `denselet eval`";
            return Err(DataError::field(file, "image", expected, "a folder"));
        }
        let header = image_file::header(file).map_err(not_an_image)?;
        let is_colour = input.channels == 3;
        let has_size = (header.height, header.width) == (input.height, input.width);
        if !has_size && !reading.resize {
            let expected = format!(
                "{}x{}, as the network takes (give `--resize` to resize it)",
                input.height, input.width
            );
            let found = format!("{}x{}", header.height, header.width);
            return Err(DataError::field(file, "size", expected, found));
        }
        let file_name = file.display();
        if header.is_colour && !is_colour {
            notes.push(format!(
                "{file_name}: a colour image is read as a grey one, as the network takes"
            ));
        }
        let deep = reading.encoding.as_ref().filter(|_| header.is_deep);
        if reading.encoding.is_some() && deep.is_none() {
            notes.push(format!(
                "{file_name}: the bytes are taken as those that the network's encoding makes of measurements"
            ));
        }
        let wanted = Wanted {
            size: (!has_size).then_some((input.height, input.width)),
            is_colour,
            is_deep: deep.is_some(),
        };
        match (image_file::decode(file, wanted).map_err(not_an_image)?.0, deep) {
            (Pixels::Bytes(pixels), _) => bytes.extend(pixels),
            (Pixels::Words(pixels), Some(encoding)) => {
                let values = pixels.iter().enumerate();
                bytes.extend(values.map(|(at, &value)| encoding.byte(at % input.channels, f32::from(value))));
            }
            // Only an encoding asks for more than bytes.
            (Pixels::Words(pixels), None) => bytes.extend(pixels.iter().map(|&value| (value >> 8) as u8)),
        }
    }
    Ok((bytes, notes))
}
