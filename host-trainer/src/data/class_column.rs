//! Finds the column of a table that holds the class.

use super::classes::{list, whole};
use super::error::DataError;
use std::collections::BTreeSet;
use std::path::Path;

/// Names of columns that hold the class.
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
/// Rows of one number from which a file may be sorted by a column that holds others too.
const SORTED: usize = 500;

/// The column that the user named, or numbered from 1 if the table has no names.
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
            let expected = format!("a number from 1 to {count}, as the table does not name its columns");
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

/// The column of the class, without the user's word: it is the first or the last, by its name or by its texts.
pub(super) fn guess(
    path: &Path,
    header: Option<&[String]>,
    body: &[csv::StringRecord],
    columns: &[usize],
    notes: &mut Vec<String>,
) -> Result<usize, DataError> {
    let (Some(&first), Some(&last)) = (columns.first(), columns.last()) else {
        return Err(DataError::field(
            path,
            "columns",
            "a class and at least one number",
            "none",
        ));
    };
    let shown = header.map_or_else(|| format!("{} columns without names", columns.len()), list);
    let ask = |expected: &str| {
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
                return Err(ask(
                    "one column that is named as a class is, the first or the last",
                ));
            }
        }
    }
    match texts[..] {
        [column] if column == first || column == last => {
            if column != first {
                notes.push("the last column is the class, because it holds texts".into());
            }
            Ok(column)
        }
        [] if header.is_none() => {
            if !body
                .iter()
                .all(|row| row.get(first).is_some_and(|field| whole(field).is_some()))
            {
                return Err(ask(
                    "a class in the first column, as the table does not name its columns",
                ));
            }
            if is_doubted(body, first) && looks_like_classes(body, last) {
                return Err(ask(
                    "a class in the first column, as the table does not name its columns (the last one looks more like it)",
                ));
            }
            notes.push("the table does not name its columns: the first one is the class".into());
            Ok(first)
        }
        [] => Err(ask(
            "a column named `label`, `class`, `target` or `y`, the first or the last",
        )),
        // Which texts are classes is not certain; the row of the first is an error of its own if the class is.
        _ if texts.contains(&first) && header.is_none() && !texts.contains(&last) => Ok(first),
        _ => Err(ask("a class, and numbers in all other columns")),
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

/// The numbers of a column, each once; nothing if one is not whole.
fn numbers(body: &[csv::StringRecord], column: usize) -> Option<BTreeSet<i64>> {
    body.iter().map(|row| row.get(column).and_then(whole)).collect()
}

/// Whether a column holds few whole numbers that are counted from 0 or from 1.
fn looks_like_classes(body: &[csv::StringRecord], column: usize) -> bool {
    let numbers = numbers(body, column).unwrap_or_default();
    let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else {
        return false;
    };
    let count = numbers.len();
    let has_several = count > 1 && 2 * count <= body.len();
    has_several && (0..=1).contains(&first) && last < 2 * i64::try_from(count).unwrap_or(i64::MAX)
}

/// Whether there are enough rows to tell that a column is hardly the class.
fn is_doubted(body: &[csv::StringRecord], column: usize) -> bool {
    let is_sorted = body.len() >= SORTED && numbers(body, column).is_some_and(|numbers| numbers.len() == 1);
    body.len() >= EVIDENT && !is_sorted && !looks_like_classes(body, column)
}
