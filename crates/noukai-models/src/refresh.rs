//! Models and prices as a provider lists them, in the shape that OpenRouter gives its `/models`. Keeps nothing.

use std::{collections::BTreeSet, time::Duration};

use noukai_engine::StructuredOutput;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::{
    CatalogueFile, KnownModel, money,
    router::all_image_types,
    wire::{Fault, Incoming},
};

/// How long a list may take, and how large it may be.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Models of a list; more are no list.
const MOST_MODELS: usize = 100_000;

/// What a provider lists.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The models whose prices it states.
    pub file: CatalogueFile,
    /// How many others it has: without a price there is nothing to write down.
    pub unpriced: usize,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    context_length: Option<u64>,
    architecture: Option<Architecture>,
    pricing: Option<Pricing>,
    #[serde(default)]
    supported_parameters: Vec<String>,
    top_provider: Option<TopProvider>,
}

#[derive(Deserialize)]
struct Architecture {
    #[serde(default)]
    input_modalities: Vec<String>,
}

/// US dollars per token, as text.
#[derive(Deserialize)]
struct Pricing {
    prompt: Option<String>,
    completion: Option<String>,
    internal_reasoning: Option<String>,
    input_cache_read: Option<String>,
    input_cache_write: Option<String>,
}

#[derive(Deserialize)]
struct TopProvider {
    max_completion_tokens: Option<u64>,
}

/// Reads a list as it arrives.
pub(crate) async fn read(answer: crate::egress::Answer, date: &str, source: &str) -> Result<Listed, Fault> {
    let mut incoming = Incoming::new(answer, MOST_BYTES)?;
    let body = incoming.all().await?;
    let list: List = serde_json::from_slice(&body).map_err(|error| Fault::not_json(&body, &error))?;
    if list.data.len() > MOST_MODELS {
        return Err(Fault::invalid(format!("the provider lists more than {MOST_MODELS} models")));
    }
    let all = list.data.len();
    let models: Vec<KnownModel> = list.data.into_iter().filter_map(row).collect();
    let unpriced = all - models.len();
    Ok(Listed { file: CatalogueFile { date: date.to_owned(), source: source.to_owned(), models }, unpriced })
}

fn row(entry: Entry) -> Option<KnownModel> {
    let pricing = entry.pricing?;
    let (input, output) = (per_million(pricing.prompt)?, per_million(pricing.completion)?);
    let takes = |name: &str| entry.supported_parameters.iter().any(|parameter| parameter == name);
    let modalities = entry.architecture.map(|architecture| architecture.input_modalities).unwrap_or_default();
    let sees = modalities.iter().any(|modality| modality == "image");
    let structured_output = match () {
        () if takes("structured_outputs") => StructuredOutput::Native,
        () if takes("tool_choice") => StructuredOutput::Tool,
        () => StructuredOutput::Instruction,
    };
    Some(KnownModel {
        model: entry.id,
        direct: None,
        input: Some(input),
        output: Some(output),
        cached_input: per_million(pricing.input_cache_read),
        cache_write: per_million(pricing.input_cache_write),
        // Zero stands for thoughts that cost as other output does.
        reasoning: per_million(pricing.internal_reasoning).filter(|price| !price.is_zero()),
        context: entry.context_length,
        max_output: entry.top_provider.and_then(|provider| provider.max_completion_tokens),
        image_types: if sees { all_image_types() } else { BTreeSet::new() },
        structured_output,
        tools: takes("tools"),
        date: None,
        source: None,
    })
}

/// A price per token as one per million; what is below zero stands for "depends".
fn per_million(price: Option<String>) -> Option<Decimal> {
    money::amount(&price?)?.checked_mul(Decimal::from(1_000_000)).map(|price| price.normalize())
}
