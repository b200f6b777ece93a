//! Attempts at a job that ended badly: how many are too many, how long the next one waits, what is told of them.

use std::time::Duration;

use noukai_api::JobAttempt;
use noukai_store::{FaultKind, JobFault};

use super::{AppError, history::History, iso};

/// How long a job waits after its first failed attempt; twice as long after each further one.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// When a job that a worker gave back may be claimed again: what stood in the way has some time to pass.
pub(crate) fn wait_after(claim: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1_u32.checked_shl(claim.saturating_sub(1)).unwrap_or(u32::MAX)).min(LONGEST_WAIT)
}

/// How many of a job's last attempts ended badly in a row without a new result. A long job that gets a little further
/// each time is not poison.
pub(crate) fn fruitless(faults: &[JobFault], history: &History) -> usize {
    let results = history.result_seqs();
    let bare = |index: &usize| {
        let before = if *index == 0 { 0 } else { faults[*index - 1].last_seq };
        !results.iter().any(|seq| *seq > before && *seq <= faults[*index].last_seq)
    };
    (0..faults.len()).rev().take_while(bare).count()
}

/// Why a job is given up, attempt by attempt.
pub(crate) fn given_up(faults: &[JobFault], most: u32) -> String {
    let told =
        faults.iter().rev().take(most as usize).rev().map(|fault| format!("attempt {}: {}", fault.claim, why(fault)));
    let told = told.collect::<Vec<_>>().join("; ");
    format!("given up after {most} attempts without a new result: {told}")
}

/// What a worker says of a job that it gives back.
pub(crate) fn words(error: &AppError) -> String {
    format!("{}: {}", error.code, error.message)
}

/// As polls show them.
pub(crate) fn shown(faults: &[JobFault]) -> Vec<JobAttempt> {
    let attempt = |fault: &JobFault| JobAttempt { attempt: fault.claim, ended_at: iso(fault.at), error: why(fault) };
    faults.iter().map(attempt).collect()
}

fn why(fault: &JobFault) -> String {
    match (fault.kind, fault.message.as_deref()) {
        (FaultKind::Stopped, _) => "the server ended before the attempt did".to_owned(),
        (FaultKind::Lapsed, _) => "its worker was not heard of any more".to_owned(),
        (FaultKind::Failed, message) => message.unwrap_or("it failed").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::app::{history::Happened, record::Record};

    fn fault(claim: u32, last_seq: u64) -> JobFault {
        JobFault { claim, at: OffsetDateTime::UNIX_EPOCH, last_seq, kind: FaultKind::Stopped, message: None }
    }

    /// A history whose events are skipped leaves, which are results, at these numbers.
    fn history(results: &[u64]) -> History {
        let record = |leaf| Record::Skipped { step: "s".into(), name: "s".into(), leaf, at: 0 };
        let events = results.iter().map(|seq| Happened { seq: *seq, record: record(0), state: None });
        History { events: events.collect() }
    }

    #[test]
    fn only_the_last_ones_in_a_row_count() {
        assert_eq!(fruitless(&[], &history(&[])), 0);
        assert_eq!(fruitless(&[fault(1, 3), fault(2, 5)], &history(&[])), 2);
        assert_eq!(fruitless(&[fault(1, 3), fault(2, 5)], &history(&[2])), 1);
        assert_eq!(fruitless(&[fault(1, 3), fault(2, 5)], &history(&[4])), 0);
        assert_eq!(fruitless(&[fault(1, 3), fault(2, 5), fault(3, 5)], &history(&[5, 6])), 1);
    }

    #[test]
    fn waits_grow_to_a_bound() {
        assert_eq!(wait_after(1), FIRST_WAIT);
        assert_eq!(wait_after(3), FIRST_WAIT * 4);
        assert_eq!(wait_after(400), LONGEST_WAIT);
    }
}
