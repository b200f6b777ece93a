//! Text that must not be committed: silenced lints, switched-off tests, work left for later, merges left half done.

use super::text::has_word;
use super::{File, Problem, Tree};

/// This file has to name what it looks for.
const EXEMPT: &[&str] = &["xtask/src/tidy/banned.rs"];

const SOURCE_ENDINGS: &[&str] = &[".rs", ".sql", ".toml", ".sh", ".py", ".js", ".mjs", ".ts", ".yaml", ".yml", ".html"];

/// Every line with such text.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let files = tree.files.iter().filter(|file| !EXEMPT.contains(&file.path.as_str()));
    let is_source = |file: &File| SOURCE_ENDINGS.iter().any(|ending| file.path.ends_with(ending));
    files.flat_map(|file| merges(file).chain(is_source(file).then(|| check_file(file)).into_iter().flatten())).collect()
}

/// Both sides of a merge, in a file of any kind.
fn merges(file: &File) -> impl Iterator<Item = Problem> {
    let marked = |line: &str| ["<<<<<<< ", ">>>>>>> "].iter().any(|mark| line.starts_with(mark));
    let found = file.lines().filter(move |(_, line)| marked(line));
    found.map(|(number, _)| file.problem(number, "a merge was not finished: keep what is right of both sides"))
}

fn check_file(file: &File) -> Vec<Problem> {
    file.lines().flat_map(|(number, line)| faults(file, line).map(move |what| file.problem(number, what))).collect()
}

fn faults(file: &File, line: &str) -> impl Iterator<Item = &'static str> {
    let rust = file.path.ends_with(".rs");
    let later = ["TODO", "FIXME", "XXX"].iter().any(|word| has_word(line, word));
    [
        (rust && has_attribute(line, "allow("), "use `#[expect(lint, reason = \"...\")]` in place of `allow`"),
        (rust && has_attribute(line, "ignore"), "a test runs or is deleted; it is not ignored"),
        (later, "do it now, or write it down outside the code"),
    ]
    .into_iter()
    .filter_map(|(is_found, what)| is_found.then_some(what))
}

fn has_attribute(line: &str, name: &str) -> bool {
    ["#[", "#!["].iter().any(|open| line.contains(&format!("{open}{name}")))
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn silenced_lints_and_tests_are_found() {
        assert_eq!(count("crates/a/src/lib.rs", "#[allow(dead_code)]\n#![allow(unused)]\n"), 2);
        assert_eq!(count("crates/a/src/lib.rs", "#[ignore]\n#[ignore = \"slow\"]\n"), 2);
        assert_eq!(count("crates/a/src/lib.rs", "#[expect(dead_code, reason = \"x\")]\nallow(1); ignore();\n"), 0);
    }

    #[test]
    fn merges_left_half_done_are_found() {
        assert_eq!(count("docs/cli.md", "a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> 28ee7a0 (why)\n"), 2);
        assert_eq!(count("docs/cli.md", "Title\n=======\n\n    a <<<<<<< b\n"), 0);
    }

    #[test]
    fn work_left_for_later_is_found() {
        let problems = found(&check(&Tree::of(&[("a.py", "x = 1\n# FIXME later\n")])));
        assert_eq!(problems, ["a.py:2: do it now, or write it down outside the code"]);
        assert_eq!(count("crates/a/src/lib.rs", "// TODO: more\nlet x = \"XXX\";\n"), 2);
        assert_eq!(count("crates/a/src/lib.rs", "let todos = TODOS;\n"), 0);
        assert_eq!(count("README.md", "TODO"), 0);
    }
}
