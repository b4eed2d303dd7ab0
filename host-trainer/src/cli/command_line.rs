//! The command line as it is kept with a run.

/// This command as it could be given again: the program by its name, words that a shell would take apart in quotes.
pub(super) fn command_line(ranks: usize) -> String {
    // Without --resume: a run that was stopped and went on is the run that was never stopped.
    let given = std::env::args().skip(1).filter(|word| word != "--resume");
    let words = given.map(|word| {
        let is_plain = !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_alphanumeric() || "-_./:=,+@%".contains(c));
        if is_plain {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    let program = match ranks {
        1 => "denselet".to_owned(),
        _ => format!("mpirun -n {ranks} denselet"),
    };
    [program].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}
