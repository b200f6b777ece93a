//! README.md and ARCHITECTURE.md name files and folders in backticks; each of them must exist.
//!
//! A name counts if it ends like a source or document (`error.rs`, `http/sse.rs`) or begins with a folder of the
//! repository's root (`crates/...`). It may be the end of a longer path. Fenced blocks are not looked at.

use super::{File, Problem, Tree};

const PAGES: &[&str] = &["README.md", "ARCHITECTURE.md"];
const ENDINGS: &[&str] = &[".rs", ".sql", ".html", ".md", ".sh", ".toml"];

/// Files that users have, not the repository.
const USERS: &[&str] = &["noukai.toml"];

/// Every name of something that is not there.
pub fn check(tree: &Tree) -> Vec<Problem> {
    PAGES.iter().filter_map(|page| tree.file(page)).flat_map(|page| check_page(tree, page)).collect()
}

fn check_page(tree: &Tree, page: &File) -> Vec<Problem> {
    let mut is_fenced = false;
    let mut problems = Vec::new();
    for (number, line) in page.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            let missing = spans(line).filter(|name| is_a_file_name(tree, name) && !exists(tree, name));
            problems.extend(missing.map(|name| page.problem(number, format!("`{name}` does not exist"))));
        }
    }
    problems
}

/// What stands between backticks.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn is_a_file_name(tree: &Tree, name: &str) -> bool {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    let ends_like_one = ENDINGS.iter().any(|ending| name.len() > ending.len() && name.ends_with(ending));
    is_plain && !USERS.contains(&name) && (ends_like_one || begins_in_the_root(tree, name))
}

fn begins_in_the_root(tree: &Tree, name: &str) -> bool {
    let root = name.split_once('/').map(|(root, _)| format!("{root}/"));
    root.is_some_and(|root| tree.files.iter().any(|file| file.path.starts_with(&root)))
}

fn exists(tree: &Tree, name: &str) -> bool {
    let name = name.strip_prefix("./").unwrap_or(name);
    let (as_folder, as_end) = (format!("{}/", name.trim_end_matches('/')), format!("/{name}"));
    tree.files.iter().any(|file| {
        file.path == name
            || file.path.ends_with(&as_end)
            || format!("/{}", file.path).contains(&format!("/{as_folder}"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    fn check_readme(text: &str) -> Vec<String> {
        let files = [("README.md", text), ("crates/a/src/http/sse.rs", ""), ("docs/errors/A.md", ""), (".ci/run", "")];
        found(&check(&Tree::of(&files)))
    }

    #[test]
    fn names_of_what_exists_pass() {
        let text = "`http/sse.rs`, `sse.rs`, `docs/errors`, `docs/errors/`, `crates/a/`, `.ci/run`, `POST /seq/a`, `a.b`\n\
                    `noukai.toml`\n```\n`gone.rs`\n```\n";
        assert_eq!(check_readme(text), Vec::<String>::new());
    }

    #[test]
    fn names_of_what_does_not_exist_are_found() {
        let expected = [
            "README.md:1: `gone.rs` does not exist",
            "README.md:1: `crates/b` does not exist",
            "README.md:2: `ocs/errors/A.md` does not exist",
        ];
        assert_eq!(check_readme("`gone.rs` and `crates/b`\n`ocs/errors/A.md`\n"), expected);
    }
}
