//! Tests of whole frames and of malformed ones.
