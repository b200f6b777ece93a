//! A group of writes turned on its side: a column per value, a row per write, as `unnest` takes them.

use noukai_api::Tokens;
use uuid::Uuid;

use super::rows::{clamp, micros};
use crate::{NewRun, RunChange, RunWrite};
use tokio_postgres::types::ToSql;

/// What a change says of its run; what it leaves out stays as it is.
#[derive(Default)]
pub(super) struct Said<'w> {
    pub status: Option<&'w str>,
    pub status_at: Option<i64>,
    pub completed_at: Option<i64>,
    pub duration_ms: Option<i64>,
    pub tokens: Option<Tokens>,
    pub cost_usd: Option<&'w str>,
    pub error: Option<&'w str>,
    pub pause: Option<&'w str>,
    pub forget_pause: bool,
    pub keep_inputs: bool,
    pub clear_states: bool,
    pub result: Option<&'w str>,
    pub kept_at: Option<i64>,
    pub poisoned_at: Option<i64>,
}

impl<'w> Said<'w> {
    fn of(change: Option<&'w RunChange>) -> Self {
        match change {
            None => Self::default(),
            Some(RunChange::Running) => Self { status: Some("running"), ..Self::default() },
            Some(RunChange::Paused { tokens, cost_usd, at, pause }) => Self {
                status: Some("paused"),
                status_at: Some(micros(*at)),
                tokens: Some(*tokens),
                cost_usd: cost_usd.as_deref(),
                pause: pause.as_deref(),
                forget_pause: pause.is_none(),
                ..Self::default()
            },
            Some(RunChange::Finished(end)) => Self {
                status: Some(end.status.as_str()),
                completed_at: Some(micros(end.at)),
                duration_ms: Some(clamp(end.duration_ms)),
                tokens: Some(end.tokens),
                cost_usd: end.cost_usd.as_deref(),
                error: end.error.as_deref(),
                keep_inputs: end.keep_inputs || end.keep_for_retry,
                clear_states: end.clear_states && !end.keep_for_retry,
                result: end.result.as_deref(),
                kept_at: end.keep_for_retry.then(|| micros(end.at)),
                poisoned_at: end.poison.then(|| micros(end.at)),
                ..Self::default()
            },
        }
    }
}

/// Defines the columns of a statement's rows, and gives them in the order of its parameters.
macro_rules! columns {
    ($(#[$about:meta])* $name:ident { $($column:ident: $type:ty),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Default)]
        pub(super) struct $name<'w> {
            pub events: Events<'w>,
            $($column: Vec<$type>),+
        }

        impl<'w> $name<'w> {
            pub(super) fn is_empty(&self) -> bool {
                self.id.is_empty()
            }

            fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
                let mut row: Vec<&(dyn ToSql + Sync)> = vec![$(&self.$column),+];
                row.extend(self.events.parameters());
                row
            }
        }
    };
}

columns! {
    /// New runs.
    Created {
        id: Uuid, project_id: Uuid, flow_id: Uuid, flow_slug: &'w str, version: i64, hash: &'w str,
        trigger: &'w str, status: &'w str, status_at: i64, capture: &'w str, session_id: Option<&'w str>,
        step_count: i64, started_at: i64, completed_at: Option<i64>, duration_ms: Option<i64>, prompt: i64,
        completion: i64, total: i64, cost_usd: Option<&'w str>, last_seq: i64, pauses: i64, error: Option<&'w str>,
        inputs: Option<&'w str>, pause: Option<&'w str>, job: bool, result: Option<&'w str>,
        ticket: i64, retry_of: Option<Uuid>, kept_at: Option<i64>, poisoned_at: Option<i64>,
    }
}

columns! {
    /// Runs that are there already.
    Moves {
        id: Uuid, project_id: Uuid, last_seq: Option<i64>, steps: i64, from_running: bool, from_paused: bool,
        status: Option<&'w str>, status_at: Option<i64>, completed_at: Option<i64>, duration_ms: Option<i64>,
        prompt: Option<i64>, completion: Option<i64>, total: Option<i64>, cost_usd: Option<&'w str>, pauses: i64,
        error: Option<&'w str>, pause: Option<&'w str>, forget_pause: bool, keep_inputs: bool, clear_states: bool,
        result: Option<&'w str>, kept_at: Option<i64>, poisoned_at: Option<i64>,
    }
}

impl<'w> Created<'w> {
    /// With the id of the node that runs what is no job.
    pub(super) fn row<'a>(&'a self, node: &'a Uuid) -> Vec<&'a (dyn ToSql + Sync)> {
        let mut row = self.parameters();
        row.push(node);
        row
    }

    /// The row as it stands once the whole write is stored.
    /// `ticket`: its place in the queue; 0 where it takes none.
    pub(super) fn push(&mut self, write: &'w RunWrite, new: &'w NewRun, ticket: i64) {
        let (run, said) = (&new.record, Said::of(write.change.as_ref()));
        let tokens = said.tokens.unwrap_or(run.tokens);
        let ends = said.completed_at.is_some();
        self.id.push(write.run_id.0);
        self.project_id.push(write.project_id.0);
        self.flow_id.push(run.flow_id.0);
        self.flow_slug.push(&run.flow_slug);
        self.version.push(run.version.into());
        self.hash.push(&run.hash);
        self.trigger.push(run.trigger.as_str());
        self.status.push(said.status.unwrap_or(run.status.as_str()));
        self.status_at.push(said.status_at.unwrap_or_else(|| micros(run.started_at)));
        self.capture.push(run.capture.as_str());
        self.session_id.push(run.session_id.as_deref());
        self.step_count.push(run.step_count.into());
        self.started_at.push(micros(run.started_at));
        self.completed_at.push(said.completed_at.or_else(|| run.completed_at.map(micros)));
        self.duration_ms.push(said.duration_ms.or_else(|| run.duration_ms.map(clamp)));
        self.prompt.push(clamp(tokens.prompt));
        self.completion.push(clamp(tokens.completion));
        self.total.push(clamp(tokens.total));
        self.cost_usd.push(if said.tokens.is_some() { said.cost_usd } else { run.cost_usd.as_deref() });
        self.last_seq.push(clamp(write.events.len()));
        self.pauses.push(i64::from(run.pauses) + i64::from(said.pause.is_some()));
        self.error.push(said.error.or(run.error.as_deref()));
        self.inputs.push(new.inputs.as_deref().filter(|_| !ends || said.keep_inputs));
        self.pause.push(said.pause);
        self.job.push(new.job.is_some());
        self.result.push(said.result);
        self.ticket.push(ticket);
        self.retry_of.push(new.job.and_then(|job| job.retry_of).map(|run| run.0));
        self.kept_at.push(said.kept_at);
        self.poisoned_at.push(said.poisoned_at);
    }
}

impl<'w> Moves<'w> {
    pub(super) fn row(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters()
    }

    /// A job that is claimed again is `running` already; only its worker may say so once more.
    pub(super) fn push(&mut self, write: &'w RunWrite) {
        let said = Said::of(write.change.as_ref());
        let starts = matches!(write.change, Some(RunChange::Running));
        let pauses = matches!(write.change, Some(RunChange::Paused { .. }));
        self.id.push(write.run_id.0);
        self.project_id.push(write.project_id.0);
        self.last_seq.push(write.events.first().map(|first| clamp(first.seq) - 1));
        self.steps.push(clamp(write.events.len()));
        self.from_running.push(!starts || write.fence.is_some());
        self.from_paused.push(!pauses);
        self.status.push(said.status);
        self.status_at.push(said.status_at);
        self.completed_at.push(said.completed_at);
        self.duration_ms.push(said.duration_ms);
        self.prompt.push(said.tokens.map(|tokens| clamp(tokens.prompt)));
        self.completion.push(said.tokens.map(|tokens| clamp(tokens.completion)));
        self.total.push(said.tokens.map(|tokens| clamp(tokens.total)));
        self.cost_usd.push(said.cost_usd);
        self.pauses.push(i64::from(said.pause.is_some()));
        self.error.push(said.error);
        self.pause.push(said.pause);
        self.forget_pause.push(said.forget_pause);
        self.keep_inputs.push(said.keep_inputs);
        self.clear_states.push(said.clear_states);
        self.result.push(said.result);
        self.kept_at.push(said.kept_at);
        self.poisoned_at.push(said.poisoned_at);
    }
}

/// The events of a group's writes.
#[derive(Default)]
pub(super) struct Events<'w> {
    id: Vec<Uuid>,
    seq: Vec<i64>,
    kind: Vec<&'w str>,
    payload: Vec<&'w str>,
    state: Vec<Option<&'w str>>,
}

impl<'w> Events<'w> {
    /// A run that ends keeps no states.
    pub(super) fn push(&mut self, write: &'w RunWrite, ends: bool) {
        for event in &write.events {
            self.id.push(write.run_id.0);
            self.seq.push(clamp(event.seq));
            self.kind.push(&event.kind);
            self.payload.push(&event.payload);
            self.state.push(event.state.as_deref().filter(|_| !ends));
        }
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 5] {
        [&self.id, &self.seq, &self.kind, &self.payload, &self.state]
    }
}
