//! Reads a folder of image files: a folder for each class, either directly or in a folder for each split.

use super::classes::{self, check_coverage};
use super::error::DataError;
use super::folder_images::{Damaged, Images};
use super::folder_plan::Plan;
use super::folder_tree::{ClassFiles, Tree};
use super::measured::{self, Parts};
use super::reading::Reading;
use super::set::Dataset;
use std::path::Path;

/// Reads a folder of images.
pub(super) fn load(folder: &Path, reading: &Reading) -> Result<Dataset, DataError> {
    let mut notes = Vec::new();
    let tree = Tree::find(folder, &mut notes)?;
    let splits = [Some(&tree.train), tree.validation.as_ref(), tree.test.as_ref()];
    let mut names: Vec<String> = splits
        .iter()
        .flatten()
        .flat_map(|classes| classes.keys().cloned())
        .collect();
    classes::sort(&mut names);
    names.dedup();
    if names.len() > usize::from(u16::MAX) {
        let expected = format!("at most {} sub-folders", u16::MAX);
        return Err(DataError::field(folder, "classes", expected, names.len()));
    }
    let mut damaged = Damaged {
        is_skipped: reading.skip_damaged,
        files: Vec::new(),
    };
    let mut listed = |classes: &ClassFiles| Images::list(classes, &names, &mut damaged);
    let train = listed(&tree.train)?;
    let validation = tree.validation.as_ref().map(&mut listed).transpose()?;
    let test = tree.test.as_ref().map(&mut listed).transpose()?;
    let others: Vec<(&str, &[u16])> = [("test", &test), ("validation", &validation)]
        .iter()
        .filter_map(|(split, images)| Some((*split, &images.as_ref()?.labels[..])))
        .collect();
    // Checked before images are decoded; the notes follow when all images are decoded.
    check_coverage(folder, &names, &train.labels, &others, &mut Vec::new())?;
    let splits = [Some(&train), validation.as_ref(), test.as_ref()];
    let files: Vec<_> = splits.iter().flatten().flat_map(|images| &images.files).collect();
    let plan = Plan::new(folder, &files, reading, &mut notes)?;
    let parts = Parts {
        train: train.decode(folder, &plan, &mut damaged)?,
        validation: validation
            .map(|images| images.decode(folder, &plan, &mut damaged))
            .transpose()?,
        test: test
            .map(|images| images.decode(folder, &plan, &mut damaged))
            .transpose()?,
    };
    for (class, name) in (0u16..).zip(&names) {
        if !parts.train.labels.contains(&class) {
            let expected = format!("at least one whole training image of the class `{name}`");
            return Err(DataError::field(folder, "images", expected, "none"));
        }
    }
    if plan.transparent.get() > 0 {
        notes.push(format!(
            "{} images have transparent pixels: their transparency is ignored",
            plan.transparent.get()
        ));
    }
    damaged.note(&mut notes);
    measured::dataset(folder, parts, names, reading, notes)
}

#[cfg(test)]
mod tests {
    use super::super::error::assert_contains;
    use super::*;
    use crate::spec::Input;
    use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};

    fn save(path: &Path, image: &DynamicImage) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.save(path).unwrap();
    }

    fn colour(side: u32, value: u8) -> DynamicImage {
        RgbImage::from_pixel(side, side, Rgb([value, 0, 0])).into()
    }

    /// Writes six images of each of two classes.
    fn write(folder: &Path, image: impl Fn(u8) -> DynamicImage) {
        for class in ["bee", "ant"] {
            for number in 0..6 {
                save(&folder.join(class).join(format!("{number}.png")), &image(number));
            }
        }
    }

    fn load(folder: &Path, reading: &Reading) -> Result<Dataset, String> {
        Dataset::load(folder.to_str().unwrap(), reading).map_err(|error| error.to_string())
    }

    fn taking(height: usize, width: usize, channels: usize, resize: bool) -> Reading {
        let input = Input {
            height,
            width,
            channels,
        };
        Reading {
            input: Some(input),
            resize,
            ..Reading::default()
        }
    }

    #[test]
    fn a_folder_without_splits_is_divided_with_a_note() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), |number| colour(4, number));
        let set = load(folder.path(), &Reading::default()).unwrap();
        assert_eq!(set.classes, ["ant", "bee"]);
        assert_eq!((set.train.len(), set.test.len()), (10, 2));
        assert_eq!((set.height, set.width, set.channels), (4, 4, 3));
        set.check_note("10 train, 2 test");
        assert_eq!(set, load(folder.path(), &Reading::default()).unwrap());
    }

    #[test]
    fn sizes_must_agree_unless_resizing_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        for part in ["train", "test"] {
            save(&folder.path().join(part).join("a/1.png"), &colour(4, 1));
            save(&folder.path().join(part).join("b/2.jpg"), &colour(6, 200));
        }
        let error = load(folder.path(), &taking(5, 5, 1, false)).unwrap_err();
        assert_contains(&error, &["2 of 4x4", "2 of 6x6", "`--resize`"]);
        let set = load(folder.path(), &taking(5, 5, 1, true)).unwrap();
        assert_eq!((set.train.images.len(), set.channels), (50, 1));
        set.check_note("resized to 5x5: 4");
    }

    #[test]
    fn one_grey_image_does_not_decide_the_channels() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), |number| match number {
            0 => GrayImage::from_pixel(4, 4, Luma([9])).into(),
            _ => colour(4, number),
        });
        let set = load(folder.path(), &taking(4, 4, 3, false)).unwrap();
        assert_eq!(set.channels, 3);
        set.check_note("three channels: 2 of 12");
        assert_eq!(load(folder.path(), &Reading::default()).unwrap().channels, 3);
        let set = load(folder.path(), &taking(4, 4, 1, false)).unwrap();
        assert!(
            set.channels == 1 && set.notes.concat().contains("one channel: 10 of 12"),
            "{:?}",
            set.notes
        );
        // The size of the network differs, so the data decides the channels.
        assert_eq!(load(folder.path(), &taking(8, 8, 1, false)).unwrap().channels, 3);
    }

    #[test]
    fn images_of_16_bits_keep_the_range_of_their_values() {
        let folder = tempfile::tempdir().unwrap();
        let deep =
            |value: u16| DynamicImage::from(ImageBuffer::<Luma<u16>, _>::from_pixel(2, 2, Luma([value])));
        write(folder.path(), |number| deep(1000 + 100 * u16::from(number)));
        let set = load(folder.path(), &Reading::default()).unwrap();
        let encoding = set.encoding.clone().unwrap();
        assert_eq!((encoding.low, encoding.high), (vec![1000.0], vec![1500.0]));
        assert!(set.train.images.contains(&51), "{:?}", set.train.images);
        write(folder.path(), |number| match number {
            0 => GrayImage::from_pixel(2, 2, Luma([9])).into(),
            _ => deep(257 * 40),
        });
        let set = load(folder.path(), &Reading::default()).unwrap();
        assert!(set.train.images.iter().all(|value| matches!(value, 9 | 40)) && set.encoding.is_none());
        set.check_note("10 of 12 images have 16 bits");
    }

    #[test]
    fn transparent_images_are_noted() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), |number| {
            RgbaImage::from_pixel(2, 2, Rgba([9, 9, 9, 250 + number])).into()
        });
        let set = load(folder.path(), &Reading::default()).unwrap();
        set.check_note("10 images have transparent pixels");
    }

    #[test]
    fn damaged_files_are_named_or_counted() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), |number| colour(4, number));
        let path = folder.path().join("bee/3.png");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        std::fs::write(folder.path().join("ant/0.png"), b"").unwrap();
        let error = load(folder.path(), &Reading::default()).unwrap_err();
        assert_contains(&error, &["0.png", "--skip-damaged"]);
        std::fs::remove_file(folder.path().join("ant/0.png")).unwrap();
        let error = load(folder.path(), &Reading::default()).unwrap_err();
        assert_contains(&error, &["3.png", "--skip-damaged"]);
        let reading = Reading {
            skip_damaged: true,
            ..Reading::default()
        };
        let set = load(folder.path(), &reading).unwrap();
        assert_eq!(set.train.len() + set.test.len(), 10);
        set.check_note("skipped: 1");
    }

    #[test]
    fn photos_are_rotated_by_their_metadata() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), |number| {
            RgbImage::from_pixel(6, 4, Rgb([number; 3])).into()
        });
        let path = folder.path().join("ant/0.jpg");
        let photo = RgbImage::from_fn(4, 6, |_, y| Rgb([if y < 3 { 0 } else { 255 }; 3]));
        save(&path, &photo.into());
        let plain = std::fs::read(&path).unwrap();
        // Orientation 6: rotate by 90 degrees clockwise; the upper half becomes the right one.
        let exif = b"Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let segment = [
            &[0xff, 0xe1][..],
            &(exif.len() as u16 + 2).to_be_bytes(),
            &exif[..],
        ]
        .concat();
        std::fs::write(&path, [&plain[..2], &segment, &plain[2..]].concat()).unwrap();
        std::fs::remove_file(folder.path().join("ant/0.png")).unwrap();
        let set = load(folder.path(), &Reading::default()).unwrap();
        assert_eq!((set.height, set.width), (4, 6));
        set.check_note("rotated by their metadata: 1");
        let all = [&set.train.images[..], &set.test.images].concat();
        let turned = all
            .chunks_exact(72)
            .find(|image| image.iter().any(|&value| value > 200))
            .unwrap();
        assert!(turned[0] > 200 && turned[17] < 50, "{:?}", &turned[..18]);
    }

    #[test]
    fn classes_that_are_only_tested_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "Train/apple/1.png",
            "Train/leaf/1.png",
            "Test/Apple/1.png",
            "Test/leaf/1.png",
        ] {
            save(&folder.path().join(file), &colour(2, 1));
        }
        let error = load(folder.path(), &Reading::default()).unwrap_err();
        assert_contains(&error, &["`apple`, `leaf`", "found `Apple`"]);
    }

    #[test]
    fn three_splits_are_three_splits_and_numbers_are_sorted_as_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for part in ["training", "valid", "TEST"] {
            for class in ["10", "9"] {
                let path = folder.path().join(part).join(class).join("1.bmp");
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                colour(2, 1).save_with_format(path, ImageFormat::Bmp).unwrap();
            }
        }
        let set = load(folder.path(), &Reading::default()).unwrap();
        assert_eq!(set.classes, ["9", "10"]);
        assert_eq!((set.train.len(), set.validation.len(), set.test.len()), (2, 2, 2));
    }
}
