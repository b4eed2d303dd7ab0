//! Parses the lines that a program on a board prints; the firmware's `report.rs` writes them.

use super::error::Error;
use serde::Serialize;

/// Facts of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Name of the board.
    pub board: String,
    /// Size of the arena, in bytes.
    pub arena_bytes: usize,
    /// Size of the network's own fields, in bytes, without the arena.
    pub state_bytes: usize,
    /// Largest stack of an inference, in bytes.
    pub stack_bytes: usize,
    /// Number of images that the program found.
    pub images: usize,
    /// Logits, `[image][class]`.
    pub logits: Vec<Vec<i32>>,
    /// Executed instructions of an inference; `None` if they are not counted.
    pub instructions: Option<Instructions>,
    /// Executed instructions of each stage, from a profile.
    pub stages: Vec<u64>,
    /// Whether the program reported its end.
    pub done: bool,
    /// Reason for which the program gave up.
    pub error: Option<String>,
}

/// The smallest and the largest number of instructions of an inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Instructions {
    /// Smallest number.
    pub min: u64,
    /// Largest number.
    pub max: u64,
}

/// Supported version of the protocol.
const PROTOCOL: u64 = 1;

impl Facts {
    /// Parses the next line.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] if the line is not one of this version of the firmware. Unknown names are ignored: a program may
    /// print its own facts.
    pub fn take(&mut self, line: &str) -> Result<(), Error> {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        match name {
            "denselet" if number::<u64>(line, rest)? != PROTOCOL => {
                return Err(Error::Protocol {
                    line: line.to_owned(),
                    expected: "protocol version 1",
                });
            }
            "board" => rest.clone_into(&mut self.board),
            "arena_bytes" => self.arena_bytes = number(line, rest)?,
            "state_bytes" => self.state_bytes = number(line, rest)?,
            "stack_bytes" => self.stack_bytes = number(line, rest)?,
            "images" => self.images = number(line, rest)?,
            "logits" => {
                let mut words = rest.split(' ');
                if number::<usize>(line, words.next().unwrap_or_default())? != self.logits.len() {
                    return Err(Error::Protocol {
                        line: line.to_owned(),
                        expected: "images in order",
                    });
                }
                let logits: Result<_, _> = words.map(|word| number(line, word)).collect();
                self.logits.push(logits?);
            }
            "stage" => {
                let (index, count) = rest.split_once(' ').unwrap_or((rest, ""));
                if number::<usize>(line, index)? != self.stages.len() {
                    return Err(Error::Protocol {
                        line: line.to_owned(),
                        expected: "stages in order",
                    });
                }
                self.stages.push(number(line, count)?);
            }
            "instructions" if rest == "none" => self.instructions = None,
            "instructions" => {
                let (min, max) = rest.split_once(' ').unwrap_or((rest, ""));
                self.instructions = Some(Instructions {
                    min: number(line, min)?,
                    max: number(line, max)?,
                });
            }
            "done" => self.done = true,
            "error" => self.error = Some(rest.to_owned()),
            _ => {}
        }
        Ok(())
    }
}

fn number<T: core::str::FromStr>(line: &str, word: &str) -> Result<T, Error> {
    word.parse().map_err(|_| Error::Protocol {
        line: line.to_owned(),
        expected: "a number",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> Result<Facts, Error> {
        let mut facts = Facts::default();
        text.lines().try_for_each(|line| facts.take(line))?;
        Ok(facts)
    }

    #[test]
    fn a_run_is_parsed() {
        let text = "denselet 1\nboard microbit\narena_bytes 2080\nstate_bytes 96\nimages 2\nstack_bytes 344\n\
                    logits 0 -3 17\nlogits 1 9 -12\nstage 0 21554\nstage 1 7\ninstructions 51234 51236\ndone";
        let expected = Facts {
            board: "microbit".to_owned(),
            arena_bytes: 2080,
            state_bytes: 96,
            stack_bytes: 344,
            images: 2,
            logits: vec![vec![-3, 17], vec![9, -12]],
            instructions: Some(Instructions {
                min: 51234,
                max: 51236,
            }),
            stages: vec![21554, 7],
            done: true,
            error: None,
        };
        assert_eq!(facts(text).expect("a run"), expected);
    }

    #[test]
    fn a_program_that_gave_up_reports_the_reason() {
        let facts = facts("denselet 1\nerror panic at src/x.rs:12").expect("a run");
        assert_eq!(facts.error.as_deref(), Some("panic at src/x.rs:12"));
        assert!(!facts.done);
    }

    #[test]
    fn broken_lines_are_named() {
        for line in [
            "denselet 2",
            "images x",
            "logits 1 2",
            "logits 0 2 x",
            "instructions 7",
            "instructions 7 x",
        ] {
            let error = facts(line).expect_err(line).to_string();
            assert!(error.contains(line), "{error}");
        }
    }
}
