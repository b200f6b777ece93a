//! Values on their way into the engine and out of it. They cross as data: what JSON has, and nothing else.
//!
//! Integers that a number cannot hold exactly go in as BigInt and may come back as one, so that ids stay what they are.

use std::fmt;

use rquickjs::atom::PredefinedAtom;
use rquickjs::object::Property;
use rquickjs::{Array, BigInt, Ctx, Function, IntoJs as _, Object, String as JsString, Value};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::output::Output;
use crate::wire::{Bounds, Failure, FailureKind};

/// The largest integer that is exact as a number.
const EXACT: u64 = (1 << 53) - 1;

/// Why an output is none.
pub enum Refusal {
    /// It is no data.
    Output(Failure),
    /// The author's code threw while it was read.
    Engine(rquickjs::Error),
}

/// The arguments, from a JSON array.
pub fn read<'js>(ctx: &Ctx<'js>, json: &[u8]) -> rquickjs::Result<Vec<Value<'js>>> {
    let list = if has_large_integers(json) { read_exactly(ctx, json)? } else { ctx.json_parse(json)? };
    let list = Array::from_value(list)?;
    list.iter().collect()
}

/// Whether as many digits stand together as only a large integer has: then the text is read number by number.
fn has_large_integers(json: &[u8]) -> bool {
    json.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() >= 16)
}

fn read_exactly<'js>(ctx: &Ctx<'js>, json: &[u8]) -> rquickjs::Result<Value<'js>> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Reader(ctx)
        .deserialize(&mut deserializer)
        .map_err(|error| rquickjs::Exception::throw_message(ctx, &error.to_string()))
}

#[derive(Clone, Copy)]
struct Reader<'a, 'js>(&'a Ctx<'js>);

impl<'js> Reader<'_, 'js> {
    fn made<E: de::Error>(value: rquickjs::Result<Value<'js>>) -> Result<Value<'js>, E> {
        value.map_err(|error| E::custom(error))
    }
}

impl<'de, 'js> DeserializeSeed<'de> for Reader<'_, 'js> {
    type Value = Value<'js>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'js>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, 'js> Visitor<'de> for Reader<'_, 'js> {
    type Value = Value<'js>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value<'js>, E> {
        Ok(Value::new_null(self.0.clone()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value<'js>, E> {
        Ok(Value::new_bool(self.0.clone(), value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value<'js>, E> {
        if value.unsigned_abs() <= EXACT {
            return Self::made((value as f64).into_js(self.0));
        }
        Self::made(BigInt::from_i64(self.0.clone(), value).map(BigInt::into_value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value<'js>, E> {
        if value <= EXACT {
            return Self::made((value as f64).into_js(self.0));
        }
        Self::made(BigInt::from_u64(self.0.clone(), value).map(BigInt::into_value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value<'js>, E> {
        Self::made(value.into_js(self.0))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value<'js>, E> {
        Self::made(value.into_js(self.0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'js>, A::Error> {
        let list = Array::new(self.0.clone()).map_err(de::Error::custom)?;
        let mut index = 0;
        while let Some(item) = items.next_element_seed(self)? {
            list.set(index, item).map_err(de::Error::custom)?;
            index += 1;
        }
        Ok(list.into_value())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value<'js>, A::Error> {
        let object = Object::new(self.0.clone()).map_err(de::Error::custom)?;
        while let Some(key) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(self)?;
            // Defined, not set: a field named `__proto__` is a field.
            let field = Property::from(value).writable().enumerable().configurable();
            object.prop(key, field).map_err(de::Error::custom)?;
        }
        Ok(object.into_value())
    }
}

/// What reading an output needs of the engine, taken before the author's code could change it.
pub struct Tools<'js> {
    plain: Option<Object<'js>>,
    well_formed: Function<'js>,
}

impl<'js> Tools<'js> {
    /// To be made before the author's code runs.
    pub fn new(ctx: &Ctx<'js>) -> rquickjs::Result<Self> {
        let text: Object = ctx.globals().get("String")?;
        let text: Object = text.get("prototype")?;
        let plain = Object::new(ctx.clone())?.get_prototype();
        Ok(Self { plain, well_formed: text.get("toWellFormed")? })
    }

    /// A string as UTF-8: half a surrogate pair becomes the replacement character, as on its way into a file.
    fn text(&self, string: &JsString<'js>) -> rquickjs::Result<String> {
        string.to_string().or_else(|_| {
            let whole: JsString = self.well_formed.call((rquickjs::function::This(string.clone()),))?;
            whole.to_string()
        })
    }

    /// Whether it was made by `{...}` or has no prototype.
    fn is_plain(&self, object: &Object<'js>) -> bool {
        match object.get_prototype() {
            None => true,
            prototype => prototype == self.plain,
        }
    }
}

/// The output as JSON.
pub fn write<'js>(tools: &Tools<'js>, output: &Value<'js>, bounds: &Bounds) -> Result<Vec<u8>, Refusal> {
    let is_object = output.as_object().is_some_and(|object| tools.is_plain(object) && !output.is_array());
    if !is_object {
        let message = format!("the block returned {}; return an object with the output's fields", name(output));
        return Err(Failure::new(FailureKind::OutputInvalid, message).into());
    }
    let mut json = Output::new(bounds);
    value(tools, &mut json, output)?;
    Ok(json.finish())
}

fn value<'js>(tools: &Tools<'js>, json: &mut Output, given: &Value<'js>) -> Result<(), Refusal> {
    if given.is_null() || given.is_undefined() {
        return Ok(json.scalar(&serde_json::Value::Null)?);
    }
    if let Some(value) = given.as_bool() {
        return Ok(json.scalar(&value.into())?);
    }
    if let Some(number) = given.as_number() {
        return Ok(number_out(json, number)?);
    }
    if let Some(text) = given.as_string() {
        return Ok(json.string(&tools.text(text)?)?);
    }
    if let Some(integer) = given.as_big_int() {
        return big_int(json, integer);
    }
    if let Some(list) = given.as_array() {
        return list_out(tools, json, list);
    }
    match given.as_object() {
        Some(object) if tools.is_plain(object) => object_out(tools, json, object),
        _ => Err(json.refuse(format_args!("is {}; return plain data: {}", name(given), instead(given))).into()),
    }
}

fn number_out(json: &mut Output, number: f64) -> Result<(), Failure> {
    // Numbers know no integers: what has no fraction and is exact is written as one, minus zero as zero.
    if number.fract() == 0.0 && number.abs() <= EXACT as f64 {
        return json.scalar(&(number as i64).into());
    }
    json.float(number)
}

fn big_int(json: &mut Output, integer: &BigInt<'_>) -> Result<(), Refusal> {
    let text = integer.clone().into_value().get::<rquickjs::Coerced<String>>()?.0;
    if let Ok(value) = text.parse::<i64>() {
        return Ok(json.scalar(&value.into())?);
    }
    if let Ok(value) = text.parse::<u64>() {
        return Ok(json.scalar(&value.into())?);
    }
    Err(json.refuse("is an integer of more than 64 bits; return it as text: String(...)").into())
}

fn list_out<'js>(tools: &Tools<'js>, json: &mut Output, list: &Array<'js>) -> Result<(), Refusal> {
    json.list(|json, index| {
        // Asked each time, and as the number it is: a getter may change it, and it may be beyond what an index can be.
        let length: f64 = list.as_object().get(PredefinedAtom::Length)?;
        if index as f64 >= length {
            return Ok(false);
        }
        let item: Value = list.as_object().get(index as f64)?;
        value(tools, json, &item).map(|()| true)
    })
}

fn object_out<'js>(tools: &Tools<'js>, json: &mut Output, object: &Object<'js>) -> Result<(), Refusal> {
    json.begin_object()?;
    let mut first = true;
    for key in object.own_keys::<JsString>(rquickjs::object::Filter::default()) {
        let key = key?;
        let item: Value = object.get(key.clone())?;
        // As in JSON.stringify: a field without a value is no field.
        if item.is_undefined() {
            continue;
        }
        json.field(first, &tools.text(&key)?, |json| value(tools, json, &item))?;
        first = false;
    }
    json.end_object();
    Ok(())
}

/// What a value is, for its author.
fn name(value: &Value<'_>) -> &'static str {
    if value.is_promise() {
        return "a promise";
    }
    if value.is_function() {
        return "a function";
    }
    if value.is_error() {
        return "an error";
    }
    match value.type_of() {
        rquickjs::Type::Undefined | rquickjs::Type::Uninitialized => "undefined",
        rquickjs::Type::Null => "null",
        rquickjs::Type::Bool => "a boolean",
        rquickjs::Type::Int | rquickjs::Type::Float => "a number",
        rquickjs::Type::BigInt => "a BigInt",
        rquickjs::Type::String => "a string",
        rquickjs::Type::Symbol => "a symbol",
        rquickjs::Type::Array => "an array",
        _ => "an object of a class",
    }
}

/// How to make data of it.
fn instead(value: &Value<'_>) -> &'static str {
    if value.is_promise() {
        return "no async code";
    }
    if value.as_object().is_some_and(|object| object.contains_key("toISOString").unwrap_or(false)) {
        return "a date's toISOString()";
    }
    "strings, numbers, booleans, null, arrays and plain objects (Object.fromEntries, [...set])"
}
