//! Runs every image of the file `images.bin` row by row, as a camera delivers it, with memory for one row only.
#![cfg_attr(target_os = "none", no_std, no_main)]

denselet_firmware::program!(run);

#[cfg(target_os = "none")]
fn run() -> Result<(), denselet_firmware::report::Failure> {
    use denselet::{Arena, Network};
    use denselet_firmware::board::{Console, Images, NAME, Singleton, stack_used};
    use denselet_firmware::frame_source::{Error, classify};
    use denselet_firmware::model::{ARENA_LEN, BLOB, IMAGE_LEN, IMAGE_ROW_LEN};
    use denselet_firmware::report::{Failure, Report};

    static ARENA: Singleton<Arena<ARENA_LEN>> = Singleton::new(Arena::new());
    static ROW: Singleton<[u8; IMAGE_ROW_LEN]> = Singleton::new([0; IMAGE_ROW_LEN]);

    let mut report = Report::new(Console);
    report.start(NAME);
    report.fact("arena_bytes", ARENA_LEN as u64);
    report.fact("state_bytes", size_of::<Network<'_, '_>>() as u64);
    let row = ROW.take().ok_or(Failure::Taken)?;
    let mut network = Network::new(BLOB, ARENA.take().ok_or(Failure::Taken)?)?;
    let mut images = Images::open(IMAGE_LEN)?;
    report.fact("images", images.left() as u64);
    for index in 0..images.left() {
        let mut ready = Some((&mut network, &mut images));
        let mut result = None;
        let mut work = || {
            result = ready
                .take()
                .map(|(network, images)| classify(network, images, row))
        };
        if index == 0 {
            let used = stack_used(&mut work);
            report.fact("stack_bytes", used.ok_or(Failure::Stack)? as u64);
        } else {
            work();
        }
        match result.ok_or(Failure::Taken)? {
            Ok(Some(logits)) => report.logits(index, logits.iter()),
            Ok(None) => return Err(Failure::Read),
            Err(Error::Source(failure)) => return Err(failure),
            Err(Error::Runtime(error)) => return Err(error.into()),
        }
    }
    report.done();
    Ok(())
}
