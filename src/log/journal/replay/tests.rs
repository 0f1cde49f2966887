//! What the journal gives back after torn writes, damage, failures and hostile bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::log::crash_disk::{CrashDisk, Fault, Random};
use crate::log::journal::{Journal, PartHeader, Rolled};

const FILE_BYTES: u64 = 12 << 10;

fn dir() -> &'static Path {
    Path::new("/journal")
}

fn path(slot: u32) -> PathBuf {
    dir().join(format!("{slot:06}.journal"))
}

fn journal(disk: &CrashDisk, next: u64, generation: u64) -> Journal {
    disk.create_dir_all(dir()).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    Journal::new(
        Arc::new(disk.clone()),
        dir(),
        (FILE_BYTES, 4),
        next,
        generation,
    )
    .unwrap()
}

/// The parts of entry `n`: its number, in a body whose size varies.
fn parts(n: u64) -> Vec<Part> {
    let mut body = n.to_be_bytes().to_vec();
    body.resize(40 + usize::try_from(n % 5).unwrap() * 100, 0x5a);
    vec![Part {
        header: PartHeader {
            topic: Uuid::from_u128(9),
            partition: 0,
            base_offset: i64::try_from(n).unwrap(),
        },
        bytes: body.into(),
    }]
}

/// Writes entries in groups of `group`, each synced but for the last if not `sync_last`.
fn write(journal: &mut Journal, from: u64, to: u64, group: u64, sync_last: bool) {
    let mut n = from;
    while n < to {
        let count = group.min(to - n);
        let entries: Vec<Vec<Part>> = (n..n + count).map(parts).collect();
        let bytes: u64 = entries
            .iter()
            .map(|p| Journal::entry_bytes(1, p[0].bytes.len()))
            .sum();
        if !journal.has_room(0, bytes) {
            assert_eq!(journal.roll(bytes).unwrap(), Rolled::Ready);
        }
        let slices: Vec<&[Part]> = entries.iter().map(Vec::as_slice).collect();
        journal.write(&slices).unwrap();
        n += count;
        if n < to || sync_last {
            journal.sync().unwrap();
        }
    }
}

/// Sequences of the entries behind the checkpoint; each must be what was written.
fn read(disk: &CrashDisk, checkpointed: u64) -> Result<Vec<u64>, Error> {
    let scan = scan(disk, dir(), checkpointed)?;
    let mut entries = Entries::new(disk, &scan);
    let mut found = Vec::new();
    while let Some((sequence, read)) = entries.next()? {
        assert_eq!(read, parts(sequence), "entry {sequence}");
        found.push(sequence);
    }
    assert_eq!(scan.entries_count(), found.len() as u64);
    Ok(found)
}

fn numbers(from: u64, to: u64) -> Vec<u64> {
    (from..to).collect()
}

#[test]
fn entries_come_back_over_several_files_from_the_checkpoint_on() {
    let disk = CrashDisk::default();
    assert_eq!(read_empty(&disk), numbers(1, 1));
    let mut journal = journal(&disk, 1, 0);
    write(&mut journal, 1, 60, 3, true);
    assert!(disk.list(dir()).unwrap().len() >= 2);
    for checkpointed in [0, 1, 30, 58, 59] {
        assert_eq!(
            read(&disk, checkpointed).unwrap(),
            numbers(checkpointed + 1, 60)
        );
    }
}

fn read_empty(disk: &CrashDisk) -> Vec<u64> {
    disk.create_dir_all(dir()).unwrap();
    read(disk, 0).unwrap()
}

#[test]
fn a_torn_group_is_cut_whatever_pages_of_it_survive() {
    for seed in 0..200 {
        let disk = CrashDisk::default();
        let mut journal = journal(&disk, 1, 0);
        write(&mut journal, 1, 11, 2, true);
        write(&mut journal, 11, 17, 6, false);
        let left = disk.after_power_cut(&mut Random::new(seed));
        let found = read(&left, 0).unwrap();
        assert!(found.len() >= 10, "seed {seed}: {found:?}");
        assert_eq!(found, numbers(1, found.len() as u64 + 1));
    }
}

#[test]
fn a_flipped_bit_in_what_was_durable_is_never_taken_for_a_torn_tail() {
    let disk = CrashDisk::default();
    let mut journal = journal(&disk, 1, 0);
    write(&mut journal, 1, 16, 3, true);
    let end = written_bytes(&disk, 16);
    let last_group = written_bytes(&disk, 13);
    for at in (4096..end).chain(0..32) {
        let left = disk.after_kill();
        left.change(&path(0), |bytes| bytes[at] ^= 0x20);
        match read(&left, 0) {
            // Nothing later says that the last group was durable.
            Ok(found) if at >= last_group => {
                assert!(found.len() >= 12, "byte {at}: {found:?}");
                assert_eq!(found, numbers(1, found.len() as u64 + 1), "byte {at}");
            }
            Ok(found) => panic!("byte {at} gave {found:?}"),
            Err(Error::Format { .. } | Error::NewerFormat { .. }) => {}
            Err(other) => panic!("byte {at}: {other:?}"),
        }
    }
}

/// Bytes of the first file up to entry `next`.
fn written_bytes(disk: &CrashDisk, next: u64) -> usize {
    let sizes = (1..next).map(|n| Journal::entry_bytes(1, parts(n)[0].bytes.len()));
    assert!(disk.list(dir()).unwrap().len() == 1);
    4096 + usize::try_from(sizes.sum::<u64>()).unwrap()
}

#[test]
fn what_an_earlier_use_of_a_file_left_is_never_read() {
    let disk = CrashDisk::default();
    let mut journal = journal(&disk, 1, 0);
    let mut next = 1;
    for _ in 0..12 {
        write(&mut journal, next, next + 9, 3, true);
        next += 9;
        // Everything but the last group is checkpointed, so files are used again.
        let checkpointed = next - 4;
        journal.freeing().free_up_to(checkpointed).unwrap();
        assert_eq!(read(&disk, checkpointed).unwrap(), numbers(next - 3, next));
    }
    assert!(disk.list(dir()).unwrap().len() <= 3, "files are used again");
}

#[test]
fn entries_whose_sync_failed_are_void_once_a_new_file_began() {
    for fault in 0..2 {
        let disk = CrashDisk::default();
        let mut journal = journal(&disk, 1, 0);
        write(&mut journal, 1, 7, 2, true);
        write(&mut journal, 7, 10, 3, false);
        disk.fault(disk.count() + 1, Fault::Fail);
        assert!(journal.sync().is_err());
        journal.give_up();
        assert_eq!(journal.next_sequence(), 7);
        assert_eq!(journal.roll(100).unwrap(), Rolled::Ready);
        if fault == 1 {
            write(&mut journal, 7, 8, 1, true);
        }
        let kept = 7 + fault;
        assert_eq!(read(&disk.after_kill(), 0).unwrap(), numbers(1, kept));
        // The failed file is removed, not used again.
        journal.freeing().free_up_to(6).unwrap();
        assert!(
            disk.list(dir())
                .unwrap()
                .iter()
                .all(|e| e.name != "000000.journal")
        );
    }
}

#[test]
fn a_missing_or_newer_file_is_refused() {
    let disk = CrashDisk::default();
    let mut journal = journal(&disk, 1, 0);
    write(&mut journal, 1, 60, 3, true);
    let left = disk.after_kill();
    left.remove_file(&path(0)).unwrap();
    assert!(matches!(read(&left, 0), Err(Error::Format { .. })));
    let left = disk.after_kill();
    left.remove_file(&path(1)).unwrap();
    assert!(matches!(read(&left, 0), Err(Error::Format { .. })));
    let left = disk.after_kill();
    left.change(&path(1), |bytes| bytes[11] = 2);
    assert!(matches!(
        read(&left, 0),
        Err(Error::NewerFormat { version: 2, .. })
    ));
    let left = disk.after_kill();
    left.change(&path(1), |bytes| bytes[20] ^= 1);
    assert!(matches!(read(&left, 0), Err(Error::Format { .. })));
}

#[test]
fn a_journal_cut_anywhere_gives_a_prefix_or_is_refused() {
    let disk = CrashDisk::default();
    let mut journal = journal(&disk, 1, 0);
    write(&mut journal, 1, 16, 3, true);
    for len in 0..written_bytes(&disk, 16) {
        let left = disk.after_kill();
        left.change(&path(0), |bytes| bytes.truncate(len));
        if let Ok(found) = read(&left, 0) {
            assert_eq!(found, numbers(1, found.len() as u64 + 1), "{len} bytes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_behind_a_header_end_the_journal_or_are_refused(
        noise in proptest::collection::vec(any::<u8>(), 0..3000),
        at in 0_usize..1200,
    ) {
        let disk = CrashDisk::default();
        let mut journal = journal(&disk, 1, 0);
        write(&mut journal, 1, 5, 2, true);
        disk.change(&path(0), |bytes| {
            let from = 4096 + at;
            bytes[from..from + noise.len()].copy_from_slice(&noise);
        });
        if let Ok(found) = read(&disk, 0) {
            prop_assert!(found.len() <= 4);
        }
    }
}
