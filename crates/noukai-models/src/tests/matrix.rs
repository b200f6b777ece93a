//! The provider matrix of docs/providers.md: each of its cells stands for tests that are there.

use std::collections::BTreeMap;

const PAGE: &str = include_str!("../../../../docs/providers.md");
const SOURCES: [(&str, &str); 3] = [
    ("family.rs", include_str!("family.rs")),
    ("anthropic.rs", include_str!("anthropic.rs")),
    ("gemini.rs", include_str!("gemini.rs")),
];

/// What a cell may say of a thing that is there; `no` is there as well, as a refusal. `–`: the vendor has nothing of it.
const MARKS: [&str; 8] = ["✓", "n", "t", "i", "n, t", "no", "–", ""];

/// The rows of the table whose head begins so, its head first.
fn table(head: &str) -> Vec<Vec<String>> {
    let lines = PAGE.lines().skip_while(|line| !line.starts_with(head)).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.filter(|line| !line.starts_with("| ---")).map(cells).collect()
}

fn column(provider: &str) -> usize {
    match provider {
        "Anthropic" => 1,
        "Gemini" => 2,
        _ => 0,
    }
}

#[test]
fn every_cell_stands_for_tests_that_are_there() {
    let (matrix, tests) = (table("| | OpenRouter"), table("| row |"));
    assert_eq!((matrix[0].len(), matrix.len(), tests.len()), (13, 13, 13), "{:?}", matrix[0]);
    let tests: BTreeMap<&str, &[String]> = tests[1..].iter().map(|row| (row[0].as_str(), &row[1..])).collect();
    for row in &matrix[1..] {
        let number = row[0].rsplit_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap();
        for (provider, cell) in matrix[0].iter().zip(row).skip(1) {
            let mark = cell.split(" (").next().unwrap();
            assert!(MARKS.contains(&mark) && !mark.is_empty(), "{provider}, row {number}: {cell}");
            if mark == "–" {
                continue;
            }
            let (file, source) = SOURCES[column(provider)];
            let names: Vec<&str> =
                tests[number][column(provider)].split(", ").map(|name| name.trim_matches('`')).collect();
            for name in names {
                let there = source.contains(&format!("#[tokio::test]\nasync fn {name}() {{"));
                assert!(there, "{provider}, row {number}: no test {name} in {file}");
            }
        }
    }
}

#[test]
fn those_of_the_family_go_through_every_column_of_theirs() {
    let matrix = table("| | OpenRouter");
    let family = SOURCES[0].1;
    let vendors = family.split_once("const FAMILY").and_then(|(_, rest)| rest.split_once("];")).unwrap().0;
    let names = matrix[0].iter().skip(1).filter(|provider| column(provider) == 0);
    let names: Vec<String> = names.map(|provider| format!("\"{}\"", provider.to_lowercase())).collect();
    assert!(names.len() == 10 && names.iter().all(|name| vendors.contains(name)), "{names:?}");
    for row in &table("| row |")[1..] {
        let test = row[1].split(", ").next().unwrap().trim_matches('`');
        let body = family.split_once(&format!("async fn {test}() {{")).unwrap().1.split("\n}").next().unwrap();
        let all = body.contains("in FAMILY") || names.iter().all(|name| body.contains(name));
        assert!(all || test.starts_with("openrouter"), "{test} does not go through all of them");
    }
}
