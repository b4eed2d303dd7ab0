//! Decides from the values of a data set how they become bytes.

use super::encoding::Encoding;
use super::error::DataError;
use super::values::Values;
use ndarray::{ArrayView4, Axis};
use std::path::Path;

/// Share of whole numbers outside the network's range above which they are taken for bytes.
const OUTSIDE: f64 = 0.01;
/// Share of measurements outside the network's range above which they are taken for another unit.
const MOST_CLIPPED: f64 = 0.5;

/// Returns how the values of all splits, the training split first, become bytes; nothing if they are bytes.
pub(super) fn choose(
    path: &Path,
    all: &[&Values],
    network: Option<&Encoding>,
    notes: &mut Vec<String>,
) -> Result<Option<Encoding>, DataError> {
    let channels = all[0].shape().channels;
    let are_bytes = all.iter().all(|values| values.are_bytes());
    let are_stored_as_bytes = all.iter().all(|values| values.are_stored_as_bytes());
    let Some(network) = network else {
        let largest = all.iter().map(|values| values.largest()).fold(0.0, f32::max);
        if are_bytes && largest == 1.0 {
            if !are_stored_as_bytes {
                notes.push("every value is 0 or 1: 0 to 1 becomes 0 to 255".into());
                return Ok(Some(Encoding::unit(channels)));
            }
            notes.push("every value is 0 or 1: the values are read as bytes from 0 to 255".into());
        }
        if are_bytes {
            return Ok(None);
        }
        if all.iter().all(|values| values.are_unit_bytes()) {
            notes.push("values are bytes divided by 255: 0 to 1 becomes 0 to 255".into());
            return Ok(Some(Encoding::unit(channels)));
        }
        let encoding = span(path, all[0])?;
        notes.push(format!(
            "values are not bytes: the range of each channel's training values becomes 0 to 255 ({})",
            encoding.ranges()
        ));
        return Ok(Some(encoding));
    };
    network.check(path, channels)?;
    if are_stored_as_bytes {
        notes.push(
            "values are stored as bytes: they are read as measurements in the network's encoding".into(),
        );
        return Ok(None);
    }
    let outside = all.iter().map(|values| outside(values, network)).sum::<usize>();
    let count: usize = all.iter().map(|values| values.count()).sum();
    let share = outside as f64 / count.max(1) as f64;
    if are_bytes && share > OUTSIDE {
        let expected = format!(
            "measurements in the network's range ({} to {} in the first channel): store bytes as uint8 arrays, or clip the \
             measurements",
            network.low[0], network.high[0]
        );
        let found = format!(
            "whole numbers from 0 to 255, {:.0} % of them outside",
            100.0 * share
        );
        return Err(DataError::field(path, "values", expected, found));
    }
    if share > MOST_CLIPPED {
        let expected = format!(
            "measurements in the network's range ({} to {} in the first channel): give them in the unit of the network's \
             training data",
            network.low[0], network.high[0]
        );
        let found = format!("{:.0} % of them outside", 100.0 * share);
        return Err(DataError::field(path, "values", expected, found));
    }
    let clipped = match outside {
        0 => String::new(),
        _ => format!(
            "; {:.2} % of them are outside its range and are clipped",
            100.0 * share
        ),
    };
    notes.push(format!(
        "values are measurements: the network's encoding converts them to bytes{clipped}"
    ));
    Ok(Some(network.clone()))
}

/// Returns the number of values outside the range of an encoding.
fn outside(values: &Values, encoding: &Encoding) -> usize {
    let is_outside = |channel: usize, value: f32| {
        let (low, high) = (encoding.low[channel], encoding.high[channel]);
        value < low.min(high) || value > low.max(high)
    };
    match values {
        Values::Bytes(array) => {
            let values = array.indexed_iter();
            values
                .filter(|((.., c), value)| is_outside(*c, f32::from(**value)))
                .count()
        }
        Values::Numbers(array) => {
            let values = array.indexed_iter();
            values.filter(|((.., c), value)| is_outside(*c, **value)).count()
        }
    }
}

/// Returns the encoding from each channel's smallest to its largest value.
fn span(path: &Path, values: &Values) -> Result<Encoding, DataError> {
    match values {
        Values::Bytes(array) => span_of(path, array.mapv(f32::from).view()),
        Values::Numbers(array) => span_of(path, array.view()),
    }
}

fn span_of(path: &Path, values: ArrayView4<'_, f32>) -> Result<Encoding, DataError> {
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for channel in values.axis_iter(Axis(3)) {
        let smallest = channel.iter().copied().fold(f32::INFINITY, f32::min);
        let largest = channel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        low.push(smallest);
        // A constant channel becomes zeros.
        high.push(if largest > smallest {
            largest
        } else {
            smallest + smallest.abs().max(1.0)
        });
    }
    let encoding = Encoding { low, high };
    encoding.check(path, values.len_of(Axis(3)))?;
    Ok(encoding)
}

#[cfg(test)]
mod tests {
    use super::super::error::assert_contains;
    use super::*;
    use ndarray::Array4;

    #[test]
    fn measurements_in_another_unit_are_refused() {
        let network = Encoding {
            low: vec![-1.0],
            high: vec![1.0],
        };
        let in_thousandths = vec![-900.5, 20.25, 0.5, 870.75];
        let values = Values::Numbers(Array4::from_shape_vec((4, 1, 1, 1), in_thousandths).unwrap());
        let found = choose(Path::new("x"), &[&values], Some(&network), &mut Vec::new());
        let error = found.unwrap_err().to_string();
        assert_contains(&error, &["-1 to 1", "75 %"]);
    }
}
