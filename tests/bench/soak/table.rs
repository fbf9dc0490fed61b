//! The account as it is printed: counts in the order in which they first came up, faults with where to look.

#[derive(Default)]
pub struct Table {
    rows: Vec<(String, usize)>,
    faults: Vec<(String, String)>,
}

impl Table {
    pub fn count(&mut self, what: &str, many: usize) {
        match self.rows.iter_mut().find(|(row, _)| row == what) {
            Some((_, count)) => *count += many,
            None => self.rows.push((what.to_owned(), many)),
        }
    }

    /// Shown in this order, also where there is none.
    pub fn declare(rows: &[&str]) -> Self {
        Self { rows: rows.iter().map(|row| ((*row).to_owned(), 0)).collect(), faults: Vec::new() }
    }

    /// One of what must not be.
    pub fn fault(&mut self, what: &str, detail: String) {
        self.count(what, 1);
        self.faults.push((what.trim().to_owned(), detail));
    }

    /// True where there is none.
    pub fn print(&self) -> bool {
        for (row, count) in &self.rows {
            println!("{row:<58} {count:>7}");
        }
        for (what, detail) in &self.faults {
            println!("{what}: {detail}");
        }
        self.faults.is_empty()
    }
}
