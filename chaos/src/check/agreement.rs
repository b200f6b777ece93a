//! All that tells of a run tells the same: its reply, its job's status, its summary, its trace, its session, its stream.

use anyhow::Result;
use serde_json::Value;

use super::{Allowed, about, streams};
use crate::case::Case;
use crate::choices::Choices;
use crate::client::{Ask, Event};
use crate::errand::{Cut, Follower, Told, Wish};
use crate::setup::PROJECT;

/// One run, from all sides.
struct Sides {
    /// As its session has it.
    session: Value,
    trace: Value,
    summary: Value,
    /// The poll's reply, where the run is a job.
    job: Option<Value>,
    /// Its whole stream; empty where it waits for its caller.
    stream: Vec<Event>,
}

/// Checks one run of an errand.
pub async fn check(case: &Case, told: &Told, execution: &Value, allowed: Allowed) -> Result<()> {
    let sides = Sides::look(case, told, execution).await?;
    case.tally.count(|counts| {
        counts.runs += 1;
        counts.events += (sides.stream.len() + told.followed.len() + told.stepped.len()) as u64;
    });
    let mut wrong = sides.statuses();
    wrong.extend(sides.steps());
    wrong.extend(sides.result(told));
    wrong.extend(sides.error());
    wrong.extend(sides.streams(told));
    wrong.extend(kept_word(told, sides.status(), allowed));
    wrong.extend(stayed_ended(case, &sides));
    for what in wrong {
        let id = execution["executionId"].as_str().unwrap_or_default();
        case.violation(format!("{}, run {id}: {what}", about(told)));
    }
    Ok(())
}

impl Sides {
    async fn look(case: &Case, told: &Told, execution: &Value) -> Result<Self> {
        let id = execution["executionId"].as_str().unwrap_or_default();
        let run = format!("/seq/{PROJECT}/{}/runs/{id}", told.shape.slug());
        let ask = async |path: String| Ok::<_, anyhow::Error>(case.client.insist(Ask::get(&path)).await?.body);
        let job = if execution["triggerType"] == "job" {
            Some(ask(format!("/seq/{PROJECT}/{}/jobs/{id}", told.shape.slug())).await?)
        } else {
            None
        };
        let follower = Follower {
            case,
            client: &case.client,
            session: &told.session,
            path: format!("{run}/trace/stream"),
            choices: Choices::of(0, ""),
            cut: Cut::Percent(0),
        };
        let waits = execution["status"] == "paused";
        Ok(Self {
            session: execution.clone(),
            trace: ask(format!("{run}/trace")).await?,
            summary: ask(run).await?,
            job,
            stream: if waits { Vec::new() } else { follower.follow().await? },
        })
    }

    fn status(&self) -> &str {
        self.session["status"].as_str().unwrap_or_default()
    }

    fn statuses(&self) -> Vec<String> {
        let status = &self.session["status"];
        let others = [
            ("trace", Some(&self.trace["flowRun"]["status"])),
            ("summary", Some(&self.summary["status"])),
            ("job", self.job.as_ref().map(|job| &job["status"])),
        ];
        let differ = others.into_iter().filter(|(_, other)| other.is_some_and(|other| other != status));
        let mut wrong: Vec<String> =
            differ.map(|(side, other)| format!("the session says {status}, the {side} {other:?}")).collect();
        let may_wait = self.status() == "paused" && self.session["triggerType"] != "job";
        if !may_wait && !matches!(self.status(), "completed" | "failed" | "cancelled") {
            wrong.push(format!("the run is {status} and nobody works on it"));
        }
        wrong
    }

    /// The trace's steps are the session's, but for the row that a session may close with.
    fn steps(&self) -> Vec<String> {
        let rows = |value: &Value| value["steps"].as_array().cloned().unwrap_or_default();
        let (traced, replayed) = (rows(&self.trace), rows(&self.session));
        let mut wrong = Vec::new();
        for (one, other) in traced.iter().zip(&replayed) {
            let same = ["stepId", "attempt", "status"].iter().all(|name| one[name] == other[name]);
            if !same || one["outputContext"] != other["outputSnapshot"] {
                wrong.push(format!("a step is {one} in the trace and {other} in the session"));
            }
        }
        if traced.len() > replayed.len() || replayed.len() > traced.len() + 1 {
            wrong.push(format!("the trace has {} steps, the session {}", traced.len(), replayed.len()));
        }
        if self.status() != "paused" && traced.iter().any(|step| step["status"] == "running") {
            wrong.push(format!("a step of a run that is {} is still running", self.status()));
        }
        wrong
    }

    fn result(&self, told: &Told) -> Vec<String> {
        if self.status() != "completed" {
            return Vec::new();
        }
        let right = told.shape.result(&told.marker);
        let last = self.session["steps"].as_array().and_then(|steps| steps.last()).cloned().unwrap_or_default();
        let sides = [
            ("session", Some(without_prompt(&last["outputSnapshot"]))),
            ("stream", streams::result(&self.stream)),
            ("job", self.job.as_ref().map(|job| job["result"].clone())),
        ];
        let differ = sides.into_iter().filter(|(_, result)| result.as_ref().is_some_and(|result| *result != right));
        differ.map(|(side, result)| format!("the result is {right}, the {side} says {result:?}")).collect()
    }

    /// A failed run has one reason, told everywhere.
    fn error(&self) -> Vec<String> {
        if self.status() != "failed" {
            return Vec::new();
        }
        let step = &self.session["errorAtStep"];
        let rows = self.session["steps"].as_array().cloned().unwrap_or_default();
        let row = rows.iter().rev().find(|row| row["stepId"] == *step && !row["errorSnapshot"].is_null());
        let Some(code) = row.and_then(|row| row["errorSnapshot"]["code"].as_str()) else {
            return vec![format!("the session does not say why the run failed at {step}")];
        };
        let mut wrong = Vec::new();
        if !streams::error_codes(&self.stream).iter().any(|told| told == code) {
            wrong.push(format!("the session says {code}, the stream {:?}", streams::error_codes(&self.stream)));
        }
        let job = self.job.as_ref().map(|job| job["error"].as_str().unwrap_or_default().to_owned());
        if let Some(error) = job.filter(|error| !error.starts_with(&format!("{code}:"))) {
            wrong.push(format!("the session says {code}, the job {error:?}"));
        }
        wrong
    }

    fn streams(&self, told: &Told) -> Vec<String> {
        if self.status() == "paused" {
            return Vec::new();
        }
        let mut wrong = streams::whole(&self.stream, self.status());
        if self.status() == "completed" && self.session["triggerType"] != "step" {
            wrong.extend(streams::once_each(&self.stream, told.shape));
        }
        if !told.followed.is_empty() {
            wrong.extend(streams::pieces(&told.followed, &self.stream));
        }
        wrong.extend(streams::shown(&told.stepped, &self.stream));
        wrong
    }
}

/// Where the rendered prompt is kept, it is kept beside the result.
fn without_prompt(output: &Value) -> Value {
    let mut output = output.clone();
    if let Some(fields) = output.as_object_mut() {
        fields.remove("__rendered_prompt__");
    }
    output
}

/// What was told to the client has become of the run.
fn kept_word(told: &Told, status: &str, allowed: Allowed) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some((said, result)) = &told.end {
        if said != status {
            wrong.push(format!("the client was told {said}, stored is {status}"));
        }
        let right = told.shape.result(&told.marker);
        if said == "completed" && *result != right {
            wrong.push(format!("the client was given {result} in place of {right}"));
        }
    }
    if told.cancelled && status != "cancelled" {
        wrong.push(format!("the client was told that the job is cancelled, and it is {status}"));
    }
    // A caller that goes step by step goes on after a failure.
    let is_stepped = matches!(told.wish, Wish::Step { .. } | Wish::Remaining { .. });
    if let Some(ends) = allowed.ends.filter(|ends| *ends != status && !is_stepped) {
        wrong.push(format!("the run is {status} and should be {ends}"));
    }
    let is_job = matches!(told.wish, Wish::Job { .. });
    if is_job && status != "completed" && !allowed.failures {
        wrong.push(format!("the job is {status}: it was to go on from its last stored step"));
    }
    wrong
}

/// A run that had ended at a kill is as it was then.
fn stayed_ended(case: &Case, sides: &Sides) -> Vec<String> {
    let id = sides.session["executionId"].as_str().unwrap_or_default().replace('-', "");
    let was = case.facts.ended().into_iter().filter(|run| run.id == id);
    // A step run that failed may be taken up again by its caller.
    let bound = was.filter(|run| run.trigger != "step" || run.status == "completed");
    let changed = bound.filter(|run| run.status != sides.status());
    changed.take(1).map(|run| format!("the run had ended as {} and is {}", run.status, sides.status())).collect()
}
