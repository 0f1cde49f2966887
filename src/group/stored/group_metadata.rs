//! `GroupMetadataValue`: a group's generation, its members and who reads what.

use bytes::BufMut;

use super::reader::{Malformed, Reader};
use super::writer::{put_bytes, put_nullable_string, put_string};
use crate::group::limits::MEMBERS_MAX;
use crate::group::state::{Restored, RestoredMember};

const VERSION: i16 = 3;

pub(in crate::group) fn encode_group(group: &Restored) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_i16(VERSION);
    put_string(&mut out, &group.protocol_type);
    out.put_i32(group.generation);
    put_nullable_string(&mut out, group.protocol.as_deref());
    put_nullable_string(&mut out, group.leader.as_deref());
    out.put_i64(group.phase_since_ms);
    let count = i32::try_from(group.members.len()).expect("members are bounded by 1,000");
    out.put_i32(count);
    for member in &group.members {
        put_string(&mut out, &member.member);
        put_nullable_string(&mut out, member.instance.as_deref());
        put_string(&mut out, &member.client_id);
        put_string(&mut out, &member.client_host);
        out.put_i32(member.rebalance_ms);
        out.put_i32(member.session_ms);
        put_bytes(&mut out, &member.subscription);
        put_bytes(&mut out, &member.assignment);
    }
    out
}

pub(in crate::group) fn decode_group(bytes: &[u8]) -> Result<Restored, Malformed> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    if !(0..=VERSION).contains(&version) {
        return Err("a group's version is not known");
    }
    let protocol_type = reader.string()?;
    let generation = reader.i32()?;
    let protocol = reader.nullable_string()?;
    let leader = reader.nullable_string()?;
    let phase_since_ms = if version >= 2 { reader.i64()? } else { -1 };
    let count = usize::try_from(reader.i32()?).map_err(|_| "a count is negative")?;
    if count > MEMBERS_MAX {
        return Err("a group has more members than it may have");
    }
    let mut members = Vec::with_capacity(count);
    for _ in 0..count {
        members.push(decode_member(&mut reader, version)?);
    }
    Ok(Restored {
        protocol_type,
        generation,
        protocol,
        leader,
        phase_since_ms,
        members,
    })
}

fn decode_member(reader: &mut Reader<'_>, version: i16) -> Result<RestoredMember, Malformed> {
    let member = reader.string()?;
    let instance = if version >= 3 {
        reader.nullable_string()?
    } else {
        None
    };
    let client_id = reader.string()?;
    let client_host = reader.string()?;
    let first_ms = reader.i32()?;
    let session_ms = if version >= 1 {
        reader.i32()?
    } else {
        first_ms
    };
    Ok(RestoredMember {
        member,
        instance,
        client_id,
        client_host,
        rebalance_ms: first_ms,
        session_ms,
        subscription: reader.bytes()?,
        assignment: reader.bytes()?,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// Bytes written by Kafka 4.3.1's generated classes.
    const V3: &[u8] = b"\x00\x03\x00\x08consumer\x00\x00\x00\x05\x00\x05range\x00\x03c-1\x00\x00\x01\x8b\xcf\xe5\x68\x7b\x00\x00\x00\x02\x00\x03c-1\x00\x02i1\x00\x01c\x00\x0a/127.0.0.1\x00\x04\x93\xe0\x00\x00\xaf\xc8\x00\x00\x00\x02\x01\x02\x00\x00\x00\x01\x03\x00\x03c-2\xff\xff\x00\x01c\x00\x0a/127.0.0.1\x00\x04\x93\xe0\x00\x00\xaf\xc8\x00\x00\x00\x00\x00\x00\x00\x00";
    const V3_EMPTY: &[u8] = b"\x00\x03\x00\x08consumer\x00\x00\x00\x06\xff\xff\xff\xff\x00\x00\x01\x8b\xcf\xe5\x68\x7b\x00\x00\x00\x00";
    const V0: &[u8] = b"\x00\x00\x00\x08consumer\x00\x00\x00\x05\x00\x05range\x00\x03c-1\x00\x00\x00\x01\x00\x03c-1\x00\x01c\x00\x0a/127.0.0.1\x00\x00\xaf\xc8\x00\x00\x00\x02\x01\x02\x00\x00\x00\x01\x03";

    fn member(id: &str, instance: Option<&str>, subscription: &'static [u8]) -> RestoredMember {
        RestoredMember {
            member: id.to_owned(),
            instance: instance.map(str::to_owned),
            client_id: "c".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            rebalance_ms: 300_000,
            session_ms: 45_000,
            subscription: Bytes::from_static(subscription),
            assignment: Bytes::from_static(if instance.is_some() { b"\x03" } else { b"" }),
        }
    }

    fn group() -> Restored {
        Restored {
            protocol_type: "consumer".to_owned(),
            generation: 5,
            protocol: Some("range".to_owned()),
            leader: Some("c-1".to_owned()),
            phase_since_ms: 1_700_000_000_123,
            members: vec![
                member("c-1", Some("i1"), b"\x01\x02"),
                member("c-2", None, b""),
            ],
        }
    }

    #[test]
    fn groups_are_kafkas_bytes() {
        assert_eq!(encode_group(&group()), V3);
        assert_eq!(decode_group(V3), Ok(group()));
        let empty = Restored {
            generation: 6,
            protocol: None,
            leader: None,
            members: Vec::new(),
            ..group()
        };
        assert_eq!(encode_group(&empty), V3_EMPTY);
        assert_eq!(decode_group(V3_EMPTY), Ok(empty));
    }

    #[test]
    fn groups_without_times_and_instances_are_read() {
        let old = decode_group(V0).unwrap();
        assert_eq!(old.phase_since_ms, -1);
        assert_eq!(old.members[0].instance, None);
        assert_eq!(old.members[0].session_ms, 45_000);
        assert_eq!(old.members[0].rebalance_ms, 45_000);
    }

    #[test]
    fn cut_groups_and_absurd_counts_are_refused() {
        for end in 0..V3.len() {
            assert!(decode_group(&V3[..end]).is_err(), "{end}");
        }
        let mut many = V3_EMPTY.to_vec();
        let at = many.len() - 4;
        many[at..].copy_from_slice(&i32::MAX.to_be_bytes());
        assert!(decode_group(&many).is_err());
        many[at..].copy_from_slice(&(-1_i32).to_be_bytes());
        assert!(decode_group(&many).is_err());
    }
}
