//! A network and a data set as a user combines them: folders, arrays and tables in `train`, `export` and `eval`, with fewer
//! classes, classes in another order, unknown classes, and values of another kind.
#![allow(clippy::unwrap_used, clippy::tests_outside_test_module, missing_docs)]

use core::fmt::Write as _;
use image::{GrayImage, Luma};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const SIDE: u32 = 8;
const NET: &str = "growth = 4\nblocks = [2]\n[stem]\nfilters = 8\n";

fn denselet(folder: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_denselet"))
        .current_dir(folder)
        .args(line.split_whitespace())
        .output()
        .unwrap()
}

fn json(folder: &Path, line: &str) -> Value {
    let output = denselet(folder, &format!("{line} --json"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn complaint(folder: &Path, line: &str) -> String {
    let output = denselet(folder, line);
    assert!(!output.status.success(), "{line} should fail");
    String::from_utf8(output.stderr).unwrap()
}

/// Returns image `n` of a class: stripes in the direction of the class, at any place, with noise. Class 0 is dark and plain.
fn image(class: u32, n: u32) -> GrayImage {
    GrayImage::from_fn(SIDE, SIDE, |x, y| {
        let noise = (n * 31 + x * 17 + y * 11 + n * x * y) % 23;
        let is_bright = match class {
            0 => return Luma([0]),
            1 => (x + n) % 4 < 2,
            2 => (y + n) % 4 < 2,
            _ => (x + n) % 4 < 2 && y % 4 < 2,
        };
        Luma([(if is_bright { 200 } else { 0 } + noise) as u8])
    })
}

const CLASSES: [&str; 4] = ["background", "columns", "rows", "squares"];
/// Images of each class. The first class has more images than a calibration takes.
const COUNTS: [u32; 4] = [330, 60, 60, 60];

/// Writes a folder that is sorted by class, with these classes only.
fn write_folder(folder: &Path, classes: &[(&str, u32, u32)]) {
    for (name, class, count) in classes {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        for n in 0..*count {
            image(*class, n)
                .save(folder.join(name).join(format!("{n:03}.png")))
                .unwrap();
        }
    }
}

fn all() -> Vec<(&'static str, u32, u32)> {
    let numbered = (0u32..).zip(CLASSES).zip(COUNTS);
    numbered
        .map(|((class, name), count)| (name, class, count))
        .collect()
}

/// Writes a table that is sorted by class.
fn write_table(path: &Path, label: fn(u32) -> String) {
    let mut text = "label".to_owned();
    (0..SIDE * SIDE).for_each(|n| write!(text, ",p{n}").unwrap());
    text.push('\n');
    for (_, class, count) in all() {
        for n in 0..count {
            text.push_str(&label(class));
            image(class, n)
                .as_raw()
                .iter()
                .for_each(|value| write!(text, ",{value}").unwrap());
            text.push('\n');
        }
    }
    std::fs::write(path, text).unwrap();
}

/// Writes arrays that are sorted by class; `value` turns each byte into a number.
fn write_arrays(folder: &Path, counts: [u32; 4], value: fn(u8) -> f32) {
    std::fs::create_dir_all(folder).unwrap();
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for (class, count) in (0u32..).zip(counts) {
        for n in 0..count {
            x.extend(image(class, n).as_raw().iter().map(|&byte| value(byte)));
            y.push(i64::from(class));
        }
    }
    let side = SIDE as usize;
    let x = ndarray::Array3::from_shape_vec((y.len(), side, side), x).unwrap();
    ndarray_npy::write_npy(folder.join("x.npy"), &x).unwrap();
    ndarray_npy::write_npy(folder.join("y.npy"), &ndarray::Array1::from(y)).unwrap();
}

/// Trains, exports and evaluates with default flags. The accuracy of int8 must be within a point of float.
fn int8_is_as_good_as_float(folder: &Path, data: &str) {
    std::fs::write(folder.join("net.toml"), NET).unwrap();
    let train = format!("train --net net.toml --data {data} --epochs 8 --out run");
    let report = json(folder, &train);
    assert!(!report["warnings"].to_string().contains("int8"), "{report}");
    let exported = json(folder, "export run --out run.dlt");
    assert_eq!(exported["sample"]["indices"].as_array().unwrap().len(), 256);
    assert!(exported["warnings"].as_array().unwrap().is_empty(), "{exported}");
    let accuracy = |line: &str| {
        json(folder, &format!("{line} --data {data}"))["accuracy"]
            .as_f64()
            .unwrap()
    };
    let (float, int8) = (accuracy("eval run"), accuracy("eval run.dlt"));
    assert!(float > 0.9, "{data}: {float}");
    assert!(float - int8 <= 0.01, "{data}: float {float}, int8 {int8}");
}

#[test]
fn a_class_sorted_folder_keeps_its_accuracy_in_int8() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(&folder.join("images"), &all());
    int8_is_as_good_as_float(folder, "images");

    // A warning gives the number if too few images calibrate.
    let output = denselet(folder, "export run --calibration 1 --out poor.dlt");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("warning: none of the 1 calibration images is of"),
        "{errors}"
    );

    // Fewer classes, and classes in another order, match those of the network by name.
    write_folder(&folder.join("fewer"), &[("rows", 2, 12), ("squares", 3, 12)]);
    let report = json(folder, "eval run.dlt --data fewer");
    assert_eq!(report["classes"].as_array().unwrap().len(), 4);
    assert!(report["accuracy"].as_f64().unwrap() > 0.9, "{report}");
    write_folder(&folder.join("unknown"), &[("rows", 2, 12), ("North", 3, 12)]);
    for command in [
        "eval run.dlt",
        "eval run",
        "export run",
        "finetune run",
        "report run",
    ] {
        let error = complaint(folder, &format!("{command} --data unknown"));
        assert!(
            error.contains("background, columns, rows, squares") && error.contains("North, rows"),
            "{command}: {error}"
        );
    }
    write_folder(&folder.join("spelt"), &[("Rows", 2, 12), ("squares", 3, 12)]);
    let error = complaint(folder, "eval run --data spelt");
    assert!(error.contains("rename"), "{error}");

    // A sample comes from the whole split, and its indices are reported.
    let report = json(folder, "eval run.dlt --data images --count 12");
    assert_eq!(
        (&report["images"], &report["sample"]["seed"]),
        (&12.into(), &1.into())
    );
    let counts: Vec<u64> = report["confusion"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            row.as_array()
                .unwrap()
                .iter()
                .map(|count| count.as_u64().unwrap())
                .sum()
        })
        .collect();
    assert_eq!(counts, [3, 3, 3, 3]);
}

#[test]
fn a_class_sorted_table_keeps_its_accuracy_in_int8() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_table(&folder.join("set.csv"), |class| CLASSES[class as usize].into());
    int8_is_as_good_as_float(folder, "set.csv");
    // Labels that are numbers are class numbers of the network, with a note.
    write_table(&folder.join("numbers.csv"), |class| class.to_string());
    let report = json(folder, "eval run --data numbers.csv");
    assert!(report["accuracy"].as_f64().unwrap() > 0.9, "{report}");
    assert!(report["notes"].to_string().contains("1 = columns"), "{report}");
    write_table(&folder.join("from_one.csv"), |class| (class + 1).to_string());
    assert!(complaint(folder, "eval run --data from_one.csv").contains("below 4"));
}

#[test]
fn class_sorted_arrays_keep_their_accuracy_in_int8() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_arrays(&folder.join("bytes"), COUNTS, f32::from);
    int8_is_as_good_as_float(folder, "bytes");
    // Bytes divided by 255 are bytes; other floats are refused, never stretched.
    write_arrays(&folder.join("unit"), COUNTS, |byte| f32::from(byte) / 255.0);
    let unit = json(folder, "eval run --data unit");
    assert_eq!(
        unit["confusion"],
        json(folder, "eval run --data bytes")["confusion"]
    );
    assert!(unit["notes"].to_string().contains("divided by 255"), "{unit}");
    write_arrays(&folder.join("floats"), COUNTS, |byte| {
        f32::from(byte) / 100.0 - 1.0
    });
    for command in ["eval run", "eval run.dlt", "export run", "finetune run"] {
        let error = complaint(folder, &format!("{command} --data floats"));
        assert!(error.contains("values: expected bytes"), "{command}: {error}");
    }
}

#[test]
fn measurements_go_through_the_networks_encoding() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("net.toml"), NET).unwrap();
    write_arrays(&folder.join("monday"), [60; 4], |byte| {
        f32::from(byte) / 100.0 - 1.0
    });
    json(
        folder,
        "train --net net.toml --data monday --epochs 8 --held-out 0 --out run",
    );
    json(folder, "export run --out run.dlt");
    // Data of another day, without the class of the largest values, keeps the encoding.
    write_arrays(&folder.join("tuesday"), [30, 0, 0, 30], |byte| {
        f32::from(byte) / 100.0 - 1.0
    });
    for model in ["run", "run.dlt"] {
        let report = json(folder, &format!("eval {model} --data tuesday"));
        assert!(report["accuracy"].as_f64().unwrap() > 0.9, "{model}: {report}");
    }
    // A number outside the range of Monday becomes the byte at the end of the range; an image of another size is refused.
    write_folder(&folder.join("large"), &[("0", 0, 12), ("1", 1, 12)]);
    for class in ["0", "1"] {
        for n in 0..12 {
            GrayImage::new(9, 9)
                .save(folder.join(format!("large/{class}/{n:03}.png")))
                .unwrap();
        }
    }
    let error = complaint(folder, "eval run --data large");
    assert!(error.contains("--resize"), "{error}");
}

#[test]
fn a_preset_takes_what_the_data_has() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(
        &folder.join("images"),
        &[("a", 1, 30), ("b", 2, 30), ("c", 3, 30)],
    );
    let report = json(folder, "train --net mono-32k --data images --epochs 1 --out run");
    assert!(
        report["notes"].to_string().contains("3 classes (10 written)"),
        "{report}"
    );
    std::fs::write(folder.join("ten.toml"), format!("classes = 10\n{NET}")).unwrap();
    let error = complaint(folder, "train --net ten.toml --data images --out ten");
    assert!(
        error.contains("expected 3") && error.contains("found 10"),
        "{error}"
    );
}

#[test]
fn every_preset_is_printed_as_a_file_that_is_the_preset() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let presets = json(folder, "net");
    let presets = presets.as_array().unwrap();
    assert_eq!(presets.len(), denselet_train::spec::presets().count());
    for preset in presets {
        let name = preset["name"].as_str().unwrap();
        let printed = denselet(folder, &format!("net {name}"));
        let file = folder.join("mine.toml");
        std::fs::write(&file, printed.stdout).unwrap();
        let spec = denselet_train::spec::Spec::load(file.to_str().unwrap()).unwrap();
        assert_eq!(spec, denselet_train::spec::Spec::load(name).unwrap());
        assert_eq!(preset["params"], spec.parameters());
    }
    assert!(complaint(folder, "net nosuch").contains("mono-32k"));
}
#[test]
fn files_are_classified() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(&folder.join("images"), &[("columns", 1, 40), ("rows", 2, 40)]);
    std::fs::write(folder.join("net.toml"), NET).unwrap();
    json(
        folder,
        "train --net net.toml --data images --epochs 8 --held-out 0 --out run",
    );
    json(folder, "export run --out run.dlt");
    for model in ["run", "run.dlt"] {
        let report = json(
            folder,
            &format!("predict {model} images/rows/001.png images/columns/002.png"),
        );
        let first = |n: usize| report["images"][n]["classes"][0]["name"].clone();
        assert_eq!(
            (first(0), first(1)),
            ("rows".into(), "columns".into()),
            "{model}: {report}"
        );
        let probabilities = report["images"][0]["classes"].as_array().unwrap();
        let sum: f64 = probabilities
            .iter()
            .map(|class| class["probability"].as_f64().unwrap())
            .sum();
        assert!((sum - 1.0).abs() < 1e-3, "{report}");
    }
    GrayImage::new(9, 9).save(folder.join("large.png")).unwrap();
    let error = complaint(folder, "predict run large.png");
    assert!(
        error.contains("large.png") && error.contains("--resize"),
        "{error}"
    );
    assert!(
        denselet(folder, "predict run large.png --resize --top 1")
            .status
            .success()
    );
    std::fs::write(folder.join("bad.png"), b"not an image").unwrap();
    assert!(complaint(folder, "predict run bad.png").contains("bad.png"));
}

#[test]
fn the_usual_batch_fits_a_small_data_set() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    std::fs::write(folder.join("net.toml"), NET).unwrap();
    write_folder(&folder.join("small"), &[("columns", 1, 10), ("rows", 2, 10)]);
    let train = "train --net net.toml --data small --epochs 1 --held-out 0";
    let report = json(folder, &format!("{train} --out a"));
    let notes = report["notes"].to_string();
    assert!(
        notes.contains("the batch is 4 instead of 64, as only 16 images"),
        "{notes}"
    );
    // A batch that the user sets is not changed.
    let error = complaint(folder, &format!("{train} --out b --batch 64"));
    assert!(error.contains("64 (16 images are trained on)"), "{error}");
    std::fs::write(folder.join("recipe.toml"), "batch = 32\n").unwrap();
    let error = complaint(folder, &format!("{train} --out b --recipe recipe.toml"));
    assert!(error.contains("32 (16 images"), "{error}");
    std::fs::remove_dir_all(folder.join("small/rows")).unwrap();
    let error = complaint(folder, &format!("{train} --out b"));
    assert!(error.contains("at least two, found `columns` alone"), "{error}");
}

#[test]
fn what_is_not_a_network_or_an_image_is_called_so() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    std::fs::write(folder.join("net.toml"), NET).unwrap();
    write_folder(&folder.join("data"), &[("columns", 1, 10), ("rows", 2, 10)]);
    let error = complaint(folder, "eval net.toml --data data");
    assert!(error.contains("name a run's folder or its checkpoint"), "{error}");
    json(
        folder,
        "train --net net.toml --data data --epochs 1 --batch 4 --held-out 0 --out run",
    );
    let error = complaint(folder, "build run --board mps2-an386 --out x.elf");
    assert!(
        error.contains("a blob (.dlt), found a folder") && error.contains("denselet export"),
        "{error}"
    );
    let error = complaint(folder, "predict run data");
    assert!(error.contains("denselet eval"), "{error}");
    let error = complaint(folder, "predict run net.toml");
    assert!(error.contains("expected a whole image (PNG"), "{error}");
}

/// Writes a table of `count` images whose pixels are 0 or `one`.
fn write_binary(path: &Path, one: &str) {
    let mut text = String::from("label");
    for column in 0..SIDE * SIDE {
        write!(text, ",p{column}").unwrap();
    }
    for n in 0..40 {
        write!(text, "\n{}", n % 2).unwrap();
        for pixel in image(1 + n % 2, n / 2).pixels() {
            write!(text, ",{}", if pixel.0[0] > 100 { one } else { "0" }).unwrap();
        }
    }
    std::fs::write(path, text).unwrap();
}

#[test]
fn zeros_and_ones_are_not_guessed() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    std::fs::write(folder.join("net.toml"), NET).unwrap();
    write_binary(&folder.join("bytes.csv"), "255");
    write_binary(&folder.join("ones.csv"), "1");
    let train = "train --net net.toml --epochs 2 --batch 8 --held-out 0";
    json(folder, &format!("{train} --data bytes.csv --out bytes"));
    let error = complaint(folder, "eval bytes --data ones.csv");
    assert!(error.contains("by channel 0 to 1"), "{error}");
    // A network that was trained on them reads them, and bytes of 0 and 255 as the same.
    json(folder, &format!("{train} --data ones.csv --out ones"));
    let report = json(folder, "eval ones --data ones.csv");
    assert_eq!(report["images"], 8, "{report}");
    assert!(
        report["notes"].to_string().contains("network's encoding"),
        "{report}"
    );
}
