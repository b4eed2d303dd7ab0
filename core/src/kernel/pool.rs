//! The ImageNet stem's max pool: three rows of a ring into one row, 3x3, stride 2.

use crate::arithmetic::saturating_sub_bytes;
use crate::layout::GROUP;
use crate::shape::StemPool;

/// Computes one output row, pixels `out_stride` bytes apart, from up to three input rows of pixels of `stride` bytes, as
/// many as are written of each.
///
/// A row or column outside the map does not take part: the maximum is over what is there.
pub fn row(pool: StemPool, rows: &[&[u8]], stride: usize, out: &mut [u8], out_stride: usize) {
    let width = rows.first().map_or(0, |row| row.len() / stride);
    for (x, pixel) in out.chunks_mut(out_stride).enumerate() {
        let columns = pool.window(x, width);
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
    use crate::shape::StemPool;

    #[test]
    fn takes_the_maximum_of_what_is_inside() {
        let (top, bottom) = ([1, 2, 9, 4, 5], [6, 7, 3, 8, 0]);
        let [top, bottom] = [top, bottom].map(|row| row.map(|u| [u, 0, 255 - u, u / 2]));
        let pooled = |pool: StemPool, width: usize| {
            let mut out = [[0xa5; 5]; 3];
            let [top, bottom] = [&top[..width], &bottom[..width]].map(<[[u8; 4]]>::as_flattened);
            let out_len = 5 * width.div_ceil(2);
            super::row(pool, &[top, bottom], 4, &mut out.as_flattened_mut()[..out_len], 5);
            out
        };
        let odd = [[7, 0, 254, 3, 0xa5], [9, 0, 253, 4, 0xa5], [8, 0, 255, 4, 0xa5]];
        assert_eq!(pooled(StemPool::Centred, 5), odd);
        assert_eq!(pooled(StemPool::Same, 5), odd);
        let even = pooled(StemPool::Centred, 4).map(|pixel| pixel[0]);
        assert_eq!(even, [7, 9, 0xa5]);
        let even = pooled(StemPool::Same, 4).map(|pixel| pixel[0]);
        assert_eq!(even, [9, 9, 0xa5]);
    }
}
