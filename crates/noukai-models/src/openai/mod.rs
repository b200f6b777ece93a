//! OpenAI's chat completions, spoken by OpenRouter, Mistral, Groq, DeepSeek, xAI, Azure, Ollama, vLLM and many more.
//! Owns the format; the calls are made elsewhere.

mod body;
mod dialect;
mod reply;
mod stream;
mod strict;

use hyper::header::{AUTHORIZATION, HeaderName};

pub(crate) use self::{body::Body, dialect::Dialect};
use crate::wire::{Fault, Gather, Outgoing, Reply, Wire, segment};

/// What Azure calls the version of its API, where the base URL is not that of its newer one.
pub(crate) const AZURE_VERSION: &str = "2024-10-21";

const PATH: &str = "/chat/completions";

/// The format, as a host speaks it.
#[derive(Debug)]
pub(crate) struct OpenAi {
    pub(crate) dialect: Dialect,
    /// Azure's version of the API, where models are named in the path.
    pub(crate) api_version: Option<String>,
}

impl Wire for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn path(&self, model: &str, _stream: bool) -> String {
        match &self.api_version {
            Some(version) => {
                let deployment = segment(model);
                format!("/openai/deployments/{deployment}/chat/completions?api-version={version}")
            }
            None => PATH.to_owned(),
        }
    }

    fn fixed_path(&self) -> Option<&'static str> {
        self.api_version.is_none().then_some(PATH)
    }

    fn key_header(&self) -> (HeaderName, &'static str) {
        if self.dialect.is_azure { (HeaderName::from_static("api-key"), "") } else { (AUTHORIZATION, "Bearer ") }
    }

    fn body(&self, outgoing: &Outgoing<'_>) -> Result<Vec<u8>, Fault> {
        serde_json::to_vec(&Body::new(outgoing, &self.dialect)).map_err(|error| Fault::unwritable(&error))
    }

    fn reply(&self, data: &[u8]) -> Result<Reply, Fault> {
        reply::parse(data)
    }

    fn gather(&self) -> Box<dyn Gather> {
        Box::<stream::Gathered>::default()
    }
}
