//! Amounts of US dollars in units of the ledger, and back.

use noukai_store::UNITS_PER_USD;
use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};

/// Most that one call may be said to have cost: more is no price but a mistake, and not known.
const MOST: i64 = 100_000 * UNITS_PER_USD;

/// What a call cost, to the nearest unit. `None` where that is more than any call costs.
pub(crate) fn from_usd(cost: &Decimal) -> Option<i64> {
    units(cost).filter(|units| (0..=MOST).contains(units))
}

/// An amount in units, to the nearest; `None` where there are too many.
pub(crate) fn units(amount: &Decimal) -> Option<i64> {
    let units = amount.checked_mul(Decimal::from(UNITS_PER_USD))?;
    units.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero).to_i64()
}

/// US dollars.
pub(crate) fn usd(units: i128) -> Decimal {
    // Sums that no decimal holds are of no currency.
    Decimal::try_from_i128_with_scale(units, 12).unwrap_or(Decimal::MAX)
}

#[cfg(test)]
mod tests {
    use noukai_models::decimal_text;

    use super::*;

    fn cost(text: &str) -> Option<i64> {
        from_usd(&text.parse().unwrap())
    }

    #[test]
    fn prices_are_exact() {
        for text in ["0", "0.0000001542", "0.00000001875", "12.5", "0.000000000001", "99999.999999999999"] {
            assert_eq!(decimal_text(&usd(i128::from(cost(text).unwrap()))), text);
        }
        assert_eq!(cost("0.0000000000015"), Some(2));
    }

    #[test]
    fn what_no_call_costs_is_not_known() {
        for text in ["100000.01", "79228162514264337593543950335", "-0.1"] {
            assert_eq!(cost(text), None, "{text}");
        }
    }
}
