//! Arrays with any usual order of axes as images, `[n][height][width][channels]`.

use super::error::DataError;
use super::reading::Reading;
use crate::spec::Input;
use ndarray::{Array4, ArrayD, ArrayView4, Axis, s};
use std::path::Path;

/// Images whose neighbouring values decide the order of flat rows with several channels.
const COMPARED: usize = 64;
/// How much smoother images must be in one order of their values than in the other for the order to count as known.
const CLEARLY: f64 = 1.25;

/// How the values of an array lie: what [`images`] decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Height, width, channels.
    ChannelsLast(Input),
    /// Channels, height, width.
    ChannelsFirst(Input),
    /// One row of this many values: the order of the channels is looked for in the values.
    Flat(Input),
}

/// How flat rows hold images of several channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pixels {
    /// Pixel after pixel, each with all its channels.
    Whole,
    /// Channel after channel, each with all its pixels.
    ByChannel,
}

/// Returns the images of an array.
///
/// An array of the network's shape is taken as it is. Otherwise the axes decide: channels come last, or first if only that makes
/// sense; an array without an axis for channels has one channel; a flat row has the network's shape if it has as many values.
/// `flat` keeps what the first flat array decides, for those that follow.
///
/// # Errors
///
/// Refuses other numbers of axes, no images at all, and flat rows that do not fit the network.
pub(super) fn images<T: Copy + Default + Into<f64>>(
    path: &Path,
    name: &str,
    array: ArrayD<T>,
    reading: &Reading,
    flat: &mut Option<Pixels>,
    notes: &mut Vec<String>,
) -> Result<Array4<T>, DataError> {
    let shape = array.shape().to_vec();
    if shape.contains(&0) {
        let found = format!("shape {shape:?}");
        return Err(DataError::field(
            path,
            name,
            "at least one image of at least one value",
            found,
        ));
    }
    let order = order(path, name, &shape, reading)?;
    let sides = match order {
        Order::ChannelsLast(is) | Order::Flat(is) => (shape[0], is.height, is.width, is.channels),
        Order::ChannelsFirst(is) => (shape[0], is.channels, is.height, is.width),
    };
    let array = if array.is_standard_layout() {
        array
    } else {
        array.as_standard_layout().into_owned()
    };
    let shaped = |array: ArrayD<T>, sides| {
        array
            .into_shape_with_order(sides)
            .map_err(|error| DataError::field(path, name, "an array in one piece", error))
    };
    let text = format!("`{name}` {shape:?}");
    match order {
        Order::ChannelsLast(_) => shaped(array, sides),
        Order::ChannelsFirst(is) => {
            if is.channels > 1 {
                notes.push(format!("{text} has its channels first: images are {}", is));
            }
            Ok(channels_last(&shaped(array, sides)?))
        }
        Order::Flat(is) if is.channels == 1 => {
            notes.push(format!(
                "{text} has flat rows: each is an image of {}, row by row",
                is
            ));
            shaped(array, sides)
        }
        Order::Flat(is) => {
            let whole = shaped(array, sides)?;
            let found = *flat.get_or_insert_with(|| {
                let (pixels, why) = pixels(&whole);
                notes.push(format!("{text} has flat rows: each is an image of {is}, {why}"));
                pixels
            });
            match found {
                Pixels::Whole => Ok(whole),
                Pixels::ByChannel => by_channel(whole)
                    .map_err(|error| DataError::field(path, name, "an array in one piece", error)),
            }
        }
    }
}

/// Finds how flat rows hold images, which is told from neighbouring values: those of an image are alike.
fn pixels<T: Copy + Into<f64>>(whole: &Array4<T>) -> (Pixels, &'static str) {
    let compared = whole.slice(s![..whole.dim().0.min(COMPARED), .., .., ..]);
    let rough = roughness(compared);
    let rough_by_channel =
        by_channel(compared.to_owned()).map_or(f64::INFINITY, |images| roughness(images.view()));
    if rough_by_channel * CLEARLY < rough {
        (
            Pixels::ByChannel,
            "channel after channel, because neighbouring pixels are alike in that order only",
        )
    } else if rough * CLEARLY < rough_by_channel {
        (
            Pixels::Whole,
            "pixel after pixel, because neighbouring pixels are alike in that order only",
        )
    } else {
        (
            Pixels::Whole,
            "pixel after pixel, which the values neither confirm nor contradict: give [n, height, width, channels] if that is wrong",
        )
    }
}

/// Values that were read pixel after pixel, read channel after channel.
fn by_channel<T: Copy>(whole: Array4<T>) -> Result<Array4<T>, ndarray::ShapeError> {
    let (images, height, width, channels) = whole.dim();
    whole
        .into_shape_with_order((images, channels, height, width))
        .map(|first| channels_last(&first))
}

/// How the axes of an array of this shape, without a zero, are read.
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
        // All sides but one are 1: a flat row with more brackets.
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
                // No image has that many channels and so few rows.
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
                    "rows of {count}values for images of {}, as the network takes them; an array [n, height, width, channels] \
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

/// Mean absolute difference of pixels beside each other, in one channel.
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
    use super::*;

    fn resizing(input: Option<Input>) -> Reading {
        Reading {
            input,
            resize: true,
            ..Reading::default()
        }
    }

    fn of(
        shape: &[usize],
        input: Option<(usize, usize, usize)>,
    ) -> Result<(usize, usize, usize, usize), String> {
        let input = input.map(|(height, width, channels)| Input {
            height,
            width,
            channels,
        });
        images(
            Path::new("x"),
            "x",
            ArrayD::<f32>::zeros(shape),
            &resizing(input),
            &mut None,
            &mut Vec::new(),
        )
        .map(|array| array.dim())
        .map_err(|error| error.to_string())
    }

    #[test]
    fn shapes_get_the_axes_they_lack() {
        assert_eq!(of(&[5, 8], None), Ok((5, 1, 8, 1)));
        assert_eq!(of(&[5, 8, 9], None), Ok((5, 8, 9, 1)));
        assert_eq!(of(&[5, 8, 9, 3], None), Ok((5, 8, 9, 3)));
        assert!(of(&[5], None).is_err() && of(&[0, 8], None).is_err());
        assert_eq!(of(&[5, 8, 9], Some((1, 8, 9))), Ok((5, 1, 8, 9)));
        assert_eq!(of(&[5, 9, 8], Some((1, 8, 9))), Ok((5, 1, 8, 9)));
    }

    #[test]
    fn channels_first_is_known_by_the_network_or_by_the_axes() {
        assert_eq!(of(&[5, 3, 32, 32], None), Ok((5, 32, 32, 3)));
        assert_eq!(of(&[5, 1, 8, 8], None), Ok((5, 8, 8, 1)));
        assert_eq!(of(&[5, 6, 8, 8], Some((8, 8, 6))), Ok((5, 8, 8, 6)));
        assert_eq!(of(&[5, 3, 8, 8], Some((3, 8, 8))), Ok((5, 3, 8, 8)));
        assert_eq!(of(&[5, 3, 3, 3], None), Ok((5, 3, 3, 3)));
        assert_eq!(of(&[5, 1, 128, 9], Some((1, 128, 9))), Ok((5, 1, 128, 9)));
        let values = ArrayD::from_shape_fn(vec![1, 3, 5, 6], |at| at[1] as f32);
        let mut notes = Vec::new();
        let array = images(
            Path::new("x"),
            "x",
            values,
            &Reading::default(),
            &mut None,
            &mut notes,
        )
        .unwrap();
        assert!(
            array
                .indexed_iter()
                .all(|((_, _, _, c), &value)| value == c as f32)
        );
        assert!(notes[0].contains("channels first"), "{notes:?}");
    }

    #[test]
    fn flat_rows_have_the_networks_shape_or_are_refused() {
        assert_eq!(of(&[5, 64], Some((8, 8, 1))), Ok((5, 8, 8, 1)));
        assert_eq!(of(&[5, 64], Some((1, 64, 1))), Ok((5, 1, 64, 1)));
        for shape in [&[5, 1, 64][..], &[5, 64, 1], &[5, 1, 64, 1], &[5, 1, 1, 64]] {
            assert_eq!(of(shape, Some((8, 8, 1))), Ok((5, 8, 8, 1)), "{shape:?}");
            assert_eq!(of(shape, None), Ok((5, 1, 64, 1)), "{shape:?}");
        }
        assert_eq!(of(&[5, 1, 1, 64], Some((1, 1, 64))), Ok((5, 1, 1, 64)));
        let error = of(&[5, 64], Some((8, 9, 1))).unwrap_err();
        assert!(
            error.contains("rows of 72 values") && error.contains("rows of 64"),
            "{error}"
        );
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
        let mut notes = Vec::new();
        let mut read = |array| {
            images(
                Path::new("x"),
                "x",
                array,
                &resizing(Some(input)),
                &mut None,
                &mut notes,
            )
            .unwrap()
        };
        assert_eq!(read(last), read(first));
        assert!(
            notes[0].contains("pixel after pixel, because") && notes[1].contains("channel after channel")
        );
    }
}
