//! `noukai demo`: the first thing anybody runs.

use super::support::Folder;

#[test]
fn the_demo_shows_all_four_ways_and_a_trace() {
    let done = Folder::empty().run(&["demo"]);
    let text = done.succeeded();
    for words in ["1. Execute", "2. Step stream", "3. Job", "4. Tool calls", "get_weather(", "Trace of the job", "███"]
    {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(done.stderr, "");
}

#[test]
fn the_demo_asks_no_paid_model_and_leaves_nothing_behind() {
    let folder = Folder::empty();
    let temporary = Folder::empty();
    let mut command = folder.command(&["demo"]);
    command.env("NOUKAI_PROVIDER_API_KEY", "secret").env("NOUKAI_PROVIDER_BASE_URL", "http://127.0.0.1:1");
    let output = command.env("NOUKAI_DEFAULT_MODEL", "paid/model").env("TMPDIR", temporary.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for folder in [folder, temporary] {
        assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 0);
    }
}
