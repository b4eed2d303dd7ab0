//! Cycles of instructions on a Cortex-M4, by the timing table of its reference manual, with memory without wait states.
//!
//! The table gives a range for two kinds: a jump refills the pipeline in 1 to 3 cycles, modelled as 2; a division takes 2
//! to 12, modelled as 7. The encodings are those of the Armv7-M architecture manual.

/// Additional cycles of a jump that is taken.
pub(super) const JUMP: u64 = 2;

/// Cycles of one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    /// One value from memory: 2, or 1 directly after another single load or store, which it overlaps.
    Load,
    /// One value to memory: 1.
    Store,
    /// This number of cycles, without overlap.
    Cycles(u32),
}

impl Cost {
    /// Returns the cost of a load or store of several registers.
    const fn several(registers: u16) -> Self {
        Self::Cycles(1 + registers.count_ones())
    }

    const fn single(is_load: bool) -> Self {
        if is_load { Self::Load } else { Self::Store }
    }
}

/// Returns the instructions and cycles of code without jumps.
pub(super) fn straight(code: &[u8]) -> (u64, u64) {
    let mut halves = code
        .chunks_exact(2)
        .map(|half| u16::from_le_bytes([half[0], half[1]]));
    let (mut instructions, mut cycles) = (0, 0);
    let mut before = Cost::Cycles(1);
    while let Some(first) = halves.next() {
        let is_wide = first >> 11 >= 0b11101;
        let cost = if is_wide {
            wide(first, halves.next().unwrap_or(0))
        } else {
            narrow(first)
        };
        cycles += match (cost, before) {
            (Cost::Load, Cost::Load | Cost::Store) | (Cost::Store, _) => 1,
            (Cost::Load, Cost::Cycles(_)) => 2,
            (Cost::Cycles(cycles), _) => u64::from(cycles),
        };
        instructions += 1;
        before = cost;
    }
    (instructions, cycles)
}

/// Returns the cost of a 16-bit instruction.
const fn narrow(half: u16) -> Cost {
    match half >> 11 {
        // LDR of a constant; LDR, LDRH, LDRB and LDRSH by a register; LDR, LDRB and LDRH by an offset; LDR by the stack pointer.
        0b01001 | 0b01011 | 0b01101 | 0b01111 | 0b10001 | 0b10011 => Cost::Load,
        0b01100 | 0b01110 | 0b10000 | 0b10010 => Cost::Store,
        // STR, STRH, STRB, and LDRSB by a register.
        0b01010 => Cost::single(half >> 9 & 0b11 == 0b11),
        // STM, LDM; PUSH, POP.
        0b11000 | 0b11001 => Cost::several(half & 0xff),
        0b10110 | 0b10111 if half & 0x0600 == 0x0400 => Cost::several(half & 0x1ff),
        _ => Cost::Cycles(1),
    }
}

/// Returns the cost of a 32-bit instruction.
const fn wide(first: u16, second: u16) -> Cost {
    let is_load = first & 0x10 != 0;
    // The floating-point unit's.
    let is_float = second & 0x0e00 == 0x0a00;
    if first & 0xfe40 == 0xe800 {
        return Cost::several(second);
    }
    if first & 0xfe40 == 0xe840 {
        // LDRD and STRD move an address or go by one; the others are exclusive accesses and table branches.
        return Cost::Cycles(if first & 0x0120 != 0 { 3 } else { 2 });
    }
    if first & 0xfe00 == 0xf800 {
        // A load of a byte or a half into the program counter is PLD or PLI.
        let is_hint = is_load && first & 0x60 != 0x40 && second & 0xf000 == 0xf000;
        return if is_hint {
            Cost::Cycles(1)
        } else {
            Cost::single(is_load)
        };
    }
    if first & 0xffd0 == 0xfb90 && second & 0xf0 == 0xf0 {
        return Cost::Cycles(7);
    }
    if first & 0xee00 == 0xec00 && is_float {
        let words = if second & 0x100 == 0 { 1 } else { 2 };
        return Cost::Cycles(if first & 0x0fe0 == 0x0c40 {
            2
        } else if first & 0x0120 == 0x0100 {
            1 + words
        } else {
            1 + (second as u32 & 0xff)
        });
    }
    if first & 0xff00 == 0xee00 && is_float && second & 0x10 == 0 {
        return Cost::Cycles(match first >> 4 & 0xb {
            // Multiplication and addition, division, square root.
            0x0 | 0x1 | 0x9 | 0xa => 3,
            0x8 => 14,
            0xb if first & 0xf == 1 && second & 0xc0 == 0xc0 => 14,
            _ => 1,
        });
    }
    Cost::Cycles(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn costs(halves: &[u16], cycles: u64) {
        let code: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        assert_eq!(straight(&code), (1, cycles), "{halves:04x?}");
    }

    /// Encodings as GNU as writes them.
    #[test]
    fn every_row_of_the_table_has_its_cycles() {
        costs(&[0x6848], 2); // ldr r0, [r1, #4]
        costs(&[0x4802], 2); // ldr r0, [pc, #8]
        costs(&[0x5688], 2); // ldrsb r0, [r1, r2]
        costs(&[0x78c8], 2); // ldrb r0, [r1, #3]
        costs(&[0xf851, 0x8b04], 2); // ldr r8, [r1], #4
        costs(&[0x6008], 1); // str r0, [r1]
        costs(&[0xe9c2, 0x0100], 3); // strd r0, r1, [r2]
        costs(&[0xe9d2, 0x0100], 3); // ldrd r0, r1, [r2]
        costs(&[0xc80e], 4); // ldm r0!, {r1-r3}
        costs(&[0xe8b0, 0x1f80], 7); // ldm r0!, {r7-r12}
        costs(&[0xb530], 4); // push {r4, r5, lr}
        costs(&[0xbd10], 3); // pop {r4, pc}
        costs(&[0xe92d, 0x4ff0], 10); // push {r4-r11, lr}
        costs(&[0xfb21, 0x3002], 1); // smlad r0, r1, r2, r3
        costs(&[0xfa2f, 0xf091], 1); // sxtb16 r0, r1, ror #8
        costs(&[0xfb51, 0xf012], 1); // smmulr r0, r1, r2
        costs(&[0xf381, 0x0008], 1); // usat r0, #8, r1
        costs(&[0xfb82, 0x0103], 1); // smull r0, r1, r2, r3
        costs(&[0xfbb1, 0xf0f2], 7); // udiv r0, r1, r2
        costs(&[0xe8df, 0xf000], 2); // tbb [pc, r0]
        costs(&[0xe851, 0x0f00], 2); // ldrex r0, [r1]
        costs(&[0xf7ff, 0xffd0], 1); // bl
        costs(&[0xd0cc], 1); // beq
        costs(&[0xbf08], 1); // it eq
        costs(&[0xf890, 0xf000], 1); // pld [r0]
        costs(&[0xed91, 0x0a00], 2); // vldr s0, [r1]
        costs(&[0xed80, 0x0b00], 3); // vstr d0, [r0]
        costs(&[0xec91, 0x0a04], 5); // vldm r1, {s0-s3}
        costs(&[0xec51, 0x0a10], 2); // vmov r0, r1, s0, s1
        costs(&[0xee30, 0x0a81], 1); // vadd.f32 s0, s1, s2
        costs(&[0xeea0, 0x0a81], 3); // vfma.f32 s0, s1, s2
        costs(&[0xee80, 0x0a81], 14); // vdiv.f32 s0, s1, s2
        costs(&[0xeeb1, 0x0ae0], 14); // vsqrt.f32 s0, s1
    }

    #[test]
    fn single_accesses_overlap() {
        // Two loads, a store, a load; then a load after an addition.
        let code: Vec<u8> = [0x6808_u16, 0x6848, 0x6008, 0x6808, 0x1888, 0x6808]
            .iter()
            .flat_map(|half| half.to_le_bytes())
            .collect();
        assert_eq!(straight(&code), (6, 2 + 1 + 1 + 1 + 1 + 2));
    }
}
