//! Periods of budgets, in UTC: their numbers, and when they begin and end.

use noukai_api::BudgetPeriod;
use time::{Date, Month, OffsetDateTime};

/// One period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    /// Its number, unlike that of any other of the kind.
    pub number: i64,
    /// Its first hour since the epoch.
    pub since: i64,
    /// When the next one begins.
    pub ends: Option<OffsetDateTime>,
}

impl Period {
    /// The one that goes on at a time.
    pub fn at(kind: BudgetPeriod, now: OffsetDateTime) -> Self {
        let now = now.to_offset(time::UtcOffset::UTC);
        let (number, first, next) = match kind {
            BudgetPeriod::Total => return Self { number: 0, since: 0, ends: None },
            BudgetPeriod::Day => (now.unix_timestamp().div_euclid(86_400), Some(now.date()), now.date().next_day()),
            BudgetPeriod::Month => {
                let (year, month) = (now.year(), now.month());
                let next = if month == Month::December { (year + 1, Month::January) } else { (year, month.next()) };
                let first = |(year, month)| Date::from_calendar_date(year, month, 1).ok();
                (i64::from(year) * 12 + i64::from(u8::from(month)), first((year, month)), first(next))
            }
        };
        let midnight = |date: Date| date.midnight().assume_utc();
        let since = first.map_or(0, |date| midnight(date).unix_timestamp().div_euclid(3_600));
        Self { number, since, ends: next.map(midnight) }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn at(kind: BudgetPeriod, now: OffsetDateTime) -> (OffsetDateTime, Option<OffsetDateTime>, i64) {
        let period = Period::at(kind, now);
        (OffsetDateTime::from_unix_timestamp(period.since * 3_600).unwrap(), period.ends, period.number)
    }

    #[test]
    fn periods_begin_and_end_at_midnight_in_utc() {
        let late = datetime!(2027-12-31 23:59:59.9 UTC);
        let (begins, ends, number) = at(BudgetPeriod::Day, late);
        assert_eq!((begins, ends), (datetime!(2027-12-31 0:00 UTC), Some(datetime!(2028-01-01 0:00 UTC))));
        assert_eq!(at(BudgetPeriod::Day, datetime!(2028-01-01 0:00 UTC)).2, number + 1);
        let (begins, ends, number) = at(BudgetPeriod::Month, late);
        assert_eq!((begins, ends), (datetime!(2027-12-01 0:00 UTC), Some(datetime!(2028-01-01 0:00 UTC))));
        assert_eq!(at(BudgetPeriod::Month, datetime!(2028-01-31 5:00 UTC)).2, number + 1);
        assert_eq!(at(BudgetPeriod::Month, datetime!(2028-01-01 1:00 +2)).2, number, "still the year before in UTC");
        assert_eq!(at(BudgetPeriod::Total, late), (OffsetDateTime::UNIX_EPOCH, None, 0));
    }
}
