//! How long a provider asks to wait. Reads headers; waits for nothing.

use std::time::Duration;

use hyper::header::{HeaderMap, RETRY_AFTER};
use time::{OffsetDateTime, PrimitiveDateTime, macros::format_description};

/// Longer waits are cut to this.
const LONGEST: f64 = 86_400.0;

/// `retry-after-ms`, or `Retry-After` in seconds or as an HTTP date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok());
    let standard = || {
        let text = text(RETRY_AFTER.as_str())?;
        text.parse().ok().or_else(|| seconds_until(text, OffsetDateTime::now_utc()))
    };
    let seconds = milliseconds.map(|ms| ms / 1000.0).or_else(standard)?;
    seconds.is_finite().then(|| Duration::from_secs_f64(seconds.clamp(0.0, LONGEST)))
}

/// Seconds until an HTTP date in today's form.
fn seconds_until(date: &str, now: OffsetDateTime) -> Option<f64> {
    let format =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let then = PrimitiveDateTime::parse(date, format).ok()?.assume_utc();
    Some((then - now).as_seconds_f64())
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
    fn bounds_what_is_absurd() {
        assert_eq!(read("retry-after", "-3"), Some(Duration::ZERO));
        assert_eq!(read("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("retry-after", "1e300"), Some(Duration::from_secs(86_400)));
        assert_eq!(read("retry-after", "NaN"), None);
        assert_eq!(read("retry-after", "soon"), None);
    }
}
