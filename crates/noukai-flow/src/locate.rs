//! Where in a file a text of its document stands, so that a fault inside the text can be shown in the file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// Where a text of a document stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextPlace {
    /// Line of the file where the text's own first line is, from 1.
    first_line: u32,
    /// Columns before the text's own lines; `None` where its lines are no lines of the file (in quotes, or folded).
    indent: Option<u32>,
}

impl TextPlace {
    /// Line and column of the file for a line and a column of the text, all from 1; the line where the text begins
    /// where it is not written line by line.
    pub const fn at(&self, line: u32, column: u32) -> (u32, Option<u32>) {
        match self.indent {
            Some(indent) => (self.first_line + line.saturating_sub(1), Some(indent + column)),
            None => (self.first_line, None),
        }
    }
}

/// Where the text at `path` (`steps[2].code.source`) stands in the file; `None` where there is no such text.
///
/// `text` is a file that [`crate::parse`] takes, JSON being YAML.
pub fn locate(text: &str, path: &str) -> Option<TextPlace> {
    let root: Spanned<Node> = serde_saphyr::from_str_with_options(text, crate::document::yaml_options()).ok()?;
    let mut node = &root;
    for key in keys(path) {
        node = node.value.child(&key)?;
    }
    let line = u32::try_from(node.defined.line()).ok()?;
    let Node::Leaf = node.value else { return None };
    Some(place(text, line))
}

/// `steps[2].code` as `steps`, `2`, `code`.
fn keys(path: &str) -> impl Iterator<Item = String> {
    path.split(['.', '[']).map(|key| key.trim_end_matches(']').to_owned())
}

/// The parser says where a text's first line with something in it is. A literal block begins below its `|`, and its
/// lines are the file's, moved to the right.
fn place(text: &str, line: u32) -> TextPlace {
    let lines: Vec<&str> = text.lines().take(line as usize).collect();
    let Some((first, above)) = lines.split_last() else { return TextPlace { first_line: line, indent: None } };
    let blank = above.iter().rev().take_while(|line| line.trim().is_empty()).count();
    let header = above.len().checked_sub(blank + 1).and_then(|at| above.get(at));
    let indent = u32::try_from(first.len() - first.trim_start_matches(' ').len()).ok();
    match (header.is_some_and(|header| is_literal_header(header)), u32::try_from(blank)) {
        (true, Ok(blank)) => TextPlace { first_line: line - blank, indent },
        _ => TextPlace { first_line: line, indent: None },
    }
}

/// Whether a literal block begins below the line: `source: |`, `- |-  # why`.
fn is_literal_header(line: &str) -> bool {
    let line = line.split_once(" #").map_or(line, |(line, _)| line);
    let before = line.trim_end().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '+');
    before.strip_suffix('|').is_some_and(|before| before.is_empty() || before.ends_with([' ', '-', '?']))
}

/// A document's shape, with places.
enum Node {
    Leaf,
    List(Vec<Spanned<Node>>),
    Object(Vec<(String, Spanned<Node>)>),
}

impl Node {
    fn child(&self, key: &str) -> Option<&Spanned<Self>> {
        match self {
            Self::Leaf => None,
            Self::List(items) => items.get(key.parse::<usize>().ok()?),
            Self::Object(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, node)| node),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            fields.push((key, map.next_value()?));
        }
        Ok(Node::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"schema: 1
slug: demo
steps:
  - id: a
    code:
      input: [x]
      source: |

        y = x
          # deep
        return {"y": y}
  - id: b
    branch:
      on: x
      cases:
        y.z: []
        some:
          - {id: c, code: {language: javascript, source: "return {\na: 1}"}}
  - id: d
    code:
      source: >-
        return
        1
"#;

    #[test]
    fn lines_of_a_literal_block_are_lines_of_the_file() {
        let place = locate(FILE, "steps[0].code.source").unwrap();
        assert_eq!([place.at(1, 1), place.at(2, 5), place.at(4, 1)], [(8, Some(9)), (9, Some(13)), (11, Some(9))]);
        let document = crate::parse(FILE, crate::Format::Yaml).unwrap();
        let source = document["steps"][0]["code"]["source"].as_str().unwrap();
        let nth = |text: &str, line: u32| text.lines().nth(line as usize - 1).unwrap().trim().to_owned();
        for line in 1..=4 {
            assert_eq!(nth(source, line), nth(FILE, place.at(line, 1).0));
        }
    }

    #[test]
    fn other_texts_are_found_by_their_first_line() {
        assert_eq!(locate(FILE, "steps[1].branch.cases.some[0].code.source").unwrap().at(2, 1), (18, None));
        assert_eq!(locate(FILE, "steps[2].code.source").unwrap().at(2, 1), (22, None));
        assert_eq!(locate("{\"steps\": [\n{\"code\":\n \"a\\nb\"}]}", "steps[0].code").unwrap().at(2, 1), (3, None));
    }

    #[test]
    fn what_is_no_text_is_nowhere() {
        for path in ["", "steps", "steps[9]", "steps[0].code", "steps[0].code.source.x", "steps[x]", "stepz"] {
            assert_eq!(locate(FILE, path), None, "{path}");
        }
        assert_eq!(locate("{", "a"), None);
    }
}
