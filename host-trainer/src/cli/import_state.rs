//! Options of `denselet import` for properties that a state dict does not contain.

use crate::interchange::import::Assumed;

/// Properties of a network that a state dict does not contain.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Properties that a state dict (.safetensors) does not contain")]
pub(super) struct StateArgs {
    /// Epsilon of the batch norms [default: 1e-5]
    #[arg(long, value_name = "E", value_parser = epsilon)]
    epsilon: Option<f32>,
    /// Stride of the first convolution [default: 2 for 7x7, 1 for 3x3]
    #[arg(long, value_name = "N")]
    stem_stride: Option<usize>,
    /// Pool after the first convolution, batch norm and ReLU [default: max for 7x7]
    #[arg(long, value_name = "POOL", value_enum)]
    stem_pool: Option<StemPool>,
    /// Whether a ReLU follows the batch norm of a transition [default: yes]
    #[arg(long, value_name = "YES|NO", value_enum)]
    transition_relu: Option<Answer>,
    /// Whether a ReLU precedes the global average [default: yes]
    #[arg(long, value_name = "YES|NO", value_enum)]
    head_relu: Option<Answer>,
}

/// Pools of a stem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StemPool {
    /// 3x3, stride 2, padding 1
    Max,
    /// No pool
    None,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Answer {
    Yes,
    No,
}

impl StateArgs {
    /// Returns the values that the user gave.
    pub(super) fn assumed(&self) -> Assumed {
        let is_yes = |answer: Option<Answer>| answer.map(|answer| answer == Answer::Yes);
        Assumed {
            epsilon: self.epsilon,
            stem_stride: self.stem_stride,
            stem_pool: self.stem_pool.map(|pool| pool == StemPool::Max),
            transition_relu: is_yes(self.transition_relu),
            head_relu: is_yes(self.head_relu),
        }
    }
}

fn epsilon(text: &str) -> Result<f32, String> {
    let epsilon = text
        .parse()
        .ok()
        .filter(|epsilon| *epsilon > 0.0 && *epsilon <= 1.0);
    epsilon.ok_or_else(|| format!("expected a number above 0 and at most 1, found `{text}`"))
}
