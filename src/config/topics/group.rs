//! One entry of `groups:`.

use super::checker::Checker;
use super::tree::Entry;
use super::{GroupPolicy, GroupRule, NamePattern};

/// Keys of a group.
const KEYS: &[&str] = &["delivery_limit", "lease", "backoff", "from", "dead_letters"];

/// Keys of a group's back-off.
const BACKOFF_KEYS: &[&str] = &["first", "max"];

/// All keys, for the test that each is documented.
#[cfg(test)]
pub(super) const ALL_KEYS: &[&[&str]] = &[KEYS, BACKOFF_KEYS];

/// Kafka's bounds of `share.delivery.count.limit` end at 10; more is of use where a wait is short.
const DELIVERIES: (u64, u64) = (1, 100);

/// Shorter, and a member loses records while it works; longer, and a dead member holds them.
const LEASE: (&str, &str) = ("1s", "1h");

/// A shorter wait is none; a longer one belongs into another topic.
const BACKOFF: (&str, &str) = ("10ms", "1d");

pub(super) fn read(checker: &mut Checker, id: NamePattern, entry: &Entry) -> GroupRule {
    let owner = format!("group \"{}\"", entry.key);
    let fields = checker.fields(&owner, &entry.node, "a group", KEYS);
    let mut policy = GroupPolicy::default();
    if let Some(field) = fields.get("delivery_limit")
        && let Some(limit) = checker.number(&field, DELIVERIES)
    {
        policy.delivery_limit = limit;
    }
    if let Some(field) = fields.get("lease")
        && let Some(lease) = checker.duration_ms(&field, LEASE)
    {
        policy.lease_ms = lease;
    }
    if let Some(field) = fields.get("backoff") {
        let waits = checker.fields(&field.name, field.node, "back-off", BACKOFF_KEYS);
        let wait = |checker: &mut Checker, key: &str| -> Option<u32> {
            let field = waits.get(key)?;
            checker.duration_ms(&field, BACKOFF)
        };
        let (first, max) = (wait(checker, "first"), wait(checker, "max"));
        policy.backoff_ms = first.unwrap_or(policy.backoff_ms);
        policy.backoff_ms_max = max.unwrap_or(policy.backoff_ms_max);
        if policy.backoff_ms > policy.backoff_ms_max {
            let what = format!(
                "the first wait of {owner}, {} ms, is longer than its longest, {} ms",
                policy.backoff_ms, policy.backoff_ms_max
            );
            checker.contradict(field.node.spot, what, "raise max, or lower first");
        }
    }
    if let Some(field) = fields.get("from")
        && let Some(start) = checker.word(&field, &[("start", true), ("end", false)])
    {
        policy.from_start = start;
    }
    if let Some(field) = fields.get("dead_letters")
        && let Some(kept) = checker.boolean(&field)
    {
        policy.dead_letters = kept;
    }
    GroupRule { id, policy }
}
