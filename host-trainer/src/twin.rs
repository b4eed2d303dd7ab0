//! A coded blob as a raw one: the same network, bit for bit, to see what coding costs.

use crate::blob::Blob;
use crate::export::ExportError;
use crate::spec::Geometry;
use denselet::FormatError;
use denselet::codec::{self, Codec};
use denselet::format::{self, Field, Section, StageBytes};

/// The raw twin of a blob; nothing if no array of the blob is coded.
///
/// # Errors
/// None in practice: the blob was checked when it was made.
pub fn raw_twin(blob: &Blob) -> Result<Option<Blob>, ExportError> {
    let model = blob.model()?;
    if model.records().all(|(_, codecs)| codecs == [Codec::Raw; 2]) {
        return Ok(None);
    }
    let stored = format::Blob::read(blob.bytes())?;
    let stages = stored.stages().map(|stage| {
        let [first, other] = [Section::BottleneckWeights, Section::Weights]
            .map(|section| decoded(&stage, section, stored.header().order));
        Ok((stage, first?, other?))
    });
    let stages: Vec<(StageBytes<'_>, Vec<u8>, Vec<u8>)> = stages.collect::<Result<_, FormatError>>()?;
    let views = stages.iter().map(|(stage, first, other)| {
        let mut sections = stage.sections;
        sections[Section::BottleneckWeights.place()] = first;
        sections[Section::Weights.place()] = other;
        StageBytes {
            codecs: [Codec::Raw; 2],
            sections,
            ..*stage
        }
    });
    let fields: Vec<Field<'_>> = stored.metadata().collect();
    let mut bytes = vec![0; format::len(views.clone(), &fields)?];
    format::write(&stored.header(), views, &fields, &mut bytes)?;
    let mut geometry = Geometry::of_model(&model);
    for stage in &mut geometry.stages {
        stage.codecs = [Codec::Raw; 2];
    }
    let plan = geometry.plan().ok_or(FormatError::TooLarge)?;
    format::set_arena_len(&mut bytes, plan.arena_len)?;
    Ok(Some(Blob::new(&bytes)?))
}

/// A stage's array of weights as a raw one.
fn decoded(
    stage: &StageBytes<'_>,
    section: Section,
    order: denselet::layout::Order,
) -> Result<Vec<u8>, FormatError> {
    let (bytes, codec) = (stage.section(section), stage.codec(section));
    if codec == Codec::Raw {
        return Ok(bytes.to_vec());
    }
    let len = format::section_len(section, order, stage.kind, stage.input).ok_or(FormatError::TooLarge)?;
    let words: Vec<u32> = (bytes.as_chunks().0.iter())
        .map(|&word| u32::from_le_bytes(word))
        .collect();
    let (mut out, mut table) = (vec![0; len], vec![0; codec.table_words()]);
    codec::decode(codec, &words, &mut out, &mut table).map_err(|_| FormatError::Code { at: 0 })?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Coding;
    use crate::evaluate;
    use crate::export::{Form, images, quantised_to, write};
    use crate::net::{Network, Normalisation};
    use crate::spec::Spec;
    use denselet::layout::Order;

    #[test]
    fn a_coded_blob_and_its_twin_give_the_same_logits() {
        let spec = Spec::load("digits").unwrap();
        let input = Normalisation {
            mean: vec![120.0],
            std: vec![70.0],
        };
        let network = Network::new(&spec, input, 3);
        let images = images(6, network.image_len());
        for (bits, order) in [(3, Order::Plain), (4, Order::Pairs), (5, Order::Quads)] {
            let quantised = quantised_to(bits, &network, &images).unwrap();
            let write =
                |coding| Blob::new(&write(&quantised, Form { order, coding }, None).unwrap()).unwrap();
            let raw = write(Coding::Raw);
            assert!(raw_twin(&raw).unwrap().is_none());
            for coding in [Coding::Auto, Coding::Fixed, Coding::Huffman] {
                if coding == Coding::Fixed && bits == 5 {
                    continue;
                }
                let coded = write(coding);
                assert!(coded.bytes().len() < raw.bytes().len(), "{bits} {coding:?}");
                assert_eq!(
                    raw_twin(&coded).unwrap().unwrap().bytes(),
                    raw.bytes(),
                    "{bits} {coding:?}"
                );
                let logits = |blob| evaluate::logits(blob, &images, &|_| {}).unwrap();
                assert_eq!(logits(&coded), logits(&raw), "{bits} {coding:?}");
            }
        }
    }
}
