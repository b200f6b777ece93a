//! Values on their way into the interpreter and out of it. They cross as data: what JSON has, and nothing else.

use std::fmt;

use monty_types::{DictPairs, MontyObject};
use num_traits::ToPrimitive as _;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::output::Output;
use crate::wire::{Bounds, Failure, FailureKind};

/// The arguments, from a JSON array.
pub fn read(json: &[u8]) -> Result<Vec<MontyObject>, String> {
    let values: Vec<Incoming> = serde_json::from_slice(json).map_err(|error| format!("the arguments: {error}"))?;
    Ok(values.into_iter().map(|value| value.0).collect())
}

struct Incoming(MontyObject);

impl<'de> Deserialize<'de> for Incoming {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = MontyObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<MontyObject, E> {
        Ok(MontyObject::None)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<MontyObject, E> {
        Ok(MontyObject::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<MontyObject, E> {
        Ok(MontyObject::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<MontyObject, E> {
        Ok(i64::try_from(value).map_or_else(|_| MontyObject::BigInt(value.into()), MontyObject::Int))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<MontyObject, E> {
        Ok(MontyObject::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<MontyObject, E> {
        Ok(MontyObject::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<MontyObject, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Incoming>()? {
            list.push(item.0);
        }
        Ok(MontyObject::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<MontyObject, A::Error> {
        let mut pairs = Vec::new();
        while let Some((key, value)) = fields.next_entry::<String, Incoming>()? {
            pairs.push((MontyObject::String(key), value.0));
        }
        Ok(MontyObject::Dict(DictPairs::from(pairs)))
    }
}

/// The output as JSON.
pub fn write(output: &MontyObject, bounds: &Bounds) -> Result<Vec<u8>, Failure> {
    let MontyObject::Dict(_) = output else {
        let message = format!("the block returned {}; return a dict with the output's fields", name(output));
        return Err(Failure::new(FailureKind::OutputInvalid, message));
    };
    let mut json = Output::new(bounds);
    value(&mut json, output)?;
    Ok(json.finish())
}

fn value(json: &mut Output, object: &MontyObject) -> Result<(), Failure> {
    match object {
        MontyObject::None => json.scalar(&serde_json::Value::Null),
        MontyObject::Bool(value) => json.scalar(&(*value).into()),
        MontyObject::Int(value) => json.scalar(&(*value).into()),
        MontyObject::BigInt(value) => match value.to_u64() {
            Some(value) => json.scalar(&value.into()),
            None => Err(json.refuse("is an integer of more than 64 bits; return it as text: str(...)")),
        },
        MontyObject::Float(value) => json.float(*value),
        MontyObject::String(text) => json.string(text),
        MontyObject::List(items) | MontyObject::Tuple(items) => json.list(|json, index| match items.get(index) {
            Some(item) => value(json, item).map(|()| true),
            None => Ok(false),
        }),
        MontyObject::Dict(pairs) => dict(json, pairs),
        MontyObject::Cycle(..) => Err(json.refuse("holds itself; return a copy without the loop")),
        other => Err(json.refuse(format_args!("is {}; return plain data: {}", name(other), instead(other)))),
    }
}

fn dict(json: &mut Output, pairs: &DictPairs) -> Result<(), Failure> {
    json.begin_object()?;
    for (index, (key, item)) in pairs.into_iter().enumerate() {
        let MontyObject::String(key) = key else {
            return Err(json.refuse(format_args!("has a key that is {}, not text; use str(...)", name(key))));
        };
        json.field(index == 0, key, |json| value(json, item))?;
    }
    json.end_object();
    Ok(())
}

/// What a value is, for its author.
fn name(object: &MontyObject) -> &'static str {
    match object {
        MontyObject::None => "None",
        MontyObject::Bool(_) => "a bool",
        MontyObject::Int(_) | MontyObject::BigInt(_) => "an int",
        MontyObject::Float(_) => "a float",
        MontyObject::String(_) => "a str",
        MontyObject::List(_) => "a list",
        MontyObject::Tuple(_) | MontyObject::NamedTuple { .. } => "a tuple",
        MontyObject::Dict(_) => "a dict",
        MontyObject::Set(_) | MontyObject::FrozenSet(_) => "a set",
        MontyObject::Bytes(_) => "bytes",
        MontyObject::Date(_) | MontyObject::DateTime(_) | MontyObject::Time(_) => "a date or time",
        MontyObject::TimeDelta(_) => "a timedelta",
        MontyObject::Exception { .. } => "an exception",
        MontyObject::Function { .. } | MontyObject::BuiltinFunction(_) => "a function",
        MontyObject::Type(_) => "a type",
        _ => "an object",
    }
}

/// How to make data of it.
fn instead(object: &MontyObject) -> &'static str {
    match object {
        MontyObject::Set(_) | MontyObject::FrozenSet(_) => "sorted(...) or list(...)",
        MontyObject::Bytes(_) => ".decode()",
        MontyObject::Date(_) | MontyObject::DateTime(_) | MontyObject::Time(_) => ".isoformat()",
        MontyObject::TimeDelta(_) => ".total_seconds()",
        MontyObject::NamedTuple { .. } => "list(...)",
        _ => "str, int, float, bool, None, list or dict",
    }
}
