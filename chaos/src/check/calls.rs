//! No stored step runs twice: what the model counted against what is known to have been stored.

use std::collections::HashMap;

use serde_json::Value;

use super::{Allowed, about};
use crate::case::Case;
use crate::errand::Told;
use crate::facts::Fact;
use crate::mock::Call;

/// Checks the calls of one errand.
pub fn check(case: &Case, told: &Told, executions: &[Value], allowed: Allowed) {
    let calls: Vec<Call> = case.mock.calls().into_iter().filter(|call| call.run == told.marker).collect();
    let facts: Vec<Fact> = case.facts.all().into_iter().filter(|fact| fact.session == told.session).collect();
    let mut wrong = stored_and_asked_again(&calls, &facts);
    wrong.extend(followed_and_asked_again(told, &calls));
    if !allowed.repeats {
        wrong.extend(asked_twice_at_once(&calls));
    }
    if executions.iter().any(|run| run["status"] == "completed") {
        wrong.extend(never_asked(told, &calls));
    }
    for what in wrong {
        case.violation(format!("{}: {what}", about(told)));
    }
}

/// A step known to be stored, and a call for it after that.
fn stored_and_asked_again(calls: &[Call], facts: &[Fact]) -> Vec<String> {
    let again = |fact: &Fact| {
        let is_same = |call: &&Call| call.step == fact.step && fact.item.as_ref().is_none_or(|item| *item == call.item);
        let call = calls.iter().filter(is_same).find(|call| call.number > fact.since && !call.stale)?;
        Some(format!("step {} was stored, by {}, and then asked for again: {call:?}, {fact:?}", fact.step, fact.from))
    };
    facts.iter().filter_map(again).take(1).collect()
}

/// A step is only asked for once those before it are stored; so they are not asked for after it.
fn followed_and_asked_again(told: &Told, calls: &[Call]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let is_before = |late: &&Call| !late.stale && told.shape.precedes(key(late), key(call));
        if let Some(late) = calls[index..].iter().find(is_before) {
            wrong.push(format!("step {} was asked for after {}, which builds on it", late.step, call.step));
        }
    }
    wrong
}

fn key(call: &Call) -> (&str, &str) {
    (&call.step, &call.item)
}

/// One process asks for a step once.
fn asked_twice_at_once(calls: &[Call]) -> Vec<String> {
    let mut counts: HashMap<(&str, &str, u32), u32> = HashMap::new();
    for call in calls.iter().filter(|call| !call.faulted) {
        *counts.entry((&call.step, &call.item, call.process)).or_default() += 1;
    }
    let twice = counts.into_iter().filter(|(_, count)| *count > 1);
    twice
        .map(|((step, item, _), count)| format!("step {step} {item} was asked for {count} times by one process"))
        .collect()
}

/// A result without its calls is made up.
fn never_asked(told: &Told, calls: &[Call]) -> Vec<String> {
    let is_missing = |(step, item): &(&str, String)| !calls.iter().any(|call| call.step == *step && call.item == *item);
    let missing = told.shape.calls().into_iter().filter(is_missing);
    missing.map(|(step, item)| format!("the run completed, and step {step} {item} was never asked for")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errand::{Told, Wish};
    use crate::shape::Shape;

    fn call(number: u64, step: &str, process: u32) -> Call {
        let (run, item) = ("r".to_owned(), String::new());
        Call { number, run, step: step.to_owned(), item, process, stale: false, faulted: false }
    }

    fn told() -> Told {
        Told::new("r", "s", Shape::Chain, Wish::Execute { keyed: false })
    }

    #[test]
    fn a_stored_step_that_runs_again_is_found() {
        let fact = Fact { session: "s".into(), step: "a".into(), item: None, since: 1, from: "the database" };
        assert_eq!(stored_and_asked_again(&[call(1, "a", 0), call(2, "b", 1)], std::slice::from_ref(&fact)).len(), 0);
        assert_eq!(stored_and_asked_again(&[call(1, "a", 0), call(2, "a", 1)], &[fact]).len(), 1);
    }

    #[test]
    fn a_step_that_runs_after_one_that_builds_on_it_is_found() {
        let good = [call(1, "a", 0), call(2, "a", 1), call(3, "b", 1)];
        assert_eq!(followed_and_asked_again(&told(), &good).len(), 0);
        assert_eq!(followed_and_asked_again(&told(), &[call(1, "a", 0), call(2, "b", 0), call(3, "a", 1)]).len(), 1);
    }

    #[test]
    fn what_a_dead_process_asked_for_does_not_count() {
        let stale = Call { stale: true, ..call(3, "a", 0) };
        assert_eq!(followed_and_asked_again(&told(), &[call(1, "a", 1), call(2, "b", 1), stale]).len(), 0);
    }

    #[test]
    fn a_second_call_needs_another_process() {
        assert_eq!(asked_twice_at_once(&[call(1, "a", 0), call(2, "a", 1)]).len(), 0);
        assert_eq!(asked_twice_at_once(&[call(1, "a", 0), call(2, "a", 0)]).len(), 1);
    }

    #[test]
    fn a_result_without_calls_is_found() {
        assert_eq!(never_asked(&told(), &[call(1, "a", 0), call(2, "b", 0)]).len(), 1);
    }
}
