//! A sandbox whose workers are this crate's own binary, and blocks to call in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use noukai_engine::Code;
use noukai_engine::{CodeCall, CodeSource};
use noukai_flow::Language;
use noukai_sandbox::{Sandbox, Settings};
use serde_json::{Map, Value};
use uuid::Uuid;

pub fn settings() -> Settings {
    Settings { program: PathBuf::from(env!("CARGO_BIN_EXE_noukai-sandbox-worker")), ..Settings::default() }
}

pub fn sandbox() -> Sandbox {
    Sandbox::new(settings())
}

pub struct Block(pub Arc<CodeSource>);

pub fn python(parameters: &[&str], body: &str) -> Block {
    block(Language::Python, parameters, body)
}

pub fn javascript(parameters: &[&str], body: &str) -> Block {
    block(Language::JavaScript, parameters, body)
}

pub fn block(language: Language, parameters: &[&str], body: &str) -> Block {
    let parameters = parameters.iter().map(|&name| name.to_owned()).collect();
    Block(Arc::new(CodeSource { language, parameters, body: body.into() }))
}

impl Block {
    pub fn with<const N: usize>(&self, initial: Value, arguments: [Value; N]) -> CodeCall {
        CodeCall {
            tenant: Uuid::from_u128(1),
            source: Arc::clone(&self.0),
            initial: Arc::new(initial),
            arguments: arguments.into_iter().map(Arc::new).collect(),
            timeout: Duration::from_secs(20),
        }
    }
}

pub fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
