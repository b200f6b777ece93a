//! A span per call and per step, where the feature `otel` is on; nothing otherwise.

#[cfg(not(feature = "otel"))]
mod none;
#[cfg(feature = "otel")]
mod otel;

#[cfg(not(feature = "otel"))]
pub(crate) use none::{CallSpan, Tracing};
#[cfg(feature = "otel")]
pub(crate) use otel::{CallSpan, Tracing};
