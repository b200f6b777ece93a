//! Tables in text: every column as wide as the widest of its cells.

use crate::output::Style;

/// Rows under a bold head, a line each.
pub fn lines<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>, style: Style) -> Vec<String> {
    let rows: Vec<[String; N]> = std::iter::once(head.map(ToOwned::to_owned)).chain(rows).collect();
    let mut lines: Vec<String> = aligned(&rows, N).iter().map(|line| line.trim_end().to_owned()).collect();
    lines[0] = style.bold(&lines[0]);
    lines
}

/// Rows of the same number of cells, a line each, all of the same length: the first `left` cells stand at the left of
/// their columns, the others, which are numbers, at the right.
pub fn aligned(rows: &[impl AsRef<[String]>], left: usize) -> Vec<String> {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |column: usize| rows.iter().map(|row| row.as_ref()[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &[String]| {
        let cell = |(column, cell): (usize, &String)| {
            let width = widths[column];
            if column < left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        };
        row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(|row| line(row.as_ref())).collect()
}
