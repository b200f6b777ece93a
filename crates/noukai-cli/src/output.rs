//! The one place that prints: results on stdout, everything else on stderr.
//!
//! A reader that goes away (`noukai openapi | head`) is no fault, so nothing here fails.

use std::io::{self, IsTerminal, Write};

use owo_colors::OwoColorize;
use serde::Serialize;

use crate::error::CliError;

/// What every API key begins with.
const KEY: &str = "nk_";

/// One line, or several, of the result.
pub fn line(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// The result as bytes that bring their own line ends.
pub fn raw(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

/// The result as JSON on one line.
pub fn json_line(value: &impl Serialize) {
    line(&serde_json::to_string(value).unwrap_or_default());
}

/// The result as JSON for people, who can still pipe it.
pub fn json(value: &impl Serialize) {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// One line about the work: progress, problems, hints.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Part of a line about the work.
pub fn partial(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// What makes the command fail, once.
pub fn error(error: &CliError) {
    let style = Style::stderr();
    note(&format!("{} {}", style.red("error:"), masked(&error.to_string())));
    if let Some(hint) = error.hint() {
        note(&format!("  {} {}", style.dim("hint:"), masked(hint)));
    }
}

/// What is wrong with the command line, as clap says it.
pub fn usage(error: &clap::Error) {
    let text = if Style::of_stream(error.use_stderr()).is_coloured() {
        error.render().ansi().to_string()
    } else {
        error.render().to_string()
    };
    if error.use_stderr() {
        let _ = write!(io::stderr().lock(), "{}", masked(&text));
    } else {
        raw(text.as_bytes());
    }
}

/// The text without the keys in it: a key that was put in the wrong place is not shown to whoever reads the terminal
/// or its log.
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(KEY) {
        let (before, key) = rest.split_at(at);
        let end = key.find(|c: char| !is_word(c) && c != '-').unwrap_or(key.len());
        let is_key = !before.ends_with(is_word) && end > KEY.len();
        shown.push_str(before);
        shown.push_str(if is_key { "nk_***" } else { &key[..end] });
        rest = &key[end..];
    }
    shown + rest
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Something that surprises but does not stop the work.
pub fn warning(text: &str) {
    note(&format!("{} {text}", Style::stderr().yellow("warning:")));
}

/// Whether somebody watches the progress.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Colours, where a terminal shows them and `NO_COLOR` does not forbid them.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// No colours.
    #[cfg(test)]
    pub const PLAIN: Self = Self { colour: false };

    fn of_stream(is_stderr: bool) -> Self {
        if is_stderr { Self::stderr() } else { Self::stdout() }
    }

    pub fn stdout() -> Self {
        Self::of(io::stdout().is_terminal())
    }

    pub fn stderr() -> Self {
        Self::of(io::stderr().is_terminal())
    }

    fn of(terminal: bool) -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colour: terminal && !forbidden && !dumb }
    }

    pub const fn is_coloured(self) -> bool {
        self.colour
    }

    fn paint(self, text: &str, painted: impl std::fmt::Display) -> String {
        if self.colour { painted.to_string() } else { text.to_owned() }
    }

    pub fn bold(self, text: &str) -> String {
        self.paint(text, text.bold())
    }

    pub fn dim(self, text: &str) -> String {
        self.paint(text, text.dimmed())
    }

    pub fn red(self, text: &str) -> String {
        self.paint(text, text.red())
    }

    pub fn green(self, text: &str) -> String {
        self.paint(text, text.green())
    }

    pub fn yellow(self, text: &str) -> String {
        self.paint(text, text.yellow())
    }

    pub fn cyan(self, text: &str) -> String {
        self.paint(text, text.cyan())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked_wherever_they_stand() {
        assert_eq!(masked("no flow nk_live_abcdefgh_0123, try `nk_`"), "no flow nk_***, try `nk_`");
        assert_eq!(masked("nk_a?x=nk_b-c"), "nk_***?x=nk_***");
        assert_eq!(masked("link_to blank_key ünk_x"), "link_to blank_key ünk_x");
    }
}
