//! The splits of a data set: their usual names, and the division of a data set without a test split.

use super::sample::{SAMPLE_SEED, shuffle};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Images of a class per test image, if a data set has no test split.
const TEST_SHARE: usize = 5;

/// A split of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Train,
    Validation,
    Test,
}

/// Usual names; of names with the same start, the longest comes first.
const WORDS: [(&str, Role); 15] = [
    ("training", Role::Train),
    ("train", Role::Train),
    ("validation", Role::Validation),
    ("valid", Role::Validation),
    ("val", Role::Validation),
    ("development", Role::Validation),
    ("dev", Role::Validation),
    ("evaluation", Role::Validation),
    ("eval", Role::Validation),
    ("testing", Role::Test),
    ("test", Role::Test),
    ("t10k", Role::Test),
    ("tst", Role::Test),
    ("tr", Role::Train),
    ("te", Role::Test),
];

/// Words that may accompany the name of a split.
const FILLERS: [&str; 7] = ["set", "data", "dataset", "images", "imgs", "split", "folder"];

impl Role {
    /// Returns the split that a folder's name means, in any case, with or without a word such as `set` or `images`.
    pub(super) fn of_folder(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let mut tokens = name
            .split(|c: char| !c.is_alphanumeric())
            .filter(|token| !token.is_empty());
        let mut roles = tokens
            .by_ref()
            .filter(|token| !FILLERS.contains(token))
            .map(|token| {
                let bare = |(word, _): &&(&str, Role)| {
                    token
                        .strip_prefix(word)
                        .is_some_and(|rest| rest.is_empty() || FILLERS.contains(&rest))
                };
                WORDS.iter().find(bare).map(|(_, role)| *role)
            });
        match (roles.next(), roles.next()) {
            (Some(role), None) => role,
            _ => None,
        }
    }

    /// Returns the split that exactly one word of a file's name means.
    pub(super) fn of_file(stem: &str) -> Option<Self> {
        let stem = stem.to_lowercase();
        let tokens = stem.split(|c: char| !c.is_alphanumeric());
        let mut roles = tokens.filter_map(Self::of_folder);
        roles.next().filter(|_| roles.next().is_none())
    }

    /// Returns the split and the rest of an array's name: `Train` and `x` for `x_train`, `trainX` and `train_x`.
    pub(super) fn of_array(name: &str) -> (Option<Self>, String) {
        let bare: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let bare = bare.to_ascii_lowercase();
        let word = WORDS.iter().find_map(|(word, role)| {
            let rest = bare.strip_prefix(word).or_else(|| bare.strip_suffix(word))?;
            Some((Some(*role), rest.to_owned()))
        });
        word.unwrap_or((None, bare))
    }
}

/// Returns the indices of the training and of the test images of a data set without a test split. One image in five of each
/// class, drawn in a seeded order, is a test image, and at least one if the class has two.
pub(super) fn divide(
    labels: &[u16],
    classes: &[String],
    notes: &mut Vec<String>,
) -> (Vec<usize>, Vec<usize>) {
    let mut of_class: Vec<Vec<usize>> = vec![Vec::new(); classes.len()];
    for (index, &label) in labels.iter().enumerate() {
        of_class[usize::from(label)].push(index);
    }
    let mut random = ChaCha8Rng::seed_from_u64(SAMPLE_SEED);
    let (mut train, mut test) = (Vec::new(), Vec::new());
    let mut untested = Vec::new();
    for (indices, class) in of_class.iter_mut().zip(classes) {
        shuffle(indices, &mut random);
        let count = match indices.len() {
            0 => continue,
            1 => 0,
            len => (len / TEST_SHARE).max(1),
        };
        if count == 0 {
            untested.push(format!("`{class}`"));
        }
        let (tested, trained) = indices.split_at(count);
        test.extend(tested);
        train.extend(trained);
    }
    train.sort_unstable();
    test.sort_unstable();
    notes.push(format!(
        "no test split was found: one image in {TEST_SHARE} of each class, drawn with a fixed seed, is a test image ({} train, {} test)",
        train.len(),
        test.len()
    ));
    if !untested.is_empty() {
        notes.push(format!(
            "classes with one image have no test image: {}",
            untested.join(", ")
        ));
    }
    (train, test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_recognised_in_any_usual_spelling() {
        let (train, validation, test) = (Some(Role::Train), Some(Role::Validation), Some(Role::Test));
        for (name, role) in [
            ("train", train),
            ("Training", train),
            ("TRAIN_SET", train),
            ("trainset", train),
            ("valid", validation),
            ("Val", validation),
            ("validation", validation),
            ("dev", validation),
            ("TEST", test),
            ("test images", test),
            ("training shoes", None),
            ("tester", None),
            ("trains", None),
            ("data", None),
            ("apple", None),
        ] {
            assert_eq!(Role::of_folder(name), role, "{name}");
        }
        assert_eq!(Role::of_file("mnist_train"), train);
        assert_eq!(Role::of_file("fashion-mnist_test"), test);
        assert_eq!(Role::of_file("latest"), None);
        assert_eq!(Role::of_file("train_test"), None);
        for name in ["x_train", "X_train", "trainX", "train_x", "training-x"] {
            assert_eq!(Role::of_array(name), (train, "x".into()), "{name}");
        }
        assert_eq!(Role::of_array("Data"), (None, "data".into()));
    }

    #[test]
    fn each_class_is_divided_whatever_the_order() {
        let classes: Vec<String> = (0..5).map(|class| class.to_string()).collect();
        let periodic: Vec<u16> = (0..100).map(|index| index % 5).collect();
        let sorted: Vec<u16> = (0..100).map(|index| index / 20).collect();
        for labels in [periodic, sorted] {
            let (train, test) = divide(&labels, &classes, &mut Vec::new());
            assert_eq!((train.len(), test.len()), (80, 20));
            for class in 0..5 {
                let of_class = test.iter().filter(|&&index| labels[index] == class);
                assert_eq!(of_class.count(), 4);
            }
        }
    }

    #[test]
    fn a_class_of_one_image_is_noted() {
        let mut notes = Vec::new();
        let (train, test) = divide(&[0, 0, 1], &["a".into(), "b".into()], &mut notes);
        assert_eq!((train.len(), test.len()), (2, 1));
        assert!(
            notes[0].contains("2 train, 1 test") && notes[1].contains("`b`"),
            "{notes:?}"
        );
    }
}
