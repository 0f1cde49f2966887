//! What is read of a table.

/// A read of a table, or of a part of it.
#[derive(Debug, Clone, Copy)]
pub struct CopyTable<'a> {
    /// Schema.
    pub schema: &'a str,
    /// Name.
    pub table: &'a str,
    /// Columns, in the order wanted.
    pub columns: &'a [&'a str],
    /// Whether rows of inheriting tables are left out (`ONLY`).
    pub only: bool,
    /// A condition in SQL, such as a range of `ctid`.
    pub condition: Option<&'a str>,
}
