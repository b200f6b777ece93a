//! Streams lose and repeat nothing: what came over many connections is what one connection gives afterwards.

use std::collections::HashMap;

use serde_json::Value;

use crate::client::Event;
use crate::shape::Shape;

/// What is wrong with the whole stream of a run that has ended.
pub fn whole(events: &[Event], status: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let ids: Vec<u64> = events.iter().filter_map(|event| event.id).collect();
    if ids.len() != events.len() {
        wrong.push("an event of a stored stream has no id".to_owned());
    }
    if ids.windows(2).any(|two| two[1] <= two[0]) {
        wrong.push(format!("the ids of a stream do not ascend: {ids:?}"));
    }
    if events.first().is_none_or(|first| first.kind != "run_started") && status != "cancelled" {
        wrong.push("a stream does not begin with `run_started`".to_owned());
    }
    if events.last().is_none_or(|last| last.kind != "flow_completed") {
        wrong.push("the stream of a run that has ended does not end with `flow_completed`".to_owned());
    }
    wrong
}

/// Each step of a completed run is told of once.
pub fn once_each(events: &[Event], shape: Shape) -> Vec<String> {
    let mut counts: HashMap<String, u32> = HashMap::new();
    for event in events.iter().filter(|event| event.kind == "step_completed") {
        let step = event.json()["stepId"].as_str().unwrap_or_default().to_owned();
        *counts.entry(step).or_default() += 1;
    }
    let mut steps: Vec<&str> = shape.calls().into_iter().map(|(step, _)| step).collect();
    steps.dedup();
    let count = |step: &&str| counts.get(*step).copied().unwrap_or(0);
    let wrong = steps.into_iter().filter(|step| count(step) != 1);
    wrong.map(|step| format!("`step_completed` of {step} came {} times", count(&step))).collect()
}

/// Where the pieces differ from the whole.
pub fn pieces(followed: &[Event], whole: &[Event]) -> Option<String> {
    let differ = followed.iter().zip(whole).position(|(one, other)| one != other);
    match differ {
        Some(at) => Some(format!("event {} came as {:?}, and is {:?}", at + 1, followed[at], whole[at])),
        None if followed.len() == whole.len() => None,
        None => Some(format!("{} events came, and there are {}", followed.len(), whole.len())),
    }
}

/// What a step call showed that the stored stream does not have in that form. Its ids are those of the stored stream.
pub fn shown(stepped: &[Event], whole: &[Event]) -> Vec<String> {
    let stored: HashMap<u64, &Event> = whole.iter().filter_map(|event| Some((event.id?, event))).collect();
    let mut wrong = Vec::new();
    let ids: Vec<u64> = stepped.iter().filter_map(|event| event.id).collect();
    if ids.windows(2).any(|two| two[1] <= two[0]) {
        wrong.push(format!("the ids of step calls do not ascend: {ids:?}"));
    }
    for event in stepped {
        match event.id.and_then(|id| stored.get(&id)) {
            Some(stored) if *stored == event => {}
            Some(stored) => wrong.push(format!("a step call showed {event:?}, stored is {stored:?}")),
            None => wrong.push(format!("a step call showed {event:?}, which is not stored")),
        }
    }
    wrong
}

/// The result that the stream ends with.
pub fn result(events: &[Event]) -> Option<Value> {
    events.iter().rev().find(|event| event.kind == "flow_completed").map(|event| event.json()["result"].clone())
}

/// The codes of the errors that the stream tells of.
pub fn error_codes(events: &[Event]) -> Vec<String> {
    let code = |event: &Event| match event.kind.as_str() {
        "step_error" => event.json()["error"]["code"].as_str().map(str::to_owned),
        "flow_completed" => event.json()["summary"]["error"]["code"].as_str().map(str::to_owned),
        _ => None,
    };
    events.iter().filter_map(code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64, kind: &str, data: &str) -> Event {
        Event { id: Some(id), kind: kind.to_owned(), data: data.to_owned() }
    }

    fn good() -> Vec<Event> {
        let done = |id, step| event(id, "step_completed", &format!("{{\"stepId\":\"{step}\"}}"));
        let (first, last) = (event(2, "run_started", "{}"), event(9, "flow_completed", "{\"result\":1}"));
        vec![first, done(4, "a"), done(6, "b"), done(8, "c"), last]
    }

    #[test]
    fn a_good_stream_passes() {
        let events = good();
        assert_eq!(whole(&events, "completed"), Vec::<String>::new());
        assert_eq!(once_each(&events, Shape::Chain), Vec::<String>::new());
        assert_eq!(pieces(&events, &events), None);
        assert_eq!(shown(&events[1..3], &events), Vec::<String>::new());
        assert_eq!(result(&events), Some(1.into()));
    }

    #[test]
    fn what_is_lost_or_repeated_is_found() {
        let events = good();
        let (mut lost, mut twice) = (events.clone(), events.clone());
        lost.remove(2);
        twice.insert(2, events[1].clone());
        assert!(pieces(&lost, &events).is_some() && pieces(&twice, &events).is_some());
        assert_eq!((once_each(&lost, Shape::Chain).len(), once_each(&twice, Shape::Chain).len()), (1, 1));
        assert_eq!((whole(&twice, "completed").len(), whole(&events[..4], "completed").len()), (1, 1));
        assert_eq!(shown(&twice[1..3], &events).len(), 1);
        assert_eq!(shown(&[event(4, "step_completed", "other")], &events).len(), 1);
        assert_eq!(shown(&[event(5, "step_completed", "x")], &events).len(), 1);
    }
}
