//! Amounts of US dollars as exact decimals: price times tokens, and their text. Knows no model.

use rust_decimal::Decimal;

/// A decimal without exponent and without trailing zeros: `0`, `0.00012`.
pub fn decimal_text(amount: &Decimal) -> String {
    if amount.is_zero() { "0".to_owned() } else { amount.normalize().to_string() }
}

/// What tokens cost: numbers of them, each with its price per million. `None` where the sum does not fit a decimal.
pub(crate) fn cost(parts: &[(u64, Decimal)]) -> Option<Decimal> {
    let add =
        |sum: Decimal, (tokens, price): &(u64, Decimal)| sum.checked_add(Decimal::from(*tokens).checked_mul(*price)?);
    let sum = parts.iter().try_fold(Decimal::ZERO, add)?;
    sum.checked_div(Decimal::from(1_000_000)).map(|sum| sum.normalize())
}

/// A JSON number, or a string that holds one, to the last digit. Negative amounts are no amounts: a reply cannot
/// pay its caller.
pub(crate) fn amount(json: &str) -> Option<Decimal> {
    let text = json.trim().trim_matches('"');
    let amount = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()?;
    (!amount.is_sign_negative() || amount.is_zero()).then(|| amount.normalize())
}
