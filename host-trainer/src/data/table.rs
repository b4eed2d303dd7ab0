//! Data sets as tables: a row for each picture, its class first; belongs to `data`.

use super::measured::{self, Part};
use super::{DataError, Dataset, files};
use ndarray::ArrayD;
use std::collections::BTreeSet;
use std::path::Path;

/// Whether a folder holds tables.
pub(super) fn is_here(folder: &Path) -> bool {
    files::variant(folder, "train.csv").is_some()
}

/// Reads one table, or `train.csv` and `test.csv` of a folder.
pub(super) fn load(path: &Path) -> Result<Dataset, DataError> {
    let (train, test) = if path.is_dir() {
        (
            Table::read(path, "train.csv")?,
            Some(Table::read(path, "test.csv")?),
        )
    } else {
        let folder = path.parent().unwrap_or(Path::new("."));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        (Table::read(folder, &name)?, None)
    };
    let all = train
        .classes
        .iter()
        .chain(test.iter().flat_map(|test| &test.classes));
    let names: BTreeSet<&String> = all.collect();
    let mut names: Vec<String> = names.into_iter().cloned().collect();
    // Numbers are counted, not spelt.
    names.sort_by_key(|name| name.parse::<u64>().map_or((1, 0), |number| (0, number)));
    let train = train.part(path, &names)?;
    let test = test.map(|test| test.part(path, &names)).transpose()?;
    measured::dataset(path, train, test, names)
}

struct Table {
    classes: Vec<String>,
    values: Vec<f32>,
}

impl Table {
    fn read(folder: &Path, name: &str) -> Result<Self, DataError> {
        let (path, bytes) = files::read(folder, name)?;
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .trim(csv::Trim::All)
            .from_reader(&bytes[..]);
        let mut table = Self {
            classes: Vec::new(),
            values: Vec::new(),
        };
        for (row, record) in reader.records().enumerate() {
            let line = format!("row {}", row + 1);
            let record = record
                .map_err(|error| DataError::field(&path, &line, "a row as long as the others", error))?;
            let values: Result<Vec<f32>, &str> = record
                .iter()
                .skip(1)
                .map(|field| field.parse().map_err(|_| field))
                .collect();
            match values {
                Ok(values) => {
                    table.classes.push(record.get(0).unwrap_or_default().to_owned());
                    table.values.extend(values);
                }
                // Names of the columns.
                Err(_) if row == 0 => {}
                Err(field) => return Err(DataError::field(&path, &line, "a class, then numbers", field)),
            }
        }
        if table.values.is_empty() {
            return Err(DataError::field(&path, "rows", "a class and its numbers", "none"));
        }
        Ok(table)
    }

    /// Rows of a square number of values are square pictures, others one row of pixels.
    fn part(self, path: &Path, names: &[String]) -> Result<Part, DataError> {
        let (rows, count) = (self.classes.len(), self.values.len() / self.classes.len());
        let side = count.isqrt();
        let shape = if side * side == count {
            vec![rows, side, side]
        } else {
            vec![rows, count]
        };
        let array = ArrayD::from_shape_vec(shape, self.values)
            .map_err(|error| DataError::field(path, "rows", "rows of one length", error))?;
        let labels = self
            .classes
            .iter()
            .map(|class| names.iter().position(|name| name == class).unwrap_or(0) as u16);
        Ok(Part {
            labels: labels.collect(),
            values: measured::pictures(path, "values", array)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.csv");
        std::fs::write(&path, text).unwrap();
        load(&path)
    }

    #[test]
    fn rows_become_pictures_with_and_without_names_of_columns() {
        let rows = "10,1,2,3,4\n2,5,6,7,8\n2,0,0,0,0\n2,0,0,0,0\n10,9,9,9,9\n";
        let set = with(rows).unwrap();
        assert_eq!((set.height, set.width, set.channels), (2, 2, 1));
        assert_eq!(set.classes, ["2", "10"]);
        assert_eq!(
            (set.train.labels.clone(), set.test.labels.clone()),
            (vec![1, 0, 0, 0], vec![1])
        );
        assert_eq!(set.test.images, [9; 4]);
        assert_eq!(with(&format!("label,a,b,c,d\n{rows}")).unwrap(), set);
    }

    #[test]
    fn a_row_that_is_none_is_named() {
        let error = with("a,1,2\nb,1,x\n").unwrap_err().to_string();
        assert!(error.contains("row 2") && error.contains('x'), "{error}");
        let error = with("a,1,2\nb,1\n").unwrap_err().to_string();
        assert!(error.contains("row 2"), "{error}");
        assert!(with("").is_err());
        assert!(with("a\n").is_err());
    }
}
