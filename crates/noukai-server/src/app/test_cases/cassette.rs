//! Recorded model replies in place of a model: a reply belongs to a step, an iteration and the number of the call.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use async_trait::async_trait;
use noukai_api::{CASSETTE_VERSION, Cassette, ErrorCode, FieldError, RecordedReply};
use noukai_engine::{
    CallSite, DeltaSink, Model, ModelError, ModelErrorKind, ModelInfo, ModelReply, ModelRequest, StructuredOutput,
};
use parking_lot::Mutex;
use rust_decimal::Decimal;

use super::super::AppError;

/// Replies on one cassette.
const REPLIES: usize = 10_000;
/// Faults that are told of one.
const FAULTS: usize = 20;
/// What traces say answered.
const PROVIDER: &str = "cassette";
/// Codes that a recorded call may have failed with.
const CODES: [(ErrorCode, ModelErrorKind); 7] = [
    (ErrorCode::ModelNotAvailable, ModelErrorKind::NotAvailable),
    (ErrorCode::ModelRateLimited, ModelErrorKind::RateLimited),
    (ErrorCode::ModelError, ModelErrorKind::Refused),
    (ErrorCode::ModelRefusal, ModelErrorKind::Declined),
    (ErrorCode::ModelContentFiltered, ModelErrorKind::Filtered),
    (ErrorCode::ModelUnreachable, ModelErrorKind::Unreachable),
    (ErrorCode::ModelReplyInvalid, ModelErrorKind::ReplyInvalid),
];

/// What a call fails with that failed so when it was recorded; `None` for a failure that no model call has.
pub(super) fn kind_of(code: ErrorCode) -> Option<ModelErrorKind> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind)
}

/// A stored cassette, if there is one.
pub(super) fn read(text: Option<&str>) -> Result<Option<Cassette>, AppError> {
    text.map(serde_json::from_str).transpose().map_err(AppError::internal)
}

/// What is wrong with a cassette, as one that was edited by hand may be.
pub(super) fn faults(cassette: &Cassette) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut wrong = |loc: String, msg: String| {
        let loc = ["body", "cassette"].into_iter().chain(loc.split('.')).map(str::to_owned).collect();
        faults.push(FieldError { loc, msg });
    };
    if cassette.version != CASSETTE_VERSION {
        wrong("version".to_owned(), format!("must be {CASSETTE_VERSION}; this release reads no other"));
    }
    if cassette.replies.len() > REPLIES {
        wrong("replies".to_owned(), format!("must have at most {REPLIES} entries"));
        return faults;
    }
    let mut calls: BTreeMap<Place, BTreeSet<u32>> = BTreeMap::new();
    for (index, reply) in cassette.replies.iter().enumerate() {
        let at = |field: &str| format!("replies.{index}{}{field}", if field.is_empty() { "" } else { "." });
        if let Some((field, msg)) = fault(reply) {
            wrong(at(field), msg);
        }
        let place = Place::of(reply);
        let shown = place.to_string();
        if !calls.entry(place).or_default().insert(reply.call) {
            wrong(at("call"), format!("is there twice: call {} of {shown}", reply.call));
        }
    }
    for (place, calls) in &calls {
        if let Some(gap) = (1..).zip(calls).find(|(number, call)| number != *call).map(|(number, _)| number) {
            wrong("replies".to_owned(), format!("have no call {gap} of {place}, but later ones"));
        }
    }
    faults.truncate(FAULTS);
    faults
}

fn fault(reply: &RecordedReply) -> Option<(&'static str, String)> {
    let given = [reply.text.is_some(), reply.json.is_some(), reply.error.is_some()];
    if reply.step.is_empty() {
        return Some(("step", "must name the LLM block that asked".to_owned()));
    }
    if given.iter().filter(|given| **given).count() != 1 {
        return Some(("", "must have exactly one of `text`, `json` and `error`".to_owned()));
    }
    let code = reply.error.as_ref().map(|error| error.code)?;
    let codes = || CODES.map(|(code, _)| code.as_str()).join(", ");
    kind_of(code).is_none().then(|| ("error.code", format!("must be one of {}", codes())))
}

/// A step in an iteration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    step: String,
    item: Vec<u32>,
}

impl Place {
    fn of(reply: &RecordedReply) -> Self {
        Self { step: reply.step.clone(), item: reply.item.clone() }
    }

    fn at(site: &CallSite) -> Self {
        Self { step: site.step.to_string(), item: site.path.clone() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step `{}`", self.step)?;
        if !self.item.is_empty() {
            let item = self.item.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
            write!(f, " in iteration {item}")?;
        }
        Ok(())
    }
}

/// A cassette behind the model port, for one run.
pub(super) struct Player {
    replies: BTreeMap<Place, Vec<RecordedReply>>,
    default_model: String,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    calls: BTreeMap<Place, usize>,
    missing: Vec<String>,
}

impl Player {
    /// `cassette` is without faults.
    pub fn new(cassette: Cassette, default_model: &str) -> Self {
        let mut replies: BTreeMap<Place, Vec<RecordedReply>> = BTreeMap::new();
        for reply in cassette.replies {
            replies.entry(Place::of(&reply)).or_default().push(reply);
        }
        replies.values_mut().for_each(|calls| calls.sort_by_key(|reply| reply.call));
        Self { replies, default_model: default_model.to_owned(), asked: Mutex::default() }
    }

    /// Where the cassette and the flow that was run with it do not go together.
    pub fn faults(&self) -> Vec<String> {
        let asked = self.asked.lock();
        let unused = |(place, calls): (&Place, &Vec<RecordedReply>)| {
            let used = asked.calls.get(place).copied().unwrap_or_default().min(calls.len());
            let left = calls.len() - used;
            (left > 0).then(|| format!("the flow did not ask for {} of {place}", counted(left)))
        };
        let mut faults: Vec<String> =
            asked.missing.iter().cloned().chain(self.replies.iter().filter_map(unused)).collect();
        let more = faults.len().saturating_sub(FAULTS);
        faults.truncate(FAULTS);
        faults.extend((more > 0).then(|| format!("and {more} more like these")));
        faults
    }

    /// The next reply for a place. One that failed for good fails again when it is tried again.
    fn next(&self, place: &Place) -> Result<RecordedReply, String> {
        let calls = self.replies.get(place).map_or(&[][..], Vec::as_slice);
        let mut asked = self.asked.lock();
        let number = asked.calls.entry(place.clone()).or_default();
        *number += 1;
        let failed = calls.last().filter(|last| last.error.is_some());
        if let Some(reply) = calls.get(*number - 1).or(failed) {
            return Ok(reply.clone());
        }
        let message = missing(place, *number, calls.len());
        asked.missing.push(message.clone());
        Err(message)
    }
}

fn counted(replies: usize) -> String {
    if replies == 1 { "a recorded reply".to_owned() } else { format!("{replies} recorded replies") }
}

fn missing(place: &Place, number: usize, recorded: usize) -> String {
    if recorded == 0 {
        return format!("{place} asks a model, and the cassette has no reply for it; record the case anew");
    }
    format!(
        "{place} asks a model for call {number}, and the cassette has {} for it (which may not fit the block's output \
         schema any more); record the case anew",
        counted(recorded)
    )
}

#[async_trait]
impl Model for Player {
    fn describe(&self, _model: &str) -> ModelInfo {
        ModelInfo {
            available: Ok(()),
            provider: Some(PROVIDER.to_owned()),
            image_types: None,
            structured_output: StructuredOutput::Native,
        }
    }

    fn default_model(&self) -> &str {
        &self.default_model
    }

    async fn complete(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<ModelReply, ModelError> {
        let error = |kind, message| ModelError {
            kind,
            message,
            provider: Some(PROVIDER.to_owned()),
            status: None,
            retry_after: None,
            another_key: false,
            hedged: false,
        };
        let reply = self.next(&Place::at(&request.site)).map_err(|why| error(ModelErrorKind::Refused, why))?;
        if let Some(failed) = reply.error {
            return Err(error(kind_of(failed.code).unwrap_or(ModelErrorKind::Refused), failed.message));
        }
        let text = reply.text.or_else(|| reply.json.map(|json| json.to_string())).unwrap_or_default();
        if let Some(deltas) = deltas {
            deltas.text(&text);
        }
        let (provider, model) = (Some(PROVIDER.to_owned()), reply.model.unwrap_or_else(|| request.model.clone()));
        Ok(ModelReply { text: Some(text), cost: Some(Decimal::ZERO), model, provider, ..ModelReply::default() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn cassette(replies: Value) -> Cassette {
        serde_json::from_value(json!({"version": 1, "replies": replies})).expect("a cassette")
    }

    fn ask(step: &str, path: &[u32]) -> ModelRequest {
        ModelRequest {
            site: CallSite { step: step.into(), path: path.to_vec() },
            model: "a/b".to_owned(),
            messages: Vec::new(),
            config: Map::new(),
            output: None,
            tools: Vec::new(),
            tool_choice: None,
            cache: None,
        }
    }

    #[tokio::test]
    async fn replies_are_found_by_step_iteration_and_call() {
        let player = Player::new(
            cassette(json!([
                {"step": "a", "call": 2, "text": "second"},
                {"step": "a", "text": "first"},
                {"step": "b", "item": [0, 1], "json": {"n": 1}, "model": "x/y"},
            ])),
            "d/m",
        );
        let mut said = Vec::new();
        for (step, path) in [("a", &[][..]), ("b", &[0, 1]), ("a", &[])] {
            let reply = player.complete(&ask(step, path), None).await.expect("a reply");
            said.push(format!("{} {} {}", reply.model, reply.text.unwrap_or_default(), reply.tokens.total));
        }
        assert_eq!(said, ["a/b first 0", "x/y {\"n\":1} 0", "a/b second 0"]);
        assert_eq!(player.faults(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_is_missing_and_what_is_left_is_said() {
        let player =
            Player::new(cassette(json!([{"step": "a", "text": "x"}, {"step": "c", "item": [2], "text": "y"}])), "d/m");
        assert!(player.complete(&ask("a", &[]), None).await.is_ok());
        for (step, path) in [("a", &[][..]), ("b", &[]), ("c", &[1])] {
            let error = player.complete(&ask(step, path), None).await.expect_err("nothing there");
            assert!(!error.kind.is_retryable());
        }
        insta::assert_snapshot!(player.faults().join("\n"), @r"
        step `a` asks a model for call 2, and the cassette has a recorded reply for it (which may not fit the block's output schema any more); record the case anew
        step `b` asks a model, and the cassette has no reply for it; record the case anew
        step `c` in iteration 1 asks a model, and the cassette has no reply for it; record the case anew
        the flow did not ask for a recorded reply of step `c` in iteration 2
        ");
    }

    #[tokio::test]
    async fn a_recorded_failure_fails_again() {
        let error = json!({"code": "MODEL_UNREACHABLE", "message": "gone"});
        let player = Player::new(cassette(json!([{"step": "a", "error": error}])), "d/m");
        for _ in 0..3 {
            let error = player.complete(&ask("a", &[]), None).await.expect_err("it failed");
            assert_eq!((error.kind, error.message.as_str()), (ModelErrorKind::Unreachable, "gone"));
        }
        assert_eq!(player.faults(), Vec::<String>::new());
    }

    #[test]
    fn what_a_hand_broke_is_named() {
        let edited = cassette(json!([
            {"step": "", "text": "x"},
            {"step": "a"},
            {"step": "b", "text": "x", "json": {}},
            {"step": "c", "text": "x"},
            {"step": "c", "text": "y"},
            {"step": "d", "call": 2, "text": "y"},
            {"step": "e", "error": {"code": "CONFLICT", "message": "x"}},
        ]));
        let said: Vec<String> =
            faults(&edited).iter().map(|fault| format!("{}: {}", fault.loc.join("."), fault.msg)).collect();
        insta::assert_snapshot!(said.join("\n"), @r"
        body.cassette.replies.0.step: must name the LLM block that asked
        body.cassette.replies.1: must have exactly one of `text`, `json` and `error`
        body.cassette.replies.2: must have exactly one of `text`, `json` and `error`
        body.cassette.replies.4.call: is there twice: call 1 of step `c`
        body.cassette.replies.6.error.code: must be one of MODEL_NOT_AVAILABLE, MODEL_RATE_LIMITED, MODEL_ERROR, MODEL_REFUSAL, MODEL_CONTENT_FILTERED, MODEL_UNREACHABLE, MODEL_REPLY_INVALID
        body.cassette.replies: have no call 1 of step `d`, but later ones
        ");
        let newer = Cassette { version: 2, replies: Vec::new() };
        assert!(faults(&newer)[0].msg.contains("must be 1"));
        assert!(faults(&cassette(json!([]))).is_empty());
    }
}
