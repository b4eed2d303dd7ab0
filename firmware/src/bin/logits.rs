//! Runs every image of the file `images.bin` and prints the logits, the instructions of an inference and its stack.
//!
//! `denselet run` writes the file into the emulator's folder and reads the output. Flash contains the blob and the code,
//! no images. Without the file the program runs one image, whose bytes count up from 0.
#![cfg_attr(target_os = "none", no_std, no_main)]

denselet_firmware::program!(run);

#[cfg(target_os = "none")]
fn run() -> Result<(), denselet_firmware::report::Failure> {
    use denselet::{Arena, Network};
    use denselet_firmware::board::{Console, Images, InstructionCounter, NAME, Singleton, stack_used};
    use denselet_firmware::frame_source::FrameSource;
    use denselet_firmware::model::{ARENA_LEN, BLOB, IMAGE_LEN};
    use denselet_firmware::report::{Failure, Report};

    static ARENA: Singleton<Arena<ARENA_LEN>> = Singleton::new(Arena::new());
    static IMAGE: Singleton<[u8; IMAGE_LEN]> = Singleton::new([0; IMAGE_LEN]);

    let mut report = Report::new(Console);
    report.start(NAME);
    report.fact("arena_bytes", ARENA_LEN as u64);
    report.fact("state_bytes", size_of::<Network<'_, '_>>() as u64);

    let arena = ARENA.take().ok_or(Failure::Taken)?;
    let image = IMAGE.take().ok_or(Failure::Taken)?;
    let mut network = Network::new(BLOB, arena)?;
    let mut images = Images::open(IMAGE_LEN)?;
    report.fact("images", images.left() as u64);

    let counter = InstructionCounter::calibrate();
    let mut range = None;
    for index in 0..images.left() {
        images.start_frame()?;
        images.row(image)?;
        if index == 0 {
            let mut result = Ok(());
            let used = stack_used(&mut || result = network.run(image).map(|_| ()));
            result?;
            report.fact("stack_bytes", used.ok_or(Failure::Stack)? as u64);
        }
        let mut ready = Some(&mut network);
        let mut result = None;
        let counted = counter.count(&mut || result = ready.take().map(|network| network.run(image)));
        report.logits(index, result.ok_or(Failure::Taken)??.iter());
        range = counted.map(|count| match range {
            Some((min, max)) => (count.min(min), count.max(max)),
            None => (count, count),
        });
    }
    report.instructions(range);
    report.done();
    Ok(())
}
