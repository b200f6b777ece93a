//! `traceparent` (W3C Trace Context): one trace per call, a parent id per request.

use crate::random::random;

/// To which trace the requests of a call belong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TraceContext {
    trace_id: u128,
    /// The caller's span; without one, each request names an id of its own.
    span_id: Option<u64>,
    is_sampled: bool,
}

impl TraceContext {
    /// A trace nobody records on this side.
    pub fn fresh() -> Self {
        let trace_id = (u128::from(random()) << 64) | u128::from(random()).max(1);
        Self { trace_id, span_id: None, is_sampled: false }
    }

    /// The trace of a span.
    #[cfg(feature = "otel")]
    pub const fn of_span(trace_id: u128, span_id: u64, is_sampled: bool) -> Self {
        Self { trace_id, span_id: Some(span_id), is_sampled }
    }

    /// The header's value: `00-{trace}-{parent}-{flags}`.
    pub fn header(self) -> String {
        let parent = self.span_id.unwrap_or_else(|| random().max(1));
        format!("00-{:032x}-{parent:016x}-{:02x}", self.trace_id, u8::from(self.is_sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_one_call_share_a_trace_and_nothing_else() {
        let call = TraceContext::fresh();
        let (one, two) = (call.header(), call.header());
        assert_eq!(one.len(), 55);
        assert_eq!(one[..36], two[..36]);
        assert_ne!(one[36..52], two[36..52]);
        assert!(one.starts_with("00-") && one.ends_with("-00"));
        assert_ne!(TraceContext::fresh().header()[..36], one[..36]);
    }
}
