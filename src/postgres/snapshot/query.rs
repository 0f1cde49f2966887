//! What is read of a table.

use crate::postgres::quote::quote_identifier;

/// A read of a table, or of a part of it.
#[derive(Debug, Clone, Copy)]
pub struct CopyTable<'a> {
    /// Schema.
    pub schema: &'a str,
    /// Name.
    pub table: &'a str,
    /// Columns, in the order wanted; system columns such as `ctid` and `xmin` as well.
    pub columns: &'a [&'a str],
    /// Whether rows of inheriting tables are left out (`ONLY`). A partitioned table has no rows
    /// of its own.
    pub only: bool,
    /// A condition in SQL, such as a range of `ctid`.
    pub condition: Option<&'a str>,
}

impl CopyTable<'_> {
    /// The query to copy.
    pub(super) fn select(&self) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|one| quote_identifier(one))
            .collect();
        let mut select = format!(
            "SELECT {} FROM {}{}.{}",
            columns.join(", "),
            if self.only { "ONLY " } else { "" },
            quote_identifier(self.schema),
            quote_identifier(self.table),
        );
        if let Some(condition) = self.condition {
            select.push_str(" WHERE ");
            select.push_str(condition);
        }
        select
    }
}
