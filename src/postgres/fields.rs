//! Reads the columns of a row with an error instead of a panic where the type is another.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::error::Error;
use crate::lsn::Lsn;

/// A row, and what it was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    row: &'a Row,
    doing: &'a str,
}

impl<'a> Fields<'a> {
    pub(super) fn new(row: &'a Row, doing: &'a str) -> Fields<'a> {
        Fields { row, doing }
    }

    /// Column `index`.
    pub(super) fn get<T: FromSql<'a>>(&self, index: usize) -> Result<T, Error> {
        self.row
            .try_get(index)
            .map_err(|error| Error::from_sql(self.doing, error))
    }

    /// Column `index`, an `int8`, as a size; null and negative ones read as 0.
    pub(super) fn size(&self, index: usize) -> Result<u64, Error> {
        let value = self.get::<Option<i64>>(index)?.unwrap_or(0);
        Ok(u64::try_from(value).unwrap_or(0))
    }

    /// Column `index`, an `int4`, as a count; null and negative ones read as 0.
    pub(super) fn count(&self, index: usize) -> Result<u32, Error> {
        let value = self.get::<Option<i32>>(index)?.unwrap_or(0);
        Ok(u32::try_from(value).unwrap_or(0))
    }

    /// Column `index`, a text, as a position.
    pub(super) fn lsn(&self, index: usize) -> Result<Lsn, Error> {
        self.optional_lsn(index)
            .map(|lsn| lsn.unwrap_or(Lsn::INVALID))
    }

    /// Column `index`, a text that may be null, as a position.
    pub(super) fn optional_lsn(&self, index: usize) -> Result<Option<Lsn>, Error> {
        self.get::<Option<&str>>(index)?
            .map(str::parse)
            .transpose()
            .map_err(|_| Error::protocol(format!("a position of another form ({})", self.doing)))
    }

    /// Column `index`, a `"char"`, as a letter; null reads as 0.
    pub(super) fn letter(&self, index: usize) -> Result<u8, Error> {
        let value = self.get::<Option<i8>>(index)?.unwrap_or(0);
        Ok(value.to_be_bytes()[0])
    }
}
