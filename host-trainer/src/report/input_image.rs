//! One input as a small PNG that stands in the page itself.

use crate::data::Dataset;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

/// Test image `index` as the text of a `data:` address. Three channels are colours, any other number grey images one
/// below the other; a sensor's channels are rows of one.
pub(super) fn address(data: &Dataset, index: usize) -> anyhow::Result<String> {
    let size = data.image_len();
    let image = &data.test.images[index * size..][..size];
    let largest = data.test.images.iter().copied().max().unwrap_or(255).max(1);
    let shade = |value: u8| (u16::from(value) * 255 / u16::from(largest)).min(255) as u8;
    let (height, width, channels) = (data.height, data.width, data.channels);
    let (pixels, rows, colour): (Vec<u8>, usize, ExtendedColorType) = if channels == 3 && height > 1 {
        (
            image.iter().map(|&value| shade(value)).collect(),
            height,
            ExtendedColorType::Rgb8,
        )
    } else {
        let planes = (0..channels).flat_map(|c| image.iter().skip(c).step_by(channels));
        (
            planes.map(|&value| shade(value)).collect(),
            height * channels,
            ExtendedColorType::L8,
        )
    };
    let mut png = Vec::new();
    PngEncoder::new(&mut png).write_image(&pixels, width as u32, rows as u32, colour)?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}
