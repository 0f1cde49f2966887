//! What declarations change: a comparison of the file with the log and with what held before, and
//! the making of each change.
//!
//! A key that an entry leaves out asks for nothing: the topic keeps what it has. The number of
//! partitions of an existing topic cannot change, since its keys would move; that is told.

use std::fmt::Write;

use crate::config::topics::{Declarations, TopicRule};
use crate::log::{self, Cleanup, Log, Topic, TopicConfig};
use crate::serve::http::{Action, Step};
use crate::topic::TopicName;

/// A step, and what is to be done to the log for it.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) step: Step,
    change: Option<Change>,
}

#[derive(Debug)]
enum Change {
    Create(TopicName, u32),
    Alter(TopicName),
}

/// All that `after` changes, in the order it is made.
pub(super) fn work(
    log: &Log,
    before: &Declarations,
    after: &Declarations,
    partitions: u32,
) -> Vec<Work> {
    let mut all = Vec::new();
    for rule in after.topics.iter().filter(|rule| rule.name.is_name()) {
        let Ok(name) = TopicName::parse(rule.name.as_str()) else {
            continue;
        };
        if log.topic(name.as_str()).is_none() {
            let partitions = rule.partitions.unwrap_or(partitions);
            let detail = format!("create it with {partitions} partitions");
            let step = step(Action::Create, format!("topic \"{name}\""), detail);
            let change = Some(Change::Create(name, partitions));
            all.push(Work { step, change });
        }
    }
    for topic in log.topics() {
        let rule = after.topic(topic.name.as_str());
        if let Some(rule) = rule.filter(|_| !topic.name.is_internal()) {
            all.extend(existing(&topic, rule));
        }
    }
    let policies = policies(before, after);
    all.extend(policies.into_iter().map(|step| Work { step, change: None }));
    all
}

/// Makes one change durable.
pub(super) async fn make(log: &Log, work: &Work) -> Result<(), log::Error> {
    match &work.change {
        None => Ok(()),
        Some(Change::Create(name, partitions)) => {
            let config = log.default_topic_config(name);
            match log.create_topic(name, *partitions, config).await {
                // Somebody made it meanwhile, with the rules that hold since before.
                Ok(_) | Err(log::Error::TopicExists(_)) => Ok(()),
                Err(error) => Err(error),
            }
        }
        Some(Change::Alter(name)) => {
            let Some(topic) = log.topic(name.as_str()) else {
                return Ok(());
            };
            // Read again: what is not declared may have been changed since the plan.
            let mut config = topic.config();
            log.declare(name, &mut config);
            log.alter_topic(name, config).await
        }
    }
}

fn step(action: Action, subject: String, detail: String) -> Step {
    Step {
        action,
        subject,
        detail,
        error: None,
    }
}

fn existing(topic: &Topic, rule: &TopicRule) -> Vec<Work> {
    let mut all = Vec::new();
    let subject = format!("topic \"{}\"", topic.name);
    let now = topic.config();
    let mut wanted = now.clone();
    wanted.declare(rule);
    if wanted != now {
        let step = step(Action::Change, subject.clone(), differences(&now, &wanted));
        let change = Some(Change::Alter(topic.name.clone()));
        all.push(Work { step, change });
    }
    let there = topic.partitions().len();
    if let Some(declared) = rule.partitions
        && u32::try_from(there) != Ok(declared)
    {
        let detail = format!(
            "it keeps its {there} partitions, not {declared}: partitions of an existing topic \
             cannot change"
        );
        let step = step(Action::Keep, subject, detail);
        all.push(Work { step, change: None });
    }
    all
}

fn differences(now: &TopicConfig, wanted: &TopicConfig) -> String {
    let limit = |limit: Option<i64>| limit.map_or_else(|| "-1".to_owned(), |it| it.to_string());
    let pairs = [
        (
            "retention.ms",
            limit(now.retention_ms),
            limit(wanted.retention_ms),
        ),
        (
            "retention.bytes",
            limit(now.retention_bytes),
            limit(wanted.retention_bytes),
        ),
        (
            "cleanup.policy",
            cleanup(now.cleanup).to_owned(),
            cleanup(wanted.cleanup).to_owned(),
        ),
        (
            "max.message.bytes",
            now.max_message_bytes.to_string(),
            wanted.max_message_bytes.to_string(),
        ),
    ];
    let mut text = String::new();
    for (name, from, to) in pairs.iter().filter(|(_, from, to)| from != to) {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}{name} from {from} to {to}");
    }
    text
}

fn cleanup(cleanup: Cleanup) -> &'static str {
    match cleanup {
        Cleanup::Delete => "delete",
        Cleanup::Compact => "compact",
        Cleanup::CompactDelete => "compact,delete",
    }
}

/// Rules, policies and integrations that come, change or go.
fn policies(before: &Declarations, after: &Declarations) -> Vec<Step> {
    let mut steps = Vec::new();
    let topics = Lists {
        kind: "rule of topic",
        gone: "no longer declared; topics stay as they are",
        name: |rule: &TopicRule| rule.name.as_str(),
    };
    topics.compare(&before.topics, &after.topics, &mut steps);
    let groups = Lists {
        kind: "group",
        gone: "no longer declared; the default policy holds",
        name: |rule: &crate::config::topics::GroupRule| rule.id.as_str(),
    };
    groups.compare(&before.groups, &after.groups, &mut steps);
    let integrations = Lists {
        kind: "integration",
        gone: "no longer declared; tokens with its scope may push",
        name: |one: &crate::config::topics::Integration| one.name.as_str(),
    };
    integrations.compare(&before.integrations, &after.integrations, &mut steps);
    steps
}

struct Lists<T> {
    kind: &'static str,
    gone: &'static str,
    name: fn(&T) -> &str,
}

impl<T: PartialEq> Lists<T> {
    fn compare(&self, before: &[T], after: &[T], steps: &mut Vec<Step>) {
        let subject = |one: &T| format!("{} \"{}\"", self.kind, (self.name)(one));
        let find = |list: &[T], one: &T| {
            let same = |other: &T| (self.name)(other) == (self.name)(one);
            list.iter().position(same)
        };
        for one in after {
            let old = find(before, one).and_then(|at| before.get(at));
            let (action, detail) = match old {
                None => (Action::Create, "declared"),
                Some(old) if old != one => (Action::Change, "changed"),
                Some(_) => continue,
            };
            steps.push(step(action, subject(one), detail.to_owned()));
        }
        for one in before.iter().filter(|one| find(after, one).is_none()) {
            steps.push(step(Action::Release, subject(one), self.gone.to_owned()));
        }
    }
}
