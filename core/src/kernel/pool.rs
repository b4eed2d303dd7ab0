//! The ImageNet stem's max pool: three rows of a ring into one row, 3x3, stride 2, padding 1.

use crate::arithmetic::saturating_sub_bytes;
use crate::layout::GROUP;

/// Computes one output row, pixels `out_stride` bytes apart, from up to three input rows of pixels of `stride` bytes, as
/// many as are written of each.
///
/// A row or column outside the map does not take part: the maximum is over what is there.
pub fn row(rows: &[&[u8]], stride: usize, out: &mut [u8], out_stride: usize) {
    let width = rows.first().map_or(0, |row| row.len() / stride);
    for (x, pixel) in out.chunks_mut(out_stride).enumerate() {
        let columns = (2 * x).saturating_sub(1)..width.min(2 * x + 2);
        for (g, group) in pixel
            .as_chunks_mut::<GROUP>()
            .0
            .iter_mut()
            .enumerate()
            .take(stride / GROUP)
        {
            let mut max = 0;
            for row in rows {
                for column in columns.clone() {
                    let at = column * stride + g * GROUP;
                    if let Some(taps) = row[at..].first_chunk() {
                        let taps = u32::from_le_bytes(*taps);
                        max = taps + saturating_sub_bytes(max, taps);
                    }
                }
            }
            *group = max.to_le_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn takes_the_maximum_of_what_is_inside() {
        let (top, bottom) = ([1, 2, 9, 4, 5], [6, 7, 3, 8, 0]);
        let [top, bottom] = [top, bottom].map(|row| row.map(|u| [u, 0, 255 - u, u / 2]));
        let mut out = [[0xa5; 5]; 3];
        super::row(
            &[top.as_flattened(), bottom.as_flattened()],
            4,
            out.as_flattened_mut(),
            5,
        );
        assert_eq!(
            out,
            [[7, 0, 254, 3, 0xa5], [9, 0, 253, 4, 0xa5], [8, 0, 255, 4, 0xa5]]
        );
    }
}
