//! Amounts of US dollars as exact decimals: price times tokens, and their text. Knows no model.

use noukai_engine::Tokens;
use rust_decimal::Decimal;

/// A decimal without exponent and without trailing zeros: `0`, `0.00012`.
pub fn decimal_text(amount: &Decimal) -> String {
    if amount.is_zero() { "0".to_owned() } else { amount.normalize().to_string() }
}

/// What so many tokens cost; prices are per million. `None` where the sum does not fit a decimal.
pub(crate) fn cost(tokens: Tokens, input: Decimal, output: Decimal) -> Option<Decimal> {
    let read = Decimal::from(tokens.prompt).checked_mul(input)?;
    let written = Decimal::from(tokens.completion).checked_mul(output)?;
    read.checked_add(written)?.checked_div(Decimal::from(1_000_000)).map(|sum| sum.normalize())
}

/// A JSON number, or a string that holds one, to the last digit. Negative amounts are no amounts: a reply cannot
/// pay its caller.
pub(crate) fn amount(json: &str) -> Option<Decimal> {
    let text = json.trim().trim_matches('"');
    let amount = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()?;
    (!amount.is_sign_negative() || amount.is_zero()).then(|| amount.normalize())
}
