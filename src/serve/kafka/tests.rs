//! The whole face on a real socket and a real log: by frames, and by kcat where it is installed.

mod groups;
mod hostile;
mod kcat;
mod records;
mod support;
mod topics;
