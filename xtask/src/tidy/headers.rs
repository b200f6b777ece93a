//! Every source file opens with what it owns: a `//!` line, first of all.

use super::{Problem, Tree};

/// Every source file that does not.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let without = tree.sources().filter(|file| !file.text.starts_with("//! "));
    without.map(|file| file.problem(1, "a source file begins with a `//! ` line that says what it is for")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    #[test]
    fn a_header_comes_first() {
        let good = [("crates/a/src/lib.rs", "//! The a.\n"), ("docs/a.rs", "fn main() {}"), ("crates/a/x.sql", "--")];
        assert_eq!(check(&Tree::of(&good)), []);
        let bad =
            [("xtask/src/a.rs", "use a;\n//! Late.\n"), ("crates/a/build.rs", "// Not one.\n"), ("bench/b.rs", "")];
        let problems = found(&check(&Tree::of(&bad)));
        assert_eq!(problems.len(), 3);
        assert!(problems[0].starts_with("xtask/src/a.rs:1: "), "{problems:?}");
    }
}
