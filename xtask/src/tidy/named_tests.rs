//! Tables whose last column is called `test` say which tests show their rows; each of those tests must exist, and each
//! row must name one.
//!
//! A cell is a list such as ``sandbox `values::text_of_any_kind_passes`, `pool::{a,b}`, cli `code::a_flow_with_code_runs` ``:
//! a crate without its `noukai-` (`client` is `noukai` itself), the module as in the test's own name, the test. The crate
//! stays until another is named. "the same" is what the row above names.

use super::{File, Problem, Tree};

const COLUMN: &str = "test";
const AS_ABOVE: &str = "the same";

/// Every row without a test, and every test that is not there.
pub fn check(tree: &Tree) -> Vec<Problem> {
    tree.files.iter().filter(|file| file.path.ends_with(".md")).flat_map(|page| check_page(tree, page)).collect()
}

fn check_page(tree: &Tree, page: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut is_named = None;
    for (number, line) in page.lines() {
        let Some(cell) = last_cell(line) else {
            is_named = None;
            continue;
        };
        if cell == COLUMN {
            is_named = Some(false);
        } else if let Some(above) = is_named.as_mut()
            && !is_rule(cell)
        {
            problems.extend(check_cell(tree, cell, *above).into_iter().map(|what| page.problem(number, what)));
            *above = true;
        }
    }
    problems
}

/// What stands last in a table's row.
fn last_cell(line: &str) -> Option<&str> {
    let row = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(row.rsplit('|').next()?.trim())
}

fn is_rule(cell: &str) -> bool {
    !cell.is_empty() && cell.chars().all(|c| c == '-' || c == ':')
}

fn check_cell(tree: &Tree, cell: &str, above: bool) -> Vec<String> {
    if cell == AS_ABOVE && above {
        return Vec::new();
    }
    let names = names(cell);
    if names.is_empty() {
        return vec!["the row names no test".to_owned()];
    }
    let missing = names.iter().filter(|(folder, name)| !exists(tree, folder, name));
    missing.map(|(folder, name)| format!("there is no test `{name}` in {folder}")).collect()
}

/// The folder and the name of each test in a cell.
fn names(cell: &str) -> Vec<(String, String)> {
    let mut folder = String::new();
    let mut names = Vec::new();
    for (index, part) in cell.split('`').enumerate() {
        if index % 2 == 1 {
            names.extend(spelled_out(part).into_iter().map(|name| (folder.clone(), name)));
        } else if let Some(word) = part.split([' ', ',', ';']).rfind(|word| !word.is_empty()) {
            folder = folder_of(word);
        }
    }
    names
}

fn folder_of(word: &str) -> String {
    match word {
        "client" => "crates/noukai/".to_owned(),
        "xtask" => "xtask/".to_owned(),
        _ => format!("crates/noukai-{word}/"),
    }
}

/// `a::{b,c}::d` is two names.
fn spelled_out(name: &str) -> Vec<String> {
    let Some((before, rest)) = name.split_once('{') else { return vec![name.to_owned()] };
    let Some((among, after)) = rest.split_once('}') else { return vec![name.to_owned()] };
    among.split(',').map(|one| format!("{before}{}{after}", one.trim())).collect()
}

fn exists(tree: &Tree, folder: &str, name: &str) -> bool {
    let Some((module, test)) = name.rsplit_once("::") else { return false };
    let mut files = tree.sources().filter(|file| file.path.starts_with(folder));
    files.any(|file| is_module(file, module) && has_test(file, test))
}

/// Whether a file is a module, or holds it where that is its `tests`.
fn is_module(file: &File, module: &str) -> bool {
    let path = file.path.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/main").replace('/', "::");
    let ends = |module: &str| path.ends_with(&format!("::{module}"));
    ends(module) || module.strip_suffix("::tests").is_some_and(ends)
}

/// A function of that name behind an attribute that makes it a test.
fn has_test(file: &File, test: &str) -> bool {
    let head = format!("fn {test}(");
    let mut is_test = false;
    file.text.lines().map(str::trim).any(|line| {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test") || line.starts_with("#[tokio::test");
        } else if line.contains("fn ") {
            return std::mem::take(&mut is_test) && line.contains(&head);
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    const SOURCES: [(&str, &str); 3] = [
        ("crates/noukai-flow/src/check.rs", "mod tests {\n    #[test]\n    fn a_unit() {\n"),
        (
            "crates/noukai-flow/tests/all/deep/mod.rs",
            "#[tokio::test(flavor = \"x\")]\nasync fn it_runs() {\nfn helper() {",
        ),
        ("crates/noukai/tests/sdk/main.rs", "#[test]\n#[cfg(unix)]\nfn b() {"),
    ];

    fn check_table(rows: &str) -> Vec<String> {
        let page = format!("| what | test |\n| --- | :-: |\n{rows}\n\n| other |\n| --- |\n| `x::y` |\n");
        found(&check(&Tree::of(&[&SOURCES[..], &[("docs/a.md", &page)]].concat())))
    }

    #[test]
    fn tests_that_are_there_pass() {
        let rows = "| a | flow `check::tests::a_unit`, `all::deep::it_runs`, client `sdk::b` |\n\
                    | b | the same |\n| `c|d` | flow `{all::deep,deep}::it_runs` |";
        assert_eq!(check_table(rows), Vec::<String>::new());
    }

    #[test]
    fn rows_without_a_test_and_tests_that_are_not_there_are_found() {
        let rows = "| a | the same |\n| b | |\n| c | flow `deep::helper` |\n| d | flow `check::it_runs`, `lone` |\n\
                    | e | server `deep::it_runs` |";
        let expected = [
            "docs/a.md:3: the row names no test",
            "docs/a.md:4: the row names no test",
            "docs/a.md:5: there is no test `deep::helper` in crates/noukai-flow/",
            "docs/a.md:6: there is no test `check::it_runs` in crates/noukai-flow/",
            "docs/a.md:6: there is no test `lone` in crates/noukai-flow/",
            "docs/a.md:7: there is no test `deep::it_runs` in crates/noukai-server/",
        ];
        assert_eq!(check_table(rows), expected);
    }
}
