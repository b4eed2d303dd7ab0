//! The presets: networks with a name.

/// Name and text of each preset, in the order they are listed.
macro_rules! table {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../presets/", $name, ".toml")))),+]
    };
}

const PRESETS: &[(&str, &str)] = table![
    "digits",
    "mono-32k",
    "colour-64k",
    "colour-128k",
    "colour-256k",
    "d1",
    "d2",
    "d3",
    "d4",
    "d5",
    "article",
    "densenet-40-12",
    "densenet-100-12",
    "densenet-bc-100-12",
    "densenet-bc-250-24",
    "densenet-bc-190-40",
    "densenet-121",
    "densenet-169",
    "densenet-201",
    "densenet-264",
];

/// The names of all presets.
pub fn presets() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// The TOML of one preset; upper and lower case are the same.
pub fn text(name: &str) -> Option<&'static str> {
    PRESETS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::super::Spec;

    #[test]
    fn every_preset_is_a_network_of_its_name() {
        for name in super::presets() {
            assert_eq!(Spec::load(name).unwrap().name, name);
        }
    }

    #[test]
    fn digits_has_a_few_thousand_parameters() {
        let parameters = Spec::load("digits").unwrap().parameters();
        assert!((3000..12_000).contains(&parameters), "{parameters}");
    }
}
