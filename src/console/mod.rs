//! The web console: plain HTML, CSS and JavaScript modules, built into the binary.
//!
//! ```text
//! index.html -> app.css, main.js
//! main.js      routes by the address's fragment, asks /status every 2 s, draws the view
//! view.js      elements as values, patched into the page in place; texts never become markup
//! api.js       requests, their refusals, the event stream of a topic
//! format.js    numbers, sizes, ages
//! parts.js     badges, tables, empty states, dialogs
//! overview.js sources.js topics.js groups.js letters.js push.js    one file a view
//! tail.js      the live tail of a topic
//! ```
//!
//! Invariants: there is no build step; the page asks nothing of another origin; it shows only what
//! the HTTP interface answers, so whatever it can do a shell can do too; all files together stay
//! below [`BYTES_MAX`]. Not here: answering requests, which `serve/http` does with [`assets`].
//!
//! # Why no framework
//! Seven views over JSON that is polled need less code than the glue of a framework, and what is
//! embedded can be read as it is served. A view that needs more would change that.

mod assets;

pub use assets::{BYTES_MAX, assets};
