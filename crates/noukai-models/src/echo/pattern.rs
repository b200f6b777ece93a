//! A short text that matches a regular expression. Gives up on what the parser does not know, such as look-around.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// Where writing stops: patterns can ask for more than anyone wants.
const MOST_CHARACTERS: usize = 100_000;
const MOST_STEPS: usize = 200_000;

/// A match of at least so many characters, if the pattern can be that long.
pub(super) fn example(pattern: &str, least: usize) -> Option<String> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let shortest = write(&hir, 0)?;
    let missing = least.saturating_sub(shortest.chars().count());
    if missing == 0 { Some(shortest) } else { write(&hir, missing) }
}

fn write(hir: &Hir, extra: usize) -> Option<String> {
    let mut writer = Writer { text: String::new(), length: 0, extra, steps: 0 };
    writer.add(hir)?;
    Some(writer.text)
}

struct Writer {
    text: String,
    /// In characters.
    length: usize,
    /// Characters that repetitions should still add beyond their minimum.
    extra: usize,
    steps: usize,
}

impl Writer {
    fn add(&mut self, hir: &Hir) -> Option<()> {
        self.steps += 1;
        if self.length > MOST_CHARACTERS || self.steps > MOST_STEPS {
            return None;
        }
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.push(std::str::from_utf8(&literal.0).ok()?),
            HirKind::Class(class) => self.push(member(class)?.encode_utf8(&mut [0; 4])),
            HirKind::Repetition(repetition) => self.repeat(repetition)?,
            HirKind::Capture(capture) => self.add(&capture.sub)?,
            HirKind::Concat(parts) => parts.iter().try_for_each(|part| self.add(part))?,
            HirKind::Alternation(branches) => self.add(branches.first()?)?,
        }
        Some(())
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.length += text.chars().count();
    }

    fn repeat(&mut self, repetition: &Repetition) -> Option<()> {
        for _ in 0..repetition.min {
            self.add(&repetition.sub)?;
        }
        let mut room = repetition.max.map_or(u32::MAX, |max| max.saturating_sub(repetition.min));
        while self.extra > 0 && room > 0 {
            let before = self.length;
            self.add(&repetition.sub)?;
            let added = self.length - before;
            if added == 0 {
                break;
            }
            self.extra = self.extra.saturating_sub(added);
            room -= 1;
        }
        Some(())
    }
}

/// A plain member of a class where there is one.
fn member(class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => {
            let ascii = class.ranges().iter().filter(|range| range.end().is_ascii());
            ascii.map(|range| (range.start().into(), range.end().into())).collect()
        }
    };
    let has = |c: &char| ranges.iter().any(|(start, end)| (start..=end).contains(&c));
    ['a', 'A', '0', ' ', '-'].into_iter().find(has).or_else(|| ranges.first().map(|(start, _)| *start))
}
