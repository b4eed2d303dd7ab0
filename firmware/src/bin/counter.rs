//! Tests on a board that the instruction counter is exact. It counts loops of known length, from one round to several
//! overflows of the hardware counter, and every length near the first overflow.
#![cfg_attr(target_os = "none", no_std, no_main)]

denselet_firmware::program!(run);

#[cfg(target_os = "none")]
fn run() -> Result<(), denselet_firmware::report::Failure> {
    use denselet_firmware::board::{
        Console, INSTRUCTIONS_PER_WRAP, InstructionCounter, LOOP_INSTRUCTIONS, NAME,
    };
    use denselet_firmware::report::{Failure, Report};

    let mut report = Report::new(Console);
    report.start(NAME);
    let counter = InstructionCounter::calibrate();
    let Some(shortest) = counter.count_loop(1) else {
        return Err(Failure::Miscounted {
            expected: LOOP_INSTRUCTIONS,
            counted: None,
        });
    };
    let nothing = counter.count(&mut || {});
    if nothing != Some(0) {
        return Err(Failure::Miscounted {
            expected: 0,
            counted: nothing,
        });
    }
    let full = (INSTRUCTIONS_PER_WRAP / LOOP_INSTRUCTIONS) as u32;
    let short = (1..100).chain([1_000, 10_000]);
    let long = (full - 20..full + 5).chain([full * 5 / 2]);
    let mut loops = 0;
    for rounds in short.chain(long) {
        let expected = shortest + u64::from(rounds - 1) * LOOP_INSTRUCTIONS;
        let counted = counter.count_loop(rounds);
        if counted != Some(expected) {
            return Err(Failure::Miscounted { expected, counted });
        }
        loops += 1;
    }
    report.fact("shortest", shortest);
    report.fact("loops", loops);
    report.done();
    Ok(())
}
