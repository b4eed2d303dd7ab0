//! Finds the header, the class and the values of a table.

use super::class_column::{EVIDENT, bare, find, guess, is_label_name, is_number};
use super::classes::whole;
use super::error::DataError;
use std::path::Path;

/// Names of columns that number or name rows.
const IDS: [&str; 8] = [
    "id", "index", "idx", "rowid", "imageid", "sampleid", "filename", "unnamed0",
];
/// Columns from which a row of ascending numbers is a header.
const HEADER: usize = 6;
/// The first rows of a table, as texts.
pub(super) type Rows = Vec<csv::StringRecord>;

/// The columns of a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// Names of the columns, if the first row names them.
    pub(super) header: Option<Vec<String>>,
    /// Column of the class.
    pub(super) label: usize,
    /// Columns of values.
    pub(super) values: Vec<usize>,
}

impl Columns {
    /// Finds the columns of a table from its first rows, at least one.
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
            let expected = "a class and its numbers";
            return Err(DataError::field(path, "rows", expected, "only names of columns"));
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
                notes.push(format!("{} numbers the rows: it is ignored", name(column)));
            }
            is_kept
        });
        let label = match wanted {
            Some(column) => column,
            None => guess(path, header.as_deref(), body, &columns, notes)?,
        };
        columns.retain(|&column| column != label);
        if columns.is_empty() {
            let expected = "a class and at least one number";
            return Err(DataError::field(path, "columns", expected, "no numbers"));
        }
        Ok(Self {
            header,
            label,
            values: columns,
        })
    }
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
    // A text above numbers only.
    let names_numbers = first.iter().enumerate().any(|(column, above)| {
        let is_below = |row: &csv::StringRecord| row.get(column).is_some_and(is_number);
        !is_number(above) && !above.is_empty() && rows.len() > 1 && rows[1..].iter().all(is_below)
    });
    // pandas numbers columns without names.
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
    body.len() >= EVIDENT
        && number(&body[0]).is_some_and(|first| {
            (0..=1).contains(&first) && body.iter().zip(first..).all(|(row, at)| number(row) == Some(at))
        })
}

#[cfg(test)]
mod tests {
    use super::super::error::assert_contains;
    use super::*;

    fn find_in(text: &str, label: Option<&str>) -> Result<(Columns, String), String> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(text.as_bytes());
        let rows: Rows = reader.records().map(Result::unwrap).collect();
        let mut notes = Vec::new();
        Columns::find(Path::new("x"), &rows, label, &mut notes)
            .map(|found| (found, notes.join("; ")))
            .map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check(text: &str, has_header: bool, label: usize, values: &[usize]) {
        let (found, _) = find_in(text, None).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (found.header.is_some(), found.label),
            (has_header, label),
            "{text}"
        );
        assert_eq!(found.values, values, "{text}");
    }

    #[test]
    fn headers_are_recognised() {
        check("label,0,1,2\n5,0,3,4\n", true, 0, &[1, 2, 3]);
        check("\"label\",\"0\",\"1\"\n5,0,3\n", true, 0, &[1, 2]);
        check("label,pixel0,pixel1\n5,0,3\n", true, 0, &[1, 2]);
        check("digit,1x1,1x2\n5,0,3\n", true, 0, &[1, 2]);
        check("SPECIES,0,1\nsetosa,0,3\nvirginica,1,1\n", true, 0, &[1, 2]);
        check("5,0,3\n4,1,1\n", false, 0, &[1, 2]);
        check("cat,0,3\ndog,1,1\n", false, 0, &[1, 2]);
        check("A,0,3\n7,1,1\nB,1,1\n", false, 0, &[1, 2]);
        check("10,1,2,3,4\n2,5,6,7,8\n", false, 0, &[1, 2, 3, 4]);
        assert!(
            find_in("0,1,2,3,4,5\n7,9,9,9,9,9\n", None)
                .unwrap_err()
                .contains("--label")
        );
    }

    #[test]
    fn the_class_is_first_or_last_or_given() {
        check("a,b,Class\n1.5,2,0\n", true, 2, &[0, 1]);
        check("a,b,kind\n1.5,2,red\n2,3,blue\n", true, 2, &[0, 1]);
        check("1.5,2,red\n2,3,blue\n", false, 2, &[0, 1]);
        for text in [
            "a,b,c\n1,2,3\n",
            "a,y,c\n1,2,3\n",
            "label,b,target\n1,2,3\n",
            "1.5,2\n0.5,1\n",
        ] {
            let error = find_in(text, None).unwrap_err();
            assert!(error.contains("`--label`"), "{text}: {error}");
        }
        assert_eq!(find_in("a,y,c\n1,2,3\n", Some("Y")).unwrap().0.label, 1);
        assert_eq!(find_in("1,2,3\n4,5,6\n", Some("3")).unwrap().0.label, 2);
        let error = find_in("a,y,c\n1,2,3\n", Some("z")).unwrap_err();
        assert!(error.contains("`a`, `y`, `c`, found z"), "{error}");
        assert!(find_in("1,2,3\n", Some("4")).unwrap_err().contains("from 1 to 3"));
    }

    #[test]
    fn without_names_the_first_column_must_look_like_a_class() {
        let table = |row: fn(usize) -> String| (0..20).map(row).collect::<String>();
        let last = table(|row| format!("{},{},{}\n", 100 + 7 * row, row % 5, row % 3));
        let error = find_in(&last, None).unwrap_err();
        assert_contains(&error, &["`--label`", "the last one"]);
        assert_eq!(find_in(&last, Some("3")).unwrap().0.label, 2);
        // A black corner, as in tables of digits.
        assert!(find_in(&table(|row| format!("0,{},{}\n", 9 * row, row % 3)), None).is_err());
        check(
            &table(|row| format!("{},{},0\n", row % 3, 9 * row)),
            false,
            0,
            &[1, 2],
        );
        let both = table(|row| format!("{},{},{}\n", row % 3, 9 * row, row % 4));
        check(&both, false, 0, &[1, 2]);
    }

    #[test]
    fn columns_that_number_rows_are_ignored() {
        let numbered = ",label,0,1\n7,1,5,6\n9,2,5,6\n";
        let (_, notes) = find_in(numbered, None).unwrap();
        check(numbered, true, 1, &[2, 3]);
        assert!(notes.contains("column 1 numbers the rows"), "{notes}");
        check("ImageId,label,0\n7,1,5\n", true, 1, &[2]);
        let counting: String = (0..12).map(|row| format!("{row},{},9\n", 5 + row % 2)).collect();
        check(&format!("n,label,v\n{counting}"), true, 1, &[2]);
        check(&counting, false, 1, &[2]);
    }
}
