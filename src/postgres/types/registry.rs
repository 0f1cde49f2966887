//! What the catalogue tells about types, looked up by oid.
//!
//! Built-in base types are known without it; a type that was made in the database (an enum, a
//! domain, an extension's type) or an array of one must be in the registry to be mapped.

use std::collections::HashMap;

use super::oid;

/// A type of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeInfo {
    /// `pg_type.oid`.
    pub oid: u32,
    /// `typname`, such as `int4` or `_text`.
    pub name: String,
    /// The schema it lives in.
    pub schema: String,
    /// What it is.
    pub kind: TypeKind,
}

/// What a type is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeKind {
    /// A base type.
    Base,
    /// An enumerated type.
    Enum {
        /// Its labels in order.
        labels: Vec<String>,
    },
    /// A domain.
    Domain {
        /// The type it is over, which may be a domain again.
        base_oid: u32,
        /// The modifier it fixes; -1 where it fixes none.
        base_typmod: i32,
    },
    /// A row type.
    Composite,
    /// A range.
    Range,
    /// A multirange.
    MultiRange,
    /// A pseudo type.
    Pseudo,
    /// An array.
    Array {
        /// The type of its elements.
        element_oid: u32,
    },
}

/// Types by oid.
#[derive(Debug, Clone, Default)]
pub struct TypeRegistry {
    types: HashMap<u32, TypeInfo>,
}

impl TypeRegistry {
    /// An empty registry: only built-in base types and their arrays are known.
    #[must_use]
    pub fn new() -> TypeRegistry {
        TypeRegistry::default()
    }

    /// Adds a type, or replaces what was known under its oid.
    pub fn insert(&mut self, info: TypeInfo) {
        self.types.insert(info.oid, info);
    }

    /// The type of an oid.
    #[must_use]
    pub fn get(&self, oid: u32) -> Option<&TypeInfo> {
        self.types.get(&oid)
    }

    /// The name of a type for people: `int8`, `int4[]`, a domain's or an enum's own name.
    #[must_use]
    pub fn display_name(&self, oid: u32) -> String {
        let element = match self.get(oid).map(|info| &info.kind) {
            Some(TypeKind::Array { element_oid }) => Some(*element_oid),
            _ => oid::element(oid),
        };
        match element {
            Some(element) => format!("{}[]", self.plain_name(element)),
            None => self.plain_name(oid),
        }
    }

    fn plain_name(&self, oid: u32) -> String {
        match (oid::name(oid), self.get(oid)) {
            (Some(name), _) => name.to_owned(),
            (None, Some(info)) => info.name.clone(),
            (None, None) => format!("oid {oid}"),
        }
    }

    /// How many types are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }
}

impl FromIterator<TypeInfo> for TypeRegistry {
    fn from_iter<I: IntoIterator<Item = TypeInfo>>(infos: I) -> TypeRegistry {
        let types = infos.into_iter().map(|info| (info.oid, info)).collect();
        TypeRegistry { types }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_as_people_write_them() {
        let info = |oid, name: &str, kind| TypeInfo {
            oid,
            name: name.to_owned(),
            schema: "public".to_owned(),
            kind,
        };
        let registry: TypeRegistry = [
            info(20_000, "mood", TypeKind::Enum { labels: vec![] }),
            info(
                20_001,
                "_mood",
                TypeKind::Array {
                    element_oid: 20_000,
                },
            ),
        ]
        .into_iter()
        .collect();
        for (oid, name) in [
            (23, "int4"),
            (1007, "int4[]"),
            (20_000, "mood"),
            (20_001, "mood[]"),
            (20_002, "oid 20002"),
        ] {
            assert_eq!(registry.display_name(oid), name);
        }
    }
}
