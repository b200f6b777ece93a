//! What runs spend: an entry in the ledger for every model call, and budgets that end a run before its next one.
//!
//! [`metered`] stands between the engine and the models of one pass; [`meter`] is one budget in one period, as this server
//! knows it; [`credit`] gives calls and runs their share of budgets, together with other servers where there are some;
//! [`lost`] keeps what could not be stored until it is. The engine knows nothing of all this.

mod book;
mod credit;
mod lost;
mod measured;
mod meter;
mod metered;
mod money;
mod period;

use std::collections::HashMap;

use parking_lot::Mutex;
use uuid::Uuid;

use self::{book::CurrentBook, lost::Lost, meter::Meters};
pub(crate) use self::{
    credit::{amount_text, state_of},
    meter::Hold,
    metered::Metered,
    money::{from_usd, units, usd},
    period::Period,
};

/// Spending as this server knows it.
#[derive(Default)]
pub(crate) struct Spend {
    book: CurrentBook,
    meters: Meters,
    lost: Lost,
    /// Each project's organisation, which never changes.
    organisations: Mutex<HashMap<Uuid, Uuid>>,
}

/// Who spends: the tenant and the flow of a run, and the key that it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payer<'a> {
    pub project: Uuid,
    pub flow: &'a str,
    pub key: Option<&'a str>,
}
