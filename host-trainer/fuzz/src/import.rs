//! What every reader's target does.

use denselet_train::interchange::import::{Format, Options, import_as};
use denselet_train::spec::Input;
use std::io;

/// Reads `bytes` as a file of one kind. What comes in must answer as the graph in the file does, where that is quick to ask.
pub fn read(bytes: &[u8], format: Format) {
    let options = Options {
        input: Some(Input {
            height: 12,
            width: 12,
            channels: 1,
        }),
        ..Options::default()
    };
    let beside = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
    let Ok(imported) = import_as(format, bytes, "fuzz", &beside, &options) else {
        return;
    };
    if imported.network.spec.macs() < 5_000_000 {
        let images = imported.noise(1, 1);
        let comparison = imported.against_graph(&images);
        // Damaged weights may be so large that answers are no numbers, or that rounding is all there is.
        let tells = (f64::MIN_POSITIVE * 2.0..1e6).contains(&comparison.range);
        assert!(comparison.passes() || !tells, "{comparison:?}");
    }
}
