//! The ImageNet stem's max pool: three rows of a ring into one row, 3x3, stride 2, padding 1.

/// Computes one output row of `outputs` channels, pixels `out_stride` bytes apart, from up to three input rows.
///
/// A row or column outside the map does not take part: the maximum is over what is there.
pub fn row(rows: &[&[u8]], stride: usize, channels: usize, out: &mut [u8], out_stride: usize) {
    let width = rows.first().map_or(0, |row| row.len() / stride);
    for (x, pixel) in out.chunks_mut(out_stride).enumerate() {
        let columns = (2 * x).saturating_sub(1)..width.min(2 * x + 2);
        for (c, value) in pixel.iter_mut().enumerate().take(channels) {
            let taps = rows
                .iter()
                .flat_map(|row| columns.clone().map(move |column| row[column * stride + c]));
            *value = taps.max().unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn takes_the_maximum_of_what_is_inside() {
        let (top, bottom) = ([1, 2, 9, 4, 5], [6, 7, 3, 8, 0]);
        let mut out = [0xa5; 3];
        super::row(&[&top, &bottom], 1, 1, &mut out, 1);
        assert_eq!(out, [7, 9, 8]);
    }
}
