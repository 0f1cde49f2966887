//! JSON that keeps the order of its members, so that field order is compared too.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Scalar(serde_json::Value),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

pub(super) fn read(text: &str) -> Tree {
    serde_json::from_str(text).unwrap()
}

pub(super) fn read_bytes(text: &[u8]) -> Tree {
    read(std::str::from_utf8(text).unwrap())
}

impl Tree {
    /// The tree without the named fields, in payloads and in schemas.
    pub(super) fn without(self, names: &[&str]) -> Tree {
        let named = |tree: &Tree| {
            let Tree::Object(members) = tree else {
                return false;
            };
            members.iter().any(|(key, value)| {
                let is_name = |text: &str| names.contains(&text);
                key == "field"
                    && matches!(value, Tree::Scalar(v) if v.as_str().is_some_and(is_name))
            })
        };
        match self {
            Tree::Scalar(_) => self,
            Tree::Array(items) => {
                let kept = items.into_iter().filter(|item| !named(item));
                Tree::Array(kept.map(|item| item.without(names)).collect())
            }
            Tree::Object(members) => {
                let kept = members
                    .into_iter()
                    .filter(|(key, _)| !names.contains(&key.as_str()));
                Tree::Object(
                    kept.map(|(key, value)| (key, value.without(names)))
                        .collect(),
                )
            }
        }
    }

    /// The first place where `made` is not `self`.
    pub(super) fn difference(&self, made: &Tree, path: &str) -> Option<String> {
        match (self, made) {
            (Tree::Object(wanted), Tree::Object(made)) => {
                let keys = |members: &[(String, Tree)]| {
                    members
                        .iter()
                        .map(|(key, _)| key.clone())
                        .collect::<Vec<_>>()
                };
                if keys(wanted) != keys(made) {
                    return Some(format!(
                        "{path}: wanted {:?}, made {:?}",
                        keys(wanted),
                        keys(made)
                    ));
                }
                let pairs = wanted.iter().zip(made);
                pairs
                    .map(|((key, a), (_, b))| a.difference(b, &format!("{path}.{key}")))
                    .find_map(|found| found)
            }
            (Tree::Array(wanted), Tree::Array(made)) if wanted.len() == made.len() => {
                let pairs = wanted.iter().zip(made).enumerate();
                pairs
                    .map(|(index, (a, b))| a.difference(b, &format!("{path}[{index}]")))
                    .find_map(|found| found)
            }
            (wanted, made) if wanted == made => None,
            (wanted, made) => Some(format!("{path}: wanted {wanted:?}, made {made:?}")),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Tree;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(serde_json::Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Tree::Array(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Tree::Object(members))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}
