//! The models as one pass of a run sees them: each call is held against budgets before it is made, and written down
//! however it ends, also where nobody waits for its end any more.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use noukai_api::{BudgetUnit, TokenDetails, Tokens};
use noukai_engine::{DeltaSink, Model, ModelError, ModelErrorKind, ModelInfo, ModelReply, ModelRequest};
use noukai_store::{Spender, UsageEntry, UsageOutcome};
use time::OffsetDateTime;
use uuid::{NoContext, Timestamp, Uuid};

use super::{Hold, Payer, credit::NoCredit, from_usd};
use crate::app::{App, recorder::Recorder};

/// More tokens than this are no count but a mistake.
const MOST_TOKENS: u64 = 1_000_000_000;

/// The models of one pass.
pub(crate) struct Metered {
    app: App,
    models: Arc<dyn Model>,
    recorder: Arc<Recorder>,
    spender: Arc<Spender>,
}

impl Metered {
    pub async fn new(app: App, recorder: Arc<Recorder>, spender: Spender) -> Self {
        let models = app.models_of(spender.project_id).await;
        Self { app, models, recorder, spender: Arc::new(spender) }
    }

    fn payer(&self) -> Payer<'_> {
        let Spender { project_id, flow_slug, key_id, .. } = self.spender.as_ref();
        Payer { project: project_id.0, flow: flow_slug, key: key_id.as_deref() }
    }
}

#[async_trait]
impl Model for Metered {
    fn describe(&self, model: &str) -> ModelInfo {
        self.models.describe(model)
    }

    fn default_model(&self) -> &str {
        self.models.default_model()
    }

    async fn complete(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<ModelReply, ModelError> {
        let holds = self.app.hold_for_call(self.payer()).await.map_err(refused)?;
        let mut call = Call { metered: self, request, holds, began: Instant::now(), ended: false };
        let ended = self.models.complete(request, deltas).await;
        call.end(&ended);
        ended
    }

    async fn keep(&self, request: &ModelRequest, reply: &ModelReply) {
        self.models.keep(request, reply).await;
    }
}

/// The call was not made.
fn refused(refusal: NoCredit) -> ModelError {
    let (kind, message) = match refusal {
        NoCredit::Exhausted(message) => (ModelErrorKind::Exhausted, message),
        NoCredit::Unknown(context) => {
            tracing::error!(context, "a model call was not made, as it could not be accounted for");
            let message = "usage cannot be recorded at this moment, so no model is called".to_owned();
            (ModelErrorKind::Unaccounted, message)
        }
    };
    ModelError { kind, message, provider: None, status: None, retry_after: None, another_key: false, hedged: false }
}

/// A call under way. Dropped before its end, it is one that was given up.
struct Call<'m> {
    metered: &'m Metered,
    request: &'m ModelRequest,
    holds: Vec<Hold>,
    began: Instant,
    ended: bool,
}

/// What a call took, as far as known.
struct Took {
    outcome: UsageOutcome,
    provider: Option<String>,
    tokens: Tokens,
    details: TokenDetails,
    cost: Option<i64>,
}

impl Call<'_> {
    fn end(&mut self, ended: &Result<ModelReply, ModelError>) {
        self.ended = true;
        let hedged = match ended {
            Ok(reply) => {
                self.write(Took::by(reply));
                reply.hedged
            }
            Err(error) if was_sent(error.kind) => {
                self.write(Took::nothing(
                    UsageOutcome::Failed(error.kind.code()),
                    error.provider.clone(),
                    cost_of(error.kind),
                ));
                error.hedged
            }
            Err(_) => false,
        };
        if hedged {
            let provider = self.metered.describe(&self.request.model).provider;
            self.write(Took::nothing(UsageOutcome::Hedged, provider, None));
        }
    }

    fn write(&mut self, took: Took) {
        let at = self.metered.app.now();
        let holds = std::mem::take(&mut self.holds);
        let units = |unit| match unit {
            BudgetUnit::Usd => took.cost.unwrap_or_default(),
            BudgetUnit::Tokens => i64::try_from(took.tokens.total).unwrap_or(i64::MAX),
            BudgetUnit::Runs => 0,
        };
        let charge = |hold: Hold| {
            let charge = hold.charge(units(hold.unit()));
            hold.settle(charge.amount);
            charge
        };
        let charges = holds.into_iter().map(charge).filter(|charge| charge.amount > 0).collect();
        self.metered.app.tokens_were_used(self.metered.payer(), took.tokens.total);
        self.metered.recorder.usage(Arc::new(UsageEntry {
            id: id_at(at),
            spender: self.metered.spender.clone(),
            at,
            step: self.request.site.step.clone(),
            model: self.request.model.clone(),
            provider: took.provider,
            outcome: took.outcome,
            tokens: took.tokens,
            details: took.details,
            cost: took.cost,
            duration_ms: millis(self.began.elapsed()),
            charges,
        }));
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let provider = self.metered.describe(&self.request.model).provider;
            self.write(Took::nothing(UsageOutcome::CutOff, provider, None));
        }
    }
}

impl Took {
    fn by(reply: &ModelReply) -> Self {
        let most = |tokens: u64| tokens.min(MOST_TOKENS);
        let Tokens { prompt, completion, .. } = reply.tokens;
        let TokenDetails { cached, cache_written, reasoning } = reply.details;
        Self {
            outcome: if reply.cached { UsageOutcome::Cached } else { UsageOutcome::Completed },
            provider: reply.provider.clone(),
            tokens: Tokens::new(most(prompt), most(completion)),
            details: TokenDetails {
                cached: most(cached),
                cache_written: most(cache_written),
                reasoning: most(reasoning),
            },
            cost: reply.cost.as_ref().and_then(from_usd),
        }
    }

    fn nothing(outcome: UsageOutcome, provider: Option<String>, cost: Option<i64>) -> Self {
        let (tokens, details) = Default::default();
        Self { outcome, provider, tokens, details, cost }
    }
}

/// Whether a provider heard of the call.
const fn was_sent(kind: ModelErrorKind) -> bool {
    !matches!(
        kind,
        ModelErrorKind::NotAvailable
            | ModelErrorKind::SetAside
            | ModelErrorKind::Exhausted
            | ModelErrorKind::Unaccounted
    )
}

/// What a call that gave no reply cost: nothing where the provider refused it, else nobody knows.
const fn cost_of(kind: ModelErrorKind) -> Option<i64> {
    match kind {
        ModelErrorKind::KeyRejected
        | ModelErrorKind::RateLimited
        | ModelErrorKind::Server
        | ModelErrorKind::Refused => Some(0),
        _ => None,
    }
}

/// An id that tells the time.
fn id_at(at: OffsetDateTime) -> Uuid {
    let nanos = u64::try_from(at.unix_timestamp_nanos()).unwrap_or_default();
    let subsecond = u32::try_from(nanos % 1_000_000_000).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, nanos / 1_000_000_000, subsecond))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
