//! The one place that prints: results on stdout, everything else on stderr.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks on its standard streams")]

/// One line of the result.
pub fn line(text: &str) {
    println!("{text}");
}

/// One line about the work: progress, problems, hints.
pub fn note(text: &str) {
    eprintln!("{text}");
}
