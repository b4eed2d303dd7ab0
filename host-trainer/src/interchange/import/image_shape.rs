//! The shape of a network's images, from what the file says and what the user adds.

use super::error::Problem;
use crate::spec::{Input, Map};

/// Rows, columns and channels: the file's if it says them, else the user's; both must agree.
pub(super) fn map(
    [height, width, channels]: [Option<usize>; 3],
    given: Option<Input>,
) -> Result<Map, Problem> {
    Ok(Map {
        height: side("height", height, given.map(|input| input.height))?,
        width: side("width", width, given.map(|input| input.width))?,
        channels: side("channels", channels, given.map(|input| input.channels))?,
    })
}

fn side(name: &str, own: Option<usize>, given: Option<usize>) -> Result<usize, Problem> {
    match (own, given) {
        (Some(own), Some(given)) if own != given => {
            let field = format!("--input's {name}");
            Err(Problem::field(field, format!("the file's {own}"), given))
        }
        (Some(side), _) | (None, Some(side)) => Ok(side),
        (None, None) => Err(Problem::field(
            "--input",
            "the shape HxWxC of an image: the file leaves it open",
            "nothing",
        )),
    }
}
