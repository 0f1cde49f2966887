//! Tables, columns, keys and types, from the system catalogue.

mod column;
mod table;
mod type_info;

pub use column::{Column, Generated, Identity, TableShape, columns};
pub use table::{Table, TableKind, tables};
pub use type_info::{TypeInfo, TypeKind, types};
