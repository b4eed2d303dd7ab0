//! What a network is about, as the fields of a blob's metadata. Used by `export`; [`Blob::about`](crate::blob::Blob::about) reads
//! it back.

use crate::about::About;
use crate::export::ExportError;
use crate::spec::Spec;
use denselet::format::metadata::tag;
use std::collections::BTreeMap;

/// The fields of the metadata by tag: what is known, and nothing for what is not.
pub(crate) fn fields(about: &About, spec: &Spec) -> Result<BTreeMap<u32, Vec<u8>>, ExportError> {
    let mut fields = BTreeMap::new();
    if !about.name.is_empty() {
        fields.insert(tag::NAME, about.name.clone().into_bytes());
    }
    if !about.classes.is_empty() {
        check_count("classes", "names", about.classes.len(), spec.classes)?;
        let mut labels = Vec::new();
        for class in &about.classes {
            if class.contains('\0') {
                return Err(ExportError::About {
                    field: "classes",
                    expected: "names without a zero byte, which ends a name in the blob".into(),
                    found: format!("{class:?}"),
                });
            }
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
    use crate::export::{export, pictures};
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
        let images = pictures(4, 64);
        let classes: Vec<_> = (0..10).map(|n| format!("class {n} ü")).collect();
        let known = About {
            name: "d4".into(),
            classes,
            encoding: Some(Encoding {
                low: vec![-20.0],
                high: vec![20.5],
            }),
        };
        let export = |about: &About| export(&network, &images, Order::Plain, about);
        let plain = export(&About::default()).unwrap();
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
            assert_eq!(bytes[40..plain.len()], plain[40..]);
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
