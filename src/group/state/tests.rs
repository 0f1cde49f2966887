//! What members experience, step by step; time moves only where a test says so.

use bytes::Bytes;

use super::*;
use crate::group::error::Error;
use crate::group::id::GroupId;
use crate::group::limits::{
    Config, MEMBERS_MAX, NEW_MEMBER_JOIN_MS_MAX, SESSION_TIMEOUT_MS_MAX, SESSION_TIMEOUT_MS_MIN,
};
use crate::topic::{Offset, PartitionId, TopicName};

const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 60_000;

/// A group with the outputs that were not looked at yet.
struct Harness {
    group: Group,
    now_ms: i64,
    waiters: u64,
    outputs: Vec<Output>,
}

impl Harness {
    fn new() -> Harness {
        Harness::with_delay(0)
    }

    fn with_delay(initial_rebalance_delay_ms: i64) -> Harness {
        let config = Config {
            initial_rebalance_delay_ms,
            ..Config::default()
        };
        let now = Now {
            timer_ms: 0,
            wall_ms: 0,
        };
        Harness {
            group: Group::new(GroupId::parse("g").unwrap(), 1, config, now),
            now_ms: 0,
            waiters: 0,
            outputs: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now {
            timer_ms: self.now_ms,
            wall_ms: 1_000_000 + self.now_ms,
        }
    }

    fn waiter(&mut self) -> Waiter {
        self.waiters += 1;
        Waiter(self.waiters)
    }

    fn join(&mut self, join: Join) -> Waiter {
        let (now, waiter) = (self.now(), self.waiter());
        self.group.join(now, join, waiter, &mut self.outputs);
        waiter
    }

    fn sync(&mut self, member: &str, assignments: &[(&str, &str)]) -> Waiter {
        let sync = Sync {
            member: member.to_owned(),
            generation: self.group.generation(),
            assignments: assignments
                .iter()
                .map(|(m, a)| ((*m).to_owned(), Bytes::copy_from_slice(a.as_bytes())))
                .collect(),
            ..Sync::default()
        };
        self.sync_with(sync)
    }

    fn sync_with(&mut self, sync: Sync) -> Waiter {
        let (now, waiter) = (self.now(), self.waiter());
        self.group.sync(now, sync, waiter, &mut self.outputs);
        waiter
    }

    fn beat(&mut self, member: &str) -> Result<(), Error> {
        let generation = self.group.generation();
        let now = self.now();
        self.group.heartbeat(
            now,
            Heartbeat {
                member,
                generation,
                instance: None,
            },
        )
    }

    fn leave(&mut self, member: &str) -> Result<(), Error> {
        let leaving = Leaving {
            member: member.to_owned(),
            instance: None,
        };
        let now = self.now();
        self.group
            .leave(now, &[leaving], &mut self.outputs)
            .remove(0)
    }

    /// Lets time pass, with a tick at every deadline on the way.
    fn pass(&mut self, ms: i64) {
        let until = self.now_ms + ms;
        while self.group.deadline_ms() <= until {
            self.now_ms = self.now_ms.max(self.group.deadline_ms());
            let (now, before) = (self.now(), self.group.deadline_ms());
            self.group.tick(now, &mut self.outputs);
            assert!(
                self.group.deadline_ms() > before || self.group.deadline_ms() > self.now_ms,
                "a tick leaves nothing that is due: {:?}",
                self.group
            );
        }
        self.now_ms = until;
    }

    fn joined(&mut self, waiter: Waiter) -> Option<Result<Joined, Error>> {
        let at = self
            .outputs
            .iter()
            .position(|o| matches!(o, Output::Joined(w, _) if *w == waiter))?;
        let Output::Joined(_, answer) = self.outputs.remove(at) else {
            unreachable!()
        };
        Some(answer)
    }

    fn synced(&mut self, waiter: Waiter) -> Option<Result<Synced, Error>> {
        let at = self
            .outputs
            .iter()
            .position(|o| matches!(o, Output::Synced(w, _) if *w == waiter))?;
        let Output::Synced(_, answer) = self.outputs.remove(at) else {
            unreachable!()
        };
        Some(answer)
    }

    /// The generation that is to be stored.
    fn store(&mut self) -> Option<i32> {
        let at = self
            .outputs
            .iter()
            .position(|o| matches!(o, Output::Store(_)))?;
        let Output::Store(generation) = self.outputs.remove(at) else {
            unreachable!()
        };
        Some(generation)
    }

    fn stored(&mut self, outcome: Result<(), Error>) {
        let generation = self.store().expect("something is to be stored");
        let now = self.now();
        self.group
            .stored(now, generation, outcome, &mut self.outputs);
    }

    /// A stable group of these members; the first leads. Each reads its own name.
    fn stable(members: &[&str]) -> Harness {
        let mut harness = Harness::new();
        harness.fill(members);
        harness
    }

    fn fill(&mut self, members: &[&str]) {
        for member in members {
            self.join(joining(member));
        }
        self.rejoin_all();
        self.assign_all();
    }

    /// Every member that is not waiting joins again.
    fn rejoin_all(&mut self) {
        let ids: Vec<String> = self.group.members.keys().cloned().collect();
        for id in ids {
            if self.group.members[&id].joining.is_none()
                && self.group.phase() == Phase::PreparingRebalance
            {
                let instance = self.group.members[&id].instance.clone();
                let protocols = self.group.members[&id].protocols.clone();
                self.join(Join {
                    member: id,
                    instance,
                    protocols,
                    ..joining("")
                });
            }
        }
    }

    fn assign_all(&mut self) {
        let ids: Vec<String> = self.group.members.keys().cloned().collect();
        let leader = self.group.leader.clone().unwrap();
        let assignments: Vec<(&str, &str)> = ids.iter().map(|i| (i.as_str(), i.as_str())).collect();
        for id in &ids {
            if *id != leader {
                self.sync(id, &[]);
            }
        }
        self.sync(&leader, &assignments);
        self.stored(Ok(()));
        assert_eq!(self.group.phase(), Phase::Stable);
        self.outputs.clear();
    }
}

/// A new dynamic member, which will be called `id`.
fn joining(id: &str) -> Join {
    Join {
        member: String::new(),
        instance: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_ms: SESSION_MS,
        rebalance_ms: REBALANCE_MS,
        protocol_type: "consumer".to_owned(),
        protocols: protocols(&["range"]),
        require_known_member: false,
        can_skip_assignment: false,
        fresh_id: id.to_owned(),
    }
}

fn again(id: &str) -> Join {
    Join {
        member: id.to_owned(),
        ..joining("unused")
    }
}

fn fixed(instance: &str, id: &str) -> Join {
    Join {
        instance: Some(instance.to_owned()),
        ..joining(id)
    }
}

fn protocols(names: &[&str]) -> Vec<(String, Bytes)> {
    let named = |n: &&str| ((*n).to_owned(), Bytes::copy_from_slice(n.as_bytes()));
    names.iter().map(named).collect()
}

#[test]
fn a_lone_member_leads_and_gets_what_it_assigned_itself() {
    let mut h = Harness::new();
    let waiter = h.join(joining("a"));
    let joined = h.joined(waiter).unwrap().unwrap();
    assert_eq!((joined.generation, joined.leader.as_str()), (1, "a"));
    assert_eq!(joined.protocol.as_deref(), Some("range"));
    assert_eq!(joined.members.len(), 1);
    let waiter = h.sync("a", &[("a", "p0"), ("stranger", "p1")]);
    assert!(h.synced(waiter).is_none(), "not before it is stored");
    assert_eq!(h.group.to_stored().members[0].assignment, "p0");
    h.stored(Ok(()));
    assert_eq!(h.synced(waiter).unwrap().unwrap().assignment, "p0");
    assert_eq!(h.group.phase(), Phase::Stable);
    assert!(h.beat("a").is_ok());
}

#[test]
fn a_new_member_is_first_told_its_id() {
    let mut h = Harness::new();
    let first = Join {
        require_known_member: true,
        ..joining("a")
    };
    let waiter = h.join(first.clone());
    let answer = h.joined(waiter).unwrap();
    assert!(matches!(answer, Err(Error::MemberIdRequired(id)) if id == "a"));
    assert_eq!(h.group.phase(), Phase::Empty);
    let waiter = h.join(Join {
        member: "a".to_owned(),
        ..first
    });
    assert_eq!(h.joined(waiter).unwrap().unwrap().member, "a");
}

#[test]
fn an_id_that_is_never_used_is_forgotten_after_the_session() {
    let mut h = Harness::new();
    let first = Join {
        require_known_member: true,
        ..joining("a")
    };
    h.join(first.clone());
    h.pass(i64::from(SESSION_MS));
    assert!(h.group.is_unused());
    let waiter = h.join(Join {
        member: "a".to_owned(),
        ..first
    });
    assert!(matches!(h.joined(waiter), Some(Err(Error::UnknownMember))));
}

#[test]
fn a_second_member_makes_the_first_join_again() {
    let mut h = Harness::stable(&["a"]);
    let second = h.join(joining("b"));
    assert!(h.joined(second).is_none());
    assert!(matches!(h.beat("a"), Err(Error::RebalanceInProgress)));
    let first = h.join(again("a"));
    let (first, second) = (
        h.joined(first).unwrap().unwrap(),
        h.joined(second).unwrap().unwrap(),
    );
    assert_eq!((first.generation, second.generation), (2, 2));
    assert_eq!((first.leader.as_str(), second.leader.as_str()), ("a", "a"));
    assert_eq!(first.members.len(), 2);
    assert!(
        second.members.is_empty(),
        "only the leader sees the members"
    );
    let follower = h.sync("b", &[]);
    assert!(h.synced(follower).is_none());
    let leader = h.sync("a", &[("a", "0"), ("b", "1")]);
    h.stored(Ok(()));
    assert_eq!(h.synced(leader).unwrap().unwrap().assignment, "0");
    assert_eq!(h.synced(follower).unwrap().unwrap().assignment, "1");
}

#[test]
fn members_that_come_within_the_initial_delay_share_one_rebalance() {
    let mut h = Harness::with_delay(100);
    let a = h.join(joining("a"));
    h.pass(60);
    let b = h.join(joining("b"));
    h.pass(60);
    assert!(h.joined(a).is_none(), "the delay begins anew with b");
    h.pass(100);
    assert_eq!(h.joined(a).unwrap().unwrap().generation, 1);
    assert_eq!(h.joined(b).unwrap().unwrap().generation, 1);
    assert_eq!(h.group.members.len(), 2);
}

#[test]
fn the_initial_delay_ends_with_the_rebalance_timeout_at_the_latest() {
    let mut h = Harness::with_delay(100);
    let first = Join {
        rebalance_ms: 250,
        ..joining("m0")
    };
    let a = h.join(first);
    for n in 1..10 {
        h.pass(50);
        let more = Join {
            rebalance_ms: 250,
            ..joining(&format!("m{n}"))
        };
        h.join(more);
        if let Some(joined) = h.joined(a) {
            assert!(joined.is_ok());
            assert!(h.now_ms <= 300, "{}", h.now_ms);
            return;
        }
    }
    panic!("the first member still waits after {} ms", h.now_ms);
}

#[test]
fn a_member_that_does_not_join_again_is_out_after_the_rebalance_timeout() {
    let mut h = Harness::stable(&["a", "b"]);
    let b = h.join(Join {
        protocols: protocols(&["range", "sticky"]),
        ..again("b")
    });
    // It lives, but is stuck in its poll loop.
    for _ in 0..(REBALANCE_MS / 5_000) {
        assert!(h.joined(b).is_none());
        h.beat("a").ok();
        h.pass(5_000);
    }
    let joined = h.joined(b).unwrap().unwrap();
    assert_eq!((joined.leader.as_str(), joined.members.len()), ("b", 1));
    assert!(matches!(h.beat("a"), Err(Error::UnknownMember)));
}

#[test]
fn a_silent_member_is_out_after_its_session() {
    let mut h = Harness::stable(&["a", "b"]);
    h.pass(i64::from(SESSION_MS) - 1);
    assert!(h.beat("a").is_ok());
    h.pass(1);
    assert!(matches!(h.beat("a"), Err(Error::RebalanceInProgress)));
    assert!(matches!(h.beat("b"), Err(Error::UnknownMember)));
    let a = h.join(again("a"));
    assert_eq!(h.joined(a).unwrap().unwrap().members.len(), 1);
}

#[test]
fn a_group_without_members_is_empty_and_stored_as_such() {
    let mut h = Harness::stable(&["a"]);
    h.pass(i64::from(SESSION_MS));
    assert_eq!(h.group.phase(), Phase::Empty);
    assert_eq!(h.store(), Some(2));
    let stored = h.group.to_stored();
    assert_eq!((stored.leader, stored.protocol), (None, None));
    assert_eq!(h.group.protocol_type(), Some("consumer"));
}

#[test]
fn a_new_member_that_went_away_does_not_hold_its_place_for_ever() {
    let mut h = Harness::stable(&["a"]);
    let waiter = h.join(Join {
        rebalance_ms: i32::MAX,
        ..joining("b")
    });
    // It is given up before the rebalance timeout; its own answer tells it so.
    for _ in 0..(NEW_MEMBER_JOIN_MS_MAX / 5_000) {
        h.beat("a").ok();
        h.pass(5_000);
    }
    assert!(matches!(h.joined(waiter), Some(Err(Error::UnknownMember))));
}

#[test]
fn followers_that_do_not_sync_are_out_after_the_rebalance_timeout() {
    let mut h = Harness::stable(&["a"]);
    h.join(joining("b"));
    h.join(again("a"));
    h.sync("a", &[("a", "0"), ("b", "1")]);
    h.stored(Ok(()));
    for _ in 0..(REBALANCE_MS / 5_000) {
        h.beat("a").ok();
        h.beat("b").ok();
        h.pass(5_000);
    }
    assert!(matches!(h.beat("b"), Err(Error::UnknownMember)));
    assert!(matches!(h.beat("a"), Err(Error::RebalanceInProgress)));
}

#[test]
fn a_leader_that_dies_before_assigning_is_replaced() {
    let mut h = Harness::stable(&["a", "b"]);
    h.join(Join {
        protocols: protocols(&["range", "x"]),
        ..again("b")
    });
    h.join(again("a"));
    assert_eq!(h.group.phase(), Phase::CompletingRebalance);
    let b = h.sync("b", &[]);
    h.pass(i64::from(SESSION_MS));
    assert!(matches!(h.synced(b), Some(Err(Error::RebalanceInProgress))));
    let b = h.join(again("b"));
    assert_eq!(h.joined(b).unwrap().unwrap().leader, "b");
}

#[test]
fn an_assignment_that_cannot_be_stored_is_not_handed_out() {
    let mut h = Harness::new();
    h.join(joining("a"));
    let waiter = h.sync("a", &[("a", "p0")]);
    h.stored(Err(Error::Invalid("the disk is full")));
    assert!(matches!(h.synced(waiter), Some(Err(Error::Invalid(_)))));
    assert_eq!(h.group.phase(), Phase::PreparingRebalance);
    let waiter = h.join(again("a"));
    assert_eq!(h.joined(waiter).unwrap().unwrap().generation, 2);
}

#[test]
fn an_assignment_stored_too_late_is_dropped() {
    let mut h = Harness::new();
    h.join(joining("a"));
    let a = h.sync("a", &[("a", "p0")]);
    let generation = h.store().unwrap();
    let b = h.join(joining("b"));
    assert!(matches!(h.synced(a), Some(Err(Error::RebalanceInProgress))));
    h.join(again("a"));
    let now = h.now();
    h.group.stored(now, generation, Ok(()), &mut h.outputs);
    assert_eq!(h.group.phase(), Phase::CompletingRebalance);
    assert!(h.joined(b).unwrap().is_ok());
}

#[test]
fn old_generations_are_refused_everywhere() {
    let mut h = Harness::stable(&["a"]);
    let (now, old) = (h.now(), h.group.generation() - 1);
    let beat = Heartbeat {
        member: "a",
        generation: old,
        instance: None,
    };
    assert!(matches!(
        h.group.heartbeat(now, beat),
        Err(Error::IllegalGeneration { .. })
    ));
    let by = Committer {
        member: "a",
        generation: old,
        instance: None,
    };
    assert!(matches!(
        h.group.check_commit(now, by),
        Err(Error::IllegalGeneration { .. })
    ));
    let waiter = h.sync_with(Sync {
        member: "a".to_owned(),
        generation: old,
        ..Sync::default()
    });
    assert!(matches!(
        h.synced(waiter),
        Some(Err(Error::IllegalGeneration { .. }))
    ));
}

#[test]
fn forged_member_ids_are_refused_everywhere() {
    let mut h = Harness::stable(&["a"]);
    assert!(matches!(h.beat("x"), Err(Error::UnknownMember)));
    assert!(matches!(h.leave("x"), Err(Error::UnknownMember)));
    let waiter = h.join(again("x"));
    assert!(matches!(h.joined(waiter), Some(Err(Error::UnknownMember))));
    let waiter = h.sync("x", &[("a", "stolen")]);
    assert!(matches!(h.synced(waiter), Some(Err(Error::UnknownMember))));
    assert_eq!(h.group.phase(), Phase::Stable);
}

#[test]
fn a_follower_cannot_assign() {
    let mut h = Harness::stable(&["a"]);
    h.join(joining("b"));
    h.join(again("a"));
    h.sync("b", &[("a", "stolen"), ("b", "all")]);
    assert!(h.store().is_none());
    let a = h.sync("a", &[("a", "0"), ("b", "1")]);
    h.stored(Ok(()));
    assert_eq!(h.synced(a).unwrap().unwrap().assignment, "0");
}

#[test]
fn a_leaving_member_is_out_at_once() {
    let mut h = Harness::stable(&["a", "b"]);
    assert!(h.leave("b").is_ok());
    assert!(matches!(h.beat("b"), Err(Error::UnknownMember)));
    assert!(matches!(h.beat("a"), Err(Error::RebalanceInProgress)));
    assert!(h.leave("a").is_ok());
    assert_eq!(h.group.phase(), Phase::Empty);
}

#[test]
fn members_leave_together_with_an_outcome_each() {
    let mut h = Harness::new();
    h.join(fixed("i", "a"));
    h.assign_all();
    let leaving = [
        Leaving {
            member: String::new(),
            instance: Some("i".to_owned()),
        },
        Leaving {
            member: "x".to_owned(),
            instance: None,
        },
        Leaving {
            member: String::new(),
            instance: Some("i".to_owned()),
        },
    ];
    let now = h.now();
    let outcomes = h.group.leave(now, &leaving, &mut h.outputs);
    assert!(outcomes[0].is_ok());
    assert!(matches!(outcomes[1], Err(Error::UnknownMember)));
    assert!(matches!(outcomes[2], Err(Error::UnknownMember)));
    assert_eq!(h.group.phase(), Phase::Empty);
}

#[test]
fn a_pending_member_leaves_without_disturbing_the_others() {
    let mut h = Harness::stable(&["a"]);
    h.join(Join {
        require_known_member: true,
        ..joining("b")
    });
    assert!(h.leave("b").is_ok());
    assert_eq!(h.group.phase(), Phase::Stable);
    assert!(h.group.pending.is_empty());
}

#[test]
fn a_static_member_comes_back_to_its_assignment_without_a_rebalance() {
    let mut h = Harness::new();
    h.join(fixed("i", "a"));
    h.join(joining("b"));
    h.rejoin_all();
    h.assign_all();
    let generation = h.group.generation();
    let waiter = h.join(Join {
        can_skip_assignment: true,
        ..fixed("i", "a2")
    });
    let joined = h.joined(waiter).unwrap().unwrap();
    assert_eq!(
        (joined.generation, joined.member.as_str()),
        (generation, "a2")
    );
    assert!(joined.skip_assignment, "it led before and leads again");
    assert_eq!(h.store(), Some(generation));
    let waiter = h.sync("a2", &[]);
    assert_eq!(h.synced(waiter).unwrap().unwrap().assignment, "a");
    assert!(h.beat("b").is_ok());
}

#[test]
fn an_older_client_that_comes_back_as_leader_is_not_told_that_it_leads() {
    let mut h = Harness::new();
    h.join(fixed("i", "a"));
    h.assign_all();
    let waiter = h.join(fixed("i", "a2"));
    let joined = h.joined(waiter).unwrap().unwrap();
    assert_eq!((joined.leader.as_str(), joined.members.len()), ("a", 0));
    assert!(!joined.skip_assignment);
}

#[test]
fn the_former_self_of_a_static_member_is_fenced() {
    let mut h = Harness::new();
    h.join(fixed("i", "a"));
    h.assign_all();
    h.join(fixed("i", "a2"));
    let (now, generation) = (h.now(), h.group.generation());
    let beat = Heartbeat {
        member: "a",
        generation,
        instance: Some("i"),
    };
    assert!(matches!(
        h.group.heartbeat(now, beat),
        Err(Error::FencedInstance)
    ));
    let by = Committer {
        member: "a",
        generation,
        instance: Some("i"),
    };
    assert!(matches!(
        h.group.check_commit(now, by),
        Err(Error::FencedInstance)
    ));
    let waiter = h.join(Join {
        member: "a".to_owned(),
        ..fixed("i", "unused")
    });
    assert!(matches!(h.joined(waiter), Some(Err(Error::FencedInstance))));
}

#[test]
fn a_waiting_former_self_is_fenced_at_once() {
    let mut h = Harness::stable(&["b"]);
    let old = h.join(fixed("i", "a"));
    let new = h.join(fixed("i", "a2"));
    assert!(matches!(h.joined(old), Some(Err(Error::FencedInstance))));
    h.join(again("b"));
    assert_eq!(h.joined(new).unwrap().unwrap().member, "a2");
    assert_eq!(h.group.members.len(), 2);
}

#[test]
fn a_static_member_that_is_away_keeps_its_place_for_its_session() {
    let mut h = Harness::new();
    h.join(fixed("i", "a"));
    h.join(joining("b"));
    h.rejoin_all();
    h.assign_all();
    assert_eq!(h.group.leader.as_deref(), Some("a"));
    let short = Join {
        rebalance_ms: 1_000,
        protocols: protocols(&["range", "x"]),
        ..again("b")
    };
    let b = h.join(short);
    for member in h.group.members.values_mut() {
        member.rebalance_ms = 1_000;
    }
    h.group.rebalance.as_mut().unwrap().deadline_ms = h.now_ms + 1_000;
    h.pass(1_000);
    let joined = h.joined(b).unwrap().unwrap();
    assert_eq!((joined.leader.as_str(), joined.members.len()), ("b", 2));
}

#[test]
fn the_protocol_is_what_most_members_prefer_of_what_all_have() {
    let mut h = Harness::new();
    let with = |id: &str, names: &[&str]| Join {
        protocols: protocols(names),
        ..joining(id)
    };
    h.join(with("a", &["sticky", "range", "only-a"]));
    h.join(with("b", &["range", "sticky"]));
    h.join(with("c", &["range", "sticky"]));
    assert_eq!(h.group.select_protocol().as_deref(), Some("range"));
}

#[test]
fn members_without_a_common_protocol_are_refused() {
    let mut h = Harness::stable(&["a"]);
    let other = Join {
        protocols: protocols(&["other"]),
        ..joining("b")
    };
    let connect = Join {
        protocol_type: "connect".to_owned(),
        ..joining("b")
    };
    let none = Join {
        protocols: Vec::new(),
        ..joining("b")
    };
    for join in [other, connect, none] {
        let waiter = h.join(join);
        assert!(matches!(
            h.joined(waiter),
            Some(Err(Error::InconsistentProtocol))
        ));
    }
    assert_eq!(h.group.phase(), Phase::Stable);
}

#[test]
fn a_changed_subscription_rebalances_and_an_unchanged_one_does_not() {
    let mut h = Harness::stable(&["a", "b"]);
    let waiter = h.join(again("b"));
    let joined = h.joined(waiter).unwrap().unwrap();
    assert_eq!(joined.generation, h.group.generation());
    assert_eq!(h.group.phase(), Phase::Stable);
    h.join(Join {
        protocols: vec![("range".to_owned(), Bytes::from_static(b"other topics"))],
        ..again("b")
    });
    assert_eq!(h.group.phase(), Phase::PreparingRebalance);
}

#[test]
fn the_leader_joins_again_to_assign_anew() {
    let mut h = Harness::stable(&["a", "b"]);
    h.join(again("a"));
    assert_eq!(h.group.phase(), Phase::PreparingRebalance);
}

#[test]
fn a_lost_answer_can_be_asked_for_again() {
    let mut h = Harness::stable(&["a"]);
    h.join(joining("b"));
    h.join(again("a"));
    let waiter = h.join(again("b"));
    assert_eq!(
        h.joined(waiter).unwrap().unwrap().generation,
        h.group.generation()
    );
    let first = h.sync("b", &[]);
    let second = h.sync("b", &[]);
    assert!(matches!(
        h.synced(first),
        Some(Err(Error::RebalanceInProgress))
    ));
    h.sync("a", &[("b", "1")]);
    h.stored(Ok(()));
    assert_eq!(h.synced(second).unwrap().unwrap().assignment, "1");
}

#[test]
fn session_timeouts_out_of_bounds_are_refused() {
    let mut h = Harness::new();
    for session_ms in [
        i32::MIN,
        0,
        SESSION_TIMEOUT_MS_MIN - 1,
        SESSION_TIMEOUT_MS_MAX + 1,
        i32::MAX,
    ] {
        let waiter = h.join(Join {
            session_ms,
            ..joining("a")
        });
        let answer = h.joined(waiter);
        assert!(matches!(answer, Some(Err(Error::InvalidSessionTimeout(ms))) if ms == session_ms));
    }
    for session_ms in [SESSION_TIMEOUT_MS_MIN, SESSION_TIMEOUT_MS_MAX] {
        let waiter = h.join(Join {
            session_ms,
            ..joining(&session_ms.to_string())
        });
        assert!(!matches!(h.joined(waiter), Some(Err(_))));
    }
}

#[test]
fn members_and_their_metadata_are_limited() {
    let mut h = Harness::new();
    for n in 0..MEMBERS_MAX {
        h.join(Join {
            require_known_member: true,
            ..joining(&format!("m{n}"))
        });
    }
    h.outputs.clear();
    let waiter = h.join(joining("one more"));
    assert!(matches!(
        h.joined(waiter),
        Some(Err(Error::LimitReached { .. }))
    ));
    let mut h = Harness::new();
    let large = Join {
        protocols: vec![("range".to_owned(), Bytes::from(vec![0; 10 << 20]))],
        ..joining("a")
    };
    let waiter = h.join(large);
    assert!(matches!(
        h.joined(waiter),
        Some(Err(Error::LimitReached { .. }))
    ));
    let half = |n: usize| Join {
        protocols: vec![("range".to_owned(), Bytes::from(vec![0; 1 << 19]))],
        ..joining(&n.to_string())
    };
    let refused = (0..40).any(|n| {
        let waiter = h.join(half(n));
        matches!(h.joined(waiter), Some(Err(Error::LimitReached { .. })))
    });
    assert!(refused && h.group.bytes() < 13 << 20, "{}", h.group.bytes());
}

#[test]
fn outsiders_commit_only_while_the_group_is_empty() {
    let mut h = Harness::new();
    let now = h.now();
    assert!(h.group.check_commit(now, Committer::OUTSIDE).is_ok());
    h.fill(&["a"]);
    let now = h.now();
    assert!(matches!(
        h.group.check_commit(now, Committer::OUTSIDE),
        Err(Error::UnknownMember)
    ));
    let by = Committer {
        member: "a",
        generation: h.group.generation(),
        instance: None,
    };
    assert!(h.group.check_commit(now, by).is_ok());
    let forged = Committer {
        generation: -1,
        ..by
    };
    assert!(matches!(
        h.group.check_commit(now, forged),
        Err(Error::IllegalGeneration { .. })
    ));
}

#[test]
fn members_commit_while_others_join_but_not_while_they_wait_for_the_assignment() {
    let mut h = Harness::stable(&["a"]);
    h.join(joining("b"));
    let by = |h: &Harness| Committer {
        member: "a",
        generation: h.group.generation(),
        instance: None,
    };
    let now = h.now();
    let committer = by(&h);
    assert!(h.group.check_commit(now, committer).is_ok());
    h.join(again("a"));
    let committer = by(&h);
    assert!(matches!(
        h.group.check_commit(now, committer),
        Err(Error::RebalanceInProgress)
    ));
}

#[test]
fn a_stored_group_goes_on_after_a_restart() {
    let before = Harness::stable(&["a", "b"]);
    let stored = before.group.to_stored();
    let mut h = Harness::new();
    h.now_ms = 77;
    let now = h.now();
    h.group.restore(now, stored.clone());
    assert_eq!(h.group.to_stored(), stored);
    assert_eq!(h.group.phase(), Phase::Stable);
    assert!(h.beat("a").is_ok());
    let waiter = h.sync("b", &[]);
    assert_eq!(h.synced(waiter).unwrap().unwrap().assignment, "b");
    h.pass(i64::from(SESSION_MS));
    assert_eq!(h.group.phase(), Phase::Empty, "nobody was heard of since");
}

#[test]
fn offsets_expire_once_the_group_is_empty_for_long_enough() {
    let topic = TopicName::parse("t").unwrap();
    let committed = |commit_ms| Committed {
        offset: Offset(1),
        leader_epoch: -1,
        metadata: String::new(),
        commit_ms,
        topic_id: None,
    };
    let mut h = Harness::stable(&["a"]);
    h.group
        .offsets_mut()
        .put(topic.clone(), PartitionId(0), committed(0));
    assert!(
        h.group.expired_offsets(i64::MAX, 1_000).is_empty(),
        "it has a member"
    );
    h.leave("a").unwrap();
    let empty_since = h.now().wall_ms;
    assert!(h.group.expired_offsets(empty_since + 999, 1_000).is_empty());
    assert_eq!(
        h.group.expired_offsets(empty_since + 1_000, 1_000),
        [(topic.clone(), PartitionId(0))]
    );
    let mut h = Harness::new();
    h.group
        .offsets_mut()
        .put(topic.clone(), PartitionId(0), committed(5_000));
    h.group
        .offsets_mut()
        .put(topic.clone(), PartitionId(1), committed(9_000));
    assert_eq!(
        h.group.expired_offsets(6_000, 1_000),
        [(topic, PartitionId(0))]
    );
}

#[test]
fn offsets_count_their_bytes_and_what_is_under_way() {
    let topic = TopicName::parse("t").unwrap();
    let mut offsets = Offsets::default();
    let committed = |metadata: &str| Committed {
        offset: Offset(1),
        leader_epoch: -1,
        metadata: metadata.to_owned(),
        commit_ms: 0,
        topic_id: None,
    };
    offsets.put(topic.clone(), PartitionId(0), committed("abc"));
    let one = offsets.bytes();
    offsets.put(topic.clone(), PartitionId(0), committed("abcdef"));
    assert_eq!(offsets.bytes(), one + 3);
    offsets.submitted(&topic, PartitionId(1));
    offsets.submitted(&topic, PartitionId(1));
    assert_eq!(offsets.partitions().len(), 2);
    offsets.remove("t", PartitionId(0));
    offsets.settled(&topic, PartitionId(1));
    assert!(offsets.is_changing() && !offsets.is_empty());
    offsets.settled(&topic, PartitionId(1));
    assert!(offsets.is_empty());
    assert_eq!(offsets.bytes(), 0);
}
