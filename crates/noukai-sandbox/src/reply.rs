//! What a worker said, read as if an enemy had written it.

use std::fmt;

use noukai_engine::{CodeError, CodeErrorKind, CodeProblem};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::process::Lost;
use crate::settings::Settings;
use crate::wire::{Failure, FailureKind, Printed, Problem};

/// Faults of a source that are passed on.
const PROBLEMS: usize = 50;

/// Bytes of a message that are passed on.
const MESSAGE: usize = 800;

/// Bytes of a traceback that are passed on.
const TRACEBACK: usize = 4_000;

/// The exit code of a worker that ran out of memory.
pub const OUT_OF_MEMORY: i32 = 65;

/// The output that a body holds.
pub fn output(json: &[u8], settings: &Settings) -> Result<Map<String, Value>, CodeError> {
    let mut left = settings.values;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Bounded { depth: settings.depth, left: &mut left }.deserialize(&mut deserializer);
    match value.and_then(|value| deserializer.end().map(|()| value)) {
        Ok(Value::Object(output)) => Ok(output),
        Ok(_) => Err(CodeError::new(CodeErrorKind::OutputInvalid, "the output is no object")),
        Err(error) => Err(CodeError::new(CodeErrorKind::OutputInvalid, format!("the output is no JSON: {error}"))),
    }
}

/// A value that is held to its bounds while it is read.
struct Bounded<'a> {
    depth: u32,
    left: &'a mut u64,
}

impl Bounded<'_> {
    fn inner<E: de::Error>(&mut self) -> Result<Bounded<'_>, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Bounded { depth, left: self.left })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.left = self.left.checked_sub(1).ok_or_else(|| de::Error::custom("too many values"))?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner()?)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(self.inner()?)?;
            if map.insert(key, value).is_some() {
                return Err(de::Error::custom("the same key twice"));
            }
        }
        Ok(map.into())
    }
}

/// Printed text and whether there was more.
pub fn printed(printed: Printed, settings: &Settings) -> (String, bool) {
    let most = usize::try_from(settings.printed).unwrap_or(usize::MAX);
    let cut = printed.text.len() > most;
    (clip(printed.text, most), printed.truncated || cut)
}

/// Why a call gave nothing, as the worker tells it.
pub fn failure(failure: Failure, lines: u32, settings: &Settings) -> CodeError {
    let kind = match failure.kind {
        FailureKind::Error => CodeErrorKind::Error,
        FailureKind::Timeout => CodeErrorKind::Timeout,
        FailureKind::Memory => CodeErrorKind::Memory,
        FailureKind::OutputInvalid => CodeErrorKind::OutputInvalid,
    };
    let (printed, printed_truncated) = printed(failure.printed, settings);
    CodeError {
        kind,
        message: clip(failure.message, MESSAGE),
        line: failure.line.map(|line| line.clamp(1, lines)),
        traceback: failure.traceback.map(|traceback| clip(traceback, TRACEBACK)),
        printed,
        printed_truncated,
    }
}

/// Why a call gave nothing, where its worker cannot tell.
pub fn lost(lost: &Lost, wall: std::time::Duration, memory: u64) -> CodeError {
    match lost {
        Lost::Late => {
            CodeError::new(CodeErrorKind::Timeout, format!("the block ran longer than {} ms", wall.as_millis()))
        }
        Lost::Gone(Some(status)) if status.code() == Some(OUT_OF_MEMORY) => {
            let message = format!("the block needs more than {} MiB of memory", memory >> 20);
            CodeError::new(CodeErrorKind::Memory, message)
        }
        Lost::Gone(status) => {
            let how = status.map_or_else(|| "gone".to_owned(), |status| status.to_string());
            CodeError::new(
                CodeErrorKind::Crashed,
                format!("the block's worker ended ({how}); the next call has another"),
            )
        }
        Lost::Garbage => CodeError::new(
            CodeErrorKind::Crashed,
            "the block's worker gave no proper answer; the next call has another",
        ),
    }
}

/// The faults of a source.
pub fn problems(problems: Vec<Problem>, lines: u32) -> Vec<CodeProblem> {
    let told = |problem: Problem| CodeProblem {
        line: problem.line.clamp(1, lines),
        column: problem.column.max(1),
        message: clip(problem.message, MESSAGE),
    };
    problems.into_iter().take(PROBLEMS).map(told).collect()
}

fn clip(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
    }
    text
}
