//! Every error code has a page in docs/errors, a row in its index and one among the tests that provoke them, and no page
//! is left of a code that is gone.

use super::{Problem, Tree};

const FOLDER: &str = "docs/errors/";
const INDEX: &str = "docs/errors/README.md";
const TESTS: &str = "crates/noukai-server/tests/README.md";

/// Every code without a page or a row, and every page without a code.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems: Vec<Problem> = tree.codes.iter().flat_map(|code| check_code(tree, code)).collect();
    problems.extend(tree.files.iter().filter_map(|file| {
        let code = file.path.strip_prefix(FOLDER)?.strip_suffix(".md")?;
        let is_known = file.path == INDEX || tree.codes.iter().any(|known| known == code);
        (!is_known).then(|| file.problem(0, format!("there is no error code {code}; delete the page")))
    }));
    problems
}

fn check_code(tree: &Tree, code: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let path = format!("{FOLDER}{code}.md");
    match tree.file(&path) {
        None => problems.push(Problem { path, line: 0, what: format!("the error code {code} has no page; write it") }),
        Some(page) if page.text.lines().next() != Some(&format!("# {code}")) => {
            problems.push(page.problem(1, format!("the page begins with `# {code}`")));
        }
        Some(_) => {}
    }
    let row = format!("[{code}]({code}.md)");
    for (path, row) in [(INDEX, row), (TESTS, format!("| {code} |"))] {
        if !tree.file(path).is_some_and(|index| index.text.contains(&row)) {
            problems.push(Problem { path: path.to_owned(), line: 0, what: format!("no row for {code}") });
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    fn check_with(codes: &[&str], files: &[(&str, &str)]) -> Vec<String> {
        let codes = codes.iter().map(|code| (*code).to_owned()).collect();
        found(&check(&Tree { codes, ..Tree::of(files) }))
    }

    #[test]
    fn a_page_and_a_row_per_code_pass() {
        let index = (INDEX, "| [NO_A](NO_A.md) | ... |\n");
        let files = [("docs/errors/NO_A.md", "# NO_A\n\nText.\n"), index, (TESTS, "| NO_A | ... |\n")];
        assert_eq!(check_with(&["NO_A"], &files), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_or_left_over_is_found() {
        let files =
            [("docs/errors/OLD.md", "# OLD\n"), ("docs/errors/NO_B.md", "# NO_A\n"), (INDEX, "[NO_B](NO_B.md)")];
        let expected = [
            "docs/errors/NO_A.md: the error code NO_A has no page; write it",
            "docs/errors/README.md: no row for NO_A",
            "crates/noukai-server/tests/README.md: no row for NO_A",
            "docs/errors/NO_B.md:1: the page begins with `# NO_B`",
            "crates/noukai-server/tests/README.md: no row for NO_B",
            "docs/errors/OLD.md: there is no error code OLD; delete the page",
        ];
        assert_eq!(check_with(&["NO_A", "NO_B"], &files), expected);
    }
}
