//! The rules one by one, and the machine against a model that is too simple to be wrong.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::topics::GroupPolicy;
use crate::record::dead_letter::Reason;

const POLICY: GroupPolicy = GroupPolicy {
    delivery_limit: 5,
    lease_ms: 30_000,
    backoff_ms: 1_000,
    backoff_ms_max: 60_000,
    from_start: true,
    dead_letters: true,
};

fn at(ms: i64) -> Now {
    Now {
        timer_ms: ms,
        wall_ms: 1_000_000 + ms,
    }
}

/// One record, offset 0, acquired by owner 1 until 100.
fn one() -> Partition {
    let mut partition = Partition::new(0);
    partition.acquire_new(at(0), 1, &[0], 1, 100);
    partition
}

fn ack(partition: &mut Partition, ms: i64, owner: u64, ack: Ack) -> Acked {
    partition.ack(at(ms), owner, 0, ack, &POLICY, 0.5)
}

#[test]
fn a_delivery_counts_when_it_is_acquired_and_the_fifth_release_is_the_last() {
    let mut partition = one();
    let mut ms = 0;
    for delivery in 1..=4 {
        assert_eq!(partition.get(0).unwrap().delivery_count, delivery);
        assert_eq!(ack(&mut partition, ms, 1, Ack::Release), Acked::Released);
        let wait_ms = 1_000 << (delivery - 1);
        assert_eq!(
            partition.due_next_ms(at(ms)),
            Some(1_000_000 + ms + wait_ms)
        );
        assert!(partition.due(at(ms + wait_ms - 1), 5, 9).is_empty());
        ms += wait_ms;
        assert_eq!(partition.due(at(ms), 5, 9), [0]);
        let acquired = partition.acquire(at(ms), 1, 0, 100, 5).unwrap();
        assert_eq!(acquired.delivery_count, delivery + 1);
    }
    let death = Death {
        reason: Reason::Exhausted,
        delivery_count: 5,
        redrive_count: 0,
    };
    assert_eq!(ack(&mut partition, ms, 1, Ack::Release), Acked::Dead(death));
    assert_eq!(partition, Partition::new(1));
}

#[test]
fn acks_without_a_running_lease_change_nothing() {
    for kind in [Ack::Accept, Ack::Release, Ack::Reject, Ack::Renew] {
        let mut partition = one();
        let before = partition.clone();
        assert_eq!(ack(&mut partition, 99, 2, kind), Acked::Expired, "foreign");
        assert_eq!(ack(&mut partition, 100, 1, kind), Acked::Expired, "over");
        assert_eq!(partition, before);
        partition.expire(at(100), &POLICY, || 0.5);
        assert_eq!(
            ack(&mut partition, 100, 1, kind),
            Acked::Expired,
            "given back"
        );
        assert_eq!(
            partition.ack(at(0), 1, 7, kind, &POLICY, 0.5),
            Acked::Unknown
        );
        let mut done = one();
        ack(&mut done, 0, 1, Ack::Accept);
        assert_eq!(ack(&mut done, 0, 1, kind), Acked::Unknown, "done");
    }
}

#[test]
fn a_renewed_lease_runs_on_and_an_ended_one_is_a_release() {
    let mut partition = one();
    assert_eq!(ack(&mut partition, 99, 1, Ack::Renew), Acked::Renewed);
    assert_eq!(partition.expire(at(198), &POLICY, || 0.5), 0);
    assert_eq!(partition.expire(at(199), &POLICY, || 0.5), 1);
    assert_eq!(partition.due_next_ms(at(199)), Some(1_001_199));
    assert_eq!(partition.get(0).unwrap().delivery_count, 1);
}

#[test]
fn a_record_whose_last_lease_ran_out_or_was_lost_is_buried_and_not_delivered() {
    let limit = 1;
    let policy = GroupPolicy {
        delivery_limit: limit,
        ..POLICY
    };
    let mut partition = one();
    assert!(partition.doomed(at(99), limit, 9).is_empty());
    assert_eq!(partition.bury(at(99), limit, 0), None);
    assert_eq!(partition.expire(at(100), &policy, || 0.5), 0);
    assert_eq!(partition.doomed(at(100), limit, 9), [0]);
    assert_eq!(
        partition.bury(at(100), limit, 0).unwrap().reason,
        Reason::Exhausted
    );
    assert_eq!(partition.bury(at(100), limit, 0), None);

    let mut lost = Partition::new(1);
    let phase = Phase::Available { not_before_ms: 0 };
    lost.restore(
        0,
        Entry {
            phase,
            delivery_count: 1,
            redrive_count: 0,
        },
    );
    assert!(lost.due(at(0), limit, 9).is_empty());
    assert_eq!(lost.acquire(at(0), 1, 0, 100, limit), None);
    assert_eq!(lost.doomed(at(0), limit, 9), [0]);
}

#[test]
fn a_redriven_record_begins_afresh_and_counts_its_redrives() {
    let mut partition = one();
    ack(&mut partition, 0, 1, Ack::Reject);
    assert_eq!(partition.redrive(0, 2), Redrivable::Again);
    assert_eq!(partition.redrive(0, 2), Redrivable::Already);
    assert_eq!(
        partition.redrive(1, 0),
        Redrivable::Already,
        "never considered"
    );
    let acquired = partition.acquire(at(0), 1, 0, 100, 5).unwrap();
    assert_eq!(
        acquired,
        Acquired {
            delivery_count: 1,
            redrive_count: 3
        }
    );
}

#[test]
fn offsets_without_a_record_are_done_and_new_records_are_given_once() {
    let mut partition = Partition::new(5);
    let got = partition.acquire_new(at(0), 1, &[4, 6, 8, 10], 10, 100);
    let offsets: Vec<i64> = got.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [6, 8]);
    assert_eq!((partition.start(), partition.next()), (6, 10));
    assert!(
        partition
            .acquire_new(at(0), 2, &[6, 8, 9], 9, 100)
            .is_empty()
    );
    assert_eq!(partition.leased(1, 0..=7), [6]);
    assert!(partition.leased(2, 0..=7).is_empty());
}

#[test]
fn retention_and_compaction_take_records_and_a_seek_begins_again() {
    let mut partition = Partition::new(0);
    partition.acquire_new(at(0), 1, &[0, 1, 2], 3, 100);
    assert_eq!(partition.trim(2), 2);
    assert_eq!((partition.start(), partition.next()), (2, 3));
    assert!(!partition.forget(2), "a member has it");
    partition.expire(at(100), &POLICY, || 0.5);
    assert!(partition.forget(2));
    partition.trim(9);
    assert_eq!(partition, Partition::new(9));
    partition.seek(1);
    assert_eq!(partition, Partition::new(1));
}

#[test]
fn the_room_for_new_records_is_bounded() {
    let mut partition = Partition::new(0);
    let offsets: Vec<i64> = (0..2_000).collect();
    partition.acquire_new(at(0), 1, &offsets, 2_000, 100);
    assert_eq!((partition.room(), partition.in_flight_count()), (0, 2_000));
    ack(&mut partition, 0, 1, Ack::Accept);
    assert_eq!(partition.room(), 1);
}

#[test]
fn a_member_that_never_acknowledges_leaves_as_much_as_it_holds() {
    let (stuck, other) = (Member::of(&"stuck"), Member::of(&"other"));
    let mut partition = Partition::new(0);
    let take = |partition: &mut Partition, member: Member, most: usize| {
        let count = most.min(partition.room_for(member));
        let next = partition.next();
        let offsets: Vec<i64> = (next..).take(count).collect();
        let upto = next + i64::try_from(count).unwrap();
        partition.acquire_new(at(0), member.owner(7), &offsets, upto, 100);
        count
    };
    while take(&mut partition, stuck, 300) > 0 {}
    assert_eq!(partition.in_flight_count(), 1_000);
    assert_eq!(
        (partition.allowance(stuck), partition.room_for(stuck)),
        (0, 0)
    );
    assert_eq!(
        (partition.allowance(other), partition.room_for(other)),
        (500, 500)
    );
    // What ran out waits, and it was the stuck one's: half of what it left is for the others.
    partition.expire(at(100), &POLICY, || 0.5);
    assert_eq!(partition.allowance(stuck), 1_000);
    while take(&mut partition, stuck, 300) > 0 {}
    assert_eq!((partition.in_flight_count(), partition.room()), (500, 500));
    assert_eq!(take(&mut partition, other, 300), 250);
    // Records that wait for another delivery are given by the same rule, whatever is open.
    let due = partition.due(at(2_000), 5, 2_000);
    assert_eq!(due.len(), 1_000);
    for offset in due.iter().take(partition.allowance(other)) {
        let owner = other.owner(8);
        partition
            .acquire(at(2_000), owner, *offset, 100, 5)
            .unwrap();
    }
    assert_eq!(partition.in_flight_count(), 750 + 500);
    assert_eq!(
        partition.ack(at(0), other.owner(8), due[0], Ack::Accept, &POLICY, 0.5),
        Acked::Accepted
    );
}

#[test]
fn a_member_may_take_again_what_it_gave_back_in_whatever_way() {
    let member = Member::of(&"member");
    let fresh = Partition::new(0).allowance(member);
    for end in [Ack::Accept, Ack::Reject] {
        let mut partition = Partition::new(0);
        partition.acquire_new(at(0), member.owner(1), &[0], 1, 100);
        assert!(partition.allowance(member) < fresh);
        partition.ack(at(0), member.owner(1), 0, end, &POLICY, 0.5);
        assert_eq!(partition, Partition::new(1), "{end:?}");
    }
    let mut partition = Partition::new(0);
    partition.acquire_new(at(0), member.owner(1), &[0, 1, 2], 3, 100);
    partition.ack(at(0), member.owner(1), 0, Ack::Renew, &POLICY, 0.5);
    partition.ack(at(0), member.owner(1), 0, Ack::Release, &POLICY, 0.5);
    partition.trim(2);
    partition.expire(at(100), &POLICY, || 0.5);
    assert_eq!(partition.allowance(member), fresh);
}

/// What a step of the random test does.
#[derive(Debug, Clone, Copy)]
enum Step {
    New {
        owner: u64,
        count: i64,
        gap: i64,
    },
    Due {
        owner: u64,
        count: usize,
    },
    Ack {
        owner: u64,
        pick: prop::sample::Index,
        ack: Ack,
    },
    Wait {
        ms: i64,
    },
    Tick,
    Restart,
    Redrive {
        pick: prop::sample::Index,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let owner = 1_u64..4;
    let pick = any::<prop::sample::Index>;
    let kind = prop_oneof![
        Just(Ack::Accept),
        Just(Ack::Release),
        Just(Ack::Release),
        Just(Ack::Reject),
        Just(Ack::Renew),
    ];
    prop_oneof![
        (owner.clone(), 1_i64..5, 0_i64..3).prop_map(|(owner, count, gap)| Step::New {
            owner,
            count,
            gap
        }),
        (owner.clone(), 1_usize..5).prop_map(|(owner, count)| Step::Due { owner, count }),
        (owner, pick(), kind).prop_map(|(owner, pick, ack)| Step::Ack { owner, pick, ack }),
        (1_i64..900).prop_map(|ms| Step::Wait { ms }),
        Just(Step::Tick),
        Just(Step::Restart),
        pick().prop_map(|pick| Step::Redrive { pick }),
    ]
}

/// What the model knows of a record.
#[derive(Debug, Default, Clone)]
struct Known {
    /// Deliveries since it was made or redriven.
    deliveries: u16,
    accepted: u32,
    dead: u32,
    redriven: u16,
}

impl Known {
    fn is_open(&self) -> bool {
        self.accepted == 0 && self.dead == u32::from(self.redriven)
    }
}

struct Model {
    partition: Partition,
    known: BTreeMap<i64, Known>,
    now_ms: i64,
    end: i64,
}

impl Model {
    fn now(&self) -> Now {
        at(self.now_ms)
    }

    fn delivered(&mut self, offset: i64, acquired: Acquired) {
        let known = self.known.entry(offset).or_default();
        assert!(known.is_open(), "{offset} was finished: {known:?}");
        known.deliveries += 1;
        assert_eq!(acquired.delivery_count, known.deliveries, "{offset}");
        assert_eq!(acquired.redrive_count, known.redriven, "{offset}");
        assert!(known.deliveries <= POLICY.delivery_limit, "{offset}");
    }

    fn died(&mut self, offset: i64, death: Death) {
        let known = self.known.get_mut(&offset).unwrap();
        assert!(known.is_open(), "{offset} was finished: {known:?}");
        assert_eq!(death.delivery_count, known.deliveries);
        known.dead += 1;
    }

    fn deliver_due(&mut self, owner: u64, count: usize) {
        let now = self.now();
        for offset in self.partition.due(now, POLICY.delivery_limit, count) {
            let acquired = self
                .partition
                .acquire(now, owner, offset, 200, POLICY.delivery_limit);
            self.delivered(offset, acquired.unwrap());
        }
    }

    fn tick(&mut self) {
        let now = self.now();
        self.partition.expire(now, &POLICY, || 0.5);
        for offset in self.partition.doomed(now, POLICY.delivery_limit, 100) {
            let death = self
                .partition
                .bury(now, POLICY.delivery_limit, offset)
                .unwrap();
            self.died(offset, death);
        }
    }

    fn ack(&mut self, owner: u64, offset: i64, ack: Ack) {
        let now = self.now();
        let judged = self
            .partition
            .judge(now, owner, offset, ack, POLICY.delivery_limit);
        let acked = self.partition.ack(now, owner, offset, ack, &POLICY, 0.5);
        assert_eq!(judged, acked);
        match acked {
            Acked::Accepted => {
                let known = self.known.get_mut(&offset).unwrap();
                assert!(known.is_open(), "{offset} was finished: {known:?}");
                known.accepted += 1;
            }
            Acked::Dead(death) => self.died(offset, death),
            Acked::Released | Acked::Renewed | Acked::Expired | Acked::Unknown => {}
        }
    }

    fn step(&mut self, step: Step) {
        let now = self.now();
        match step {
            Step::New { owner, count, gap } => {
                let first = self.end + gap;
                let offsets: Vec<i64> = (first..first + count).collect();
                self.end = first + count;
                for (offset, acquired) in self
                    .partition
                    .acquire_new(now, owner, &offsets, self.end, 200)
                {
                    self.delivered(offset, acquired);
                }
            }
            Step::Due { owner, count } => self.deliver_due(owner, count),
            Step::Ack { owner, pick, ack } => {
                if self.end > 0 {
                    let offset = i64::try_from(pick.index(self.end.try_into().unwrap())).unwrap();
                    self.ack(owner, offset, ack);
                }
            }
            Step::Wait { ms } => self.now_ms += ms,
            Step::Tick => self.tick(),
            Step::Restart => self.restart(),
            Step::Redrive { pick } => {
                let dead: Vec<i64> = self
                    .known
                    .iter()
                    .filter(|(_, k)| k.accepted == 0 && !k.is_open())
                    .map(|(offset, _)| *offset)
                    .collect();
                if !dead.is_empty() {
                    let offset = *pick.get(&dead);
                    let known = self.known.get_mut(&offset).unwrap();
                    let again = self.partition.redrive(offset, known.redriven);
                    assert_eq!(again, Redrivable::Again);
                    known.redriven += 1;
                    known.deliveries = 0;
                }
            }
        }
        self.check();
    }

    /// Leases are lost, counts stay.
    fn restart(&mut self) {
        let mut after = Partition::new(self.partition.next());
        for (offset, entry) in self.partition.open() {
            let phase = match entry.phase {
                Phase::Acquired { .. } => Phase::Available { not_before_ms: 0 },
                waiting @ Phase::Available { .. } => waiting,
            };
            after.restore(offset, Entry { phase, ..*entry });
        }
        self.partition = after;
    }

    /// Exactly the records that are not finished are open.
    fn check(&self) {
        let open: Vec<i64> = self.partition.open().map(|(offset, _)| offset).collect();
        let known = self.known.iter().filter(|(_, known)| known.is_open());
        let known: Vec<i64> = known.map(|(offset, _)| *offset).collect();
        assert_eq!(open, known);
    }
}

proptest! {
    #[test]
    fn every_record_is_accepted_or_becomes_a_dead_letter_once_and_counts_never_go_down(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut model = Model {
            partition: Partition::new(0),
            known: BTreeMap::new(),
            now_ms: 0,
            end: 0,
        };
        for step in steps {
            model.step(step);
        }
        // Whatever happened, going on ends every record.
        for _ in 0..8 {
            model.now_ms += 100_000;
            model.tick();
            model.now_ms += 100_000;
            model.deliver_due(9, usize::MAX);
        }
        model.now_ms += 100_000;
        model.tick();
        model.check();
        prop_assert_eq!(model.partition.open_count(), 0);
        for (offset, known) in &model.known {
            let ends = known.accepted + known.dead - u32::from(known.redriven);
            prop_assert_eq!(ends, 1, "{}: {:?}", offset, known);
        }
    }
}
