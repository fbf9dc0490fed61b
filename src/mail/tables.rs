//! Tables of HTML mail: those that hold data become tables of Markdown, a line for each row; those that only lay out
//! the page (most of them) are taken apart.

use crate::mail::markup::{What, attribute, pieces};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Data,
    Layout,
}

/// Tables that are looked at; what comes of a page has no room for more.
const TABLES: usize = 10_000;

/// What each table is, in the order in which they begin: several rows, several columns and nothing in a cell that
/// needs lines of its own.
#[must_use]
pub fn kinds(html: &str) -> Vec<Kind> {
    let mut found: Vec<Shape> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for piece in pieces(html) {
        match &piece.what {
            What::Open(name, _) if name == "table" && found.len() == TABLES => break,
            What::Open(name, attributes) if name == "table" => {
                if let Some(&outer) = open.last() {
                    found[outer].is_layout = true;
                }
                open.push(found.len());
                let is_layout = attribute(attributes, "role") == Some("presentation");
                found.push(Shape { is_layout, ..Shape::default() });
            }
            What::Close(name) if name == "table" => drop(open.pop()),
            What::Open(name, _) => {
                if let Some(&table) = open.last() {
                    found[table].take(name);
                }
            }
            _ => {}
        }
    }
    found.iter().map(Shape::kind).collect()
}

#[derive(Default)]
struct Shape {
    is_layout: bool,
    rows: usize,
    cells: usize,
    most_cells: usize,
}

impl Shape {
    fn take(&mut self, name: &str) {
        match name {
            "tr" => (self.rows, self.cells) = (self.rows + 1, 0),
            "td" | "th" => {
                self.cells += 1;
                self.most_cells = self.most_cells.max(self.cells);
            }
            "ul" | "ol" | "dl" | "pre" | "blockquote" | "hr" | "h1" | "h2" | "h3" => self.is_layout = true,
            _ => {}
        }
    }

    fn kind(&self) -> Kind {
        if self.is_layout || self.rows < 2 || self.most_cells < 2 { Kind::Layout } else { Kind::Data }
    }
}

/// A table that is being written.
#[derive(Debug)]
pub struct Table {
    pub kind: Kind,
    pub in_cell: bool,
    in_row: bool,
    rows: usize,
    cells: usize,
}

impl Table {
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, in_cell: false, in_row: false, rows: 0, cells: 0 }
    }

    /// What is written around it: empty lines set a table off.
    #[must_use]
    pub fn element(&self) -> &'static str {
        if self.kind == Kind::Data { "p" } else { "div" }
    }

    pub fn row(&mut self, out: &mut String) {
        self.end_row(out);
        (self.in_row, self.cells) = (true, 0);
    }

    pub fn cell(&mut self, out: &mut String) {
        if !self.in_row {
            self.row(out);
        }
        self.end_cell(out);
        out.push_str("| ");
        (self.in_cell, self.cells) = (true, self.cells + 1);
    }

    pub fn end_cell(&mut self, out: &mut String) {
        if self.in_cell {
            out.push(' ');
        }
        self.in_cell = false;
    }

    pub fn end_row(&mut self, out: &mut String) {
        if !self.in_row {
            return;
        }
        self.end_cell(out);
        out.push_str("|<br>");
        if self.rows == 0 {
            out.extend(["|", &"---|".repeat(self.cells), "<br>"]);
        }
        (self.in_row, self.rows) = (false, self.rows + 1);
    }
}
