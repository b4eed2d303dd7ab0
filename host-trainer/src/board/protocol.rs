//! What a program on a board prints, understood: the counterpart of the firmware's `report.rs`.

use super::error::Error;

/// The facts of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Name of the board.
    pub board: String,
    /// Bytes of arena.
    pub arena_bytes: usize,
    /// Bytes of the network's own fields, beside the arena.
    pub state_bytes: usize,
    /// The most bytes that an inference had on the stack.
    pub stack_bytes: usize,
    /// Images that the program found.
    pub images: usize,
    /// Logits, image by image.
    pub logits: Vec<Vec<i32>>,
    /// The fewest and the most instructions of an inference; `None` where nothing counts them.
    pub instructions: Option<(u64, u64)>,
    /// Instructions of each stage, from a profile.
    pub stages: Vec<u64>,
    /// Whether the program said that it had done all.
    pub done: bool,
    /// Why the program gave up.
    pub error: Option<String>,
}

/// Version of the protocol that is understood.
const PROTOCOL: u64 = 1;

impl Facts {
    /// Takes the next line.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] where the line is not what the firmware of this version prints. Names of facts that are not
    /// known are no error: a program may have its own.
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
                self.instructions = Some((number(line, min)?, number(line, max)?));
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
    fn a_run_is_understood() {
        let text = "denselet 1\nboard microbit\narena_bytes 2080\nstate_bytes 96\nimages 2\nstack_bytes 344\n\
                    logits 0 -3 17\nlogits 1 9 -12\nstage 0 21554\nstage 1 7\ninstructions 51234 51236\ndone";
        let expected = Facts {
            board: "microbit".to_owned(),
            arena_bytes: 2080,
            state_bytes: 96,
            stack_bytes: 344,
            images: 2,
            logits: vec![vec![-3, 17], vec![9, -12]],
            instructions: Some((51234, 51236)),
            stages: vec![21554, 7],
            done: true,
            error: None,
        };
        assert_eq!(facts(text).expect("a run"), expected);
    }

    #[test]
    fn a_program_that_gave_up_says_why() {
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
