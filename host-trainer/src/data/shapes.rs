//! Arrays with any usual order of axes as images, `[n][height][width][channels]`.

use super::error::DataError;
use super::reading::Reading;
use crate::spec::Input;
use ndarray::{Array4, ArrayD, ArrayView4, Axis, s};
use std::path::Path;

/// Images that decide the order of flat rows with several channels.
const COMPARED: usize = 64;
/// Ratio of the differences in both orders from which the smoother order is certain.
const CLEARLY: f64 = 1.25;

/// Order of the values of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Height, width, channels.
    ChannelsLast(Input),
    /// Channels, height, width.
    ChannelsFirst(Input),
    /// Flat rows; the values decide the order of the channels.
    Flat(Input),
}

/// Order of the values of flat rows with several channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlatOrder {
    /// Pixel after pixel, each with all its channels.
    ByPixel,
    /// Channel after channel, each with all its pixels.
    ByChannel,
}

/// Arrays of one data set that become images: how they are read, and what was inferred from the first of them.
pub(super) struct Shaping<'r> {
    /// File or folder, for messages.
    pub(super) path: &'r Path,
    pub(super) reading: &'r Reading,
    /// Order of flat rows, which the first flat array decides for all others.
    flat: Option<FlatOrder>,
    pub(super) notes: Vec<String>,
}

impl<'r> Shaping<'r> {
    pub(super) fn new(path: &'r Path, reading: &'r Reading) -> Self {
        Self {
            path,
            reading,
            flat: None,
            notes: Vec::new(),
        }
    }

    /// Returns the images of an array.
    ///
    /// An array of the network's shape keeps its axes. Otherwise the axes decide: channels come last, or first if only that
    /// is plausible; an array without an axis for channels has one channel; a flat row has the network's shape if it has as
    /// many values.
    ///
    /// # Errors
    ///
    /// Returns an error if the number of axes is another one, if there are no images, or if flat rows do not fit the network.
    pub(super) fn images<T: Copy + Default + Into<f64>>(
        &mut self,
        name: &str,
        array: ArrayD<T>,
    ) -> Result<Array4<T>, DataError> {
        let path = self.path;
        let shape = array.shape().to_vec();
        if shape.contains(&0) {
            let expected = "at least one image of at least one value";
            return Err(DataError::field(path, name, expected, format!("shape {shape:?}")));
        }
        let order = order(path, name, &shape, self.reading)?;
        let sides = match order {
            Order::ChannelsLast(is) | Order::Flat(is) => (shape[0], is.height, is.width, is.channels),
            Order::ChannelsFirst(is) => (shape[0], is.channels, is.height, is.width),
        };
        let in_pieces = |error| DataError::field(path, name, "an array in one piece", error);
        let array = if array.is_standard_layout() {
            array
        } else {
            array.as_standard_layout().into_owned()
        };
        let array = array.into_shape_with_order(sides).map_err(in_pieces)?;
        let text = format!("`{name}` {shape:?}");
        match order {
            Order::ChannelsLast(_) => Ok(array),
            Order::ChannelsFirst(is) => {
                if is.channels > 1 {
                    self.notes
                        .push(format!("{text} has its channels first: images are {is}"));
                }
                Ok(channels_last(&array))
            }
            Order::Flat(is) if is.channels == 1 => {
                self.notes.push(format!(
                    "{text} has flat rows: each is an image of {is}, row by row"
                ));
                Ok(array)
            }
            Order::Flat(is) => {
                let notes = &mut self.notes;
                let flat = *self.flat.get_or_insert_with(|| {
                    let (order, reason) = flat_order(&array);
                    notes.push(format!(
                        "{text} has flat rows: each is an image of {is}, {reason}"
                    ));
                    order
                });
                match flat {
                    FlatOrder::ByPixel => Ok(array),
                    FlatOrder::ByChannel => by_channel(array).map_err(in_pieces),
                }
            }
        }
    }
}

/// Returns the order of flat rows with the smaller differences between neighbouring pixels, and the reason.
fn flat_order<T: Copy + Into<f64>>(whole: &Array4<T>) -> (FlatOrder, &'static str) {
    let compared = whole.slice(s![..whole.dim().0.min(COMPARED), .., .., ..]);
    let rough = roughness(compared);
    let rough_by_channel =
        by_channel(compared.to_owned()).map_or(f64::INFINITY, |images| roughness(images.view()));
    if rough_by_channel * CLEARLY < rough {
        (
            FlatOrder::ByChannel,
            "channel after channel, because neighbouring pixels are similar only in that order",
        )
    } else if rough * CLEARLY < rough_by_channel {
        (
            FlatOrder::ByPixel,
            "pixel after pixel, because neighbouring pixels are similar only in that order",
        )
    } else {
        (
            FlatOrder::ByPixel,
            "pixel after pixel, which the values neither confirm nor contradict: give [n, height, width, channels] if that is wrong",
        )
    }
}

/// Reorders values from channel after channel to pixel after pixel.
fn by_channel<T: Copy>(whole: Array4<T>) -> Result<Array4<T>, ndarray::ShapeError> {
    let (images, height, width, channels) = whole.dim();
    whole
        .into_shape_with_order((images, channels, height, width))
        .map(|first| channels_last(&first))
}

/// Returns the order of the axes of an array of this shape, which has no zero.
fn order(path: &Path, name: &str, shape: &[usize], reading: &Reading) -> Result<Order, DataError> {
    let of = |height, width, channels| Input {
        height,
        width,
        channels,
    };
    let input = reading.input;
    if let &[images, ref sides @ ..] = shape
        && matches!(sides.len(), 2 | 3)
        && let Some(&longest) = sides.iter().max()
        && sides.iter().product::<usize>() == longest
        && input.is_none_or(|input| [input.height, input.width, input.channels] != *sides)
    {
        // All sides but one are 1: a flat row with additional axes.
        return order(path, name, &[images, longest], reading);
    }
    Ok(match *shape {
        [_, a, b, c] => {
            let (last, first) = (of(a, b, c), of(b, c, a));
            let is_first = match input {
                Some(input) if input == last => false,
                Some(input) if input == first => true,
                Some(input) if input.channels == c => false,
                Some(input) if input.channels == a => true,
                // An image with so few rows and so many channels is unlikely.
                _ => matches!(a, 1 | 3) && c > 4,
            };
            if is_first {
                Order::ChannelsFirst(first)
            } else {
                Order::ChannelsLast(last)
            }
        }
        [_, a, b] => match input {
            // Windows of several sensors.
            Some(input) if input == of(1, a, b) => Order::ChannelsLast(input),
            Some(input) if input == of(1, b, a) => Order::ChannelsFirst(input),
            _ => Order::ChannelsLast(of(a, b, 1)),
        },
        [_, width] => match input {
            Some(input) if input == of(1, width, 1) => Order::ChannelsLast(input),
            Some(input) if input.values() == Some(width) => Order::Flat(input),
            Some(input) if reading.resize && (input.height > 1 || input.channels > 1) => {
                let count = input
                    .values()
                    .map_or_else(String::new, |count| format!("{count} "));
                let expected = format!(
                    "rows of {count}values for images of {}, the input of the network; an array [n, height, width, channels] \
                     can be resized with `--resize`, a flat row cannot",
                    input
                );
                return Err(DataError::field(path, name, expected, format!("rows of {width}")));
            }
            _ => Order::ChannelsLast(of(1, width, 1)),
        },
        _ => {
            let expected = "[images, height, width, channels], [images, height, width] or [images, values]";
            return Err(DataError::field(path, name, expected, format!("shape {shape:?}")));
        }
    })
}

fn channels_last<T: Copy>(first: &Array4<T>) -> Array4<T> {
    let last = first.view().permuted_axes([0, 2, 3, 1]);
    last.as_standard_layout().into_owned()
}

/// Returns the mean absolute difference of neighbouring pixels in the same channel.
fn roughness<T: Copy + Into<f64>>(images: ArrayView4<'_, T>) -> f64 {
    let difference = |axis: usize| {
        let (mut before, mut after) = (images, images);
        before.slice_axis_inplace(
            Axis(axis),
            (0..images.len_of(Axis(axis)).saturating_sub(1)).into(),
        );
        after.slice_axis_inplace(Axis(axis), (1..).into());
        let differences = before
            .iter()
            .zip(after)
            .map(|(&a, &b)| (a.into() - b.into()).abs());
        (differences.sum::<f64>(), before.len())
    };
    let ((down, rows), (across, columns)) = (difference(1), difference(2));
    (down + across) / (rows + columns).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::error::assert_contains;
    use super::*;

    fn resizing(input: Option<Input>) -> Reading {
        Reading {
            input,
            resize: true,
            ..Reading::default()
        }
    }

    /// Returns the shape of the images that an array of `shape` becomes for a network of `input`.
    fn of(shape: &[usize], input: Option<[usize; 3]>) -> Result<[usize; 4], String> {
        let input = input.map(|[height, width, channels]| Input {
            height,
            width,
            channels,
        });
        Shaping::new(Path::new("x"), &resizing(input))
            .images("x", ArrayD::<f32>::zeros(shape))
            .map(|array| array.dim().into())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn shapes_get_the_axes_they_lack() {
        assert_eq!(of(&[5, 8], None), Ok([5, 1, 8, 1]));
        assert_eq!(of(&[5, 8, 9], None), Ok([5, 8, 9, 1]));
        assert_eq!(of(&[5, 8, 9, 3], None), Ok([5, 8, 9, 3]));
        assert!(of(&[5], None).is_err() && of(&[0, 8], None).is_err());
        assert_eq!(of(&[5, 8, 9], Some([1, 8, 9])), Ok([5, 1, 8, 9]));
        assert_eq!(of(&[5, 9, 8], Some([1, 8, 9])), Ok([5, 1, 8, 9]));
    }

    #[test]
    fn channels_first_is_known_by_the_network_or_by_the_axes() {
        assert_eq!(of(&[5, 3, 32, 32], None), Ok([5, 32, 32, 3]));
        assert_eq!(of(&[5, 1, 8, 8], None), Ok([5, 8, 8, 1]));
        assert_eq!(of(&[5, 6, 8, 8], Some([8, 8, 6])), Ok([5, 8, 8, 6]));
        assert_eq!(of(&[5, 3, 8, 8], Some([3, 8, 8])), Ok([5, 3, 8, 8]));
        assert_eq!(of(&[5, 3, 3, 3], None), Ok([5, 3, 3, 3]));
        assert_eq!(of(&[5, 1, 128, 9], Some([1, 128, 9])), Ok([5, 1, 128, 9]));
        let values = ArrayD::from_shape_fn(vec![1, 3, 5, 6], |at| at[1] as f32);
        let reading = Reading::default();
        let mut shaping = Shaping::new(Path::new("x"), &reading);
        let array = shaping.images("x", values).unwrap();
        assert!(
            array
                .indexed_iter()
                .all(|((_, _, _, c), &value)| value == c as f32)
        );
        assert!(shaping.notes[0].contains("channels first"), "{:?}", shaping.notes);
    }

    #[test]
    fn flat_rows_have_the_networks_shape_or_are_refused() {
        assert_eq!(of(&[5, 64], Some([8, 8, 1])), Ok([5, 8, 8, 1]));
        assert_eq!(of(&[5, 64], Some([1, 64, 1])), Ok([5, 1, 64, 1]));
        for shape in [&[5, 1, 64][..], &[5, 64, 1], &[5, 1, 64, 1], &[5, 1, 1, 64]] {
            assert_eq!(of(shape, Some([8, 8, 1])), Ok([5, 8, 8, 1]), "{shape:?}");
            assert_eq!(of(shape, None), Ok([5, 1, 64, 1]), "{shape:?}");
        }
        assert_eq!(of(&[5, 1, 1, 64], Some([1, 1, 64])), Ok([5, 1, 1, 64]));
        let error = of(&[5, 64], Some([8, 9, 1])).unwrap_err();
        assert_contains(&error, &["rows of 72 values", "rows of 64"]);
    }

    #[test]
    fn flat_rows_of_colour_are_read_in_the_smooth_order() {
        let input = Input {
            height: 6,
            width: 6,
            channels: 3,
        };
        let value = |y: usize, x: usize, c: usize| (10 * y + x + 80 * c) as f32;
        let last = ArrayD::from_shape_fn(vec![2, 108], |at| value(at[1] / 18, at[1] / 3 % 6, at[1] % 3));
        let first = ArrayD::from_shape_fn(vec![2, 108], |at| value(at[1] / 6 % 6, at[1] % 6, at[1] / 36));
        let reading = resizing(Some(input));
        let read = |array| {
            let mut shaping = Shaping::new(Path::new("x"), &reading);
            let images = shaping.images("x", array).unwrap();
            (images, shaping.notes.concat())
        };
        let ((last, last_notes), (first, first_notes)) = (read(last), read(first));
        assert_eq!(last, first);
        assert!(last_notes.contains("pixel after pixel, because"), "{last_notes}");
        assert!(first_notes.contains("channel after channel"), "{first_notes}");
    }
}
