//! Runs one image and prints the instructions of each stage, for `denselet profile`.
//!
//! The bytes of the image count up from 0. Every image takes the same number of instructions, so one is enough.
#![cfg_attr(target_os = "none", no_std, no_main)]

denselet_firmware::program!(run);

#[cfg(target_os = "none")]
fn run() -> Result<(), denselet_firmware::report::Failure> {
    use denselet::tap::Tap;
    use denselet::{Arena, Network};
    use denselet_firmware::board::{Console, Laps, NAME, Singleton};
    use denselet_firmware::model::{ARENA_LEN, BLOB, IMAGE_LEN};
    use denselet_firmware::report::{Failure, Report};

    static ARENA: Singleton<Arena<ARENA_LEN>> = Singleton::new(Arena::new());
    static IMAGE: Singleton<[u8; IMAGE_LEN]> = Singleton::new([0; IMAGE_LEN]);
    static COUNTS: Singleton<[u64; STAGES]> = Singleton::new([0; STAGES]);
    /// Stages that are counted; the later stages of a deeper network are not.
    const STAGES: usize = 320;

    struct Stopwatch {
        laps: Laps,
        counts: &'static mut [u64; STAGES],
    }

    impl Tap for Stopwatch {
        fn done(&mut self, index: usize, _map: &[u8], _stride: usize) {
            if let Some(count) = self.counts.get_mut(index) {
                *count = self.laps.lap();
            }
        }
    }

    let mut report = Report::new(Console);
    report.start(NAME);
    let arena = ARENA.take().ok_or(Failure::Taken)?;
    let image = IMAGE.take().ok_or(Failure::Taken)?;
    for (index, byte) in image.iter_mut().enumerate() {
        *byte = index as u8;
    }
    let counts = COUNTS.take().ok_or(Failure::Taken)?;
    let mut network = Network::new(BLOB, arena)?;
    let mut watch = Stopwatch {
        laps: Laps::start(),
        counts,
    };
    network.run_tapped(image, &mut watch)?;
    for (index, &count) in watch.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        report.stage(index, count);
    }
    report.done();
    Ok(())
}
