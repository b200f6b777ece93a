//! The report: markdown, with figures as people read them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::output;

/// Grows from top to bottom.
#[derive(Default)]
pub struct Report(String);

impl Report {
    /// What it says so far.
    pub fn text(&self) -> &str {
        self.0.trim_end()
    }

    /// A heading.
    pub fn heading(&mut self, text: &str) {
        self.paragraph(&format!("### {text}"));
    }

    /// A paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.0 += text;
        self.0 += "\n\n";
    }

    /// A table; figures stand to the right, the first column and names to the left.
    pub fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let row = |cells: &[String]| format!("| {} |", cells.join(" | "));
        let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
        let rule: Vec<String> =
            head.iter().map(|cell| if cell.is_empty() { "---" } else { "---:" }.to_owned()).collect();
        let lines: Vec<String> =
            [row(&head), row(&rule)].into_iter().chain(rows.iter().map(|cells| row(cells))).collect();
        self.paragraph(&lines.join("\n"));
    }

    /// Writes it to `path`: between the part's markers where the file has them, else as the whole file.
    pub fn write(&self, path: &Path, part: &str) -> Result<()> {
        let found = fs::read_to_string(path).unwrap_or_default();
        let text = between_markers(&found, part, self.text()).unwrap_or_else(|| format!("{}\n", self.text()));
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        output::note(&format!("wrote {}", path.display()));
        Ok(())
    }
}

fn between_markers(page: &str, part: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {part}: begin -->"), format!("<!-- {part}: end -->"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{text}\n\n{end}{after}"))
}

/// `1.23 ms`.
pub fn millis(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1e3;
    if millis < 100.0 { format!("{millis:.2} ms") } else { format!("{} ms", thousands(millis.round() as u64)) }
}

/// `123 µs`.
pub fn micros(duration: Duration) -> String {
    format!("{:.0} µs", duration.as_secs_f64() * 1e6)
}

/// `12.3 MiB`.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}

/// `12,345`.
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(999), "999");
        assert_eq!(millis(Duration::from_micros(1_234)), "1.23 ms");
        assert_eq!(millis(Duration::from_millis(2_034)), "2,034 ms");
        assert_eq!(micros(Duration::from_nanos(1_600)), "2 µs");
        assert_eq!(mebibytes(1024 * 1536), "1.5 MiB");
    }

    #[test]
    fn a_table_is_markdown() {
        let mut report = Report::default();
        report.table(&["", "runs"], &[vec!["floor".to_owned(), "12".to_owned()]]);
        assert_eq!(report.text(), "|  | runs |\n| --- | ---: |\n| floor | 12 |");
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page =
            |text: &str| format!("a\n<!-- x y: begin -->{text}<!-- x y: end -->\n<!-- x: begin --><!-- x: end -->\n");
        assert_eq!(between_markers(&page("\nold\n"), "x y", "new"), Some(page("\n\nnew\n\n")));
        assert_eq!(between_markers(&page(""), "z", "new"), None);
    }
}
