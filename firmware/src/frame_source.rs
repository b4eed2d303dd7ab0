//! Sources of images, row by row. [`classify`] pushes their rows into the network and holds one row, never a frame.
//!
//! Two sources work on any board: images in flash, and a camera that sends rows over SPI. `board::Images`, for
//! emulators, reads a file of the host.

use denselet::{Logits, Network};
use embedded_hal::spi::SpiDevice;

/// Gives frames, row by row from the top.
pub trait FrameSource {
    /// Error of the source.
    type Error;

    /// Starts the next frame; `false` if there is none.
    ///
    /// # Errors
    ///
    /// An error of the source.
    fn start_frame(&mut self) -> Result<bool, Self::Error>;

    /// Fills `row` (bytes, `[x][channel]`) with the next row of the frame.
    ///
    /// # Errors
    ///
    /// An error of the source.
    fn row(&mut self, row: &mut [u8]) -> Result<(), Self::Error>;
}

/// Why a frame was not classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The source failed.
    Source(E),
    /// The runtime refused the row.
    Runtime(denselet::Error),
}

/// Pushes the source's next frame through the network, row by row, and returns its logits; `None` if there is no
/// frame. `row` holds one row: width times channels bytes.
///
/// # Errors
///
/// [`Error::Source`] if the source fails, [`Error::Runtime`] if `row` does not have the length of a row.
pub fn classify<'n, S: FrameSource>(
    network: &'n mut Network<'_, '_>,
    source: &mut S,
    row: &mut [u8],
) -> Result<Option<Logits<'n>>, Error<S::Error>> {
    if !source.start_frame().map_err(Error::Source)? {
        return Ok(None);
    }
    for _ in 1..network.input_shape().height {
        source.row(row).map_err(Error::Source)?;
        network.push_row(row).map_err(Error::Runtime)?;
    }
    source.row(row).map_err(Error::Source)?;
    network.push_row(row).map_err(Error::Runtime)
}

/// Images in flash, one after the other.
#[derive(Clone, Debug)]
pub struct FlashFrames<'f> {
    /// The frames that were not started.
    frames: &'f [u8],
    /// The rest of the current frame.
    frame: &'f [u8],
    /// Bytes of a frame.
    frame_len: usize,
}

/// The frame has no such row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastTheEnd;

impl<'f> FlashFrames<'f> {
    /// Splits `frames` into frames of `frame_len` bytes. An incomplete frame at the end is ignored.
    pub const fn new(frames: &'f [u8], frame_len: usize) -> Self {
        Self {
            frames,
            frame: &[],
            frame_len,
        }
    }
}

impl FrameSource for FlashFrames<'_> {
    type Error = PastTheEnd;

    fn start_frame(&mut self) -> Result<bool, PastTheEnd> {
        let Some((frame, rest)) = self.frames.split_at_checked(self.frame_len) else {
            return Ok(false);
        };
        (self.frame, self.frames) = (frame, rest);
        Ok(self.frame_len > 0)
    }

    fn row(&mut self, row: &mut [u8]) -> Result<(), PastTheEnd> {
        let (next, rest) = self.frame.split_at_checked(row.len()).ok_or(PastTheEnd)?;
        row.copy_from_slice(next);
        self.frame = rest;
        Ok(())
    }
}

/// A camera on an SPI bus.
///
/// The protocol is minimal: [`SpiFrames::CAPTURE`] starts a frame. [`SpiFrames::ROW`] requests the next row, whose bytes
/// follow in the same transaction.
#[derive(Debug)]
pub struct SpiFrames<D> {
    device: D,
}

impl<D: SpiDevice> SpiFrames<D> {
    /// Command: take an image.
    pub const CAPTURE: u8 = 0x01;
    /// Command: send the next row.
    pub const ROW: u8 = 0x02;

    /// Reads from the camera `device`, which drives its chip select.
    pub const fn new(device: D) -> Self {
        Self { device }
    }

    /// Returns the device.
    pub fn release(self) -> D {
        self.device
    }
}

impl<D: SpiDevice> FrameSource for SpiFrames<D> {
    type Error = D::Error;

    fn start_frame(&mut self) -> Result<bool, D::Error> {
        self.device.write(&[Self::CAPTURE])?;
        Ok(true)
    }

    fn row(&mut self, row: &mut [u8]) -> Result<(), D::Error> {
        use embedded_hal::spi::Operation;
        self.device
            .transaction(&mut [Operation::Write(&[Self::ROW]), Operation::Read(row)])
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use embedded_hal_mock::eh1::spi::{Mock, Transaction};
    use std::vec;

    #[test]
    fn flash_gives_whole_frames_and_no_more() {
        let mut source = FlashFrames::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 4);
        let mut row = [0; 2];
        for expected in [[[1, 2], [3, 4]], [[5, 6], [7, 8]]] {
            assert_eq!(source.start_frame(), Ok(true));
            for expected in expected {
                assert_eq!(source.row(&mut row), Ok(()));
                assert_eq!(row, expected);
            }
            assert_eq!(source.row(&mut row), Err(PastTheEnd));
        }
        assert_eq!(source.start_frame(), Ok(false));
    }

    #[test]
    fn flash_without_a_frame_length_has_no_frames() {
        assert_eq!(FlashFrames::new(&[1, 2], 0).start_frame(), Ok(false));
    }

    #[test]
    fn a_row_over_spi_is_one_transaction() {
        let device = Mock::new(&[
            Transaction::transaction_start(),
            Transaction::write_vec(vec![0x01]),
            Transaction::transaction_end(),
            Transaction::transaction_start(),
            Transaction::write_vec(vec![0x02]),
            Transaction::read_vec(vec![7, 8, 9]),
            Transaction::transaction_end(),
        ]);
        let mut source = SpiFrames::new(device);
        let mut row = [0; 3];
        assert_eq!(source.start_frame(), Ok(true));
        assert_eq!(source.row(&mut row), Ok(()));
        assert_eq!(row, [7, 8, 9]);
        source.release().done();
    }
}
