//! Names and numbers of the classes in label arrays and label columns.

use super::error::DataError;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Most classes of a data set: labels are 16-bit numbers.
const MOST: usize = u16::MAX as usize;
/// Field of errors.
const FIELD: &str = "labels";
/// Names that a message lists; it counts the others.
const LISTED: usize = 12;

/// Labels of one split, as the file has them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Labels {
    Numbers(Vec<i64>),
    Names(Vec<String>),
    /// A class number for each row, and the length of a row.
    OneHot(Vec<i64>, usize),
}

impl Labels {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) | Self::OneHot(numbers, _) => numbers.len(),
            Self::Names(names) => names.len(),
        }
    }

    /// Converts names to numbers if all are whole numbers; `3.0` is 3.
    fn numbered(self) -> Self {
        match self {
            Self::Names(names) => {
                let numbers: Option<Vec<i64>> = names.iter().map(|name| whole(name)).collect();
                numbers.map_or(Self::Names(names), Self::Numbers)
            }
            other => other,
        }
    }

    fn names(self) -> Vec<String> {
        match self {
            Self::Numbers(numbers) | Self::OneHot(numbers, _) => {
                numbers.iter().map(ToString::to_string).collect()
            }
            Self::Names(names) => names,
        }
    }
}

/// Parses a whole number, which may be written as `3.0`.
pub(super) fn whole(text: &str) -> Option<i64> {
    let number = || {
        let number: f64 = text.parse().ok()?;
        (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
    };
    text.parse().ok().or_else(number)
}

/// Names of the classes and the class numbers of each split, the training split first.
#[derive(Debug)]
pub(super) struct Classes {
    pub(super) names: Vec<String>,
    pub(super) of_split: Vec<Vec<u16>>,
}

/// Finds the classes of all splits.
///
/// Whole numbers are class numbers if they are counted from 0 or from 1; a number between them that never occurs is a class
/// without images. Other whole numbers are names, in the order of their values, and so are texts, in alphabetical order.
pub(super) fn classes(
    path: &Path,
    splits: Vec<Labels>,
    notes: &mut Vec<String>,
) -> Result<Classes, DataError> {
    let numbered: Vec<Labels> = splits.iter().cloned().map(Labels::numbered).collect();
    let are_numbers = !numbered.iter().any(|labels| matches!(labels, Labels::Names(_)));
    // A name such as `007` is kept if other names are not numbers.
    let splits = if are_numbers { numbered } else { splits };
    let names = if are_numbers {
        of_numbers(path, &splits, notes)?
    } else {
        let mut names = splits
            .clone()
            .into_iter()
            .flat_map(Labels::names)
            .collect::<BTreeSet<_>>();
        if names.remove("") {
            let expected = "a class for each image";
            return Err(DataError::field(path, FIELD, expected, "an empty label"));
        }
        let mut names: Vec<String> = names.into_iter().collect();
        sort(&mut names);
        names
    };
    if names.len() > MOST {
        let expected = format!("at most {MOST} classes");
        return Err(DataError::field(path, FIELD, expected, names.len()));
    }
    let numbers: BTreeMap<&str, u16> = names.iter().map(String::as_str).zip(0..).collect();
    let of_split: Vec<Vec<u16>> = splits
        .into_iter()
        .map(|labels| {
            labels
                .names()
                .iter()
                .filter_map(|name| numbers.get(name.as_str()).copied())
                .collect()
        })
        .collect();
    Ok(Classes { names, of_split })
}

/// Sorts class names: numbers by their values first, then texts.
pub(super) fn sort(names: &mut [String]) {
    names.sort();
    names.sort_by_key(|name| whole(name).map_or((1, 0), |number| (0, number)));
}

/// Returns names as a message lists them.
pub(super) fn list<T: AsRef<str>>(names: &[T]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(LISTED)
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    match names.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Checks that every class of the other splits has training images, and notes the classes without images in them.
pub(super) fn check_coverage(
    path: &Path,
    names: &[String],
    train: &[u16],
    others: &[(&str, &[u16])],
    notes: &mut Vec<String>,
) -> Result<(), DataError> {
    let seen = |labels: &[u16]| labels.iter().copied().collect::<BTreeSet<u16>>();
    let named = |numbers: Vec<u16>| -> Vec<&String> {
        numbers
            .iter()
            .filter_map(|&number| names.get(usize::from(number)))
            .collect()
    };
    let trained = seen(train);
    for (split, labels) in others {
        let seen = seen(labels);
        let unknown = named(seen.difference(&trained).copied().collect());
        if !unknown.is_empty() {
            let expected = format!(
                "the classes of the training split ({}): correct the names or add training images",
                list(&named(trained.into_iter().collect()))
            );
            return Err(DataError::field(
                path,
                &format!("classes of the {split} split"),
                expected,
                list(&unknown),
            ));
        }
        let missing = named(trained.difference(&seen).copied().collect());
        if !missing.is_empty() {
            notes.push(format!("the {split} split has no images of {}", list(&missing)));
        }
    }
    Ok(())
}

fn of_numbers(path: &Path, splits: &[Labels], notes: &mut Vec<String>) -> Result<Vec<String>, DataError> {
    let mut values: BTreeSet<i64> = BTreeSet::new();
    let mut columns = 0;
    for labels in splits {
        match labels {
            Labels::OneHot(numbers, length) => {
                values.extend(numbers);
                columns = columns.max(*length);
            }
            Labels::Numbers(numbers) => values.extend(numbers),
            Labels::Names(_) => {}
        }
    }
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else {
        return Err(DataError::field(path, FIELD, "a class for each image", "none"));
    };
    if columns > 0 {
        let last = i64::try_from(columns)
            .unwrap_or(i64::MAX)
            .max(last.saturating_add(1));
        note_gaps(0, last, &values, notes);
        return Ok((0..last).map(|number| number.to_string()).collect());
    }
    if first < 0 && values.len() > 2 {
        let expected = "class numbers counted from 0: leave out images without a class";
        return Err(DataError::field(path, FIELD, expected, first));
    }
    let is_counted =
        (0..=1).contains(&first) && last - first < 2 * i64::try_from(values.len()).unwrap_or(i64::MAX);
    if !is_counted {
        let names: Vec<String> = values.iter().map(ToString::to_string).collect();
        notes.push(format!(
            "labels are not counted from 0: the classes are the numbers that occur ({})",
            list(&names)
        ));
        return Ok(names);
    }
    if first == 1 {
        notes.push("labels are counted from 1: class `1` is the first".into());
    }
    note_gaps(first, last.saturating_add(1), &values, notes);
    Ok((first..=last).map(|number| number.to_string()).collect())
}

fn note_gaps(first: i64, end: i64, values: &BTreeSet<i64>, notes: &mut Vec<String>) {
    let absent = (first..end).filter(|number| !values.contains(number));
    let absent: Vec<String> = absent.take(MOST).map(|number| number.to_string()).collect();
    if !absent.is_empty() {
        notes.push(format!("classes without an image: {}", list(&absent)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::assert_contains;
    use super::*;

    fn found(labels: Labels) -> Result<(Classes, String), String> {
        let mut notes = Vec::new();
        classes(Path::new("x"), vec![labels], &mut notes)
            .map(|found| (found, notes.join("; ")))
            .map_err(|error| error.to_string())
    }

    fn numbers(numbers: &[i64]) -> Labels {
        Labels::Numbers(numbers.to_vec())
    }

    fn texts(names: &[&str]) -> Labels {
        Labels::Names(names.iter().map(ToString::to_string).collect())
    }

    /// Checks the names, joined by spaces, and the class numbers of labels; returns the notes.
    #[track_caller]
    fn check(labels: Labels, names: &str, numbers: &[u16]) -> String {
        let (found, notes) = found(labels).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.names.join(" "), names);
        assert_eq!(found.of_split, [numbers]);
        notes
    }

    #[test]
    fn numbers_from_0_are_class_numbers_and_gaps_are_noted() {
        assert_eq!(check(numbers(&[2, 0, 1]), "0 1 2", &[2, 0, 1]), "");
        let notes = check(numbers(&[0, 1, 2, 4]), "0 1 2 3 4", &[0, 1, 2, 4]);
        assert!(notes.contains("without an image: `3`"), "{notes}");
    }

    #[test]
    fn other_numbers_are_names() {
        let notes = check(numbers(&[1, 2, 3]), "1 2 3", &[0, 1, 2]);
        assert!(notes.contains("counted from 1"), "{notes}");
        let notes = check(numbers(&[300, 20]), "20 300", &[1, 0]);
        assert!(notes.contains("`20`, `300`"), "{notes}");
        check(numbers(&[-1, 1]), "-1 1", &[0, 1]);
        let error = found(numbers(&[-1, 0, 1])).unwrap_err();
        assert_contains(&error, &["found -1", "without a class"]);
    }

    #[test]
    fn texts_of_numbers_are_numbers_and_others_are_sorted() {
        check(texts(&["10", "2.0", "2"]), "2 10", &[1, 0, 0]);
        check(texts(&["b", "a", "b"]), "a b", &[1, 0, 1]);
        assert!(found(texts(&["b", ""])).unwrap_err().contains("an empty label"));
        let many: Vec<i64> = (0..70_000).collect();
        assert!(found(numbers(&many)).unwrap_err().contains("70000"));
    }

    #[test]
    fn one_hot_rows_have_as_many_classes_as_columns() {
        let notes = check(Labels::OneHot(vec![1, 0], 3), "0 1 2", &[1, 0]);
        assert!(notes.contains("`2`"), "{notes}");
    }

    #[test]
    fn a_class_that_is_only_tested_is_an_error() {
        let names = ["a".to_owned(), "b".to_owned()];
        let mut notes = Vec::new();
        let mut check = |train: &[u16], test: &[u16]| {
            check_coverage(Path::new("x"), &names, train, &[("test", test)], &mut notes)
        };
        check(&[0, 1], &[0]).unwrap();
        let error = check(&[0], &[0, 1]).unwrap_err().to_string();
        assert_contains(&error, &["training split (`a`)", "found `b`"]);
        assert!(notes[0].contains("no images of `b`"), "{notes:?}");
    }
}
