//! Reads tables: each row holds the class and the values of an image.

use super::classes::{self, Labels};
use super::columns::{Columns, Rows};
use super::error::DataError;
use super::files::{self, Budget};
use super::measured::{self, Parts};
use super::reading::Reading;
use super::set::Dataset;
use super::shapes::Shaping;
use super::splits::Role;
use super::values::Values;
use ndarray::ArrayD;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes that decide the separator of the columns.
const START: usize = 1 << 16;
/// Rows that decide what the columns are.
const SAMPLE: usize = 1000;
/// Rows of distinct classes from which the column of the class is doubtful.
const DOUBTED: usize = 5;

/// Whether a file is a table, compressed or not.
pub(super) fn is_table(path: &Path) -> bool {
    let name = files::unpacked_name(path);
    name.ends_with(".csv") || name.ends_with(".tsv")
}

/// Whether a folder contains tables: one for each split, or a single one.
pub(super) fn is_here(folder: &Path) -> bool {
    let tables = tables(folder).unwrap_or_default();
    let is_split = |path: &PathBuf| role(path) == Some(Role::Train);
    tables.iter().any(is_split) || (tables.len() == 1 && !has_folders(folder))
}

fn has_folders(folder: &Path) -> bool {
    files::entries(folder)
        .unwrap_or_default()
        .iter()
        .any(|path| path.is_dir())
}

fn tables(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut list = files::entries(folder)?;
    list.retain(|path| is_table(path) && !path.is_dir());
    Ok(list)
}

fn role(path: &Path) -> Option<Role> {
    let name = files::unpacked_name(path);
    Role::of_file(&name[..name.len() - ".csv".len()])
}

/// Reads one table, or a folder's tables of each split.
pub(super) fn load(path: &Path, reading: &Reading) -> Result<Dataset, DataError> {
    let mut shaping = Shaping::new(path, reading);
    let mut paths: BTreeMap<Role, PathBuf> = BTreeMap::new();
    if path.is_dir() {
        let tables = tables(path)?;
        for table in &tables {
            let role = match role(table) {
                Some(role) => role,
                None if tables.len() == 1 => Role::Train,
                None => {
                    let note = format!("files that are ignored: {}", table.display());
                    shaping.notes.push(note);
                    continue;
                }
            };
            if let Some(other) = paths.insert(role, table.clone()) {
                let expected = "one table for each split: leave the others out";
                let found = format!("{} and {}", other.display(), table.display());
                return Err(DataError::field(path, "tables", expected, found));
            }
        }
    } else {
        paths.insert(Role::Train, path.to_owned());
    }
    let mut budget = Budget::default();
    let mut tables: BTreeMap<Role, LabelledRows> = BTreeMap::new();
    for (role, path) in &paths {
        let mut own = Vec::new();
        let table = LabelledRows::read(path, &mut budget, reading.label.as_deref(), &mut own)?;
        match tables.get(&Role::Train) {
            Some(train) => train.check_columns(&table, path)?,
            None => shaping.notes.append(&mut own),
        }
        tables.insert(*role, table);
    }
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for (role, table) in tables {
        labels.push(Labels::Names(table.labels));
        values.push((
            role,
            images(table.values, table.columns.values.len(), &mut shaping)?,
        ));
    }
    let mut notes = shaping.notes;
    let rows: usize = labels.iter().map(Labels::len).sum();
    let classes = classes::classes(path, labels, &mut notes)?;
    if classes.names.len() == rows && rows >= DOUBTED {
        let expected = "several rows of each class: give the column of the class with `--label`";
        let found = format!("{rows} classes in {rows} rows");
        return Err(DataError::field(path, "labels", expected, found));
    }
    let parts = Parts::new(values, classes.of_split).ok_or_else(|| {
        let expected = "a table for training, such as train.csv";
        DataError::field(path, "tables", expected, "none")
    })?;
    measured::dataset(path, parts, classes.names, reading, notes)
}

struct LabelledRows {
    columns: Columns,
    labels: Vec<String>,
    values: Vec<f32>,
}

impl LabelledRows {
    fn read(
        path: &Path,
        budget: &mut Budget,
        label: Option<&str>,
        notes: &mut Vec<String>,
    ) -> Result<Self, DataError> {
        let bytes = budget.read_path(path)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut reader = csv::ReaderBuilder::new();
        reader
            .has_headers(false)
            .delimiter(separator(bytes))
            .trim(csv::Trim::All);
        let records = || {
            reader
                .from_reader(bytes)
                .into_records()
                .enumerate()
                .map(|(row, record)| {
                    record.map_err(|error| {
                        let field = format!("row {}", row + 1);
                        match error.kind() {
                            csv::ErrorKind::Utf8 { .. } => {
                                let expected = "text in UTF-8: save the table as UTF-8";
                                DataError::field(path, &field, expected, "other bytes")
                            }
                            _ => DataError::field(path, &field, "a row as long as the others", error),
                        }
                    })
                })
        };
        let rows: Rows = records().take(SAMPLE).collect::<Result<_, _>>()?;
        if rows.is_empty() {
            return Err(DataError::field(path, "rows", "a class and its numbers", "none"));
        }
        let columns = Columns::find(path, &rows, label, notes)?;
        let skipped = usize::from(columns.header.is_some());
        let mut table = Self {
            labels: Vec::new(),
            values: Vec::new(),
            columns,
        };
        for (row, record) in records().enumerate().skip(skipped) {
            let record = record?;
            let text = |column: usize| record.get(column).unwrap_or_default();
            for &column in &table.columns.values {
                let value = text(column).parse().ok().filter(|value: &f32| value.is_finite());
                let value = value.ok_or_else(|| {
                    let name = table
                        .columns
                        .header
                        .as_ref()
                        .and_then(|header| header.get(column));
                    let field = match name {
                        Some(name) => format!("row {}, column `{name}`", row + 1),
                        None => format!("row {}, column {}", row + 1, column + 1),
                    };
                    let found = match text(column) {
                        "" => "nothing".to_owned(),
                        text => format!("`{text}`"),
                    };
                    let expected = "a finite number with a decimal point: fill missing values, write texts as numbers, or leave them out";
                    DataError::field(path, &field, expected, found)
                })?;
                table.values.push(value);
            }
            let label = text(table.columns.label);
            if label.is_empty() {
                return Err(DataError::field(
                    path,
                    &format!("row {}", row + 1),
                    "a class",
                    "nothing",
                ));
            }
            table.labels.push(label.to_owned());
        }
        Ok(table)
    }

    /// Checks that another split's table has the same columns.
    fn check_columns(&self, other: &Self, path: &Path) -> Result<(), DataError> {
        let texts = |columns: &Columns| match &columns.header {
            Some(header) => classes::list(header),
            None => format!("{} columns without names", columns.values.len() + 1),
        };
        let is_same = self.columns.label == other.columns.label
            && self.columns.values == other.columns.values
            && self.columns.header == other.columns.header;
        if is_same {
            return Ok(());
        }
        let expected = format!("the columns of the training table ({})", texts(&self.columns));
        Err(DataError::field(path, "columns", expected, texts(&other.columns)))
    }
}

/// Returns the images in rows of `count` values. Rows have the network's shape if it has as many values; otherwise a square
/// number of values is a square image.
fn images(values: Vec<f32>, count: usize, shaping: &mut Shaping<'_>) -> Result<Values, DataError> {
    let (rows, side) = (values.len() / count, count.isqrt());
    let is_networks = shaping.reading.input.and_then(|input| input.values()) == Some(count);
    let shape = if !is_networks && count > 1 && side * side == count {
        let note = format!("rows of {count} values are read as images of {side}x{side}");
        if !shaping.notes.contains(&note) {
            shaping.notes.push(note);
        }
        vec![rows, side, side]
    } else {
        vec![rows, count]
    };
    let array = ArrayD::from_shape_vec(shape, values)
        .map_err(|error| DataError::field(shaping.path, "rows", "rows of one length", error))?;
    shaping.images("rows", array).map(Values::Numbers)
}

/// Returns the separator of the columns: the first of tab, semicolon and comma that occurs equally often in the first rows.
fn separator(bytes: &[u8]) -> u8 {
    let start = &bytes[..bytes.len().min(START)];
    let count = |separator: u8| {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .from_reader(start);
        // The last row may be cut off.
        let lengths: Vec<usize> = reader
            .byte_records()
            .map_while(Result::ok)
            .take(3)
            .map(|row| row.len())
            .collect();
        let whole = &lengths[..lengths.len().min(2)];
        whole.iter().all(|len| *len == whole[0] && *len > 1) && !whole.is_empty()
    };
    *b"\t;,"
        .iter()
        .find(|&&separator| count(separator))
        .unwrap_or(&b',')
}

#[cfg(test)]
mod tests {
    use super::super::error::assert_contains;
    use super::*;
    use crate::spec::Input;

    fn read(files: &[(&str, &str)], reading: &Reading) -> Result<Dataset, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let path = match files {
            [(name, _)] => folder.path().join(name),
            _ => folder.path().to_owned(),
        };
        Dataset::load(path.to_str().unwrap(), reading).map_err(|error| error.to_string())
    }

    fn with(text: &str) -> Result<Dataset, String> {
        read(&[("set.csv", text)], &Reading::default())
    }

    const ROWS: &str = "10,1,2,3,4\n2,5,6,7,8\n2,0,0,0,0\n2,0,0,0,0\n10,9,9,9,9\n";

    #[test]
    fn rows_become_images_with_and_without_names_of_columns() {
        let set = with(ROWS).unwrap();
        assert_eq!(
            set.shape(),
            Input {
                height: 2,
                width: 2,
                channels: 1
            }
        );
        assert_eq!(set.classes, ["2", "10"]);
        assert_eq!((set.train.len(), set.test.len()), (3, 2));
        let headed = with(&format!("label,0,1,2,3\n{ROWS}")).unwrap();
        assert_eq!((&headed.train, &headed.test), (&set.train, &set.test));
        let tabs = format!("label\t0\t1\t2\t3\n{}", ROWS.replace(',', "\t"));
        assert_eq!(with(&tabs).unwrap().train, set.train);
        assert_eq!(with(&ROWS.replace(',', ";")).unwrap().train, set.train);
        assert_eq!(with(&format!("\u{feff}{ROWS}")).unwrap().train, set.train);
    }

    #[test]
    fn rows_have_the_networks_shape() {
        let input = Input {
            height: 1,
            width: 4,
            channels: 1,
        };
        let reading = Reading {
            input: Some(input),
            ..Reading::default()
        };
        assert_eq!(read(&[("set.csv", ROWS)], &reading).unwrap().shape(), input);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let error = with("a,1,2\na,1,x\nb,1,3\n").unwrap_err();
        assert!(error.contains("--label"), "{error}");
        let error = with("label,p,q\na,1,2\nb,1,\n").unwrap_err();
        assert_contains(&error, &["row 3, column `q`", "found nothing"]);
        for value in ["NA", "nan", "inf", "1,5"] {
            let error = with(&format!("label;p;q\na;1;2\nb;1;{value}\n")).unwrap_err();
            assert!(
                error.contains("row 3, column `q`") && error.contains(value),
                "{error}"
            );
        }
        assert!(with("a,1,2\nb,1\n").unwrap_err().contains("row 2"));
        assert!(with("").is_err() && with("a\n").is_err() && with("label,a\n").is_err());
    }

    #[test]
    fn a_class_for_each_row_is_refused_at_once() {
        let rows: String = (0..70_000).map(|row| format!("c{row},1,1\n")).collect();
        let error = with(&rows).unwrap_err();
        assert!(error.contains("at most 65535 classes"), "{error}");
        let rows: String = (0..9).map(|row| format!("c{row},1,1\n")).collect();
        assert!(with(&rows).unwrap_err().contains("`--label`"));
    }

    #[test]
    fn splits_are_tables_of_a_folder_and_have_the_same_columns() {
        let (train, test) = ("label,a,b\n0,1,2\n1,3,4\n", "label,a,b\n1,5,6\n");
        let both = [("mnist_train.csv", train), ("mnist_test.csv", test)];
        let set = read(&both, &Reading::default()).unwrap();
        assert_eq!((set.train.len(), set.test.images), (2, vec![5, 6]));
        let alone = [("train.csv", train), ("notes.txt", "")];
        let error = read(&alone, &Reading::default()).unwrap_err();
        assert!(error.contains("test split"), "{error}");
        let unlabelled = [("train.csv", train), ("test.csv", "a,b\n5,6\n")];
        let error = read(&unlabelled, &Reading::default()).unwrap_err();
        assert!(error.contains("test.csv"), "{error}");
    }
}
