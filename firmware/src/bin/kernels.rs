//! Compares the inner loops of the board's instruction set with the reference, on as many cases of `core/tests/suite` as
//! the emulator runs in a few seconds.
#![cfg_attr(target_os = "none", no_std, no_main)]

denselet_firmware::program!(run);

#[cfg(target_os = "none")]
#[allow(unreachable_pub, reason = "shared with the tests of the runtime")]
#[path = "../../../core/tests/suite/mod.rs"]
mod suite;

#[cfg(target_os = "none")]
fn run() -> Result<(), denselet_firmware::report::Failure> {
    use denselet::Arena;
    use denselet::kernel::Tile;
    use denselet::kernel::arch::{Visitor, each};
    use denselet_firmware::board::{Console, NAME, RAM_BYTES, Singleton};
    use denselet_firmware::report::{Failure, Report};
    use suite::{Case, Random};

    /// Enough for any case, or half of the RAM of a small board.
    const MEMORY: usize = if RAM_BYTES < 1 << 17 {
        RAM_BYTES / 2
    } else {
        1 << 16
    };
    const CASES: usize = 1000;
    static ARENA: Singleton<Arena<MEMORY>> = Singleton::new(Arena::new());

    /// Records the name of the last inner loop, which is that of the board.
    struct Last(&'static str);

    impl Visitor for Last {
        fn visit<T: Tile>(&mut self, _: T) {
            self.0 = T::NAME;
        }
    }

    let mut report = Report::new(Console);
    report.start(NAME);
    let mut last = Last("");
    each(&mut last);
    report.word("kernels", last.0);
    let memory = ARENA.take().ok_or(Failure::Taken)?.as_bytes_mut();
    let mut random = Random::new(1);
    let mut left_out = 0;
    for case in 0..CASES {
        match Case::draw(&mut random).check(memory) {
            Ok(true) => {}
            Ok(false) => left_out += 1,
            Err(found) => {
                return Err(Failure::Kernel {
                    name: found.kernel,
                    case,
                });
            }
        }
    }
    report.fact("cases", (CASES - left_out) as u64);
    report.fact("left_out", left_out as u64);
    if left_out > CASES / 2 {
        return Err(Failure::Room);
    }
    report.done();
    Ok(())
}
