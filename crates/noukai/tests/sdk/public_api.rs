//! The public surface as a text: a change of it shows in a diff of `public_api.txt`, and is meant or mended.
//!
//! Reads the sources, which rustfmt keeps in one shape. `UPDATE_PUBLIC_API=1 cargo test -p noukai public_api` writes the
//! file anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

#[test]
fn the_public_surface_is_as_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("tests/sdk/public_api.txt");
    let listed = listing(&root.join("src"));
    if std::env::var_os("UPDATE_PUBLIC_API").is_some() {
        fs::write(&file, &listed).expect("the list is written");
    }
    let known = fs::read_to_string(&file).expect("the list");
    let (known, listed): (BTreeSet<&str>, BTreeSet<&str>) = (known.lines().collect(), listed.lines().collect());
    let gone: Vec<_> = known.difference(&listed).collect();
    let new: Vec<_> = listed.difference(&known).collect();
    assert!(gone.is_empty() && new.is_empty(), "no longer there: {gone:#?}\nnew: {new:#?}\nsee the head of this file");
}

#[test]
fn every_public_method_has_an_example() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let exported = exported(&read(&source.join("lib.rs")), &read(&source.join("blocking/mod.rs")));
    let mut methods = 0;
    let mut bare = Vec::new();
    for file in files(&source) {
        let module = if file.starts_with(source.join("blocking")) { "blocking::" } else { "" };
        let is_public = |owner: &str| file.ends_with("macros.rs") || exported.contains(&format!("{module}{owner}"));
        let text = read(&file);
        for (owner, method, example) in shown(text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default()) {
            methods += usize::from(is_public(&owner));
            if is_public(&owner) && !example {
                bare.push(format!("{module}{owner}: {method}"));
            }
        }
    }
    assert!(bare.is_empty(), "without an example: {bare:#?}");
    assert!(methods > 100, "{methods} methods were looked at");
}

/// The public methods of a file: owner, line, and whether their docs have an example. Those of replays are compiled alone:
/// a replay needs a variable in the environment.
fn shown(code: &str) -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    let (mut owner, mut example) = (String::new(), false);
    for line in code.lines() {
        if let Some((name, _)) = opened(line, &mut Vec::new()) {
            (owner, example) = (name, false);
        }
        let line = line.trim();
        example |= line.starts_with("/// ```") || line.contains("macros::example!(");
        if signature(line).is_some() {
            found.push((owner.clone(), line.to_owned(), std::mem::take(&mut example)));
        } else if line == "}" {
            example = false;
        }
    }
    found
}

fn listing(source: &Path) -> String {
    let macros = macro_methods(&read(&source.join("macros.rs")));
    let exported = exported(&read(&source.join("lib.rs")), &read(&source.join("blocking/mod.rs")));
    let mut lines = BTreeSet::new();
    for file in files(source) {
        let module = if file.starts_with(source.join("blocking")) { "blocking::" } else { "" };
        let text = read(&file);
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for (owner, item) in items(code, &macros) {
            if owner.is_empty() || exported.contains(&format!("{module}{owner}")) {
                lines.insert(format!("{module}{item}"));
            }
        }
    }
    lines.extend(exported.iter().map(|name| format!("pub use {name}")));
    lines.into_iter().map(|line| line + "\n").collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a source file")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.into_iter().chain(folders.iter().flat_map(|folder| self::files(folder))).collect()
}

/// The names that `pub use` makes public, those of the blocking module with its name before them.
fn exported(crate_root: &str, blocking: &str) -> BTreeSet<String> {
    let used = |text: &str, module: &str| -> Vec<String> {
        text.split("pub use ")
            .skip(1)
            .flat_map(|rest| rest.split(';').next().unwrap_or_default().split([',', '{', '}']))
            .filter_map(|name| name.split("::").last())
            .map(|name| name.split(" as ").last().unwrap_or_default().trim().to_owned())
            .filter(|name| name.starts_with(char::is_uppercase))
            .map(|name| format!("{module}{name}"))
            .collect()
    };
    let own = ["blocking::Noukai", "blocking::Flow"].map(str::to_owned);
    used(crate_root, "").into_iter().chain(used(blocking, "blocking::")).chain(own).collect()
}

/// The methods each macro of options makes, by its name.
fn macro_methods(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut methods: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for body in text.split("macro_rules! ").skip(1) {
        let name = body.split(' ').next().unwrap_or_default();
        let found = joined(body).into_iter().filter_map(|line| signature(line.trim()));
        methods.entry(name.to_owned()).or_default().extend(found);
    }
    methods
}

/// Lines, those of one signature joined into one.
fn joined(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines().filter(|line| !line.is_empty() && !line.trim_start().starts_with("//")) {
        match lines.last_mut() {
            Some(last) if open => *last += &format!(" {}", line.trim()),
            _ => lines.push(line.to_owned()),
        }
        let last = lines.last().map_or("", |last| last.trim());
        let begins = last.starts_with("pub fn") || last.starts_with("pub async fn") || last.starts_with("pub const fn");
        open = (begins || last.starts_with("fn ")) && !last.ends_with('{') && !last.ends_with(';');
    }
    lines
}

/// `pub fn name(...) -> T`, without what differs inside.
fn signature(line: &str) -> Option<String> {
    let is_method = ["pub fn ", "pub async fn ", "pub const fn "].iter().any(|begin| line.starts_with(begin));
    is_method.then(|| {
        line.trim_end_matches('{')
            .trim()
            .replace("mut self", "self")
            .replace("mut handler", "handler")
            .replace("( ", "(")
            .replace(", )", ")")
    })
}

/// Every public item of a file, with the type it belongs to.
fn items(code: &str, macros: &BTreeMap<String, Vec<String>>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut owner, mut kind) = (String::new(), "");
    for line in joined(code) {
        let trimmed = line.trim();
        if !line.starts_with(' ') {
            (owner, kind) = opened(&line, &mut found).unwrap_or_default();
        } else if let Some(call) = trimmed.strip_prefix("crate::macros::").filter(|_| kind == "impl") {
            let methods = macros.get(call.split('!').next().unwrap_or_default());
            // The handler alone differs between the two surfaces: a future, or a result at once.
            let other = if call.contains("(blocking") { "<F, Fut>" } else { "<F, R>" };
            let own = methods.into_iter().flatten().filter(|method| !method.contains(other));
            found.extend(own.map(|method| (owner.clone(), format!("{owner}::{method}"))));
        } else if let Some(method) = signature(trimmed).filter(|_| kind == "impl" && line.starts_with("    pub ")) {
            found.push((owner.clone(), format!("{owner}::{method}")));
        } else if kind == "struct" && trimmed.starts_with("pub ") && !trimmed.starts_with("pub(") {
            found.push((owner.clone(), format!("{owner}.{}", trimmed.trim_end_matches(','))));
        } else if kind == "enum" && !trimmed.starts_with(['#', '}']) && line.starts_with("    ") {
            found.push((owner.clone(), format!("{owner}::{}", trimmed.trim_end_matches(','))));
        } else if kind == "trait" && trimmed.starts_with("fn ") {
            found.push((owner.clone(), format!("{owner}::{trimmed}")));
        } else if kind == "events" {
            event_item(trimmed, &mut owner, &mut found);
        }
    }
    found
}

/// A line of the macro that makes the structs of events: `Name {` or `field: type,`.
fn event_item(line: &str, owner: &mut String, found: &mut Vec<(String, String)>) {
    if let Some(name) = line.strip_suffix(" {") {
        name.clone_into(owner);
        found.push((owner.clone(), format!("pub struct {owner}")));
    } else if let Some((field, kind)) = line.trim_end_matches(',').split_once(": ") {
        found.push((owner.clone(), format!("{owner}.pub {field}: {kind}")));
    }
}

/// What a line at the margin opens: an item's name and kind. Items are told on the way.
fn opened(line: &str, found: &mut Vec<(String, String)>) -> Option<(String, &'static str)> {
    let name =
        |rest: &str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned();
    if line.starts_with("events! {") {
        return Some((String::new(), "events"));
    }
    for kind in ["struct", "enum", "trait"] {
        if let Some(rest) = line.strip_prefix(&format!("pub {kind} ")) {
            found.push((name(rest), format!("pub {kind} {}", name(rest))));
            return Some((name(rest), kind));
        }
    }
    let rest = line.strip_prefix("impl")?;
    if let Some((_, of)) = rest.split_once(" for ") {
        let of = of.trim_start_matches('&');
        found.push((name(of), line.trim_end_matches(['{', '}', ' ']).to_owned()));
        return Some((String::new(), "other"));
    }
    let of = rest.trim().trim_start_matches("crate::");
    Some((name(of), "impl"))
}
