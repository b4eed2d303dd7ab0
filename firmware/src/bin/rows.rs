//! Pushes every image that the host lays before it row by row, as a camera would, with memory for one row only.
#![cfg_attr(target_os = "none", no_std, no_main)]

denselet_firmware::program!(run);

#[cfg(target_os = "none")]
fn run() -> Result<(), denselet_firmware::report::Failure> {
    use denselet::{Arena, Network};
    use denselet_firmware::board::{Console, Images, NAME, Singleton};
    use denselet_firmware::frame_source::{Error, classify};
    use denselet_firmware::model::{ARENA_LEN, BLOB, IMAGE_LEN, IMAGE_ROW_LEN};
    use denselet_firmware::report::{Failure, Report};

    static ARENA: Singleton<Arena<ARENA_LEN>> = Singleton::new(Arena::new());
    static ROW: Singleton<[u8; IMAGE_ROW_LEN]> = Singleton::new([0; IMAGE_ROW_LEN]);

    let mut report = Report::new(Console);
    report.start(NAME);
    let row = ROW.take().ok_or(Failure::Taken)?;
    let mut network = Network::new(&BLOB.0, ARENA.take().ok_or(Failure::Taken)?)?;
    let mut images = Images::open(IMAGE_LEN)?;
    report.fact("images", images.left() as u64);
    let mut index = 0;
    loop {
        match classify(&mut network, &mut images, row) {
            Ok(Some(logits)) => report.logits(index, logits.iter()),
            Ok(None) => break,
            Err(Error::Source(failure)) => return Err(failure),
            Err(Error::Runtime(error)) => return Err(error.into()),
        }
        index += 1;
    }
    report.done();
    Ok(())
}
