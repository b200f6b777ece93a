//! Vendors this release knows: where they answer, what format they speak, which models are theirs. Data only.

use noukai_engine::StructuredOutput;
use serde::{Deserialize, Serialize};

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI's chat completions.
    OpenAi,
    /// The same at Azure: its own header for the key, and the model as a deployment.
    Azure,
    /// Anthropic's Messages API.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
}

/// A vendor.
#[derive(Debug)]
pub struct Preset {
    /// The provider's name in the configuration.
    pub name: &'static str,
    /// What stands before the slash in its models' names.
    pub vendors: &'static [&'static str],
    /// Where it answers; `None` where that is the operator's to say.
    pub base_url: Option<&'static str>,
    /// What it speaks.
    pub dialect: Dialect,
    /// Environment variables that hold its key, the first one set counts.
    pub key_env: &'static [&'static str],
    /// The environment variable that holds another base URL, if there is one.
    pub url_env: Option<&'static str>,
    /// Whether it takes calls without a key.
    pub keyless: bool,
    /// The most it does to structure a reply, whatever the model could do elsewhere.
    pub structured_output: StructuredOutput,
    /// Whether it fetches images by their URL.
    pub images_by_url: bool,
}

const BASE: Preset = Preset {
    name: "",
    vendors: &[],
    base_url: None,
    dialect: Dialect::OpenAi,
    key_env: &[],
    url_env: None,
    keyless: false,
    structured_output: StructuredOutput::Native,
    images_by_url: true,
};

/// All vendors, in the order in which the environment is looked through.
pub const PRESETS: [Preset; 12] = [
    Preset { name: "openrouter", base_url: Some(crate::OPENROUTER_URL), key_env: &["OPENROUTER_API_KEY"], ..BASE },
    Preset {
        name: "openai",
        vendors: &["openai"],
        base_url: Some("https://api.openai.com/v1"),
        key_env: &["OPENAI_API_KEY"],
        url_env: Some("OPENAI_BASE_URL"),
        ..BASE
    },
    Preset {
        name: "anthropic",
        vendors: &["anthropic"],
        base_url: Some("https://api.anthropic.com/v1"),
        dialect: Dialect::Anthropic,
        key_env: &["ANTHROPIC_API_KEY"],
        ..BASE
    },
    Preset {
        name: "gemini",
        vendors: &["google", "gemini"],
        base_url: Some("https://generativelanguage.googleapis.com/v1beta"),
        dialect: Dialect::Gemini,
        key_env: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        ..BASE
    },
    Preset {
        name: "mistral",
        vendors: &["mistralai", "mistral"],
        base_url: Some("https://api.mistral.ai/v1"),
        key_env: &["MISTRAL_API_KEY"],
        ..BASE
    },
    Preset {
        name: "groq",
        vendors: &["groq"],
        base_url: Some("https://api.groq.com/openai/v1"),
        key_env: &["GROQ_API_KEY"],
        structured_output: StructuredOutput::Tool,
        ..BASE
    },
    Preset {
        name: "deepseek",
        vendors: &["deepseek"],
        base_url: Some("https://api.deepseek.com/v1"),
        key_env: &["DEEPSEEK_API_KEY"],
        structured_output: StructuredOutput::Instruction,
        images_by_url: false,
        ..BASE
    },
    Preset {
        name: "xai",
        vendors: &["x-ai", "xai"],
        base_url: Some("https://api.x.ai/v1"),
        key_env: &["XAI_API_KEY"],
        ..BASE
    },
    Preset {
        name: "azure",
        vendors: &["azure"],
        dialect: Dialect::Azure,
        key_env: &["AZURE_OPENAI_API_KEY"],
        url_env: Some("AZURE_OPENAI_ENDPOINT"),
        ..BASE
    },
    Preset {
        name: "bedrock",
        vendors: &["bedrock"],
        key_env: &["AWS_BEARER_TOKEN_BEDROCK"],
        structured_output: StructuredOutput::Tool,
        images_by_url: false,
        ..BASE
    },
    Preset {
        name: "ollama",
        vendors: &["ollama"],
        base_url: Some("http://127.0.0.1:11434/v1"),
        keyless: true,
        images_by_url: false,
        ..BASE
    },
    Preset {
        name: "vllm",
        vendors: &["vllm"],
        base_url: Some("http://127.0.0.1:8000/v1"),
        key_env: &["VLLM_API_KEY"],
        keyless: true,
        ..BASE
    },
];

/// The vendor of this name; any other name is an OpenAI-compatible server of the operator's.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}
