//! A second call where the first gives no sign of life. Off unless the operator asks for it: both are paid for.

use std::{
    future::Future,
    pin::pin,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use noukai_engine::DeltaSink;
use tokio::time::sleep;

const NOBODY: u8 = 0;

/// Which of the calls speaks. The first to say something does, the other is not heard.
pub(super) struct Speaker<'a> {
    deltas: Option<&'a dyn DeltaSink>,
    who: AtomicU8,
}

/// What one of the calls says.
pub(super) struct Voice<'a> {
    speaker: &'a Speaker<'a>,
    me: u8,
}

impl<'a> Speaker<'a> {
    pub(super) fn new(deltas: Option<&'a dyn DeltaSink>) -> Self {
        Self { deltas, who: AtomicU8::new(NOBODY) }
    }

    pub(super) const fn voice(&'a self, me: u8) -> Voice<'a> {
        Voice { speaker: self, me }
    }

    /// Whether the end of a call is the end of both.
    fn counts(&self, me: u8, good: bool) -> bool {
        let who = self.who.load(Ordering::Relaxed);
        if who == NOBODY { good } else { who == me }
    }

    fn is_silent(&self) -> bool {
        self.who.load(Ordering::Relaxed) == NOBODY
    }
}

impl Voice<'_> {
    /// Where its text goes; `None` where nobody listens at all.
    pub(super) fn sink(&self) -> Option<&dyn DeltaSink> {
        self.speaker.deltas.map(|_| self as &dyn DeltaSink)
    }

    fn speaks(&self) -> bool {
        let who = &self.speaker.who;
        let before = who.compare_exchange(NOBODY, self.me, Ordering::Relaxed, Ordering::Relaxed);
        before.is_ok() || before == Err(self.me)
    }
}

impl DeltaSink for Voice<'_> {
    fn text(&self, text: &str) {
        if let (true, Some(deltas)) = (self.speaks(), self.speaker.deltas) {
            deltas.text(text);
        }
    }
}

/// Runs `first`, and `second` beside it once `after` is over and nothing was said. The first good end counts, or that
/// of the call that speaks; the other is dropped. True where there were two.
pub(super) async fn race<T, E>(
    speaker: &Speaker<'_>,
    after: Duration,
    first: impl Future<Output = Result<T, E>>,
    second: impl Future<Output = Result<T, E>>,
) -> (Result<T, E>, bool) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    tokio::select! {
        biased;
        end = &mut first => return (end, false),
        () = sleep(after) => {}
    }
    if !speaker.is_silent() {
        return (first.await, false);
    }
    let end = tokio::select! {
        biased;
        end = &mut first => if speaker.counts(1, end.is_ok()) { end } else { second.await },
        end = &mut second => if speaker.counts(2, end.is_ok()) { end } else { first.await },
    };
    (end, true)
}
