//! Fashion-MNIST, or anything else in MNIST's four files; belongs to `data`.

use super::{DataError, Dataset, Split, files, idx};
use std::path::Path;

/// Where Debian's package puts it.
pub(super) const USUAL: &[&str] = &["/usr/share/datasets/fashion-mnist", "data/fashion-mnist"];
pub(super) const ADVICE: &str = "install Debian's package (apt-get install dataset-fashion-mnist)";

const CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

pub(super) fn is_here(folder: &Path) -> bool {
    files::variant(folder, "train-images-idx3-ubyte").is_some()
}

pub(super) fn load(folder: &Path) -> Result<Dataset, DataError> {
    let split = |part: &str| {
        let (images, image_bytes) = files::read(folder, &format!("{part}-images-idx3-ubyte"))?;
        let (labels, label_bytes) = files::read(folder, &format!("{part}-labels-idx1-ubyte"))?;
        let (pictures, labels) = idx::pair((&images, &image_bytes), (&labels, &label_bytes), CLASSES.len())?;
        let shape = (pictures.sides[1], pictures.sides[2]);
        Ok::<_, DataError>((
            images,
            shape,
            Split {
                images: pictures.values,
                labels,
            },
        ))
    };
    let (_, shape, train) = split("train")?;
    let (path, test_shape, test) = split("t10k")?;
    if test_shape != shape {
        let sides = |(height, width)| format!("{height}x{width}");
        return Err(DataError::field(&path, "sides", sides(shape), sides(test_shape)));
    }
    Ok(Dataset {
        name: "fashion-mnist".into(),
        height: shape.0,
        width: shape.1,
        channels: 1,
        classes: CLASSES.map(String::from).to_vec(),
        train,
        test,
        ..Dataset::default()
    })
}
