//! Nothing in the repository depends on the machine it was written on: no absolute paths into somebody's folders, no
//! package registry of one's own.

use super::{File, Problem, Tree};

/// Files that may have such text, with the reason.
const EXEMPT: &[(&str, &str)] = &[("xtask/src/tidy/machine.rs", "names what it looks for")];

const FOLDERS: &[&str] = &["/work/", "/root/", "/home/", "/Users/"];

/// Hosts and settings that say where packages come from. That is for the machine to say, not for the repository.
const REGISTRIES: &[&str] = &[
    "registry.npmjs.org",
    "registry.yarnpkg.com",
    "files.pythonhosted.org",
    "pypi.org/simple",
    "index.crates.io",
    "static.crates.io",
    "proxy.golang.org",
    "index-url",
    "replace-with",
    "--registry",
];

/// The one source that Cargo.lock may name.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Every line that names such a path, or a registry.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let is_exempt = |file: &File| EXEMPT.iter().any(|(path, _)| *path == file.path);
    tree.files.iter().filter(|file| !is_exempt(file)).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Problem> {
    file.lines().filter_map(|(number, line)| Some(file.problem(number, fault(file, line)?))).collect()
}

fn fault(file: &File, line: &str) -> Option<String> {
    if let Some(folder) = FOLDERS.iter().find(|folder| names_folder(line, folder)) {
        return Some(format!("a path under {folder} is of one machine only"));
    }
    if let Some(registry) = REGISTRIES.iter().find(|registry| line.contains(**registry)) {
        return Some(format!("`{registry}`: where packages come from is not for the repository to say"));
    }
    let source = line.strip_prefix("source = ").filter(|_| file.path.ends_with("Cargo.lock"))?;
    (source.trim_matches('"') != CRATES_IO).then(|| format!("a dependency from {source}, not from crates.io"))
}

/// Whether the line has a path that begins there: `/home/x`, but not `a/home/x`.
fn names_folder(line: &str, folder: &str) -> bool {
    let is_path = |c: char| c.is_alphanumeric() || "_-.}~/".contains(c);
    line.match_indices(folder).any(|(at, _)| !line[..at].chars().next_back().is_some_and(is_path))
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn absolute_paths_are_found() {
        let problems = found(&check(&Tree::of(&[("a.md", "ok\nsee `/home/me/a`\n")])));
        assert_eq!(problems, ["a.md:2: a path under /home/ is of one machine only"]);
        assert_eq!(count("a.sh", "cd /root/x\ncd \"/work/main\"\nPATH=/Users/me/bin\n"), 3);
        assert_eq!(count("a.sh", "cd work/main\ncd ./home/x\ncurl https://example.com/home/x\ncd $ROOT}/work/x\n"), 0);
    }

    #[test]
    fn registries_are_found() {
        assert_eq!(count("package-lock.json", "\"resolved\": \"https://registry.npmjs.org/a\"\n"), 1);
        assert_eq!(count(".cargo/config.toml", "replace-with = \"mine\"\n"), 1);
        assert_eq!(count("README.md", "https://crates.io/crates/a and https://pypi.org/project/a\n"), 0);
    }

    #[test]
    fn the_lock_file_names_crates_io_only() {
        assert_eq!(count("Cargo.lock", &format!("source = \"{CRATES_IO}\"\n")), 0);
        assert_eq!(count("Cargo.lock", "source = \"git+https://example.com/a#1\"\n"), 1);
    }
}
