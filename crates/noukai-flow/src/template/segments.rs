//! Cuts a template's source into text and code, exactly where the engine's own lexer would. Judges nothing.

/// A stretch of source. All stretches in order give the source back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    /// What is printed as it stands.
    Text(&'a str),
    /// `{{ ... }}` or `{% ... %}`, delimiters included.
    Code(&'a str),
    /// A comment, a raw block, or code without an end, which is the engine's to report.
    Opaque(&'a str),
}

impl<'a> Segment<'a> {
    /// The source of the stretch.
    pub(super) fn source(self) -> &'a str {
        match self {
            Self::Text(source) | Self::Code(source) | Self::Opaque(source) => source,
        }
    }
}

/// The stretches of `source`, none of them empty.
pub(super) fn segments(source: &str) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = source;
    std::iter::from_fn(move || {
        let segment = next(rest)?;
        rest = &rest[segment.source().len()..];
        Some(segment)
    })
}

fn next(rest: &str) -> Option<Segment<'_>> {
    let start = rest.match_indices('{').map(|(at, _)| at).find(|at| opens_code(&rest[*at..]));
    match start {
        _ if rest.is_empty() => None,
        Some(0) => Some(code(rest)),
        Some(at) => Some(Segment::Text(&rest[..at])),
        None => Some(Segment::Text(rest)),
    }
}

fn opens_code(rest: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|start| rest.starts_with(start))
}

/// The code that `rest` begins with.
fn code<'a>(rest: &'a str) -> Segment<'a> {
    let (end, wrap): (_, fn(&'a str) -> Segment<'a>) = match rest.as_bytes()[1] {
        b'#' => (rest.get(2..).and_then(|inner| inner.find("#}")).map(|at| at + 4), Segment::Opaque),
        b'{' => (code_end(rest, b"}}"), Segment::Code),
        _ => match raw_end(rest) {
            Some(end) => (end, Segment::Opaque),
            None => (code_end(rest, b"%}"), Segment::Code),
        },
    };
    match end {
        Some(end) => wrap(&rest[..end]),
        None => Segment::Opaque(rest),
    }
}

/// Where the code ends: at its delimiter, outside of strings and brackets.
fn code_end(rest: &str, delimiter: &[u8]) -> Option<usize> {
    let bytes = rest.as_bytes();
    let (mut at, mut open) = (2, 0_isize);
    while at < bytes.len() {
        if open == 0 && bytes[at..].starts_with(delimiter) {
            return Some(at + 2);
        }
        match bytes[at] {
            quote @ (b'"' | b'\'') => at = string_end(bytes, at, quote)?,
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the string that starts at `start` has its closing quote.
pub(super) fn string_end(bytes: &[u8], start: usize, quote: u8) -> Option<usize> {
    let mut at = start + 1;
    while *bytes.get(at)? != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    Some(at)
}

/// If `rest` begins with `{% raw %}`: where its `{% endraw %}` ends, if there is one.
fn raw_end(rest: &str) -> Option<Option<usize>> {
    let body = basic_tag(rest, "raw")?;
    let ends = rest[body..].match_indices("{%").map(|(at, _)| body + at);
    Some(ends.filter_map(|at| Some(at + basic_tag(&rest[at..], "endraw")?)).next())
}

/// If `rest` begins with the tag `{% name %}`: its length.
fn basic_tag(rest: &str, name: &str) -> Option<usize> {
    let inner = rest.strip_prefix("{%")?;
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner).trim_ascii_start();
    let inner = inner.strip_prefix(name)?.trim_ascii_start();
    let after = inner.strip_prefix(['-', '+']).unwrap_or(inner).strip_prefix("%}")?;
    Some(rest.len() - after.len())
}

#[cfg(test)]
mod tests {
    use super::{Segment::*, *};

    #[test]
    fn code_is_told_from_text() {
        for (source, expected) in [
            ("", vec![]),
            ("a {b} c", vec![Text("a {b} c")]),
            ("a {{ b }} c", vec![Text("a "), Code("{{ b }}"), Text(" c")]),
            ("{{ '}}' }}{{ \"\\\"}}\" }}", vec![Code("{{ '}}' }}"), Code("{{ \"\\\"}}\" }}")]),
            ("{{ {'a': {'b': 1}} }}}", vec![Code("{{ {'a': {'b': 1}} }}"), Text("}")]),
            ("{%- if a -%}x{% endif %}", vec![Code("{%- if a -%}"), Text("x"), Code("{% endif %}")]),
            ("{# {{ a }} #}b", vec![Opaque("{# {{ a }} #}"), Text("b")]),
            ("{% raw %}{{ a }}{b}{% endraw %}c", vec![Opaque("{% raw %}{{ a }}{b}{% endraw %}"), Text("c")]),
            ("{%-raw-%}{a}{%- endraw +%}c", vec![Opaque("{%-raw-%}{a}{%- endraw +%}"), Text("c")]),
            ("a {{ b", vec![Text("a "), Opaque("{{ b")]),
            ("{% raw %}{a}", vec![Opaque("{% raw %}{a}")]),
            ("{#", vec![Opaque("{#")]),
            ("{#}", vec![Opaque("{#}")]),
            ("{{ ) }} {a}", vec![Opaque("{{ ) }} {a}")]),
            ("ä{{ 'ö' }}ü{", vec![Text("ä"), Code("{{ 'ö' }}"), Text("ü{")]),
        ] {
            assert_eq!(segments(source).collect::<Vec<_>>(), expected, "{source}");
        }
    }
}
