//! What the columns of a table are: its header, the class of each row, what is not a value.

use super::DataError;
use super::classes::{list, whole};
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
/// Names of columns that number or name rows.
const IDS: [&str; 8] = [
    "id", "index", "idx", "rowid", "imageid", "sampleid", "filename", "unnamed0",
];
/// Columns from which a row of numbers in their order counts as a header.
const HEADER: usize = 6;
/// Rows from which a column that counts them is not taken for a value.
const COUNTED: usize = 10;
/// Rows of one number from which a file may be sorted by a column that holds others too.
const SORTED: usize = 500;

/// The first rows of a table, as texts.
pub(super) type Rows = Vec<csv::StringRecord>;

/// What the columns of a table are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// Names of the columns, if the first row names them.
    pub(super) header: Option<Vec<String>>,
    /// Which column holds the class.
    pub(super) label: usize,
    /// Which columns hold values.
    pub(super) values: Vec<usize>,
}

impl Columns {
    /// Finds out what the columns of a table are from its first rows, at least one.
    pub(super) fn find(
        path: &Path,
        rows: &Rows,
        label: Option<&str>,
        notes: &mut Vec<String>,
    ) -> Result<Self, DataError> {
        let first = &rows[0];
        let header = is_header(rows, label).then(|| first.iter().map(str::to_owned).collect::<Vec<_>>());
        let body = &rows[usize::from(header.is_some())..];
        if body.is_empty() {
            return Err(DataError::field(
                path,
                "rows",
                "a class and its numbers",
                "only names of columns",
            ));
        }
        let mut columns: Vec<usize> = (0..first.len()).collect();
        let name = |column: usize| {
            let named = header
                .as_ref()
                .and_then(|header| header.get(column))
                .filter(|name| !name.is_empty());
            named.map_or_else(|| format!("column {}", column + 1), |name| format!("`{name}`"))
        };
        let wanted = label
            .map(|label| find(path, label, header.as_deref(), first.len()))
            .transpose()?;
        columns.retain(|&column| {
            let is_id = header.as_ref().is_some_and(|header| {
                let bare = bare(&header[column]);
                (column == 0 && bare.is_empty())
                    || IDS.contains(&bare.as_str())
                    || header[column].ends_with("_id")
            });
            let is_kept = Some(column) == wanted || !(is_id || counts_rows(body, column));
            if !is_kept {
                notes.push(format!("{} numbers the rows: it is left out", name(column)));
            }
            is_kept
        });
        let label = match wanted {
            Some(column) => column,
            None => guess(path, header.as_deref(), body, &columns, notes)?,
        };
        columns.retain(|&column| column != label);
        if columns.is_empty() {
            return Err(DataError::field(
                path,
                "columns",
                "a class and at least one number",
                "no numbers",
            ));
        }
        Ok(Self {
            header,
            label,
            values: columns,
        })
    }
}

fn bare(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

fn is_number(field: &str) -> bool {
    field.parse::<f64>().is_ok()
}

fn is_label_name(name: &str) -> bool {
    LABELS.contains(&bare(name).as_str())
}

/// Whether the first row names the columns.
fn is_header(rows: &Rows, label: Option<&str>) -> bool {
    let first = &rows[0];
    let is_wanted = label.is_some_and(|label| {
        first
            .iter()
            .any(|field| field.eq_ignore_ascii_case(label) && !is_number(field))
    });
    let has_label = first.iter().any(is_label_name);
    let has_no_name = first.iter().next().is_some_and(str::is_empty);
    // A text above nothing but numbers.
    let names_numbers = first.iter().enumerate().any(|(column, above)| {
        let is_below = |row: &csv::StringRecord| row.get(column).is_some_and(is_number);
        !is_number(above) && !above.is_empty() && rows.len() > 1 && rows[1..].iter().all(is_below)
    });
    // As pandas numbers columns that have no names.
    let counts = first.len() >= HEADER
        && first
            .iter()
            .zip(0u64..)
            .all(|(field, at)| field.parse() == Ok(at));
    is_wanted || has_label || has_no_name || names_numbers || counts
}

/// Whether a column is 0, 1, 2, ... or 1, 2, 3, ..., row after row.
fn counts_rows(body: &[csv::StringRecord], column: usize) -> bool {
    let number = |row: &csv::StringRecord| row.get(column).and_then(whole);
    body.len() >= COUNTED
        && number(&body[0]).is_some_and(|first| {
            (0..=1).contains(&first) && body.iter().zip(first..).all(|(row, at)| number(row) == Some(at))
        })
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
    body.len() >= COUNTED && !is_sorted && !looks_like_classes(body, column)
}

/// The column that the user named, or numbered from 1 if the table has no names.
fn find(path: &Path, label: &str, header: Option<&[String]>, count: usize) -> Result<usize, DataError> {
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
fn guess(
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

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(text: &str, label: Option<&str>) -> Result<(bool, usize, Vec<usize>, String), String> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(text.as_bytes());
        let rows: Rows = reader.records().map(Result::unwrap).collect();
        let mut notes = Vec::new();
        Columns::find(Path::new("x"), &rows, label, &mut notes)
            .map(|found| {
                (
                    found.header.is_some(),
                    found.label,
                    found.values,
                    notes.join("; "),
                )
            })
            .map_err(|error| error.to_string())
    }

    fn found(text: &str) -> (bool, usize, Vec<usize>) {
        let (header, label, values, _) =
            find_in(text, None).unwrap_or_else(|error| panic!("{text}: {error}"));
        (header, label, values)
    }

    #[test]
    fn headers_are_known_whatever_their_names() {
        assert_eq!(found("label,0,1,2\n5,0,3,4\n"), (true, 0, vec![1, 2, 3]));
        assert_eq!(found("\"label\",\"0\",\"1\"\n5,0,3\n"), (true, 0, vec![1, 2]));
        assert_eq!(found("label,pixel0,pixel1\n5,0,3\n"), (true, 0, vec![1, 2]));
        assert_eq!(found("digit,1x1,1x2\n5,0,3\n"), (true, 0, vec![1, 2]));
        assert_eq!(
            found("SPECIES,0,1\nsetosa,0,3\nvirginica,1,1\n"),
            (true, 0, vec![1, 2])
        );
        assert_eq!(found("5,0,3\n4,1,1\n"), (false, 0, vec![1, 2]));
        assert_eq!(found("cat,0,3\ndog,1,1\n"), (false, 0, vec![1, 2]));
        assert_eq!(found("A,0,3\n7,1,1\nB,1,1\n"), (false, 0, vec![1, 2]));
        assert_eq!(found("10,1,2,3,4\n2,5,6,7,8\n"), (false, 0, vec![1, 2, 3, 4]));
        assert!(
            find_in("0,1,2,3,4,5\n7,9,9,9,9,9\n", None)
                .unwrap_err()
                .contains("--label")
        );
    }

    #[test]
    fn the_class_is_first_or_last_or_asked_for() {
        assert_eq!(found("a,b,Class\n1.5,2,0\n"), (true, 2, vec![0, 1]));
        assert_eq!(found("a,b,kind\n1.5,2,red\n2,3,blue\n"), (true, 2, vec![0, 1]));
        assert_eq!(found("1.5,2,red\n2,3,blue\n"), (false, 2, vec![0, 1]));
        for text in [
            "a,b,c\n1,2,3\n",
            "a,y,c\n1,2,3\n",
            "label,b,target\n1,2,3\n",
            "1.5,2\n0.5,1\n",
        ] {
            let error = find_in(text, None).unwrap_err();
            assert!(error.contains("`--label`"), "{text}: {error}");
        }
        assert_eq!(find_in("a,y,c\n1,2,3\n", Some("Y")).unwrap().1, 1);
        assert_eq!(find_in("1,2,3\n4,5,6\n", Some("3")).unwrap().1, 2);
        let error = find_in("a,y,c\n1,2,3\n", Some("z")).unwrap_err();
        assert!(error.contains("`a`, `y`, `c`, found z"), "{error}");
        assert!(find_in("1,2,3\n", Some("4")).unwrap_err().contains("from 1 to 3"));
    }

    #[test]
    fn without_names_the_first_column_must_look_like_a_class() {
        let table = |row: fn(usize) -> String| (0..20).map(row).collect::<String>();
        let last = table(|row| format!("{},{},{}\n", 100 + 7 * row, row % 5, row % 3));
        let error = find_in(&last, None).unwrap_err();
        assert!(
            error.contains("`--label`") && error.contains("the last one"),
            "{error}"
        );
        assert_eq!(find_in(&last, Some("3")).unwrap().1, 2);
        // A black corner, as in tables of digits.
        assert!(find_in(&table(|row| format!("0,{},{}\n", 9 * row, row % 3)), None).is_err());
        assert_eq!(
            found(&table(|row| format!("{},{},0\n", row % 3, 9 * row))),
            (false, 0, vec![1, 2])
        );
        assert_eq!(
            found(&table(|row| format!("{},{},{}\n", row % 3, 9 * row, row % 4))).1,
            0
        );
    }

    #[test]
    fn columns_that_number_rows_are_left_out() {
        let (header, label, values, notes) = find_in(",label,0,1\n7,1,5,6\n9,2,5,6\n", None).unwrap();
        assert_eq!((header, label, values), (true, 1, vec![2, 3]));
        assert!(notes.contains("column 1 numbers the rows"), "{notes}");
        assert_eq!(found("ImageId,label,0\n7,1,5\n"), (true, 1, vec![2]));
        let counting: String = (0..12).map(|row| format!("{row},{},9\n", 5 + row % 2)).collect();
        assert_eq!(found(&format!("n,label,v\n{counting}")), (true, 1, vec![2]));
        assert_eq!(found(&counting), (false, 1, vec![2]));
    }
}
