//! Which crate may import which: the arrows of ARCHITECTURE.md, and the libraries that a room must not know.
//!
//! Dependencies for tests and builds count too: a test that reaches across the house is as hard to move as code.

use super::{Problem, Tree};
use crate::workspace::Edge;

/// What one crate may name in its manifest.
struct Rule {
    package: &'static str,
    /// Those of our crates that it may import.
    ours: &'static [&'static str],
    others: Others,
    /// What its tests may import although the code may not.
    tests: &'static [&'static str],
}

/// What one crate may import from outside.
enum Others {
    Any,
    AllBut(&'static [&'static str]),
    Only(&'static [&'static str]),
}

const DATABASES: [&str; 3] = ["rusqlite", "sqlx", "tokio-postgres"];

const RULES: &[Rule] = &[
    Rule { package: "noukai-alloc", ours: &[], others: Others::Only(&["libmimalloc-sys"]), tests: &[] },
    Rule { package: "noukai-api", ours: &[], others: Others::Only(&["serde", "serde_json", "schemars"]), tests: &[] },
    Rule {
        package: "noukai-flow",
        ours: &["noukai-api"],
        others: Others::AllBut(&[DATABASES[0], DATABASES[1], DATABASES[2], "axum", "hyper", "reqwest", "tokio"]),
        tests: &[],
    },
    Rule {
        package: "noukai-engine",
        ours: &["noukai-api", "noukai-flow"],
        others: Others::AllBut(&[DATABASES[0], DATABASES[1], DATABASES[2], "axum", "hyper", "reqwest"]),
        tests: &[],
    },
    Rule {
        package: "noukai-models",
        ours: &["noukai-api", "noukai-flow", "noukai-engine"],
        others: Others::AllBut(&[DATABASES[0], DATABASES[1], DATABASES[2], "axum"]),
        tests: &["axum"],
    },
    Rule {
        package: "noukai-sandbox",
        ours: &["noukai-alloc", "noukai-api", "noukai-flow", "noukai-engine"],
        others: Others::AllBut(&[DATABASES[0], DATABASES[1], DATABASES[2], "axum", "reqwest"]),
        tests: &[],
    },
    Rule {
        package: "noukai-store",
        ours: &["noukai-api"],
        others: Others::AllBut(&["axum", "hyper", "reqwest"]),
        tests: &["noukai-testbed"],
    },
    Rule {
        package: "noukai-server",
        ours: &["noukai-api", "noukai-flow", "noukai-engine", "noukai-models", "noukai-sandbox", "noukai-store"],
        others: Others::Any,
        // The client is held against the real server here: it must not know the server itself.
        tests: &["noukai", "noukai-alloc", "noukai-testbed"],
    },
    Rule {
        package: "noukai",
        ours: &["noukai-api"],
        others: Others::AllBut(&["axum", "rusqlite", "sqlx"]),
        // Itself, with its features on; and a scripted server that knows nothing of ours, for examples and for what no
        // real server would answer.
        tests: &["noukai", "noukai-mock"],
    },
    Rule {
        package: "noukai-mock",
        ours: &[],
        others: Others::Only(&["serde_json", "tokio", "uuid"]), // The client is held against the real server here: it must not know the server itself.
        tests: &["noukai"],
    },
    // noukai-flow is pure: files are checked without a server.
    Rule {
        package: "noukai-cli",
        ours: &["noukai-alloc", "noukai-api", "noukai-flow", "noukai-server", "noukai"],
        others: Others::Any,
        tests: &["noukai-testbed"],
    },
    // What tests stand on knows nothing of what is tested.
    Rule { package: "noukai-testbed", ours: &[], others: Others::Any, tests: &[] },
    // The tools: they look at the house from outside.
    Rule {
        package: "noukai-bench",
        ours: &["noukai", "noukai-alloc", "noukai-testbed"],
        others: Others::Any,
        tests: &[],
    },
    Rule { package: "noukai-chaos", ours: &["noukai-testbed"], others: Others::Any, tests: &[] },
    Rule { package: "noukai-parity", ours: &["noukai"], others: Others::Any, tests: &[] },
    Rule { package: "xtask", ours: &["noukai-api", "noukai-testbed"], others: Others::Any, tests: &[] },
];

/// Every dependency that goes against an arrow, and every crate that no rule knows.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let unknown = tree.members.iter().filter(|member| rule(member).is_none()).map(|member| Problem {
        path: "xtask/src/tidy/arrows.rs".to_owned(),
        line: 0,
        what: format!("no rule says what {member} may import; add one"),
    });
    let forbidden = tree.edges.iter().filter(|edge| !is_allowed(edge)).map(|edge| Problem {
        path: format!("{}'s Cargo.toml", edge.from),
        line: 0,
        what: format!(
            "{} must not depend on {}{}",
            edge.from,
            edge.to,
            if edge.dev { ", not even in tests" } else { "" }
        ),
    });
    unknown.chain(forbidden).collect()
}

fn rule(package: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.package == package)
}

fn is_allowed(edge: &Edge) -> bool {
    let Some(rule) = rule(&edge.from) else { return true };
    let to = edge.to.as_str();
    if edge.dev && rule.tests.contains(&to) {
        return true;
    }
    if self::rule(to).is_some() {
        return rule.ours.contains(&to);
    }
    match rule.others {
        Others::Any => true,
        Others::AllBut(forbidden) => !forbidden.contains(&to),
        Others::Only(allowed) => allowed.contains(&to),
    }
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    fn check_edges(edges: &[(&str, &str, bool)]) -> Vec<String> {
        let edge =
            |(from, to, dev): &(&str, &str, bool)| Edge { from: (*from).to_owned(), to: (*to).to_owned(), dev: *dev };
        found(&check(&Tree { edges: edges.iter().map(edge).collect(), ..Tree::default() }))
    }

    #[test]
    fn the_arrows_of_the_house_pass() {
        let good = [
            ("noukai-api", "serde", false),
            ("noukai-flow", "noukai-api", false),
            ("noukai-engine", "tokio", false),
            ("noukai-models", "reqwest", false),
            ("noukai-models", "axum", true),
            ("noukai-store", "rusqlite", false),
            ("noukai-server", "noukai-store", false),
            ("noukai-cli", "noukai-server", false),
        ];
        assert_eq!(check_edges(&good), Vec::<String>::new());
    }

    #[test]
    fn each_forbidden_edge_is_found() {
        let bad = [
            ("noukai-api", "tokio", false),
            ("noukai-flow", "tokio", false),
            ("noukai-flow", "noukai-engine", false),
            ("noukai-engine", "sqlx", false),
            ("noukai-engine", "reqwest", false),
            ("noukai-engine", "noukai-store", true),
            ("noukai-models", "axum", false),
            ("noukai-models", "noukai-server", false),
            ("noukai-store", "axum", false),
            ("noukai-store", "noukai-flow", false),
            ("noukai-cli", "noukai-store", false),
            ("noukai", "noukai-server", false),
        ];
        assert_eq!(check_edges(&bad).len(), bad.len());
    }

    #[test]
    fn a_problem_names_both_crates() {
        let expected = "noukai-store's Cargo.toml: noukai-store must not depend on axum, not even in tests";
        assert_eq!(check_edges(&[("noukai-store", "axum", true)]), [expected]);
    }

    #[test]
    fn a_crate_without_a_rule_is_a_problem() {
        let tree = Tree { members: vec!["noukai-flow".to_owned(), "noukai-new".to_owned()], ..Tree::default() };
        let problems = found(&check(&tree));
        assert_eq!(problems, ["xtask/src/tidy/arrows.rs: no rule says what noukai-new may import; add one"]);
    }
}
