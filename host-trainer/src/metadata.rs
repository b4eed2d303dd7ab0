//! The description of a network as the fields of a blob's metadata; [`Blob::about`](crate::blob::Blob::about) reads it back.

use crate::about::About;
use crate::export_error::ExportError;
use crate::spec::Spec;
use denselet::format::metadata::tag;
use std::collections::BTreeMap;

/// The fields of the metadata by tag: what is known, and the scales of the stored channels.
pub(crate) fn fields(
    about: &About,
    spec: &Spec,
    scales: Vec<u8>,
) -> Result<BTreeMap<u32, Vec<u8>>, ExportError> {
    let mut fields = BTreeMap::from([(tag::SCALES, scales)]);
    let texts = [
        (tag::NAME, "name", &about.name),
        (tag::INPUT, "input", &about.input),
        (tag::PROVENANCE, "provenance", &about.provenance),
        (tag::ACCURACY, "accuracy", &about.accuracy),
    ];
    for (tag, field, text) in texts {
        if !text.is_empty() {
            check_text(field, text)?;
            fields.insert(tag, text.clone().into_bytes());
        }
    }
    if !about.classes.is_empty() {
        check_count("classes", "names", about.classes.len(), spec.classes)?;
        let mut names: Vec<_> = about.classes.iter().collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ExportError::About {
                field: "classes",
                expected: "a name of its own for each class".into(),
                found: format!("{:?} twice", twice[0]),
            });
        }
        let mut labels = Vec::new();
        for class in &about.classes {
            check_text("classes", class)?;
            labels.extend_from_slice(class.as_bytes());
            labels.push(0);
        }
        fields.insert(tag::LABELS, labels);
    }
    if let Some(encoding) = &about.encoding {
        let channels = spec.input.channels;
        check_count("encoding.low", "numbers", encoding.low.len(), channels)?;
        check_count("encoding.high", "numbers", encoding.high.len(), channels)?;
        let mut bytes = Vec::new();
        for (channel, (low, high)) in encoding.low.iter().zip(&encoding.high).enumerate() {
            if !((high - low).is_finite() && low < high) {
                return Err(ExportError::About {
                    field: "encoding",
                    expected: "finite numbers, `low` below `high`".into(),
                    found: format!("{low} and {high} for channel {channel}"),
                });
            }
            bytes.extend([low.to_le_bytes(), high.to_le_bytes()].concat());
        }
        fields.insert(tag::ENCODING, bytes);
    }
    Ok(fields)
}

/// Whether a text is what a device may show: not empty, and without control characters.
fn check_text(field: &'static str, text: &str) -> Result<(), ExportError> {
    if !text.is_empty() && !text.contains(char::is_control) {
        return Ok(());
    }
    Err(ExportError::About {
        field,
        expected: "a text that is not empty, without control characters".into(),
        found: format!("{text:?}"),
    })
}

fn check_count(field: &'static str, what: &str, found: usize, expected: usize) -> Result<(), ExportError> {
    if found == expected {
        return Ok(());
    }
    Err(ExportError::About {
        field,
        expected: format!("{expected} {what}, as many as the network has"),
        found: found.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Blob;
    use crate::data::Encoding;
    use crate::export::{export as write, images};
    use crate::net::{Network, Normalisation};
    use denselet::layout::Order;

    #[test]
    fn a_blob_holds_what_its_network_is_about() {
        let spec = Spec::load("d4").unwrap();
        let input = Normalisation {
            mean: vec![120.0],
            std: vec![70.0],
        };
        let network = Network::new(&spec, input, 3);
        let images = images(4, 64);
        let classes: Vec<_> = (0..10).map(|n| format!("class {n} ü")).collect();
        let known = About {
            name: "d4".into(),
            input: "grey".into(),
            provenance: "denselet 0.1.0, trained on digits".into(),
            accuracy: "held-out: float 98.61 %, int8 98.61 %".into(),
            classes,
            encoding: Some(Encoding {
                low: vec![-20.0],
                high: vec![20.5],
            }),
        };
        let export = |about: &About| write(&network, &images, Order::Plain, Some(about));
        let plain = write(&network, &images, Order::Plain, None).unwrap();
        let parts = [
            known.clone(),
            About {
                classes: Vec::new(),
                ..known.clone()
            },
            About {
                encoding: None,
                ..known.clone()
            },
            About {
                name: String::new(),
                ..known.clone()
            },
            About::default(),
        ];
        for about in parts {
            let bytes = export(&about).unwrap();
            let blob = Blob::new(&bytes).unwrap();
            assert_eq!(blob.about(), about);
            // The parameters stay where they are.
            assert_eq!(bytes[48..plain.len()], plain[48..]);
        }
        let wrong = [
            About {
                classes: vec!["one".into()],
                ..known.clone()
            },
            About {
                classes: vec!["a\0b".into(); 10],
                ..known.clone()
            },
            About {
                classes: vec!["a".into(); 10],
                ..known.clone()
            },
            About {
                provenance: "\x1b[31m".into(),
                ..known.clone()
            },
            About {
                encoding: Some(Encoding {
                    low: vec![0.0; 2],
                    high: vec![1.0; 2],
                }),
                ..known.clone()
            },
            About {
                encoding: Some(Encoding {
                    low: vec![1.0],
                    high: vec![f32::NAN],
                }),
                ..known
            },
        ];
        for about in wrong {
            assert!(
                matches!(export(&about), Err(ExportError::About { .. })),
                "{about:?}"
            );
        }
    }
}
