//! CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320), four bits at a time: 64 bytes of table.

const TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut nibble = 0;
    while nibble < 16 {
        let mut value = nibble;
        let mut bit = 0;
        while bit < 4 {
            value = if value & 1 == 1 {
                (value >> 1) ^ 0xedb8_8320
            } else {
                value >> 1
            };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; nibble < 16")]
        #[expect(clippy::as_conversions, reason = "nibble < 16")]
        {
            table[nibble as usize] = value;
        }
        nibble += 1;
    }
    table
};

/// Returns the CRC-32 of bytes that lie in two places, one after the other.
pub(super) fn crc32(parts: [&[u8]; 2]) -> u32 {
    let step = |crc: u32, nibble: u32| {
        let at = usize::try_from((crc ^ nibble) & 15).unwrap_or(0);
        (crc >> 4) ^ TABLE.get(at).copied().unwrap_or(0)
    };
    !parts.into_iter().flatten().fold(!0, |crc, &byte| {
        step(step(crc, u32::from(byte)), u32::from(byte >> 4))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn check_value_of_the_catalogue() {
        assert_eq!(super::crc32([b"1234", b"56789"]), 0xcbf4_3926);
    }
}
