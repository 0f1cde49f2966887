//! What stands for a value that PostgreSQL did not send because it is stored out of line and did
//! not change (`UnchangedToastedPlaceholder`).

use md5::{Digest, Md5};

use super::decode::Decoder;
use super::{BinaryMode, Modes, hstore};
use crate::event::Value;

/// The placeholder of a column. Where Debezium has none of the type's own kind it is the text.
pub(super) fn value(decoder: &Decoder, modes: &Modes) -> Value<'static> {
    let placeholder = &modes.unavailable_placeholder;
    let text = String::from_utf8_lossy(placeholder).into_owned();
    match decoder {
        Decoder::Bytes(mode) | Decoder::Opaque(mode) => match mode {
            BinaryMode::Bytes => Value::bytes(placeholder.as_slice()),
            BinaryMode::Base64 | BinaryMode::Base64UrlSafe | BinaryMode::Hex => Value::string(text),
        },
        Decoder::Hstore => Value::string(hstore::json_text(vec![(text.clone(), Some(text))])),
        Decoder::HstoreMap => Value::Map(vec![(Value::string(text.clone()), Value::string(text))]),
        Decoder::Array(element) => array(element, &text, placeholder),
        _ => Value::string(text),
    }
}

fn array(element: &Decoder, text: &str, placeholder: &[u8]) -> Value<'static> {
    let bytes = || placeholder.iter().copied();
    match element {
        Decoder::Text => Value::Array(vec![Value::string(text)]),
        Decoder::Bytes(BinaryMode::Bytes) => Value::Array(vec![Value::bytes(placeholder)]),
        Decoder::Uuid => Value::Array(vec![Value::string(name_uuid(placeholder))]),
        Decoder::Int32 | Decoder::Date => {
            Value::Array(bytes().map(|b| Value::Int32(i32::from(b))).collect())
        }
        Decoder::Int64 => Value::Array(bytes().map(|b| Value::Int64(i64::from(b))).collect()),
        _ => Value::string(text),
    }
}

/// `UUID.nameUUIDFromBytes`: version 3 of the bytes alone, without a name space.
fn name_uuid(name: &[u8]) -> String {
    let digest = Md5::digest(name);
    uuid::Builder::from_md5_bytes(digest.into())
        .into_uuid()
        .to_string()
}
