//! One budget in one period, as this server knows it: what is spent, what is set aside for calls under way, and how much
//! this server may take. In memory alone; the store counts what is spent with the ledger's entries.

use std::{collections::HashMap, sync::Arc};

use noukai_api::BudgetUnit;
use noukai_store::{BudgetRecord, Charge, Credit};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};
use uuid::Uuid;

/// The part of a budget that is set aside for a call as long as none has shown what calls take.
const FIRST_SHARE: i64 = 100;
/// The part of what is left that a server takes at once where several share a budget.
const CREDIT_SHARE: i64 = 8;
/// How much what calls take is taken for what they took of late: the last counts as one in so many.
const MEMORY: i64 = 8;

/// One budget in one period.
pub(super) struct Meter {
    pub budget: Uuid,
    pub period: i64,
    unit: BudgetUnit,
    /// Whether other servers take from it too.
    shared: bool,
    state: Mutex<State>,
    /// Tells of every change that may leave more.
    changes: watch::Sender<()>,
    /// When the other servers were asked last; one asks at a time.
    pub asking: tokio::sync::Mutex<Option<Instant>>,
}

/// Amounts are in what the budget counts.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    limit: i64,
    warn_at: i64,
    /// By this server.
    spent: i64,
    reserved: i64,
    /// What this server may have spent altogether.
    cap: i64,
    elsewhere: i64,
    /// What a call took of late; `None` before the first.
    typical: Option<i64>,
    warned: bool,
    /// Whether something was set aside since the last look.
    used: bool,
}

impl Meter {
    /// `spent` so far: by all where it is not shared, by none where it is, as each server counts from its own start.
    pub fn new(budget: &BudgetRecord, period: i64, spent: i64, shared: bool) -> Self {
        let mut state = State { spent, ..State::default() };
        state.set_limit(budget, shared);
        // Said by whoever came to it.
        state.warned = spent >= state.warn_at;
        Self {
            budget: budget.id,
            period,
            unit: budget.unit,
            shared,
            state: Mutex::new(state),
            changes: watch::Sender::new(()),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// Whether other servers take from it too.
    pub const fn is_shared(&self) -> bool {
        self.shared
    }

    /// Wakes whenever there may be more. Register before you look.
    pub fn watch(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Whether something is left that this server may take.
    pub fn is_open(&self) -> bool {
        self.state.lock().is_open()
    }

    /// Whether all is spent, as far as this server knows.
    pub fn is_exhausted(&self) -> bool {
        let state = self.state.lock();
        state.spent.saturating_add(state.elsewhere) >= state.limit
    }

    pub fn limit(&self) -> i64 {
        self.state.lock().limit
    }

    /// Sets aside what a call is likely to take; `None` where nothing is left for it.
    pub fn hold(self: &Arc<Self>) -> Option<Hold> {
        let mut state = self.state.lock();
        if !state.is_open() {
            return None;
        }
        let amount = self.likely(&state);
        state.reserved = state.reserved.saturating_add(amount);
        state.used = true;
        drop(state);
        Some(Hold { meter: self.clone(), amount })
    }

    /// How much this server wants to have taken altogether: what it has, and a share of what is left.
    pub fn wanted(&self) -> i64 {
        let state = self.state.lock();
        let taken = state.spent.saturating_add(state.reserved);
        let left = state.limit.saturating_sub(taken).saturating_sub(state.elsewhere);
        let share = self.likely(&state).max(left / CREDIT_SHARE);
        taken.saturating_add(share)
    }

    /// What this server has taken, where it holds more and nobody here uses it. From then on nobody does.
    pub fn idle(&self) -> Option<i64> {
        let mut state = self.state.lock();
        let used = std::mem::take(&mut state.used) || state.reserved > 0;
        let idle = self.shared && !used && state.cap > state.spent;
        if idle {
            state.cap = state.spent;
        }
        idle.then_some(state.spent)
    }

    /// What the servers together leave to this one.
    pub fn credit(&self, credit: Credit) {
        let mut state = self.state.lock();
        (state.cap, state.elsewhere) = (credit.granted, credit.spent_elsewhere);
        let is_open = state.is_open();
        drop(state);
        if is_open {
            self.changes.send_replace(());
        }
    }

    /// The budget was set anew, perhaps.
    fn set_limit(&self, budget: &BudgetRecord) {
        let mut state = self.state.lock();
        if (state.limit, state.warn_at) != (budget.amount, warn_at(budget)) {
            state.set_limit(budget, self.shared);
            state.warned = false;
        }
        drop(state);
        self.changes.send_replace(());
    }

    /// The budget was removed: nobody waits for it any more.
    fn lift(&self) {
        let mut state = self.state.lock();
        (state.limit, state.warn_at, state.cap) = (i64::MAX, i64::MAX, i64::MAX);
        drop(state);
        self.changes.send_replace(());
    }

    /// What the next call takes, as far as anyone can tell. A run is one.
    fn likely(&self, state: &State) -> i64 {
        let one = if self.unit == BudgetUnit::Runs { Some(1) } else { state.typical };
        one.unwrap_or(state.limit / FIRST_SHARE).max(1)
    }

    fn give_back(&self, amount: i64) {
        self.state.lock().reserved -= amount;
        self.changes.send_replace(());
    }

    fn spend(&self, held: i64, amount: i64) {
        let mut state = self.state.lock();
        state.reserved -= held;
        state.spent = state.spent.saturating_add(amount);
        if amount > 0 {
            let before = state.typical.unwrap_or(amount);
            state.typical = Some(before + (amount - before) / MEMORY);
        }
        let total = state.spent.saturating_add(state.elsewhere);
        let warns = !state.warned && total >= state.warn_at;
        state.warned |= warns;
        let limit = state.limit;
        drop(state);
        self.changes.send_replace(());
        if warns {
            tracing::warn!(budget = %self.budget, spent = total, limit, "a budget has come to its warning level");
        }
    }
}

impl State {
    const fn is_open(&self) -> bool {
        self.spent.saturating_add(self.reserved) < self.cap
    }

    /// Shared, it must be asked for anew.
    fn set_limit(&mut self, budget: &BudgetRecord, shared: bool) {
        self.limit = budget.amount;
        self.warn_at = warn_at(budget);
        self.cap = if shared { self.cap.min(self.spent) } else { budget.amount };
    }
}

/// From which amount on a budget warns.
pub(crate) fn warn_at(budget: &BudgetRecord) -> i64 {
    let part = i128::from(budget.amount) * i128::from(budget.warn_percent) / 100;
    i64::try_from(part).unwrap_or(budget.amount).max(1)
}

/// Something of a budget that is set aside. Dropping it gives it back.
pub(crate) struct Hold {
    meter: Arc<Meter>,
    amount: i64,
}

impl Hold {
    /// What is charged in the store once so much is spent.
    pub fn charge(&self, amount: i64) -> Charge {
        Charge { budget: self.meter.budget, period: self.meter.period, amount }
    }

    /// What is counted.
    pub fn unit(&self) -> BudgetUnit {
        self.meter.unit
    }

    /// So much is spent.
    pub fn settle(mut self, amount: i64) {
        let held = std::mem::take(&mut self.amount);
        self.meter.spend(held, amount);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.meter.give_back(self.amount);
        }
    }
}

/// The meters of this server.
#[derive(Default)]
pub(super) struct Meters(Mutex<HashMap<(Uuid, i64), Arc<Meter>>>);

impl Meters {
    pub fn get(&self, budget: Uuid, period: i64) -> Option<Arc<Meter>> {
        self.0.lock().get(&(budget, period)).cloned()
    }

    /// Of two that were made at once, the first.
    pub fn add(&self, meter: Meter) -> Arc<Meter> {
        let mut meters = self.0.lock();
        meters.entry((meter.budget, meter.period)).or_insert_with(|| Arc::new(meter)).clone()
    }

    pub fn all(&self) -> Vec<Arc<Meter>> {
        self.0.lock().values().cloned().collect()
    }

    /// Holds the meters against the budgets in force, each with the number of its period: those of removed budgets go, and
    /// those of periods that are over once nothing is under way.
    pub fn settle_on(&self, budgets: &[(Arc<BudgetRecord>, i64)]) {
        let known: HashMap<Uuid, (&BudgetRecord, i64)> =
            budgets.iter().map(|(budget, period)| (budget.id, (budget.as_ref(), *period))).collect();
        self.0.lock().retain(|(budget, period), meter| match known.get(budget) {
            Some((budget, now)) => {
                meter.set_limit(budget);
                period >= now || meter.state.lock().reserved > 0
            }
            None => {
                meter.lift();
                false
            }
        });
    }
}

#[cfg(test)]
pub(super) mod tests {
    use noukai_api::{BudgetPeriod, BudgetScope};
    use time::OffsetDateTime;

    use super::*;

    /// A budget of an organisation, for ever.
    pub fn budget(amount: i64, unit: BudgetUnit) -> BudgetRecord {
        BudgetRecord {
            id: Uuid::nil(),
            org_id: Uuid::nil(),
            scope: BudgetScope::Organization,
            project_id: None,
            target: String::new(),
            period: BudgetPeriod::Total,
            unit,
            amount,
            warn_percent: 80,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
            updated_by: String::new(),
        }
    }

    fn meter(amount: i64, spent: i64, shared: bool) -> Arc<Meter> {
        Arc::new(Meter::new(&budget(amount, BudgetUnit::Tokens), 0, spent, shared))
    }

    #[test]
    fn what_is_set_aside_is_not_there_for_others() {
        let meter = meter(100, 0, false);
        meter.hold().expect("a first one").settle(50);
        let held = meter.hold().expect("50 are left, 50 are likely");
        assert!(meter.hold().is_none());
        assert!(!meter.is_exhausted());
        drop(held);
        meter.hold().expect("given back").settle(60);
        assert!(meter.hold().is_none());
        assert!(meter.is_exhausted());
    }

    #[test]
    fn before_anything_is_known_a_call_is_likely_to_take_a_hundredth() {
        let meter = meter(1_000, 0, false);
        let holds: Vec<Hold> = std::iter::from_fn(|| meter.hold()).collect();
        assert_eq!(holds.len(), 100);
    }

    #[test]
    fn a_run_is_one() {
        let meter = Arc::new(Meter::new(&budget(3, BudgetUnit::Runs), 0, 1, false));
        let holds: Vec<Hold> = std::iter::from_fn(|| meter.hold()).collect();
        assert_eq!(holds.len(), 2);
        holds.into_iter().for_each(|hold| hold.settle(1));
        assert!(meter.is_exhausted());
    }

    #[test]
    fn shared_it_takes_what_it_is_given_and_gives_back_what_it_does_not_use() {
        let meter = meter(800, 0, true);
        assert!(meter.hold().is_none());
        assert_eq!(meter.wanted(), 100);
        meter.credit(Credit { granted: 100, spent_elsewhere: 0, held_elsewhere: 0 });
        let hold = meter.hold().expect("it is given");
        assert_eq!(meter.idle(), None);
        hold.settle(30);
        assert_eq!((meter.idle(), meter.idle()), (Some(30), None));
        meter.credit(Credit { granted: 30, spent_elsewhere: 770, held_elsewhere: 0 });
        assert!(meter.hold().is_none() && meter.is_exhausted());
    }

    #[test]
    fn a_new_limit_counts_at_once() {
        let meters = Meters::default();
        let meter = meters.add(Meter::new(&budget(100, BudgetUnit::Tokens), 0, 100, false));
        assert!(meter.is_exhausted());
        meters.settle_on(&[(Arc::new(budget(200, BudgetUnit::Tokens)), 0)]);
        assert!(meter.hold().is_some());
        meters.settle_on(&[]);
        assert!(meters.get(Uuid::nil(), 0).is_none());
    }

    #[test]
    fn who_waits_hears_that_the_budget_is_gone() {
        let meters = Meters::default();
        let meter = meters.add(Meter::new(&budget(100, BudgetUnit::Tokens), 0, 99, false));
        let held = meter.hold().expect("one is left");
        let changed = meter.watch();
        assert!(meter.hold().is_none());
        meters.settle_on(&[]);
        assert!(changed.has_changed().expect("the meter is there"));
        assert!(meter.is_open() && !meter.is_exhausted());
        held.settle(5);
    }

    #[test]
    fn a_meter_of_a_period_that_is_over_stays_until_its_calls_have_ended() {
        let meters = Meters::default();
        let meter = meters.add(Meter::new(&budget(100, BudgetUnit::Tokens), 7, 0, false));
        let held = meter.hold().expect("all is left");
        let now = [(Arc::new(budget(100, BudgetUnit::Tokens)), 8)];
        meters.settle_on(&now);
        assert!(meters.get(Uuid::nil(), 7).is_some());
        drop(held);
        meters.settle_on(&now);
        assert!(meters.get(Uuid::nil(), 7).is_none());
    }

    #[test]
    fn a_budget_warns_once_and_again_where_its_level_was_changed() {
        let meter = meter(100, 0, false);
        let warned = || meter.state.lock().warned;
        meter.hold().expect("all is left").settle(79);
        assert!(!warned());
        meter.hold().expect("some is left").settle(1);
        assert!(warned());
        meter.set_limit(&BudgetRecord { warn_percent: 90, ..budget(100, BudgetUnit::Tokens) });
        assert!(!warned(), "of the new level nothing was said");
        meter.hold().expect("some is left").settle(10);
        assert!(warned());
        assert!(
            Meter::new(&budget(100, BudgetUnit::Tokens), 0, 90, false).state.lock().warned,
            "said before a restart"
        );
    }
}
