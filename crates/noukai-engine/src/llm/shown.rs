//! Model text as a watcher sees it over several attempts: each word once.
//!
//! An attempt that fails half-way has shown text already. What the next one repeats of it is held back; where it says
//! something else, the watcher is told to begin the step's text anew.

use parking_lot::Mutex;

use crate::{DeltaSink, EventSink};

/// The text of one leaf on its way to a watcher.
pub(super) struct Shown<'a> {
    sink: &'a dyn EventSink,
    leaf: usize,
    /// In loops the texts of many iterations come under one step, so none of them may void the others.
    in_loop: bool,
    text: Mutex<Text>,
}

#[derive(Default)]
struct Text {
    /// What the watcher has.
    shown: String,
    /// How much of it the call under way has said again.
    said: usize,
    /// Whether the call under way has left what was shown.
    mode: Mode,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    /// All it said is shown already.
    #[default]
    Repeats,
    /// All it says is new.
    Tells,
    /// It said something else, and the watcher cannot be told.
    Muted,
}

impl<'a> Shown<'a> {
    pub(super) fn new(sink: &'a dyn EventSink, leaf: usize, in_loop: bool) -> Self {
        Self { sink, leaf, in_loop, text: Mutex::default() }
    }

    /// A call begins, which starts over.
    pub(super) fn begin(&self) {
        let mut text = self.text.lock();
        (text.said, text.mode) = (0, Mode::Repeats);
    }

    /// The call under way gave its reply: what is shown beyond it was never said.
    pub(super) fn end(&self) {
        let mut text = self.text.lock();
        if text.mode == Mode::Repeats && text.said < text.shown.len() && !self.in_loop {
            let said = text.said;
            text.shown.truncate(said);
            self.sink.delta(self.leaf, &text.shown, true);
        }
    }
}

impl DeltaSink for Shown<'_> {
    fn text(&self, piece: &str) {
        let mut text = self.text.lock();
        if text.mode == Mode::Muted || piece.is_empty() {
            return;
        }
        let waiting = if text.mode == Mode::Repeats { &text.shown[text.said..] } else { "" };
        if waiting.len() > piece.len() && waiting.starts_with(piece) {
            text.said += piece.len();
        } else if let Some(new) = piece.strip_prefix(waiting) {
            text.mode = Mode::Tells;
            if !new.is_empty() {
                self.sink.delta(self.leaf, new, false);
                text.shown.push_str(new);
            }
        } else if self.in_loop {
            text.mode = Mode::Muted;
        } else {
            let said = text.said;
            text.shown.truncate(said);
            text.shown.push_str(piece);
            text.mode = Mode::Tells;
            self.sink.delta(self.leaf, &text.shown, true);
        }
    }
}
