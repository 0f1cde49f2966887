//! The recordings of the real connector, value by value.
