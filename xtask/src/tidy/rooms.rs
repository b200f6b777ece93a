//! Inside the server: the use cases know no transport and no database, the transports know neither each other nor
//! what lies behind the use cases.

use super::text::{has_word, without_comment};
use super::{File, Problem, Tree};

const SERVER: &str = "crates/noukai-server/src/";

/// What the files of one folder (or the file of that name) must not mention.
struct Room {
    name: &'static str,
    /// Crates.
    crates: &'static [&'static str],
    /// Other rooms of the server.
    rooms: &'static [&'static str],
}

const ROOMS: &[Room] = &[
    Room { name: "app", crates: &["axum", "hyper", "rusqlite", "sqlx"], rooms: &["http", "mcp", "studio"] },
    Room { name: "http", crates: TRANSPORT_CRATES, rooms: &["mcp", "studio"] },
    Room { name: "mcp", crates: TRANSPORT_CRATES, rooms: &["http", "studio"] },
    Room { name: "studio", crates: TRANSPORT_CRATES, rooms: &["http", "mcp"] },
];

const TRANSPORT_CRATES: &[&str] = &["noukai_engine", "noukai_store", "rusqlite", "sqlx"];

/// Every mention of something that the room must not know.
pub fn check(tree: &Tree) -> Vec<Problem> {
    tree.sources().filter_map(|file| Some((file, room_of(&file.path)?))).flat_map(check_file).collect()
}

fn room_of(path: &str) -> Option<&'static Room> {
    let inside = path.strip_prefix(SERVER)?;
    let first = inside.split('/').next()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    ROOMS.iter().find(|room| room.name == name)
}

fn check_file((file, room): (&File, &Room)) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in file.lines() {
        let code = without_comment(line);
        for name in room.crates.iter().filter(|name| names_crate(code, name)) {
            problems.push(file.problem(number, format!("{}/ must not know {name}", room.name)));
        }
    }
    for (number, name) in own_modules(file) {
        if room.rooms.contains(&name.as_str()) {
            problems.push(file.problem(number, format!("{}/ must not know {name}/", room.name)));
        }
    }
    problems
}

/// `use axum`, `axum::`: a path, not the bare word, which may be a field's or a variable's name.
fn names_crate(code: &str, name: &str) -> bool {
    has_word(code, name) && (code.contains(&format!("{name}::")) || code.contains(&format!("use {name}")))
}

/// The first names after `crate::`, those of a group (`crate::{app::x, http}`) included, with their lines.
fn own_modules(file: &File) -> Vec<(usize, String)> {
    let code = file.lines().map(|(_, line)| without_comment(line)).collect::<Vec<_>>().join("\n");
    let mut modules = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        let line = code[..at].matches('\n').count() + 1;
        modules.extend(first_names(&code[at + prefix.len()..]).into_iter().map(|name| (line, name)));
    }
    modules
}

/// `a::b` gives `a`; `{a::{b, c}, d}` gives `a` and `d`.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else { return vec![identifier(path)] };
    let mut names = vec![identifier(group)];
    let mut depth = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(identifier(&group[at + 1..])),
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    fn check_one(path: &str, text: &str) -> Vec<String> {
        found(&check(&Tree::of(&[(&format!("{SERVER}{path}"), text)])))
    }

    #[test]
    fn the_use_cases_know_no_transport_and_no_database() {
        let text = "use axum::Json;\nuse crate::http::x;\nfn f() -> rusqlite::Error {}\n";
        let expected = ["app/ must not know axum", "app/ must not know rusqlite", "app/ must not know http/"];
        let problems = check_one("app/execute.rs", text);
        assert_eq!(problems.len(), expected.len());
        for (problem, what) in problems.iter().zip(expected) {
            assert!(problem.ends_with(what), "{problem}");
        }
    }

    #[test]
    fn transports_know_neither_each_other_nor_what_lies_behind() {
        assert_eq!(check_one("http/sse.rs", "use noukai_engine::Event;\n").len(), 1);
        assert_eq!(check_one("http.rs", "use noukai_store as store;\n").len(), 1);
        assert_eq!(check_one("mcp/mod.rs", "use crate::http::Error;\n").len(), 1);
        assert_eq!(check_one("http/a.rs", "use crate::{\n    app::{b, http},\n    mcp::c,\n};\n").len(), 1);
    }

    #[test]
    fn what_is_allowed_passes() {
        let text = "// axum:: is not for here\nuse crate::app::http_status;\nuse noukai_store::Runs;\nlet axum = 1;\n";
        assert_eq!(check_one("app/a.rs", text), Vec::<String>::new());
        assert_eq!(check_one("http/a.rs", "use axum::Json;\nuse crate::app;\n"), Vec::<String>::new());
        assert_eq!(check_one("wiring.rs", "use axum::Router;\nuse noukai_store::Store;\n"), Vec::<String>::new());
    }

    #[test]
    fn groups_give_the_names_of_their_first_level() {
        assert_eq!(first_names("{a::{b, c}, d as e}; use f, g"), ["a", "d"]);
        assert_eq!(first_names("a::b, c"), ["a"]);
    }
}
