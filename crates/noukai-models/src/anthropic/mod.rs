//! Anthropic's Messages API. Owns the format; the calls are made elsewhere.

mod body;
mod reply;
mod schema;
mod stream;

use hyper::header::HeaderName;
use serde_json::Value;

use crate::wire::{Fault, Gather, Outgoing, Reply, Wire};

/// The format.
#[derive(Debug)]
pub(crate) struct Anthropic;

/// Its name, for what is carried.
const NAME: &str = "anthropic";

impl Wire for Anthropic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/messages".to_owned()
    }

    fn fixed_path(&self) -> Option<&'static str> {
        Some("/messages")
    }

    fn key_header(&self) -> (HeaderName, &'static str) {
        (HeaderName::from_static("x-api-key"), "")
    }

    fn headers(&self) -> &[(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn takes_schema(&self, schema: &Value) -> bool {
        schema::closed(schema).is_some()
    }

    fn body(&self, outgoing: &Outgoing<'_>) -> Result<Vec<u8>, Fault> {
        let body = body::body(outgoing);
        serde_json::to_vec(&body).map_err(|error| Fault::unwritable(&error))
    }

    fn reply(&self, data: &[u8]) -> Result<Reply, Fault> {
        reply::parse(data)
    }

    fn gather(&self) -> Box<dyn Gather> {
        Box::<stream::Gathered>::default()
    }
}
