//! Writing data to stdout: lines, JSON, and tables whose columns line up.

use std::io::{ErrorKind, Write};

use serde::Serialize;

use super::failure::Failure;
use crate::error;

/// Writes `line` and its end. A reader that has gone ends the command quietly.
pub(super) fn line(line: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(line).and_then(|()| out.write_all(b"\n"));
    written.and_then(|()| out.flush()).map_err(|cause| {
        if cause.kind() == ErrorKind::BrokenPipe {
            return Failure::PipeClosed;
        }
        let what = format!("failed to write to stdout: {cause}");
        Failure::new(error::CLI_INVALID, what, "check where the output goes")
    })
}

/// Writes `value` as JSON on one line.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_vec(value).unwrap_or_default())
}

/// Rows under a header.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Table {
        Table {
            rows: vec![header.iter().map(|&name| name.to_owned()).collect()],
        }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Writes the rows; each column is as wide as its widest cell.
    pub(super) fn print(&self) -> Result<(), Failure> {
        for row in self.render() {
            line(row.as_bytes())?;
        }
        Ok(())
    }

    fn render(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let padded = |row: &Vec<String>| {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}  "));
            cells.collect::<String>().trim_end().to_owned()
        };
        self.rows.iter().map(padded).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["NAME", "N"]);
        table.row(["longer".to_owned(), "1".to_owned()]);
        table.row(["b".to_owned(), "22".to_owned()]);
        assert_eq!(table.render(), ["NAME    N", "longer  1", "b       22"]);
    }
}
