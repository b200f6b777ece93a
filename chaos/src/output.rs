//! The one place that prints: the report on stdout, progress on stderr.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks on its standard streams")]

/// A piece of the report.
pub fn line(text: &str) {
    println!("{text}");
}

/// One line about the work.
pub fn note(text: &str) {
    eprintln!("{text}");
}
