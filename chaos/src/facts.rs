//! What is known to be stored, and since which call of the model: what is stored is never asked for again.

use parking_lot::Mutex;

use crate::stored::{EndedRun, Stored};

/// A step known to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The session of its run.
    pub session: String,
    /// The step.
    pub step: String,
    /// The iteration; `None` for all of them.
    pub item: Option<String>,
    /// The number of the last call of the model by then.
    pub since: u64,
    /// How it is known.
    pub from: &'static str,
}

/// All facts of a case.
#[derive(Default)]
pub struct Facts {
    facts: Mutex<Vec<Fact>>,
    ended: Mutex<Vec<EndedRun>>,
}

impl Facts {
    /// What the database held at a kill.
    pub fn note_stored(&self, stored: Stored, since: u64) {
        let fact = |result: crate::stored::StoredResult| Fact {
            session: result.session,
            step: result.step,
            item: result.item,
            since,
            from: "the database",
        };
        self.facts.lock().extend(stored.results.into_iter().map(fact));
        self.ended.lock().extend(stored.ended);
    }

    /// What a client was shown.
    pub fn note_shown(&self, session: &str, step: &str, item: Option<String>, since: u64, from: &'static str) {
        self.facts.lock().push(Fact { session: session.to_owned(), step: step.to_owned(), item, since, from });
    }

    /// All steps known to be stored.
    pub fn all(&self) -> Vec<Fact> {
        self.facts.lock().clone()
    }

    /// All runs that had ended at some kill.
    pub fn ended(&self) -> Vec<EndedRun> {
        self.ended.lock().clone()
    }
}
