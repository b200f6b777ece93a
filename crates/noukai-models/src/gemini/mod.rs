//! Google's `generateContent`. Owns the format; the calls are made elsewhere.

mod body;
mod reply;

use hyper::header::HeaderName;

use crate::wire::{Fault, Gather, Outgoing, Reply, Wire, segment};

/// The format.
#[derive(Debug)]
pub(crate) struct Gemini;

/// Its name, for what is carried.
const NAME: &str = "gemini";

impl Wire for Gemini {
    fn name(&self) -> &'static str {
        NAME
    }

    fn path(&self, model: &str, stream: bool) -> String {
        let model = segment(model);
        if stream {
            format!("/models/{model}:streamGenerateContent?alt=sse")
        } else {
            format!("/models/{model}:generateContent")
        }
    }

    fn key_header(&self) -> (HeaderName, &'static str) {
        (HeaderName::from_static("x-goog-api-key"), "")
    }

    fn body(&self, outgoing: &Outgoing<'_>) -> Result<Vec<u8>, Fault> {
        serde_json::to_vec(&body::body(outgoing.request)).map_err(|error| Fault::unwritable(&error))
    }

    fn reply(&self, data: &[u8]) -> Result<Reply, Fault> {
        let mut gathered = reply::Gathered::default();
        gathered.take(data, None)?;
        Box::new(gathered).finish()
    }

    fn gather(&self) -> Box<dyn Gather> {
        Box::<reply::Gathered>::default()
    }
}
