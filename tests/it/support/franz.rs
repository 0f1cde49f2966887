//! The franz-go client (tests/clients/franz) and the histories it writes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::command::{Background, run, tail};
use super::toolchain::Toolchain;

const LIMIT: Duration = Duration::from_secs(90);

/// What a line of a history says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// A record was read.
    Read,
    /// An offset was committed, as the broker told.
    Committed,
    /// A record is about to be sent.
    Sent,
    /// A record was acknowledged.
    Acknowledged,
    /// A record was refused.
    Refused,
}

/// A line of a client's output or history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) word: Word,
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) value: String,
}

/// Parses a history; a last line that was torn by a kill is left out.
pub(crate) fn history(text: &str) -> Vec<Line> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(parse_line).collect()
}

fn parse_line(line: &str) -> Line {
    let mut fields = line.splitn(5, ' ');
    let mut next = || fields.next().unwrap_or("");
    let word = match next() {
        "r" => Word::Read,
        "c" => Word::Committed,
        "s" => Word::Sent,
        "a" => Word::Acknowledged,
        "f" => Word::Refused,
        other => panic!("{other:?} begins the line {line:?}"),
    };
    Line {
        word,
        topic: next().to_owned(),
        partition: next().parse().unwrap(),
        offset: next().parse().unwrap(),
        value: next().to_owned(),
    }
}

/// The client, aimed at a broker.
#[derive(Debug, Clone)]
pub(crate) struct Franz {
    program: PathBuf,
    broker: String,
}

impl Franz {
    /// The built client; `None` after saying that the test is skipped.
    #[track_caller]
    pub(crate) fn new(broker: &str) -> Option<Franz> {
        Some(Franz {
            program: Toolchain::Franz.program()?,
            broker: broker.to_owned(),
        })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(words[0]).args(["--brokers", &self.broker]);
        command.args(&words[1..]);
        command
    }

    /// Reads `count` records as a member of `group`, commits, leaves.
    #[track_caller]
    pub(crate) fn read(&self, group: &str, topics: &str, count: usize) -> Vec<Line> {
        let count = count.to_string();
        let words = [
            "read", "--group", group, "--topics", topics, "--count", &count,
        ];
        history(&run(&mut self.command(&words), LIMIT).ok("franz read"))
    }

    /// The committed offsets of a group.
    #[track_caller]
    pub(crate) fn offsets(&self, group: &str) -> Vec<Line> {
        let words = ["offsets", "--group", group];
        history(&run(&mut self.command(&words), LIMIT).ok("franz offsets"))
    }

    /// Reads and commits until it is ended.
    pub(crate) fn follow(&self, group: &str, topics: &str, folder: &Path) -> Following {
        let words = ["follow", "--group", group, "--topics", topics];
        self.beside("follow", &words, folder)
    }

    /// Produces, idempotently, until it is ended or has sent `--count` records.
    pub(crate) fn produce(
        &self,
        topic: &str,
        writer: &str,
        more: &[&str],
        folder: &Path,
    ) -> Following {
        let mut words = vec!["produce", "--topic", topic, "--writer", writer];
        words.extend(more);
        self.beside(&format!("produce-{writer}"), &words, folder)
    }

    fn beside(&self, name: &str, words: &[&str], folder: &Path) -> Following {
        let path = folder.join(format!("{name}.history"));
        let mut command = self.command(words);
        command.arg("--history").arg(&path);
        Following {
            process: Background::start(name, folder, &mut command),
            path,
        }
    }
}

/// A client that runs beside the test and writes a history.
#[derive(Debug)]
pub(crate) struct Following {
    process: Background,
    path: PathBuf,
}

impl Following {
    pub(crate) fn history(&self) -> Vec<Line> {
        history(&std::fs::read_to_string(&self.path).unwrap_or_default())
    }

    /// Asks it to end, and waits; why it failed, if it did.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        self.process.signal("TERM");
        self.wait()
    }

    /// Waits for its end; why it failed, if it did.
    pub(crate) fn wait(&mut self) -> Result<(), String> {
        let status = self.process.wait(LIMIT);
        if status.success() {
            return Ok(());
        }
        Err(format!("{status}: {}", tail(&self.process.stderr())))
    }
}
