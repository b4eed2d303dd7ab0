//! The output protocol: one fact per line, words separated by one space. `denselet run` reads it.
//!
//! ```text
//! denselet 1                   the version of the protocol
//! board mps2-an386             the name in boards.toml
//! arena_bytes 9616
//! state_bytes 96               size of `Network`, in addition to the arena
//! images 2
//! stack_bytes 344              largest stack of an inference
//! stage 0 21554                stage number (0 is the stem), then its instructions; only `stages` prints it
//! logits 0 -3 17 4             image number, then one integer per class
//! logits 1 9 -12 0
//! instructions 51234 51234     fewest and most of an inference; `none` if they cannot be counted
//! done
//! ```
//!
//! A program that fails prints `error` with the reason instead of `done`.

/// Version of the protocol.
pub const PROTOCOL: u64 = 1;

/// A destination of lines.
pub trait Output {
    /// Writes one line, or a part of one. The last byte is a NUL, which semihosting requires.
    fn line(&mut self, text_with_nul: &[u8]);
}

/// Why a program failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The runtime refused the model or an image.
    Runtime(denselet::Error),
    /// The file of images is not a whole number of images.
    Images {
        /// Bytes of one image.
        image: usize,
        /// Bytes in the file.
        file: usize,
    },
    /// The file of images ended early.
    Read,
    /// The stack reached the statics.
    Stack,
    /// A static was taken twice.
    Taken,
    /// The instruction counter returned a wrong number.
    Miscounted {
        /// Instructions of the counted code.
        expected: u64,
        /// Instructions counted; `None` if they cannot be counted.
        counted: Option<u64>,
    },
    /// An inner loop disagrees with the reference.
    Kernel {
        /// Name of the inner loop.
        name: &'static str,
        /// Number of the test case, from 0.
        case: usize,
    },
    /// There is too little memory for the test cases.
    Room,
}

impl From<denselet::Error> for Failure {
    fn from(error: denselet::Error) -> Self {
        Self::Runtime(error)
    }
}

/// Prints the lines of the protocol.
#[derive(Debug)]
pub struct Report<O> {
    output: O,
    /// The line so far; the byte after it is 0.
    buffer: [u8; BUFFER],
    len: usize,
}

/// Bytes of a line that are written in one piece.
const BUFFER: usize = 64;

impl<O: Output> Report<O> {
    /// Prints to `output`.
    pub const fn new(output: O) -> Self {
        Self {
            output,
            buffer: [0; BUFFER],
            len: 0,
        }
    }

    /// Prints the first two lines: the protocol and the board.
    pub fn start(&mut self, board: &str) {
        self.fact("denselet", PROTOCOL);
        self.word("board", board);
    }

    /// Prints a name and a number.
    pub fn fact(&mut self, name: &str, value: u64) {
        self.text(name);
        self.text(" ");
        self.number(value);
        self.end();
    }

    /// Prints a name and a word.
    pub fn word(&mut self, name: &str, word: &str) {
        self.text(name);
        self.text(" ");
        self.text(word);
        self.end();
    }

    /// Prints the logits of one image.
    pub fn logits(&mut self, image: usize, logits: impl Iterator<Item = i32>) {
        self.text("logits ");
        self.number(image as u64);
        for logit in logits {
            self.text(if logit < 0 { " -" } else { " " });
            self.number(logit.unsigned_abs().into());
        }
        self.end();
    }

    /// Prints the instructions of one stage.
    pub fn stage(&mut self, index: usize, instructions: u64) {
        self.text("stage ");
        self.number(index as u64);
        self.text(" ");
        self.number(instructions);
        self.end();
    }

    /// Prints the fewest and the most instructions of an inference; `None` if they cannot be counted.
    pub fn instructions(&mut self, range: Option<(u64, u64)>) {
        self.text("instructions ");
        match range {
            Some((min, max)) => {
                self.number(min);
                self.text(" ");
                self.number(max);
            }
            None => self.text("none"),
        }
        self.end();
    }

    /// Prints the last line of a program that succeeded.
    pub fn done(&mut self) {
        self.text("done");
        self.end();
    }

    /// Prints the last line of a program that failed.
    pub fn failure(&mut self, failure: Failure) {
        self.text("error ");
        match failure {
            Failure::Runtime(error) => self.runtime(error),
            Failure::Images { image, file } => {
                self.text("the images' file has ");
                self.number(file as u64);
                self.text(" bytes, not a whole number of images of ");
                self.number(image as u64);
            }
            Failure::Read => self.text("the images' file ended early"),
            Failure::Stack => self.text("the stack reached the statics"),
            Failure::Taken => self.text("a static was taken twice"),
            Failure::Miscounted { expected, counted } => {
                self.text("counted ");
                match counted {
                    Some(counted) => self.number(counted),
                    None => self.text("no"),
                }
                self.text(" instructions where there are ");
                self.number(expected);
            }
            Failure::Kernel { name, case } => {
                self.text(name);
                self.text(" disagrees with the reference in case ");
                self.number(case as u64);
            }
            Failure::Room => self.text("too little memory for the cases"),
        }
        self.end();
    }

    /// Prints the last line of a program that panicked.
    pub fn panic(&mut self, file: &str, line: u32) {
        self.text("error panic at ");
        self.text(file);
        self.text(":");
        self.number(line.into());
        self.end();
    }

    /// Prints the last line of a program after an exception of the processor.
    pub fn fault(&mut self, name: &str) {
        self.text("error ");
        self.text(name);
        self.end();
    }

    /// Prints an error of the runtime without `core::fmt`, which would take several times the flash of this file.
    fn runtime(&mut self, error: denselet::Error) {
        match error {
            denselet::Error::Format(_) => self.text("the runtime refuses the model"),
            denselet::Error::ArenaTooSmall { needed, had } => {
                self.text("arena has ");
                self.number(had as u64);
                self.text(" bytes, the network needs ");
                self.number(needed as u64);
            }
            _ => self.text("the runtime refuses the image"),
        }
    }

    fn text(&mut self, text: &str) {
        for &byte in text.as_bytes() {
            self.byte(byte);
        }
    }

    fn number(&mut self, mut value: u64) {
        let mut digits = [0; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        for &digit in &digits[start..] {
            self.byte(digit);
        }
    }

    fn end(&mut self) {
        self.byte(b'\n');
        self.flush();
    }

    #[inline(never)]
    fn byte(&mut self, byte: u8) {
        if self.len + 1 == BUFFER {
            self.flush();
        }
        self.buffer[self.len] = byte;
        self.len += 1;
    }

    fn flush(&mut self) {
        self.buffer[self.len] = 0;
        self.output.line(&self.buffer[..=self.len]);
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::string::String;

    #[derive(Default)]
    struct Collected(String);

    impl Output for &mut Collected {
        fn line(&mut self, text: &[u8]) {
            let text = core::ffi::CStr::from_bytes_with_nul(text).expect("one NUL, at the end");
            self.0.push_str(text.to_str().expect("ASCII"));
        }
    }

    fn printed(print: impl FnOnce(&mut Report<&mut Collected>)) -> String {
        let mut collected = Collected::default();
        print(&mut Report::new(&mut collected));
        collected.0
    }

    #[test]
    fn starts_with_the_protocol_and_the_board() {
        assert_eq!(
            printed(|report| report.start("microbit")),
            "denselet 1\nboard microbit\n"
        );
    }

    #[test]
    fn logits_are_signed_and_may_be_longer_than_the_buffer() {
        let logits = [
            0,
            i32::MIN,
            i32::MAX,
            -7,
            1_000_000,
            -1_000_000,
            123_456_789,
            -987_654_321,
            5,
            -5,
        ];
        let expected = logits.iter().fold(String::from("logits 12"), |line, logit| {
            line + &std::format!(" {logit}")
        });
        assert_eq!(
            printed(|report| report.logits(12, logits.into_iter())),
            expected + "\n"
        );
    }

    #[test]
    fn numbers_reach_the_end_of_their_range() {
        assert_eq!(
            printed(|report| report.fact("x", u64::MAX)),
            "x 18446744073709551615\n"
        );
        assert_eq!(printed(|report| report.fact("x", 0)), "x 0\n");
    }

    #[test]
    fn without_a_counter_there_are_no_instructions() {
        assert_eq!(printed(|report| report.instructions(None)), "instructions none\n");
        assert_eq!(
            printed(|report| report.instructions(Some((7, 9)))),
            "instructions 7 9\n"
        );
    }

    #[test]
    fn failures_name_their_numbers() {
        let error = denselet::Error::ArenaTooSmall { needed: 9, had: 8 };
        assert_eq!(
            printed(|report| report.failure(error.into())),
            "error arena has 8 bytes, the network needs 9\n"
        );
        assert_eq!(
            printed(|report| report.failure(Failure::Images { image: 64, file: 65 })),
            "error the images' file has 65 bytes, not a whole number of images of 64\n"
        );
        assert_eq!(
            printed(|report| report.panic("src/x.rs", 12)),
            "error panic at src/x.rs:12\n"
        );
    }
}
