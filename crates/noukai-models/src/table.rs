//! What is known of well-known models: prices and capabilities, from `models.json`. Data only, no calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use noukai_engine::{ModelInfo, Tokens};
use rust_decimal::Decimal;
use serde::Deserialize;

const DATA: &str = include_str!("../models.json");

static TABLE: LazyLock<BTreeMap<String, KnownModel>> = LazyLock::new(|| parse(DATA).unwrap_or_default());

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownModel {
    /// `vendor/model`.
    pub model: String,
    /// US dollars per million tokens read; `None` where hosts differ.
    pub input: Option<Decimal>,
    /// US dollars per million tokens written; `None` where hosts differ.
    pub output: Option<Decimal>,
    /// Image MIME types it sees; empty: none.
    pub image_types: BTreeSet<String>,
    /// Whether it takes a JSON Schema for its reply.
    pub structured_output: bool,
}

impl KnownModel {
    /// List price of so many tokens, without discounts for cached or batched ones.
    pub fn cost(&self, tokens: Tokens) -> Option<Decimal> {
        crate::money::cost(tokens, self.input?, self.output?)
    }
}

/// What is known of a model, by its exact name.
pub fn known_model(model: &str) -> Option<&'static KnownModel> {
    TABLE.get(model)
}

/// What the port asks: unknown models are taken to see and structure what the provider lets them.
pub(crate) fn describe(model: &str, available: Result<(), String>) -> ModelInfo {
    let known = known_model(model);
    ModelInfo {
        available,
        image_types: known.map(|row| row.image_types.clone()),
        structured_output: known.is_none_or(|row| row.structured_output),
    }
}

/// All rows, by name.
pub fn known_models() -> impl Iterator<Item = &'static KnownModel> {
    TABLE.values()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "for readers of the file")]
    date: String,
    #[expect(dead_code, reason = "for readers of the file")]
    source: String,
    models: Vec<KnownModel>,
}

fn parse(data: &str) -> Result<BTreeMap<String, KnownModel>, serde_json::Error> {
    let file: File = serde_json::from_str(data)?;
    Ok(file.models.into_iter().map(|row| (row.model.clone(), row)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_parses_and_names_each_model_once() {
        let rows = parse(DATA).unwrap();
        assert!(rows.len() >= 24);
        assert_eq!(rows.len(), DATA.matches("\"model\":").count());
        for row in rows.values() {
            assert_eq!(row.input.is_some(), row.output.is_some(), "{}", row.model);
            assert!(row.model.contains('/'));
            assert!(row.image_types.iter().all(|kind| kind.starts_with("image/")));
        }
    }

    #[test]
    fn text_only_models_are_known_as_such() {
        for model in ["openai/gpt-3.5-turbo", "deepseek/deepseek-chat"] {
            assert!(known_model(model).unwrap().image_types.is_empty());
        }
    }

    #[test]
    fn cost_is_exact() {
        let cost = known_model("openai/gpt-4o-mini").unwrap().cost(Tokens::new(1_000, 7)).unwrap();
        assert_eq!(crate::decimal_text(&cost), "0.0001542");
    }
}
