//! How long a provider asks to wait. Reads headers; waits for nothing.

use std::time::Duration;

use hyper::header::{HeaderMap, RETRY_AFTER};
use time::{OffsetDateTime, PrimitiveDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// Longer waits are cut to this.
const LONGEST: f64 = 86_400.0;

/// When a limit of requests or of tokens is full again, where nothing is left of it.
const RESETS: [(&str, &str); 4] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
];

/// `retry-after-ms`, or `Retry-After` in seconds or as an HTTP date, or the longest of the resets that vendors tell.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok());
    let standard = || {
        let text = text(RETRY_AFTER.as_str())?;
        text.parse().ok().or_else(|| seconds_until(text, OffsetDateTime::now_utc()))
    };
    let resets = || {
        let spent = RESETS.iter().filter(|(left, _)| text(left) == Some("0"));
        spent.filter_map(|(_, reset)| reset_seconds(text(reset)?, OffsetDateTime::now_utc())).reduce(f64::max)
    };
    let seconds = milliseconds.map(|ms| ms / 1000.0).or_else(standard).or_else(resets)?;
    seconds.is_finite().then(|| Duration::from_secs_f64(seconds.clamp(0.0, LONGEST)))
}

/// Seconds until an HTTP date in today's form.
fn seconds_until(date: &str, now: OffsetDateTime) -> Option<f64> {
    let format =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let then = PrimitiveDateTime::parse(date, format).ok()?.assume_utc();
    Some((then - now).as_seconds_f64())
}

/// OpenAI's form (`6m0s`, `1.2s`, `20ms`), or Anthropic's (a time in RFC 3339).
fn reset_seconds(text: &str, now: OffsetDateTime) -> Option<f64> {
    if let Ok(then) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some((then - now).as_seconds_f64());
    }
    let (mut seconds, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, after) = rest.split_at(unit_at);
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let factor = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use time::macros::datetime;

    use super::*;

    fn read(name: &'static str, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        retry_after(&headers)
    }

    #[test]
    fn reads_all_three_forms() {
        assert_eq!(read("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(read("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(read("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        let now = datetime!(2015-10-21 07:27:30 UTC);
        assert_eq!(seconds_until("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(30.0));
    }

    #[test]
    fn reads_the_resets_of_spent_limits() {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &'static str| {
            headers.insert(name, HeaderValue::from_static(value));
            retry_after(&headers)
        };
        assert_eq!(set("x-ratelimit-reset-requests", "1m2.5s"), None);
        assert_eq!(set("x-ratelimit-remaining-requests", "0"), Some(Duration::from_millis(62_500)));
        set("x-ratelimit-remaining-tokens", "0");
        assert_eq!(set("x-ratelimit-reset-tokens", "2m"), Some(Duration::from_secs(120)));
        assert_eq!(reset_seconds("20ms", OffsetDateTime::UNIX_EPOCH), Some(0.02));
        assert_eq!(reset_seconds("1970-01-01T00:00:09Z", OffsetDateTime::UNIX_EPOCH), Some(9.0));
        assert_eq!(reset_seconds("soon", OffsetDateTime::UNIX_EPOCH), None);
    }

    #[test]
    fn bounds_what_is_absurd() {
        assert_eq!(read("retry-after", "-3"), Some(Duration::ZERO));
        assert_eq!(read("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("retry-after", "1e300"), Some(Duration::from_secs(86_400)));
        assert_eq!(read("retry-after", "NaN"), None);
        assert_eq!(read("retry-after", "soon"), None);
    }
}
