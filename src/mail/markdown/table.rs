//! A table as text: in columns where it fits, else row by row.

use pulldown_cmark::Alignment;
use unicode_width::UnicodeWidthStr;

/// A table as it is read.
#[derive(Debug, Default)]
pub struct Table {
    pub columns: Vec<Alignment>,
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Between two columns.
const GAP: usize = 2;

impl Table {
    /// The lines, in columns; nothing where they would be wider than `room`.
    #[must_use]
    pub fn lines(&self, room: usize) -> Option<Vec<String>> {
        let cells = |at: usize| self.rows.iter().chain([&self.head]).filter_map(move |row| row.get(at));
        let widths: Vec<usize> =
            (0..self.head.len()).map(|at| cells(at).map(|cell| cell.width()).max().unwrap_or(0)).collect();
        if widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1) > room {
            return None;
        }
        let mut lines = Vec::with_capacity(self.rows.len() + 2);
        if self.head.iter().any(|cell| !cell.is_empty()) {
            lines.push(self.line(&self.head, &widths));
            let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            lines.push(self.line(&rule, &widths));
        }
        lines.extend(self.rows.iter().map(|row| self.line(row, &widths)));
        Some(lines)
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
            let blank = width.saturating_sub(cell.width());
            let before = match self.columns.get(at) {
                Some(Alignment::Right) => blank,
                Some(Alignment::Center) => blank / 2,
                _ => 0,
            };
            line.push_str(&" ".repeat(if at == 0 { before } else { before + GAP }));
            line.push_str(cell);
            line.push_str(&" ".repeat(blank - before));
        }
        line.trim_end().to_owned()
    }

    /// What stands in one row, each cell with its column's name.
    pub fn named<'t>(&'t self, row: &'t [String]) -> impl Iterator<Item = String> + 't {
        let filled = row.iter().enumerate().filter(|(_, cell)| !cell.is_empty());
        filled.map(|(at, cell)| match self.head.get(at).filter(|name| !name.is_empty()) {
            Some(name) => format!("{name}: {cell}"),
            None => cell.clone(),
        })
    }
}
