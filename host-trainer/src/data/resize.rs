//! Resizes images and converts between grey and colour.

use super::set::{Dataset, Split};
use crate::spec::Input;
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma, Rgb};

impl Dataset {
    /// Resizes every image to `shape` with a triangle filter and converts between one and three channels. Other numbers of
    /// channels stay as they are.
    pub fn resize(&mut self, shape: Input) {
        let from = self.shape();
        if from == shape {
            return;
        }
        let mut channels = self.channels;
        for split in [&mut self.train, &mut self.test, &mut self.validation] {
            if !split.is_empty() {
                channels = convert(split, from, shape);
            }
        }
        (self.height, self.width, self.channels) = (shape.height, shape.width, channels);
    }
}

fn convert(split: &mut Split, from: Input, to: Input) -> usize {
    let mut images = Vec::new();
    let mut channels = from.channels;
    for image in split
        .images
        .chunks_exact(from.height * from.width * from.channels)
    {
        let coloured;
        let mut pixels = image;
        match (from.channels, to.channels) {
            (3, 1) => {
                channels = 1;
                coloured = image.as_chunks::<3>().0.iter().map(luma).collect::<Vec<u8>>();
                pixels = &coloured;
            }
            (1, 3) => {
                channels = 3;
                coloured = image.iter().flat_map(|&v| [v; 3]).collect::<Vec<u8>>();
                pixels = &coloured;
            }
            _ => {}
        }
        images.extend(scale(pixels, channels, from, to));
    }
    split.images = images;
    channels
}

/// Returns the luma of ITU-R BT.601, in 16-bit fixed point.
fn luma([r, g, b]: &[u8; 3]) -> u8 {
    let sum = 19595 * u32::from(*r) + 38470 * u32::from(*g) + 7471 * u32::from(*b) + 0x8000;
    (sum >> 16) as u8
}

fn scale(pixels: &[u8], channels: usize, from: Input, to: Input) -> Vec<u8> {
    if (from.height, from.width) == (to.height, to.width) {
        return pixels.to_vec();
    }
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (width, height) = (side(from.width), side(from.height));
    let (new_width, new_height) = (side(to.width), side(to.height));
    let filter = FilterType::Triangle;
    if channels == 3
        && let Some(image) = ImageBuffer::<Rgb<u8>, _>::from_raw(width, height, pixels.to_vec())
    {
        return resize(&image, new_width, new_height, filter).into_raw();
    }
    // Any other number of channels: one plane at a time.
    let mut out = vec![0; to.height * to.width * channels];
    for channel in 0..channels {
        let plane: Vec<u8> = pixels.iter().skip(channel).step_by(channels).copied().collect();
        if let Some(image) = ImageBuffer::<Luma<u8>, _>::from_raw(width, height, plane) {
            let scaled = resize(&image, new_width, new_height, filter).into_raw();
            for (at, value) in out.iter_mut().skip(channel).step_by(channels).zip(scaled) {
                *at = value;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Reading;

    #[test]
    fn size_and_channels_change_together() {
        let mut set = Dataset::load("digits", &Reading::default()).unwrap();
        set.resize(Input {
            height: 16,
            width: 12,
            channels: 3,
        });
        assert_eq!(set.train.images.len(), 1437 * 16 * 12 * 3);
        assert_eq!((set.height, set.width, set.channels), (16, 12, 3));
        let pixel = &set.train.images[300..303];
        assert!(pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    }

    #[test]
    fn white_stays_white_and_black_black() {
        assert_eq!((luma(&[255; 3]), luma(&[0; 3])), (255, 0));
    }
}
