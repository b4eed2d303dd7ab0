//! Finds the column of a table that holds the class.

use super::classes::{list, whole};
use super::error::DataError;
use std::collections::BTreeSet;
use std::path::Path;

/// Usual names of the column of the class.
const LABELS: [&str; 18] = [
    "label",
    "labels",
    "class",
    "classes",
    "target",
    "targets",
    "y",
    "species",
    "category",
    "classlabel",
    "classname",
    "classid",
    "labelname",
    "outcome",
    "diagnosis",
    "activity",
    "variety",
    "digit",
];
/// Rows from which the values of a column are evidence of what it holds.
pub(super) const EVIDENT: usize = 10;
/// Rows with a single number from which the file may be sorted by this column.
const SORTED: usize = 500;

/// Returns the column that the user gave: by name, or by number from 1 if the table has no names.
pub(super) fn find(
    path: &Path,
    label: &str,
    header: Option<&[String]>,
    count: usize,
) -> Result<usize, DataError> {
    let Some(header) = header else {
        let column = label
            .parse::<usize>()
            .ok()
            .filter(|column| (1..=count).contains(column));
        return column.map(|column| column - 1).ok_or_else(|| {
            let expected = format!("a number from 1 to {count}, because the columns have no names");
            DataError::field(path, "--label", expected, label)
        });
    };
    let exact = header.iter().position(|name| name == label);
    let found = exact.or_else(|| header.iter().position(|name| name.eq_ignore_ascii_case(label)));
    found.ok_or_else(|| {
        DataError::field(
            path,
            "--label",
            format!("one of the columns {}", list(header)),
            label,
        )
    })
}

/// Guesses the column of the class: the first or the last, by its name or by its texts.
pub(super) fn guess(
    path: &Path,
    header: Option<&[String]>,
    body: &[csv::StringRecord],
    columns: &[usize],
    notes: &mut Vec<String>,
) -> Result<usize, DataError> {
    let (Some(&first), Some(&last)) = (columns.first(), columns.last()) else {
        let expected = "a class and at least one number";
        return Err(DataError::field(path, "columns", expected, "none"));
    };
    let shown = header.map_or_else(|| format!("{} columns without names", columns.len()), list);
    let ambiguous = |expected: &str| {
        DataError::field(
            path,
            "columns",
            format!("{expected}: give it with `--label`"),
            &shown,
        )
    };
    let is_text = |column: usize| {
        body.iter().any(|row| {
            row.get(column)
                .is_some_and(|field| !field.is_empty() && !is_number(field))
        })
    };
    let texts: Vec<usize> = columns
        .iter()
        .copied()
        .filter(|&column| is_text(column))
        .collect();
    if let Some(header) = header {
        let named: Vec<usize> = columns
            .iter()
            .copied()
            .filter(|&column| is_label_name(&header[column]))
            .collect();
        let at_the_ends: Vec<usize> = named
            .iter()
            .copied()
            .filter(|&at| at == first || at == last)
            .collect();
        match (&at_the_ends[..], &named[..]) {
            // One column is first and last.
            (&[column], _) => {
                if column != first {
                    notes.push(format!("the column `{}` is the class", header[column]));
                }
                return Ok(column);
            }
            ([], []) => {}
            _ => {
                return Err(ambiguous(
                    "one column with the usual name of a class, the first or the last",
                ));
            }
        }
    }
    match texts[..] {
        [column] if column == first || column == last => {
            if column != first {
                notes.push("the last column is the class, because it contains texts".into());
            }
            Ok(column)
        }
        [] if header.is_none() => {
            if !body
                .iter()
                .all(|row| row.get(first).is_some_and(|field| whole(field).is_some()))
            {
                return Err(ambiguous(
                    "a class in the first column, because the columns have no names",
                ));
            }
            if is_doubted(body, first) && looks_like_classes(body, last) {
                return Err(ambiguous(
                    "a class in the first column, because the columns have no names (the last one is more likely)",
                ));
            }
            notes.push("the columns have no names: the first one is the class".into());
            Ok(first)
        }
        [] => Err(ambiguous(
            "a column named `label`, `class`, `target` or `y`, the first or the last",
        )),
        // The texts may be classes; a text in another column is an error of its row.
        _ if texts.contains(&first) && header.is_none() && !texts.contains(&last) => Ok(first),
        _ => Err(ambiguous("a class, and numbers in all other columns")),
    }
}

pub(super) fn is_label_name(name: &str) -> bool {
    LABELS.contains(&bare(name).as_str())
}

pub(super) fn bare(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

pub(super) fn is_number(field: &str) -> bool {
    field.parse::<f64>().is_ok()
}

/// Returns the distinct numbers of a column; nothing if one is not whole.
fn numbers(body: &[csv::StringRecord], column: usize) -> Option<BTreeSet<i64>> {
    body.iter().map(|row| row.get(column).and_then(whole)).collect()
}

/// Whether a column contains few whole numbers, counted from 0 or from 1.
fn looks_like_classes(body: &[csv::StringRecord], column: usize) -> bool {
    let numbers = numbers(body, column).unwrap_or_default();
    let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else {
        return false;
    };
    let count = numbers.len();
    let has_several = count > 1 && 2 * count <= body.len();
    has_several && (0..=1).contains(&first) && last < 2 * i64::try_from(count).unwrap_or(i64::MAX)
}

/// Whether the rows show that a column is unlikely to be the class.
fn is_doubted(body: &[csv::StringRecord], column: usize) -> bool {
    let is_sorted = body.len() >= SORTED && numbers(body, column).is_some_and(|numbers| numbers.len() == 1);
    body.len() >= EVIDENT && !is_sorted && !looks_like_classes(body, column)
}
