//! The converter against serde_json's reading of what it writes.
