//! The commands and their flags. What is not built is not listed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::bench::Bench;

/// PostgreSQL changes in durable topics that any Kafka client can read.
#[derive(Debug, Parser)]
#[command(
    name = "penstock",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
#[command(
    after_help = "Client commands talk to PENSTOCK_URL (default: the address of \
PENSTOCK_HTTP_LISTEN) and show PENSTOCK_ADMIN_PASSWORD where it is set.\n\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 unhealthy."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the server
    Serve(Serve),
    /// Run a private PostgreSQL with a small shop and print its changes as they arrive
    Demo(Demo),
    /// Check the configuration and the connector files
    Check(Check),
    /// Look at databases, privileges, slots, disk, Logto and addresses; print what to paste
    Doctor(Doctor),
    /// Ask a running server whether it is healthy
    Healthcheck(Healthcheck),
    /// Show and change topics
    #[command(subcommand)]
    Topics(Topics),
    /// Print the records of a topic
    Tail(Tail),
    /// Append records to a topic, one for each line
    #[command(
        after_help = "Each line of FILE, or of stdin, is a record's value. With --json each is \
an object such as {\"key\": \"k\", \"value\": {\"id\": 1}, \"headers\": [{\"key\": \"h\", \"value\": \"v\"}]}."
    )]
    Produce(Produce),
    /// Push a file as an integration, with a token of Logto
    #[command(
        after_help = "The token comes from PENSTOCK_TOKEN, or is asked for at \
{PENSTOCK_LOGTO_ENDPOINT}/oidc/token with PENSTOCK_LOGTO_RESOURCE and --client-id; the secret is read \
from PENSTOCK_CLIENT_SECRET."
    )]
    Push(Push),
    /// Show and change consumer groups
    #[command(subcommand)]
    Groups(Groups),
    /// Show how far consumer groups are behind
    Lag(Lag),
    /// Look at dead letters, give them back, throw them away
    #[command(subcommand)]
    Dlq(Dlq),
    /// Show and restart connectors
    #[command(subcommand)]
    Connectors(Connectors),
    /// Measure a server, or changes of PostgreSQL against pg_recvlogical
    #[command(subcommand)]
    Bench(Bench),
    /// Print the completions of a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
    /// Look at a data directory that no server uses
    #[command(subcommand)]
    Log(Log),
}

/// Flags of `serve`; each wins over its variable and over the file.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) settings: Settings,
    /// Write the bound addresses to this file, as JSON, once traffic is taken
    #[arg(long, value_name = "PATH")]
    pub(super) ready_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Configuration file [default: penstock.hcl where it exists]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Folder of all state [default: data]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<String>,
    /// Address of the HTTP API [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) http_listen: Option<String>,
    /// Address for Kafka clients [default: 127.0.0.1:9092]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) kafka_listen: Option<String>,
    /// What Kafka clients are told to connect to
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(super) kafka_advertise: Option<String>,
    /// Address of /metrics, or "off" [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) metrics_listen: Option<String>,
    /// postgres://... makes a connector that writes plain JSON
    #[arg(long, value_name = "URL")]
    pub(super) source_url: Option<String>,
    /// Tables of that connector [default: public.*]
    #[arg(long, alias = "tables", value_name = "GLOBS")]
    pub(super) source_tables: Option<String>,
    /// First part of its topics [default: app]
    #[arg(long, alias = "topic-prefix", value_name = "PREFIX")]
    pub(super) source_topic_prefix: Option<String>,
    /// Connector files in Debezium's form [default: cdc/*.json]
    #[arg(long, value_name = "GLOB")]
    pub(super) connectors: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// End after this time, such as 30s or 5m
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(super) time: Option<Duration>,
    /// Leave the database and the data directory behind
    #[arg(long)]
    pub(super) keep: bool,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) settings: Settings,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    pub(super) settings: Settings,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    /// Ask whether it takes new records, not only whether it lives
    #[arg(long)]
    pub(super) ready: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Topics {
    /// Show what topics.yaml would change, without changing it
    Plan {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Have the server read topics.yaml again and make it hold
    Apply {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the topics
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a topic's settings and partitions
    Describe {
        topic: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Create a topic
    Create {
        topic: String,
        /// As declared for its name, else 1
        #[arg(long, value_name = "COUNT")]
        partitions: Option<u32>,
        /// A setting such as retention.ms=3600000; may repeat
        #[arg(long = "config", value_name = "NAME=VALUE", value_parser = setting)]
        settings: Vec<(String, String)>,
    },
    /// Change settings of a topic
    Alter {
        topic: String,
        /// A setting such as retention.ms=3600000; may repeat
        #[arg(long = "config", value_name = "NAME=VALUE", value_parser = setting, required = true)]
        settings: Vec<(String, String)>,
    },
    /// Delete a topic with all its records
    Delete { topic: String },
}

#[derive(Debug, Args)]
pub(super) struct Tail {
    pub(super) topic: String,
    /// Where to begin: start, end, an offset, -10 (the last ten), -1h, or a time
    #[arg(long, default_value = "-10", allow_hyphen_values = true)]
    pub(super) from: String,
    /// Only this partition
    #[arg(long, short = 'p')]
    pub(super) partition: Option<i32>,
    /// Wait for further records
    #[arg(long, short = 'f')]
    pub(super) follow: bool,
    /// End after so many records
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub(super) limit: Option<usize>,
    /// Only records with this key
    #[arg(long)]
    pub(super) key: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Produce {
    pub(super) topic: String,
    /// The records [default: stdin]
    pub(super) file: Option<PathBuf>,
    /// Key of every record
    #[arg(long, conflicts_with = "json")]
    pub(super) key: Option<String>,
    /// Header of every record; may repeat
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = setting, conflicts_with = "json")]
    pub(super) headers: Vec<(String, String)>,
    /// Partition of every record [default: by the key]
    #[arg(long, short = 'p', conflicts_with = "json")]
    pub(super) partition: Option<i32>,
    /// Each line is an object with value, and key, headers, partition where wanted
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Push {
    /// The integration
    pub(super) name: String,
    /// What to push; "-" is stdin
    pub(super) file: PathBuf,
    /// Media type [default: application/x-ndjson for *.ndjson and *.jsonl, else application/json]
    #[arg(long, value_name = "TYPE")]
    pub(super) content_type: Option<String>,
    /// Makes it safe to push the same again
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    /// Id of the machine-to-machine app in Logto
    #[arg(long, value_name = "ID")]
    pub(super) client_id: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Groups {
    /// List the groups
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a group's members and offsets
    Describe {
        group: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Move a group that has no members to another place
    Seek {
        group: String,
        /// Where to: start, end, an offset, -10 (the last ten), -1h, or a time
        #[arg(long, allow_hyphen_values = true)]
        to: String,
        /// Only this topic [default: all that the group has offsets of]
        #[arg(long)]
        topic: Option<String>,
        /// Only this partition
        #[arg(long, short = 'p', requires = "topic")]
        partition: Option<i32>,
    },
    /// Delete a group that has no members
    Delete { group: String },
}

#[derive(Debug, Args)]
pub(super) struct Lag {
    /// Only this group
    pub(super) group: Option<String>,
    /// Show it again every two seconds, until interrupted
    #[arg(long, short = 'w')]
    pub(super) watch: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Dlq {
    /// List the topics of dead letters with their depth
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show dead letters: why, of which record, key and error
    Show {
        #[command(flatten)]
        letters: DeadLetters,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Give the records of dead letters back to where they failed
    Redrive {
        /// Such as dlq.go-api; the prefix may be left out
        topic: String,
        /// All that are open
        #[arg(long, required_unless_present = "offsets", conflicts_with = "offsets")]
        all: bool,
        /// Only the letter at this offset; may repeat. All of them are redriven, or none
        #[arg(long = "offset", value_name = "OFFSET")]
        offsets: Vec<i64>,
        /// The partition of these offsets [default: 0]
        #[arg(long, short = 'p', requires = "offsets", conflicts_with = "all")]
        partition: Option<i32>,
        /// Append a copy to the record's topic where retention removed the record; every group of
        /// that topic will read it
        #[arg(long)]
        as_new: bool,
    },
    /// Remove all letters of a topic for good
    Purge {
        /// Such as dlq.go-api; the prefix may be left out
        topic: String,
        /// Do it; without this flag, show what would be removed and end with 1
        #[arg(long)]
        yes: bool,
    },
    /// Write dead letters to stdout, one JSON object a line
    Export {
        #[command(flatten)]
        letters: DeadLetters,
    },
}

/// Which dead letters are shown.
#[derive(Debug, Args)]
pub(super) struct DeadLetters {
    /// Such as dlq.go-api; the prefix may be left out
    pub(super) topic: String,
    /// Only letters of this reason: rejected, exhausted, schema, too_large, unconvertible, webhook
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// Only letters with this key
    #[arg(long)]
    pub(super) key: Option<String>,
    /// Where to begin: start, end, an offset, -10 (the last ten), -1h, or a time
    #[arg(long, default_value = "start", allow_hyphen_values = true)]
    pub(super) from: String,
    /// Only this partition
    #[arg(long, short = 'p')]
    pub(super) partition: Option<i32>,
    /// End after so many letters [default: 100 to show, all to export]
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub(super) limit: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Connectors {
    /// List the connectors with their states
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one connector, or all
    Status {
        connector: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Start a connector again
    Restart { connector: String },
}

#[derive(Debug, Subcommand)]
pub(super) enum Log {
    /// Read everything and check it
    Verify {
        /// The data directory [default: that of the configuration]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Settings {
    /// The flags that were given, under the names of their keys.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("data_dir", &self.data_dir),
            ("http.listen", &self.http_listen),
            ("kafka.listen", &self.kafka_listen),
            ("kafka.advertise", &self.kafka_advertise),
            ("metrics.listen", &self.metrics_listen),
            ("source.url", &self.source_url),
            ("source.tables", &self.source_tables),
            ("source.topic_prefix", &self.source_topic_prefix),
            ("connectors", &self.connectors),
        ];
        let given = |(name, value): (&'static str, &Option<String>)| Some((name, value.clone()?));
        all.into_iter().filter_map(given).collect()
    }
}

/// `NAME=VALUE`.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// `30s`, `5m`, `1h`; a bare number counts seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("write a number and s, m or h".to_owned()),
    };
    let seconds = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(unit_seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "write a number and s, m or h".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_contradict_nothing() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_flag_of_serve_is_a_key_of_the_configuration() {
        let mut line = vec!["penstock", "serve"];
        let flags = [
            "--data-dir",
            "--http-listen",
            "--kafka-listen",
            "--kafka-advertise",
            "--metrics-listen",
            "--source-url",
            "--source-tables",
            "--source-topic-prefix",
            "--connectors",
        ];
        for flag in flags {
            line.extend([flag, "x"]);
        }
        let Command::Serve(serve) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("another command");
        };
        let pairs = serve.settings.pairs();
        assert_eq!(pairs.len(), flags.len());
        for ((name, _), flag) in pairs.iter().zip(flags) {
            assert!(crate::config::Key::find(name).is_some(), "{name}");
            assert_eq!(format!("--{}", name.replace(['.', '_'], "-")), flag);
        }
    }

    #[test]
    fn a_redrive_names_letters_or_all_of_them() {
        let parse = |words: &[&str]| {
            let line = ["penstock", "dlq", "redrive", "g"].iter().chain(words);
            Arguments::try_parse_from(line)
        };
        assert!(parse(&["--all"]).is_ok());
        assert!(parse(&["--offset", "1", "--offset", "2", "-p", "3"]).is_ok());
        for words in [&[][..], &["--all", "--offset", "1"], &["--all", "-p", "3"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn places_may_begin_with_a_minus() {
        let line = ["penstock", "tail", "t", "--from", "-1h", "-f"];
        let Command::Tail(tail) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("another command");
        };
        assert_eq!(tail.from, "-1h");
        assert!(tail.follow);
    }

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for text in ["", "s", "1d", "-1s", "99999999999999999999s", "1\u{b5}s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
