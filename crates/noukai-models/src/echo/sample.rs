//! The smallest value that fits a JSON Schema, with strings filled from a text. Owns the choice of values and its
//! bounds; a schema nothing fits gives some value all the same. Validates nothing.

use rust_decimal::{
    Decimal,
    prelude::{One, ToPrimitive},
};
use serde_json::{Map, Number, Value};

use super::{
    pattern,
    schema::{Layers, leads_back},
};

/// Beyond this depth only what is required is given.
const SOFT_DEPTH: usize = 8;
const HARD_DEPTH: usize = 48;
const MOST_NODES: usize = 10_000;
const MOST_ITEMS: u64 = 1_000;
/// Characters of all strings together, and of the longest minimum that is honoured.
const MOST_CHARACTERS: usize = 1_000_000;

const TYPES: [&str; 7] = ["object", "array", "string", "integer", "number", "boolean", "null"];

/// The value. Objects have their required properties; or all, where none is said to be required. Arrays have one
/// item where they may, so that loops have something to do.
pub(crate) fn value(schema: &Value, filler: &str) -> Value {
    let mut sampler = Sampler { root: schema, filler, open: Vec::new(), nodes: 0, characters: MOST_CHARACTERS };
    sampler.fit(&[schema], Place { depth: 0, nth: 0 })
}

struct Sampler<'a> {
    root: &'a Value,
    filler: &'a str,
    /// References being expanded.
    open: Vec<&'a str>,
    nodes: usize,
    characters: usize,
}

/// How deep a value is, and the how manieth of an array whose items must differ.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    nth: u32,
}

impl Place {
    const fn inside(self) -> Self {
        Self { depth: self.depth + 1, nth: 0 }
    }
}

impl<'a> Sampler<'a> {
    fn fit(&mut self, schemas: &[&'a Value], place: Place) -> Value {
        self.nodes += 1;
        if self.nodes > MOST_NODES || place.depth > HARD_DEPTH {
            return Value::Null;
        }
        let layers = Layers::read(self.root, schemas, &self.open);
        if let Some(value) = fixed(&layers, place) {
            return value;
        }
        let open = self.open.len();
        self.open.extend(&layers.refs);
        let value = self.of_type(&layers, place);
        self.open.truncate(open);
        value
    }

    fn of_type(&mut self, layers: &Layers<'a>, place: Place) -> Value {
        match kind(layers) {
            "object" => Value::Object(self.object(layers, place)),
            "array" => Value::Array(self.array(layers, place)),
            "integer" => number(layers, true, place.nth),
            "number" => number(layers, false, place.nth),
            "boolean" => Value::Bool(place.nth % 2 == 1),
            "null" => Value::Null,
            _ => Value::String(self.string(layers, place.nth)),
        }
    }

    fn object(&mut self, layers: &Layers<'a>, place: Place) -> Map<String, Value> {
        let mut object = Map::new();
        for name in self.property_names(layers, place) {
            let value = self.fit(&layers.property(name), Place { nth: place.nth, ..place.inside() });
            object.insert(name.to_owned(), value);
        }
        self.grow(&mut object, layers, place);
        object
    }

    fn property_names(&self, layers: &Layers<'a>, place: Place) -> Vec<&'a str> {
        let required = layers.all("required").filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        if layers.has(&["required"]) || place.depth > SOFT_DEPTH {
            return required.collect();
        }
        let most = usize::try_from(layers.at_most("maxProperties")).unwrap_or(usize::MAX);
        let ends = |name: &&str| !layers.property(name).iter().any(|schema| leads_back(schema, &self.open));
        optional_names(layers).filter(ends).take(most).collect()
    }

    /// Adds properties up to `minProperties`: known ones, then made-up ones.
    fn grow(&mut self, object: &mut Map<String, Value>, layers: &Layers<'a>, place: Place) {
        let least = layers.at_least("minProperties").min(MOST_ITEMS) as usize;
        let known = optional_names(layers).map(str::to_owned);
        let made_up = (1..=MOST_ITEMS).map(|number| format!("key{number}"));
        for name in known.chain(made_up) {
            if object.len() >= least {
                return;
            }
            if !object.contains_key(&name) {
                let value = self.fit(&layers.property(&name), place.inside());
                object.insert(name, value);
            }
        }
    }

    fn array(&mut self, layers: &Layers<'a>, place: Place) -> Vec<Value> {
        let prefix = prefix(layers);
        let items: Vec<&Value> = layers.all("items").filter(|items| !items.is_array()).collect();
        let closed = items.contains(&&Value::Bool(false));
        let distinct = layers.is_set("uniqueItems");
        let count = self.item_count(layers, &items, place).max(prefix.len() as u64 * u64::from(closed));
        let count = if closed { count.min(prefix.len() as u64) } else { count };
        (0..count.min(layers.at_most("maxItems")))
            .map(|at| {
                let nth = if distinct { at as u32 } else { 0 };
                let schemas = prefix.get(at as usize).map_or_else(|| items.clone(), |schema| vec![*schema]);
                self.fit(&schemas, Place { nth, ..place.inside() })
            })
            .collect()
    }

    fn item_count(&self, layers: &Layers<'a>, items: &[&'a Value], place: Place) -> u64 {
        let least = layers.at_least("minItems").min(MOST_ITEMS);
        let back = items.iter().any(|schema| leads_back(schema, &self.open));
        if back || place.depth > SOFT_DEPTH { least } else { least.max(1) }
    }

    fn string(&mut self, layers: &Layers<'a>, nth: u32) -> String {
        let least = layers.at_least("minLength").min(self.characters as u64) as usize;
        let most = layers.at_most("maxLength").min(self.characters as u64) as usize;
        let special = special_string(layers, least, most);
        let text = special.unwrap_or_else(|| filled(self.filler, nth, least, most));
        self.characters = self.characters.saturating_sub(text.chars().count());
        text
    }
}

/// What `const` and `enum` leave no choice about.
fn fixed(layers: &Layers<'_>, place: Place) -> Option<Value> {
    if let Some(value) = layers.first("const") {
        return Some(value.clone());
    }
    let first = layers.first("enum")?.as_array()?;
    let in_all = |value: &&Value| {
        layers.all("enum").filter_map(Value::as_array).all(|list| list.contains(value)) && has_type(layers, value)
    };
    let fitting: Vec<&Value> = first.iter().filter(in_all).collect();
    let mut said = fitting.iter().filter(|value| !value.is_null()).cycle();
    said.nth(place.nth as usize).or_else(|| fitting.first()).copied().or_else(|| first.first()).cloned()
}

fn has_type(layers: &Layers<'_>, value: &Value) -> bool {
    layers.allows(match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    })
}

/// The type to give: as declared, `null` last; else as the keywords suggest; else a string.
fn kind(layers: &Layers<'_>) -> &'static str {
    if let Some(declared) = layers.first("type") {
        let names = declared.as_array().map_or(std::slice::from_ref(declared), Vec::as_slice);
        let known = |name: &Value| TYPES.into_iter().find(|kind| name == kind);
        let mut allowed = names.iter().filter_map(known).filter(|kind| layers.allows(kind));
        let narrowed = allowed.clone().find(|kind| *kind != "null").or_else(|| allowed.next());
        let integer = layers.allows("integer") && narrowed.is_none();
        return if integer { "integer" } else { narrowed.unwrap_or("null") };
    }
    suggested(layers)
}

fn suggested(layers: &Layers<'_>) -> &'static str {
    if layers.has(&["properties", "required", "additionalProperties", "minProperties"]) {
        "object"
    } else if layers.has(&["items", "prefixItems", "minItems", "maxItems", "uniqueItems"]) {
        "array"
    } else if layers.has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
        "number"
    } else {
        "string"
    }
}

fn optional_names<'a>(layers: &Layers<'a>) -> impl Iterator<Item = &'a str> {
    layers.all("properties").filter_map(Value::as_object).flat_map(Map::keys).map(String::as_str)
}

/// Schemas of the first items, in today's spelling or the one of older drafts.
fn prefix<'a>(layers: &Layers<'a>) -> Vec<&'a Value> {
    let lists = layers.all("prefixItems").chain(layers.all("items"));
    lists.filter_map(Value::as_array).next().into_iter().flatten().collect()
}

fn special_string(layers: &Layers<'_>, least: usize, most: usize) -> Option<String> {
    if let Some(pattern) = layers.first("pattern").and_then(Value::as_str)
        && let Some(text) = pattern::example(pattern, least)
    {
        return Some(text);
    }
    let format = layers.first("format").and_then(Value::as_str)?;
    format_example(format).filter(|text| (least..=most).contains(&text.len())).map(str::to_owned)
}

fn format_example(format: &str) -> Option<&'static str> {
    Some(match format {
        "date" => "2000-01-01",
        "time" => "00:00:00Z",
        "date-time" => "2000-01-01T00:00:00Z",
        "duration" => "PT0S",
        "email" | "idn-email" => "echo@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "url" | "iri" | "uri-reference" | "iri-reference" => "https://example.com/",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        _ => return None,
    })
}

/// The text, cut or repeated to fit.
fn filled(filler: &str, nth: u32, least: usize, most: usize) -> String {
    let text = if nth == 0 { filler.to_owned() } else { format!("{} {filler}", nth + 1) };
    let mut text: String = text.chars().take(most).collect();
    let length = text.chars().count();
    if length < least {
        let source = if filler.is_empty() { "x" } else { filler };
        text.extend(source.chars().cycle().take(least - length));
    }
    text
}

/// The allowed number nearest to zero, or a later one for an item that must differ.
fn number(layers: &Layers<'_>, whole: bool, nth: u32) -> Value {
    let range = Range::of(layers);
    let step = step(layers, whole);
    let number = range.nearest(step).and_then(|number| range.later(number, step, nth));
    json_number(number.unwrap_or_default())
}

/// What the number must be a multiple of.
fn step(layers: &Layers<'_>, whole: bool) -> Option<Decimal> {
    let step = layers.decimals("multipleOf").find(|step| *step > Decimal::ZERO);
    match (step, whole) {
        (Some(step), true) => {
            let multiples = (1..=1_000u32).filter_map(|times| step.checked_mul(times.into()));
            multiples.into_iter().find(Decimal::is_integer).or(Some(Decimal::ONE))
        }
        (None, true) => Some(Decimal::one()),
        (step, false) => step,
    }
}

/// Bounds; the flag says whether the bound itself is out.
struct Range {
    low: Option<(Decimal, bool)>,
    high: Option<(Decimal, bool)>,
}

impl Range {
    fn of(layers: &Layers<'_>) -> Self {
        let low = bounds(layers, "minimum", "exclusiveMinimum").max_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(&b.1)));
        let high = bounds(layers, "maximum", "exclusiveMaximum").min_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        Self { low, high }
    }

    fn has(&self, number: Decimal) -> bool {
        let above = self.low.is_none_or(|(low, out)| number > low || (number == low && !out));
        above && self.high.is_none_or(|(high, out)| number < high || (number == high && !out))
    }

    fn nearest(&self, step: Option<Decimal>) -> Option<Decimal> {
        if self.has(Decimal::ZERO) {
            return Some(Decimal::ZERO);
        }
        match (self.low, self.high) {
            (Some((low, out)), high) if low >= Decimal::ZERO => above(low, out, high.map(|high| high.0), step),
            (low, Some((high, out))) => above(-high, out, low.map(|low| -low.0), step).map(|number| -number),
            _ => None,
        }
    }

    fn later(&self, number: Decimal, step: Option<Decimal>, nth: u32) -> Option<Decimal> {
        let nth = Decimal::from(nth);
        let up = match (step, self.high) {
            (None, Some((high, _))) => high.checked_sub(number)?.checked_mul(nth)?.checked_div(nth + Decimal::ONE)?,
            (step, _) => nth.checked_mul(step.unwrap_or(Decimal::ONE))?,
        };
        let above = number.checked_add(up).filter(|number| self.has(*number));
        above.or_else(|| number.checked_sub(up))
    }
}

/// Both spellings: a number of its own, or a flag on the inclusive bound.
fn bounds(layers: &Layers<'_>, inclusive: &str, exclusive: &str) -> impl Iterator<Item = (Decimal, bool)> {
    let flag = layers.is_set(exclusive);
    let inclusive: Vec<_> = layers.decimals(inclusive).map(|bound| (bound, flag)).collect();
    let exclusive: Vec<_> = layers.decimals(exclusive).map(|bound| (bound, true)).collect();
    inclusive.into_iter().chain(exclusive)
}

/// The smallest number above a bound that is not negative.
fn above(low: Decimal, out: bool, high: Option<Decimal>, step: Option<Decimal>) -> Option<Decimal> {
    match (step, high) {
        (Some(step), _) => first_multiple(low, step, out),
        (None, _) if !out => Some(low),
        (None, Some(high)) => low.checked_add(high)?.checked_div(Decimal::TWO),
        (None, None) => low.checked_add(Decimal::ONE),
    }
}

fn first_multiple(low: Decimal, step: Decimal, out: bool) -> Option<Decimal> {
    let number = low.checked_div(step)?.ceil().checked_mul(step)?;
    if out && number == low { number.checked_add(step) } else { Some(number) }
}

fn json_number(number: Decimal) -> Value {
    if number.is_integer()
        && let Some(whole) = number.to_i64()
    {
        return Value::from(whole);
    }
    let number = number.to_string().parse().ok().and_then(Number::from_f64);
    number.map_or_else(|| Value::from(0), Value::Number)
}
