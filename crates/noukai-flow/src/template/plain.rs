//! Templates that do nothing but print names, as most do. Where all that they print is text, it is put together here,
//! without the engine; everything else, a name that is not there above all, is the engine's.

use super::{
    MAX_OUTPUT,
    braces::{is_name, or_itself},
    segments::{Segment, segments},
};
use crate::Scope;

/// More than so many, and the engine may find it too much work.
const MOST_PIECES: usize = 1_000;

/// A template in pieces.
pub(super) struct Plain(Vec<Piece>);

enum Piece {
    Text(Box<str>),
    /// A name in scope, and fields of objects from there on.
    Path(Box<str>, Vec<Box<str>>),
}

impl Plain {
    /// `None` for a template that does more. `expanded` is the source that the engine compiled.
    pub(super) fn of(expanded: &str) -> Option<Self> {
        // The engine leaves out the last line's end.
        let source = expanded.strip_suffix('\n').unwrap_or(expanded);
        let source = source.strip_suffix('\r').unwrap_or(source);
        let pieces: Vec<Piece> = segments(source).map(Piece::of).take(MOST_PIECES + 1).collect::<Option<_>>()?;
        (pieces.len() <= MOST_PIECES).then_some(Self(pieces))
    }

    /// `None` where the engine is to say what comes of it.
    pub(super) fn render(&self, scope: &Scope) -> Option<String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => add(&mut out, text)?,
                Piece::Path(name, fields) => {
                    let found = scope.lookup(name)?;
                    let value =
                        fields.iter().try_fold(found.value(), |value, field| value.as_object()?.get(&**field))?;
                    add(&mut out, value.as_str()?)?;
                }
            }
        }
        Some(out)
    }
}

impl Piece {
    fn of(segment: Segment<'_>) -> Option<Self> {
        match segment {
            Segment::Text(text) => Some(Self::Text(text.into())),
            Segment::Code(code) => Self::path(code.strip_prefix("{{")?.strip_suffix("}}")?.trim_ascii()),
            Segment::Opaque(_) => None,
        }
    }

    /// `a.b.c`, or what `{name}` was made into.
    fn path(code: &str) -> Option<Self> {
        let path = match code.split_once('|') {
            Some((name, _)) if code == or_itself(name) => name,
            Some(_) => return None,
            None => code,
        };
        let mut names = path.split('.');
        let first = names.next().filter(|name| is_name(name))?;
        let fields = names.map(|name| is_name(name).then(|| name.into())).collect::<Option<_>>()?;
        Some(Self::Path(first.into(), fields))
    }
}

/// `None` where it gets too long.
fn add(out: &mut String, text: &str) -> Option<()> {
    (out.len() + text.len() <= MAX_OUTPUT).then(|| out.push_str(text))
}
