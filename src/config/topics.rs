//! What `topics.yaml` declares: topics, the policies of groups, and integrations.
//!
//! ```text
//! file -> tree (values with line and column) -> checker (typed values, all problems) -> read
//!         bounds, syntax                        names, topic, group, integration, schema
//! ```
//!
//! Invariant: a file is taken as a whole or not at all, and what is wrong with it is told at once,
//! each with line and column.
//! Not here: acting on it, which `app` (topics), `group` (policies) and `push` (integrations) do
//! with the values of these types.

mod checker;
mod group;
mod integration;
mod names;
mod read;
mod schema;
mod topic;
mod tree;

use std::sync::Arc;

use arc_swap::ArcSwap;
use jsonschema::PatternOptions;

pub use read::{Loaded, load};

/// The declarations in force. Shared by all who ask; replaced as a whole when the file is read
/// again. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Rules(Arc<ArcSwap<Declarations>>);

impl Rules {
    /// Rules that begin with `declarations`.
    #[must_use]
    pub fn new(declarations: Declarations) -> Rules {
        Rules(Arc::new(ArcSwap::from_pointee(declarations)))
    }

    /// What holds now.
    #[must_use]
    pub fn now(&self) -> Arc<Declarations> {
        self.0.load_full()
    }

    /// Puts `declarations` in force.
    pub fn replace(&self, declarations: Declarations) {
        self.0.store(Arc::new(declarations));
    }
}

/// All of a file, in its order.
#[derive(Debug, Clone, Default)]
pub struct Declarations {
    /// Topics by name or pattern; the first that matches a name holds for it.
    pub topics: Vec<TopicRule>,
    /// Policies of groups by id or pattern; the first that matches holds.
    pub groups: Vec<GroupRule>,
    /// Third parties that push.
    pub integrations: Vec<Integration>,
}

impl Declarations {
    /// The rule of a topic.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&TopicRule> {
        self.topics.iter().find(|rule| rule.name.matches(name))
    }

    /// The policy of a group: its rule's, or the default.
    #[must_use]
    pub fn group(&self, id: &str) -> GroupPolicy {
        let rule = self.groups.iter().find(|rule| rule.id.matches(id));
        rule.map_or_else(GroupPolicy::default, |rule| rule.policy)
    }

    /// The declaration of an integration.
    #[must_use]
    pub fn integration(&self, name: &str) -> Option<&Integration> {
        self.integrations.iter().find(|one| one.name == name)
    }
}

/// A name, or a pattern with placeholders such as `integrations.{name}.data`; each stands for one
/// or more characters other than a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
}

impl NamePattern {
    /// Takes `text` as it stands; braces have been checked.
    #[must_use]
    pub fn new(text: impl Into<String>) -> NamePattern {
        NamePattern { text: text.into() }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it stands for one name only.
    #[must_use]
    pub fn is_name(&self) -> bool {
        !self.text.contains('{')
    }

    /// Whether it stands for `name`.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        matches(&self.text, name)
    }
}

/// Part by part, since no placeholder stands for a dot. Names come from outside: the work is at
/// most the product of both lengths, whatever the pattern.
fn matches(pattern: &str, name: &str) -> bool {
    if !pattern.contains('{') {
        return pattern == name;
    }
    let (mut patterns, mut names) = (pattern.split('.'), name.split('.'));
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(pattern), Some(name)) if part_matches(pattern, name) => {}
            _ => return false,
        }
    }
}

/// One part: the text before the first placeholder and behind the last one is fixed; texts between
/// are each taken where they stand first, which leaves most to what follows.
fn part_matches(pattern: &str, name: &str) -> bool {
    let Some((before, mut rest)) = pattern.split_once('{') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(before) else {
        return false;
    };
    loop {
        // Behind a placeholder: it takes one character, and more up to the text that follows it.
        let after = rest.split_once('}').map_or("", |(_, after)| after);
        let Some(first) = name.chars().next() else {
            return false;
        };
        let behind = name.get(first.len_utf8()..).unwrap_or_default();
        let Some((between, next)) = after.split_once('{') else {
            return behind.ends_with(after);
        };
        let Some(at) = behind.find(between) else {
            return false;
        };
        name = behind.get(at + between.len()..).unwrap_or_default();
        rest = next;
    }
}

/// What holds for topics of a name. `None` leaves the default.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicRule {
    /// Which topics.
    pub name: NamePattern,
    /// At least 1.
    pub partitions: Option<u32>,
    /// Kafka's `retention.ms`; -1 keeps for ever.
    pub retention_ms: Option<i64>,
    /// Kafka's `retention.bytes`, per partition; -1 is no limit.
    pub retention_bytes: Option<i64>,
    /// Kafka's `cleanup.policy`.
    pub cleanup: Option<CleanupPolicy>,
    /// Kafka's `max.message.bytes`.
    pub max_message_bytes: Option<u32>,
    /// What every pushed or produced JSON value must fit.
    pub schema: Option<Schema>,
}

/// Kafka's `cleanup.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanupPolicy {
    /// Old records go.
    Delete,
    /// The last record of each key stays.
    Compact,
    /// Both.
    CompactDelete,
}

/// A compiled JSON Schema. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Schema {
    validator: Arc<jsonschema::Validator>,
    source: Arc<serde_json::Value>,
}

/// Equal where they were written alike.
impl PartialEq for Schema {
    fn eq(&self, other: &Schema) -> bool {
        self.source == other.source
    }
}

/// One place where a value does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// JSON Pointer (RFC 6901) into the value; empty for the whole of it.
    pub pointer: String,
    /// What is wrong there, without the value itself.
    pub what: String,
}

/// Misfits told of one value.
const MISFITS_MAX: usize = 8;

impl Schema {
    /// Compiles `source`. Errors say what is wrong with it. References to other documents are
    /// refused: nothing is fetched.
    pub fn compile(source: serde_json::Value) -> Result<Schema, String> {
        // The engine without look-around takes time in proportion to the value, whatever the
        // pattern; the values come from outside.
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        let validator = options.build(&source).map_err(|error| error.to_string())?;
        Ok(Schema {
            validator: Arc::new(validator),
            source: Arc::new(source),
        })
    }

    /// As it was written.
    #[must_use]
    pub fn source(&self) -> &serde_json::Value {
        &self.source
    }

    /// Where `value` does not fit, at most a few places; empty if it fits.
    #[must_use]
    pub fn misfits(&self, value: &serde_json::Value) -> Vec<Misfit> {
        let errors = self.validator.iter_errors(value).take(MISFITS_MAX);
        let misfit = |error: jsonschema::ValidationError<'_>| Misfit {
            pointer: error.instance_path().to_string(),
            what: error.masked().to_string(),
        };
        errors.map(misfit).collect()
    }
}

/// The policy of the groups of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRule {
    /// Which groups.
    pub id: NamePattern,
    /// What holds for them.
    pub policy: GroupPolicy,
}

/// How a shared group retries and where its reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupPolicy {
    /// A record is delivered at most so often; the release of the last delivery makes it a dead
    /// letter. Kafka's `share.delivery.count.limit`.
    pub delivery_limit: u16,
    /// A delivered record is the member's for so long. Kafka's `share.record.lock.duration.ms`.
    pub lease_ms: u32,
    /// Wait before the second delivery; doubles with every further one.
    pub backoff_ms: u32,
    /// Longest such wait, before jitter.
    pub backoff_ms_max: u32,
    /// Where a new group begins in a topic. Kafka's `share.auto.offset.reset`, whose default is
    /// the end; here it is the start, since a work queue that loses its first records is broken.
    pub from_start: bool,
    /// Whether records that cannot be worked off are kept in `dlq.<group>`; else they are dropped
    /// with a warning and a count.
    pub dead_letters: bool,
}

impl Default for GroupPolicy {
    fn default() -> GroupPolicy {
        GroupPolicy {
            delivery_limit: 5,
            lease_ms: 30_000,
            backoff_ms: 1_000,
            backoff_ms_max: 60_000,
            from_start: true,
            dead_letters: true,
        }
    }
}

/// Bytes of a push body unless an integration says otherwise.
pub const BODY_BYTES: u32 = 1 << 20;

/// A third party that pushes into `integrations.<name>.data`.
#[derive(Debug, Clone, PartialEq)]
pub struct Integration {
    /// `[a-z0-9][a-z0-9-]{0,62}`, not `lifecycle`.
    pub name: String,
    /// Who may push: a token fits where it fits everything that is given here. With nothing given,
    /// the scope `push:<name>` (or `push:*`) is asked for.
    pub client_ids: Vec<String>,
    /// A scope the token must carry.
    pub scope: Option<String>,
    /// The organization the token must be of.
    pub organization_id: Option<String>,
    /// Claims the token must have with just these values.
    pub claims: serde_json::Map<String, serde_json::Value>,
    /// Requests; `None` is no limit.
    pub rate: Option<Rate>,
    /// Bytes of a body after decompression.
    pub body_bytes_max: u32,
    /// What every pushed value must fit, beside the topic's own schema.
    pub schema: Option<Schema>,
    /// Every push must carry an Idempotency-Key or a CloudEvents id.
    pub idempotency_required: bool,
    /// Pushes refused for their schema are kept in `dlq.push.<name>`.
    pub keep_refused: bool,
    /// No longer served: pushes get 410, which tells well-made senders to stop.
    pub retired: bool,
}

/// A rate with its burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At least 1.
    pub requests: u32,
    /// In so many seconds; at least 1.
    pub seconds: u32,
    /// Requests at once after a pause; at least 1.
    pub burst: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_stands_for_one_part_of_a_name() {
        let pattern = NamePattern::new("integrations.{name}.data");
        assert!(pattern.matches("integrations.acme.data"));
        for other in [
            "integrations..data",
            "integrations.a.b.data",
            "integrations.acme",
            "xintegrations.acme.data",
        ] {
            assert!(!pattern.matches(other), "{other}");
        }
        assert!(NamePattern::new("a{x}b{y}").matches("a1b2b"));
        assert!(NamePattern::new("{x}").matches("a"));
        for (pattern, name) in [
            ("{x}", "a.b"),
            ("{x}", ""),
            ("{x}{y}", "a"),
            ("a{x}b", "ab"),
            ("a{x}b{y}b", "a1b2"),
            ("a{x}b{y}", "a1b"),
            ("a.{x}", "a"),
            ("a.{x}", "a.b.c"),
        ] {
            assert!(!NamePattern::new(pattern).matches(name), "{pattern} {name}");
        }
        assert!(NamePattern::new("orders").matches("orders"));
        assert!(!NamePattern::new("orders").matches("orders2"));
    }

    #[test]
    fn a_pattern_of_many_placeholders_takes_no_time_on_a_long_name() {
        let pattern = format!("{}y", "{a}x".repeat(40));
        assert!(!NamePattern::new(pattern).matches(&"x".repeat(249)));
    }

    #[test]
    fn a_schema_tells_where_a_value_does_not_fit_and_not_what_it_is() {
        let schema = serde_json::json!({"properties": {"id": {"type": "integer"}}});
        let schema = Schema::compile(schema).unwrap();
        assert!(schema.misfits(&serde_json::json!({"id": 1})).is_empty());
        let misfits = schema.misfits(&serde_json::json!({"id": "secret"}));
        assert_eq!(misfits.len(), 1);
        assert_eq!(misfits[0].pointer, "/id");
        assert!(!misfits[0].what.contains("secret"), "{}", misfits[0].what);
    }

    #[test]
    fn a_schema_that_is_none_or_refers_elsewhere_is_refused() {
        for source in [
            serde_json::json!({"type": "nothing"}),
            serde_json::json!({"$ref": "https://example.com/other.json"}),
        ] {
            assert!(Schema::compile(source).is_err());
        }
    }
}
