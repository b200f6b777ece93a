//! The filters and tests templates may use: an allow-list, so that an engine update cannot widen it.
//!
//! Filters that can make a text much larger than what they are given are our own, with a bound on the result.

use minijinja::{Environment, Error, ErrorKind, Value, filters, functions, tests, value::Kwargs};

use super::{
    MAX_OUTPUT,
    print::{self, Bounded, too_long},
};

macro_rules! add {
    ($env:ident.$add:ident: $($name:literal = $function:expr),+ $(,)?) => { $($env.$add($name, $function);)+ };
}

/// Gives `env` everything a template may call.
pub(super) fn install(env: &mut Environment<'static>) {
    add!(env.add_filter:
        "abs" = filters::abs, "attr" = filters::attr, "bool" = filters::bool, "capitalize" = filters::capitalize,
        "count" = filters::length, "d" = filters::default, "default" = filters::default,
        "dictsort" = filters::dictsort, "first" = filters::first, "float" = filters::float,
        "groupby" = filters::groupby, "indent" = indent, "int" = filters::int, "items" = filters::items,
        "join" = join, "last" = filters::last, "length" = filters::length, "lines" = filters::lines,
        "list" = filters::list, "lower" = filters::lower, "map" = map, "max" = filters::max, "min" = filters::min,
        "reject" = filters::reject, "rejectattr" = filters::rejectattr, "replace" = replace,
        "reverse" = filters::reverse, "round" = filters::round, "select" = filters::select,
        "selectattr" = filters::selectattr, "sort" = filters::sort, "split" = filters::split, "string" = string,
        "sum" = filters::sum, "title" = filters::title, "tojson" = tojson, "trim" = filters::trim,
        "truncate" = truncate, "unique" = filters::unique, "upper" = filters::upper,
    );
    add!(env.add_test:
        "!=" = tests::is_ne, "<" = tests::is_lt, "<=" = tests::is_le, "==" = tests::is_eq, ">" = tests::is_gt,
        ">=" = tests::is_ge, "boolean" = tests::is_boolean, "defined" = tests::is_defined,
        "divisibleby" = tests::is_divisibleby, "endingwith" = tests::is_endingwith, "eq" = tests::is_eq,
        "equalto" = tests::is_eq, "even" = tests::is_even, "false" = tests::is_false, "float" = tests::is_float,
        "ge" = tests::is_ge, "gt" = tests::is_gt, "in" = tests::is_in, "integer" = tests::is_integer,
        "iterable" = tests::is_iterable, "le" = tests::is_le, "lower" = tests::is_lower, "lt" = tests::is_lt,
        "mapping" = tests::is_mapping, "ne" = tests::is_ne, "none" = tests::is_none, "number" = tests::is_number,
        "odd" = tests::is_odd, "sequence" = tests::is_sequence, "startingwith" = tests::is_startingwith,
        "string" = tests::is_string, "true" = tests::is_true, "undefined" = tests::is_undefined,
        "upper" = tests::is_upper,
    );
    env.add_function("range", functions::range);
}

/// `text|replace(from, to)`.
fn replace(value: &Value, from: &str, to: &str) -> Result<String, Error> {
    let text = print::text(value)?;
    let grown = text.matches(from).count().saturating_mul(to.len()).saturating_add(text.len());
    if grown > MAX_OUTPUT { Err(too_long()) } else { Ok(text.replace(from, to)) }
}

/// `items|join(", ")`; `attribute` names a path in each item.
fn join(items: &Value, separator: Option<&str>, kwargs: Kwargs) -> Result<String, Error> {
    let attribute = kwargs.get::<Option<&str>>("attribute")?;
    kwargs.assert_all_used()?;
    let mut out = Bounded::default();
    for (index, item) in items.try_iter()?.enumerate() {
        if index > 0 {
            std::fmt::Write::write_str(&mut out, separator.unwrap_or_default())?;
        }
        match attribute {
            Some(path) => print::print(&mut out, &attribute_of(&item, path)?)?,
            None => print::print(&mut out, &item)?,
        }
    }
    Ok(out.0)
}

/// `items|map(attribute="a.b")`. Mapping by a filter's name would make one new text for each item.
fn map(items: &Value, kwargs: Kwargs) -> Result<Vec<Value>, Error> {
    let path = kwargs.get::<&str>("attribute")?;
    let default = kwargs.get::<Option<Value>>("default")?;
    kwargs.assert_all_used()?;
    let item = |item: Value| match (attribute_of(&item, path)?, &default) {
        (value, Some(default)) if value.is_undefined() => Ok(default.clone()),
        (value, _) => Ok(value),
    };
    items.try_iter()?.map(item).collect()
}

fn attribute_of(item: &Value, path: &str) -> Result<Value, Error> {
    path.split('.').try_fold(item.clone(), |value, part| match part.parse::<usize>() {
        Ok(index) => value.get_item_by_index(index),
        Err(_) => value.get_attr(part),
    })
}

/// `value|string`.
fn string(value: &Value) -> Result<String, Error> {
    print::text(value)
}

/// `value|tojson`, or over several lines with `indent=true`.
fn tojson(value: &Value, kwargs: Kwargs) -> Result<String, Error> {
    let pretty = kwargs.get::<Option<Value>>("indent")?.is_some_and(|indent| indent.is_true());
    kwargs.assert_all_used()?;
    let mut out = Bounded::default();
    if pretty { serde_json::to_writer_pretty(&mut out, value) } else { serde_json::to_writer(&mut out, value) }
        .map_err(|_| too_long())?;
    Ok(out.0)
}

/// `text|indent(width, first=false)`: spaces before each line but the first and empty ones.
fn indent(value: &Value, width: Option<usize>, kwargs: Kwargs) -> Result<String, Error> {
    let width = match width {
        Some(width) => width,
        None => kwargs.get::<Option<usize>>("width")?.unwrap_or(4),
    };
    let first = kwargs.get::<Option<bool>>("first")?.unwrap_or(false);
    kwargs.assert_all_used()?;
    if width > 100 {
        return Err(Error::new(ErrorKind::InvalidOperation, "`indent` takes a width of at most 100"));
    }
    indented(&print::text(value)?, &" ".repeat(width), first)
}

fn indented(text: &str, space: &str, first: bool) -> Result<String, Error> {
    let mut out = Bounded::default();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if (index > 0 || first) && !line.trim_end().is_empty() {
            std::fmt::Write::write_str(&mut out, space)?;
        }
        std::fmt::Write::write_str(&mut out, line)?;
    }
    Ok(out.0)
}

/// `text|truncate(length)`: at most `length` characters, `...` included.
fn truncate(value: &Value, length: Option<usize>, kwargs: Kwargs) -> Result<String, Error> {
    let length = match length {
        Some(length) => length,
        None => kwargs.get::<Option<usize>>("length")?.unwrap_or(255),
    };
    let end = kwargs.get::<Option<&str>>("end")?.unwrap_or("...");
    kwargs.assert_all_used()?;
    let text = print::text(value)?;
    if text.chars().count() <= length {
        return Ok(text);
    }
    let kept = length.saturating_sub(end.chars().count());
    Ok(text.chars().take(kept).chain(end.chars()).collect())
}
