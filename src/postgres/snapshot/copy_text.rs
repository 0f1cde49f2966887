//! The text format of `COPY`.
