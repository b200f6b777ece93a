//! What is known of models: prices and capabilities, from `models.json` and the operator's own files. Data only, no
//! calls.
//!
//! Rows of a later file take the place of earlier ones of the same name. A model without a row runs all the same: its
//! cost is unknown, and what it can see is left to its provider.

use std::collections::{BTreeMap, BTreeSet};

use noukai_engine::{StructuredOutput, TokenDetails, Tokens};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

const DATA: &str = include_str!("../models.json");

/// A row: one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownModel {
    /// `vendor/model`.
    pub model: String,
    /// The name its vendor knows it by, where that is not the part after the slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<String>,
    /// US dollars per million tokens read; `None` where hosts differ.
    #[serde(default)]
    pub input: Option<Decimal>,
    /// US dollars per million tokens written; `None` where hosts differ.
    #[serde(default)]
    pub output: Option<Decimal>,
    /// US dollars per million tokens read from the provider's cache, where that differs from `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Decimal>,
    /// US dollars per million tokens written to the provider's cache, where that differs from `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Decimal>,
    /// US dollars per million tokens thought, where that differs from `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Decimal>,
    /// Tokens it can read and write together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u64>,
    /// Tokens it can write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
    /// Image MIME types it sees; empty: none.
    #[serde(default)]
    pub image_types: BTreeSet<String>,
    /// How it is brought to give a reply that fits a JSON Schema.
    pub structured_output: StructuredOutput,
    /// Whether it calls tools.
    pub tools: bool,
    /// When the row was written down, where not with its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Where the row is from, where not as its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl KnownModel {
    /// List price of so many tokens. `None` where a price is not known, or the sum does not fit a decimal.
    pub fn cost(&self, tokens: Tokens, details: TokenDetails) -> Option<Decimal> {
        let (input, output) = (self.input?, self.output?);
        let cached = details.cached.min(tokens.prompt);
        let written = details.cache_written.min(tokens.prompt - cached);
        let thought = details.reasoning.min(tokens.completion);
        let parts = [
            (tokens.prompt - cached - written, input),
            (cached, self.cached_input.unwrap_or(input)),
            (written, self.cache_write.unwrap_or(input)),
            (tokens.completion - thought, output),
            (thought, self.reasoning.unwrap_or(output)),
        ];
        crate::money::cost(&parts)
    }
}

/// A file of rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueFile {
    /// When it was written down.
    pub date: String,
    /// Where its prices are from.
    pub source: String,
    /// The rows.
    pub models: Vec<KnownModel>,
}

/// Why a file of rows cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Not the file's format.
    #[error("{0}")]
    Format(String),
    /// A price below zero.
    #[error("`{0}` has a price below zero")]
    Price(String),
}

/// All that is known, by model.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    rows: BTreeMap<String, KnownModel>,
}

impl Catalogue {
    /// What this release knows.
    pub fn built_in() -> Self {
        let mut catalogue = Self::default();
        // A test holds that the file parses.
        let _ = catalogue.add(DATA);
        catalogue
    }

    /// Adds the rows of a file.
    ///
    /// # Errors
    /// Says what is wrong with the file; nothing of it is added.
    pub fn add(&mut self, json: &str) -> Result<(), CatalogueError> {
        let file: CatalogueFile =
            serde_json::from_str(json).map_err(|error| CatalogueError::Format(error.to_string()))?;
        if let Some(row) = file.models.iter().find(|row| row.prices().any(|price| price.is_sign_negative())) {
            return Err(CatalogueError::Price(row.model.clone()));
        }
        for mut row in file.models {
            row.date.get_or_insert_with(|| file.date.clone());
            row.source.get_or_insert_with(|| file.source.clone());
            self.rows.insert(row.model.clone(), row);
        }
        Ok(())
    }

    /// What is known of a model, by its exact name.
    pub fn get(&self, model: &str) -> Option<&KnownModel> {
        self.rows.get(model)
    }

    /// All rows, by name.
    pub fn rows(&self) -> impl Iterator<Item = &KnownModel> {
        self.rows.values()
    }
}

impl KnownModel {
    fn prices(&self) -> impl Iterator<Item = Decimal> {
        [self.input, self.output, self.cached_input, self.cache_write, self.reasoning].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_parses_and_names_each_model_once() {
        let mut catalogue = Catalogue::default();
        catalogue.add(DATA).unwrap();
        assert!(catalogue.rows().count() >= 24);
        assert_eq!(catalogue.rows().count(), DATA.matches("\"model\":").count());
        for row in catalogue.rows() {
            assert_eq!(row.input.is_some(), row.output.is_some(), "{}", row.model);
            assert!(row.model.contains('/'));
            assert!(row.image_types.iter().all(|kind| kind.starts_with("image/")));
            assert!(row.date.is_some() && row.source.is_some());
            assert!(row.cached_input <= row.input, "{}", row.model);
        }
    }

    #[test]
    fn text_only_models_are_known_as_such() {
        for model in ["openai/gpt-3.5-turbo", "deepseek/deepseek-chat"] {
            assert!(Catalogue::built_in().get(model).unwrap().image_types.is_empty());
        }
    }

    #[test]
    fn cost_is_exact_and_prices_each_kind_of_token() {
        let catalogue = Catalogue::built_in();
        let none = TokenDetails::default();
        let cost = catalogue.get("openai/gpt-4o-mini").unwrap().cost(Tokens::new(1_000, 7), none).unwrap();
        assert_eq!(crate::decimal_text(&cost), "0.0001542");
        let mut own = Catalogue::default();
        let prices = r#""input": "1", "output": "10", "cached_input": "0.1", "cache_write": "1.25", "reasoning": "20""#;
        let row = format!(r#"{{"model": "a/b", {prices}, "structured_output": "native", "tools": true}}"#);
        own.add(&format!(r#"{{"date": "d", "source": "s", "models": [{row}]}}"#)).unwrap();
        let details = TokenDetails { cached: 100, cache_written: 200, reasoning: 5 };
        let cost = own.get("a/b").unwrap().cost(Tokens::new(1_000, 10), details).unwrap();
        // 700 + 100 x 0.1 + 200 x 1.25 + 5 x 10 + 5 x 20, in millionths.
        assert_eq!(crate::decimal_text(&cost), "0.00111");
    }

    #[test]
    fn the_operators_rows_win_and_wrong_files_are_refused() {
        let mut catalogue = Catalogue::built_in();
        let row = |rest: &str| {
            format!(r#"{{"date": "2030-01", "source": "mine", "models": [{{"model": "openai/gpt-4o", {rest}}}]}}"#)
        };
        catalogue.add(&row(r#""input": "1", "output": "2", "structured_output": "tool", "tools": false"#)).unwrap();
        let known = catalogue.get("openai/gpt-4o").unwrap();
        assert_eq!((known.structured_output, known.date.as_deref()), (StructuredOutput::Tool, Some("2030-01")));
        assert_eq!(known.source.as_deref(), Some("mine"));
        for wrong in [
            "{",
            r#"{"models": []}"#,
            &row(r#""input": "-1", "output": "2", "structured_output": "tool", "tools": false"#),
            &row(r#""inptu": "1", "structured_output": "tool", "tools": false"#),
        ] {
            assert!(catalogue.add(wrong).is_err(), "{wrong}");
        }
        assert_eq!(catalogue.get("openai/gpt-4o").unwrap().structured_output, StructuredOutput::Tool);
    }
}
