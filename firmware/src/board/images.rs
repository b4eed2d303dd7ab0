//! Images from a file in the emulator's folder, so that flash contains none.

use super::semihosting::File;
use crate::frame_source::FrameSource;
use crate::report::Failure;

/// Images of a fixed length, one after another.
#[derive(Debug)]
pub struct Images {
    /// `None` without a file. The only image then consists of bytes that count up from 0.
    file: Option<File>,
    /// Images that were not started.
    left: usize,
    /// The next byte of the image without a file.
    counted: u8,
}

impl Images {
    /// Opens `images.bin`, which contains images of `image_len` bytes.
    ///
    /// # Errors
    /// [`Failure::Images`] if the file is not a whole number of images.
    pub fn open(image_len: usize) -> Result<Self, Failure> {
        let Some(file) = File::open(c"images.bin") else {
            return Ok(Self {
                file: None,
                left: 1,
                counted: 0,
            });
        };
        if image_len == 0 || file.len() % image_len != 0 {
            return Err(Failure::Images {
                image: image_len,
                file: file.len(),
            });
        }
        let left = file.len() / image_len;
        Ok(Self {
            file: Some(file),
            left,
            counted: 0,
        })
    }

    /// Images that were not started.
    pub fn left(&self) -> usize {
        self.left
    }
}

/// `row` may read a whole image at once.
impl FrameSource for Images {
    type Error = Failure;

    fn start_frame(&mut self) -> Result<bool, Failure> {
        let some = self.left > 0;
        self.left -= usize::from(some);
        Ok(some)
    }

    fn row(&mut self, row: &mut [u8]) -> Result<(), Failure> {
        if let Some(file) = &mut self.file {
            return if file.read(row) {
                Ok(())
            } else {
                Err(Failure::Read)
            };
        }
        for byte in row {
            *byte = self.counted;
            self.counted = self.counted.wrapping_add(1);
        }
        Ok(())
    }
}
