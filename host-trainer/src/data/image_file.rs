//! Reads the header and the pixels of an image file.

use super::error::DataError;
use super::files::ending;
use crate::input_file;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::{Cursor, Read};
use std::path::Path;

/// Most bytes of one image file.
const LARGEST_FILE: u64 = 1 << 28;
/// Most rows or columns of one image.
const LARGEST_SIDE: u32 = 1 << 16;
/// Most bytes that decoding one image allocates.
const LARGEST_IMAGE: u64 = 1 << 29;
/// Supported formats, as a message lists them.
pub(super) const FORMATS: &str = "PNG, JPEG, BMP, GIF, TIFF, WebP or PNM files";
/// Bytes at the start of a file that identify its format.
const SIGNATURE: u64 = 16;

/// Properties of an image before its pixels are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ImageHeader {
    /// Rows, after the rotation that the metadata give.
    pub(super) height: usize,
    /// Columns, after the rotation.
    pub(super) width: usize,
    pub(super) is_colour: bool,
    /// Whether its values have 16 bits; otherwise 8.
    pub(super) is_deep: bool,
    /// Whether the metadata rotate or mirror the image.
    pub(super) is_rotated: bool,
}

/// Format of the decoded images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Rows and columns to resize to, if images are resized.
    pub(super) size: Option<(usize, usize)>,
    pub(super) is_colour: bool,
    pub(super) is_deep: bool,
}

/// Pixels of an image, `[row][column][channel]`.
pub(super) enum Pixels {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
}

/// Whether a file is an image: by the ending of its name, or by its first bytes if the ending is unknown.
pub(super) fn is_image(path: &Path) -> bool {
    if by_ending(path).is_some() {
        return true;
    }
    let mut start = Vec::new();
    let read = input_file::open(path).and_then(|file| file.take(SIGNATURE).read_to_end(&mut start));
    // Texts may begin with the two letters that are the signatures of BMP and PNM.
    let is_certain = |format: &ImageFormat| !matches!(format, ImageFormat::Bmp | ImageFormat::Pnm);
    read.is_ok()
        && image::guess_format(&start)
            .ok()
            .filter(is_certain)
            .is_some_and(|format| format.reading_enabled())
}

fn by_ending(path: &Path) -> Option<ImageFormat> {
    match ending(path).as_str() {
        "jpe" | "jfif" => Some(ImageFormat::Jpeg),
        "dib" => Some(ImageFormat::Bmp),
        end => ImageFormat::from_extension(end).filter(ImageFormat::reading_enabled),
    }
}

/// Reads the header of an image.
pub(super) fn header(path: &Path) -> Result<ImageHeader, DataError> {
    let bytes = content(path)?;
    let mut decoder = decoder(path, &bytes)?;
    let colour = decoder.color_type();
    if matches!(colour, ColorType::Rgb32F | ColorType::Rgba32F) {
        let expected = "values of 8 or 16 bits: save floats as NumPy arrays (.npz)";
        return Err(DataError::field(path, "image", expected, "32-bit floats"));
    }
    let (width, height) = decoder.dimensions();
    let orientation = decoder.orientation().map_err(damaged(path))?;
    let (width, height) = if is_on_its_side(orientation) {
        (height, width)
    } else {
        (width, height)
    };
    let side = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    Ok(ImageHeader {
        height: side(height),
        width: side(width),
        is_colour: colour.has_color(),
        is_deep: colour.bytes_per_pixel() / colour.channel_count() > 1,
        is_rotated: orientation != Orientation::NoTransforms,
    })
}

/// Decodes an image; also returns whether some pixels are transparent.
pub(super) fn decode(path: &Path, wanted: Wanted) -> Result<(Pixels, bool), DataError> {
    let bytes = content(path)?;
    let mut decoder = decoder(path, &bytes)?;
    let orientation = decoder.orientation().map_err(damaged(path))?;
    let mut limits = limits();
    limits.reserve(decoder.total_bytes()).map_err(damaged(path))?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged(path))?;
    image.apply_orientation(orientation);
    let is_transparent = image.color().has_alpha() && !is_opaque(&image);
    if let Some((height, width)) = wanted.size {
        let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        image = image.resize_exact(side(width), side(height), image::imageops::FilterType::Triangle);
    }
    let pixels = match (wanted.is_deep, wanted.is_colour) {
        (false, false) => Pixels::Bytes(image.into_luma8().into_raw()),
        (false, true) => Pixels::Bytes(image.into_rgb8().into_raw()),
        (true, false) => Pixels::Words(image.into_luma16().into_raw()),
        (true, true) => Pixels::Words(image.into_rgb16().into_raw()),
    };
    Ok((pixels, is_transparent))
}

fn content(path: &Path) -> Result<Vec<u8>, DataError> {
    input_file::read(path, LARGEST_FILE).map_err(DataError::read(path))
}

fn decoder<'b>(path: &Path, bytes: &'b [u8]) -> Result<impl ImageDecoder + 'b, DataError> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(DataError::read(path))?;
    if reader.format().is_none()
        && let Some(format) = by_ending(path)
    {
        reader.set_format(format);
    }
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_is_whole(bytes) {
        let early = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file ends too early");
        return Err(damaged(path)(ImageError::IoError(early)));
    }
    reader.limits(limits());
    reader.into_decoder().map_err(damaged(path))
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(LARGEST_IMAGE);
    limits
}

fn damaged(path: &Path) -> impl Fn(ImageError) -> DataError + '_ {
    |source| DataError::Image {
        path: path.to_owned(),
        source,
    }
}

fn is_on_its_side(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

fn is_opaque(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageLumaA8(image) => image.pixels().all(|pixel| pixel[1] == u8::MAX),
        DynamicImage::ImageRgba8(image) => image.pixels().all(|pixel| pixel[3] == u8::MAX),
        DynamicImage::ImageLumaA16(image) => image.pixels().all(|pixel| pixel[1] == u16::MAX),
        DynamicImage::ImageRgba16(image) => image.pixels().all(|pixel| pixel[3] == u16::MAX),
        _ => true,
    }
}

/// Whether a JPEG file reaches its end marker. The decoder fills missing pixels with grey without an error.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const START_OF_IMAGE: u8 = 0xd8;
    const END_OF_IMAGE: u8 = 0xd9;
    let mut at = 0;
    // A marker is 0xff and a number. A segment has a length; coded pixels may follow it, up to the next marker.
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|&byte| byte == 0xff))
    {
        at += found + 1;
        match bytes.get(at) {
            // An escaped 0xff of coded pixels, a restart marker, or the start.
            Some(0x00 | 0x01 | 0xd0..=0xd7 | &START_OF_IMAGE) => at += 1,
            // Fill bytes.
            Some(0xff) => {}
            Some(&END_OF_IMAGE) => return true,
            Some(_) => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else {
                    return false;
                };
                at += 1 + usize::from(u16::from_be_bytes([high, low]));
            }
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    fn photo(format: ImageFormat) -> Vec<u8> {
        let image = RgbImage::from_fn(24, 16, |x, y| Rgb([10 * x as u8, 15 * y as u8, (x * y) as u8]));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn formats_are_recognised_by_their_content() {
        let folder = tempfile::tempdir().unwrap();
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::Bmp,
            ImageFormat::Gif,
            ImageFormat::Tiff,
            ImageFormat::WebP,
            ImageFormat::Pnm,
        ] {
            let path = folder.path().join("photo.jpg");
            std::fs::write(&path, photo(format)).unwrap();
            let found = header(&path).unwrap();
            assert_eq!(
                (found.height, found.width, found.is_colour),
                (16, 24, true),
                "{format:?}"
            );
        }
        let path = folder.path().join("photo");
        std::fs::write(&path, photo(ImageFormat::Png)).unwrap();
        assert!(is_image(&path));
        std::fs::write(&path, b"BMW is a text").unwrap();
        assert!(!is_image(&path));
    }

    #[test]
    fn every_truncated_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = Wanted {
            size: None,
            is_colour: true,
            is_deep: false,
        };
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::Bmp,
            ImageFormat::Gif,
            ImageFormat::Tiff,
            ImageFormat::WebP,
            ImageFormat::Pnm,
        ] {
            let path = folder.path().join("photo");
            let whole = photo(format);
            std::fs::write(&path, &whole).unwrap();
            assert!(decode(&path, wanted).is_ok(), "{format:?}");
            for len in [0, 1, whole.len() / 4, whole.len() / 2, whole.len() * 3 / 4] {
                std::fs::write(&path, &whole[..len]).unwrap();
                let error = decode(&path, wanted).err();
                let error = error.unwrap_or_else(|| panic!("{format:?} of {len} bytes is read"));
                assert!(error.to_string().contains("photo"), "{error}");
            }
        }
    }

    #[test]
    fn an_end_marker_of_a_thumbnail_is_not_the_end() {
        let whole = photo(ImageFormat::Jpeg);
        assert!(jpeg_is_whole(&whole));
        let thumbnail = [&[0xff, 0xe1, 0, 6][..], &[0xff, 0xd8, 0xff, 0xd9]].concat();
        let with = [&whole[..2], &thumbnail, &whole[2..]].concat();
        assert!(jpeg_is_whole(&with));
        assert!(!jpeg_is_whole(&with[..with.len() - 2]));
        assert!(!jpeg_is_whole(&with[..12]));
    }
}
