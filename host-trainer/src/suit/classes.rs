//! Matches the classes of a data set with those of a network.

use crate::data::listed;

/// Classes of a data set as classes of a network.
#[derive(Debug, PartialEq)]
pub(super) struct Matched {
    /// Class number in the network of each class of the data set.
    pub(super) numbers: Vec<u16>,
    /// A name for each class of the network.
    pub(super) names: Vec<String>,
    /// Note of an assumption.
    pub(super) note: Option<String>,
}

/// Classes that a message lists.
const LISTED: usize = 20;

/// Returns names for a message; the number `count` without names.
pub(super) fn list(names: &[String], count: usize) -> String {
    if names.is_empty() {
        return format!("{count} classes without names");
    }
    listed(names, LISTED)
}

/// Whether all names are whole numbers, with which readers name classes without names.
fn are_numbers(names: &[String]) -> bool {
    names.iter().all(|name| name.parse::<u64>().is_ok())
}

/// Matches the classes of a data set that occur in it with the `count` classes of a network. `network` is empty if the
/// network's file contains no names.
///
/// Names match names and numbers match numbers. Numbers are class numbers if the network has names. Names match a network
/// without names in their order, if their number is equal.
///
/// # Errors
///
/// Advice, if the network does not have a class.
pub(super) fn matched(
    network: &[String],
    count: usize,
    data: &[String],
    present: &[bool],
) -> Result<Matched, String> {
    let numbered: Vec<String> = (0..count).map(|class| class.to_string()).collect();
    let names = if network.is_empty() { &numbered } else { network };
    match (are_numbers(names), are_numbers(data)) {
        (true, true) | (false, false) => by_name(names, data, present),
        (false, true) if by_name(names, data, present).is_ok() => by_name(names, data, present),
        (false, true) => {
            let mut matched = by_name(&numbered, data, present)
                .map_err(|_| format!("labels are class numbers below {count}, or names"))?;
            matched.note = Some(format!(
                "labels are numbers: they are the network's class numbers ({})",
                numbers_of(names)
            ));
            matched.names = names.to_vec();
            Ok(matched)
        }
        (true, false) if data.len() == count => Ok(Matched {
            numbers: (0u16..).take(count).collect(),
            names: data.to_vec(),
            note: Some(format!(
                "the network has no class names: it gets those of the data, in their order ({})",
                numbers_of(data)
            )),
        }),
        (true, false) => Err(format!(
            "the network has no class names: give data with all {count} classes, or labels that are numbers"
        )),
    }
}

/// Returns names with their numbers: `0 = apple, 1 = leaf`.
fn numbers_of(names: &[String]) -> String {
    let numbered = names.iter().enumerate();
    listed(
        numbered.map(|(number, name)| format!("{number} = {name}")),
        LISTED,
    )
}

fn by_name(names: &[String], data: &[String], present: &[bool]) -> Result<Matched, String> {
    let mut numbers = Vec::with_capacity(data.len());
    for (class, &present) in data.iter().zip(present) {
        let is_number = |name: &String| class.parse::<u64>().is_ok_and(|n| name.parse() == Ok(n));
        let found = names.iter().position(|name| name == class);
        let found = found.or_else(|| names.iter().position(is_number));
        let number = found.and_then(|number| u16::try_from(number).ok());
        numbers.push(match number {
            Some(number) => number,
            // No image has this label.
            None if !present => 0,
            None => return Err(unknown(class, names)),
        });
    }
    Ok(Matched {
        numbers,
        names: names.to_vec(),
        note: None,
    })
}

/// Returns the advice for a class that the network does not have.
fn unknown(class: &str, names: &[String]) -> String {
    let plain = |name: &str| -> String {
        let letters = name.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let twin = names.iter().find(|name| plain(name) == plain(class));
    twin.map_or_else(
        || format!("`{class}` is not a class of the network: remove its images, or train on them"),
        |name| format!("if `{class}` is the network's `{name}`, rename it"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(' ')
            .filter(|name| !name.is_empty())
            .map(String::from)
            .collect()
    }

    fn of(network: &str, count: usize, data: &str) -> Result<Matched, String> {
        let data = names(data);
        matched(&names(network), count, &data, &vec![true; data.len()])
    }

    #[test]
    fn names_are_matched_in_any_order() {
        let found = of("apple leaf stone", 3, "stone apple").unwrap();
        assert_eq!((found.numbers, found.note), (vec![2, 0], None));
        assert_eq!(of("2 10", 2, "10 2").unwrap().numbers, [1, 0]);
        assert_eq!(of("0 1 2 3", 4, "3 1").unwrap().numbers, [3, 1]);
        // The same numbers, written in another way.
        assert_eq!(of("00 01 02", 3, "2 0").unwrap().numbers, [2, 0]);
        // Numbers that are names among other names.
        assert_eq!(of("1 2 other", 3, "2 1").unwrap().numbers, [1, 0]);
    }

    #[test]
    fn numbers_are_class_numbers_of_a_network_with_names() {
        let found = of("apple leaf stone", 3, "0 1 2").unwrap();
        assert_eq!(
            (found.numbers, found.names),
            (vec![0, 1, 2], names("apple leaf stone"))
        );
        assert!(found.note.unwrap().contains("1 = leaf"));
        assert!(
            of("apple leaf stone", 3, "1 2 3")
                .unwrap_err()
                .contains("below 3")
        );
        assert_eq!(of("", 3, "2 1").unwrap().numbers, [2, 1]);
    }

    #[test]
    fn names_match_a_network_without_names_only_if_the_counts_agree() {
        let found = of("", 2, "leaf stone").unwrap();
        assert_eq!((found.numbers, found.names), (vec![0, 1], names("leaf stone")));
        assert!(found.note.unwrap().contains("0 = leaf"));
        assert_eq!(of("0 1", 2, "leaf stone").unwrap().numbers, [0, 1]);
        assert!(of("", 3, "leaf stone").unwrap_err().contains("all 3"));
    }

    #[test]
    fn a_name_in_another_spelling_is_suggested() {
        let error = of("apple leaf_old", 2, "apple Leaf-Old").unwrap_err();
        assert!(
            error.contains("`leaf_old`") && error.contains("rename"),
            "{error}"
        );
        assert!(
            of("apple leaf", 2, "moss leaf")
                .unwrap_err()
                .contains("`moss` is not")
        );
    }

    #[test]
    fn a_class_without_images_is_not_matched() {
        let found = matched(&names("1 2"), 2, &names("0 1 2"), &[false, true, true]).unwrap();
        assert_eq!(found.numbers[1..], [0, 1]);
    }
}
