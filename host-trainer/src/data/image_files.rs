//! Reads image files without classes, in the shape of a network's input.

use super::error::DataError;
use super::image_file::{self, FORMATS, Pixels, Wanted};
use super::reading::Reading;
use crate::spec::Input;
use std::path::PathBuf;

/// Returns the error of a decoder with what was expected and what to do.
fn not_an_image(error: DataError) -> DataError {
    match error {
        DataError::Image { path, source } => {
            let expected = format!("a whole image ({FORMATS}): replace the file");
            DataError::field(&path, "image", expected, source)
        }
        other => other,
    }
}

/// Reads image files for a network of this input. Returns their bytes, `[image][row][column][channel]`, and a note for each
/// inference.
///
/// # Errors
///
/// Returns an error if a file cannot be decoded, or if its size differs and `reading` does not allow resizing.
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
                format!("a network of 1 or 3 channels, not of {input}: evaluate arrays with `denselet eval`");
            return Err(DataError::field(file, "image", expected, "an image file"));
        }
        if file.is_dir() {
            let expected =
                "an image file: give the files in the folder, or evaluate a data set with `denselet eval`";
            return Err(DataError::field(file, "image", expected, "a folder"));
        }
        let header = image_file::header(file).map_err(not_an_image)?;
        let is_colour = input.channels == 3;
        let has_size = (header.height, header.width) == (input.height, input.width);
        if !has_size && !reading.resize {
            let expected = format!(
                "{}x{}, the size of the network's input: give `--resize` to resize the image",
                input.height, input.width
            );
            let found = format!("{}x{}", header.height, header.width);
            return Err(DataError::field(file, "size", expected, found));
        }
        let file_name = file.display();
        if header.is_colour && !is_colour {
            notes.push(format!(
                "{file_name}: the colour image is read as grey, because the network has one channel"
            ));
        }
        let deep = reading.encoding.as_ref().filter(|_| header.is_deep);
        if reading.encoding.is_some() && deep.is_none() {
            notes.push(format!(
                "{file_name}: the bytes are read as measurements in the network's encoding"
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
            // Words are requested only with an encoding.
            (Pixels::Words(pixels), None) => bytes.extend(pixels.iter().map(|&value| (value >> 8) as u8)),
        }
    }
    Ok((bytes, notes))
}
