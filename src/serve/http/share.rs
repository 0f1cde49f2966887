//! `POST /groups/{group}/read` and `/ack`: reading as a member of a shared group.
//!
//! ```text
//! read  {"topics":["t"],"max_records":100,"wait_ms":5000,"lease_ms":30000,"member":"m"}
//!   ->  {"records":[{"ack_id","topic","partition","offset","timestamp","key","value","headers",
//!                    "delivery_count"}]}
//! ack   {"accept":[ack_id...],"release":[...],"reject":[...],"renew":[...]}
//!   ->  {"results":[{"ack_id","status":"ok|expired|unknown"}]}
//! ```
//! Results stand in the order of the request, list by list in this order. Whoever may read may be a
//! member: there is no joining, and a caller that goes away gives its records back when their lease
//! ends.
//!
//! A member that takes and never answers must not take everything, so each is held to a share of
//! what a group may have out. `member`, any name, says who reads; without it a connection is taken
//! for a member. Callers behind one proxy, and those that connect anew for every request, are told
//! apart by their names only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::answer::{self, large_json, read_json};
use super::error::Problem;
use super::guard::Shared;
use super::record_json::RecordJson;
use super::server::Peer;
use crate::group::GroupId;
use crate::group::share::{Ack, Delivery, Member, Read, Status, limits};

/// Records of an answer unless asked otherwise.
const RECORDS_DEFAULT: usize = 100;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/groups/{group}/read", post(read))
        .route("/groups/{group}/ack", post(ack))
}

/// What a member asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    topics: Vec<String>,
    max_records: Option<usize>,
    wait_ms: Option<u64>,
    lease_ms: Option<u64>,
    member: Option<String>,
}

/// What a member says of its records.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acks {
    #[serde(default)]
    accept: Vec<String>,
    #[serde(default)]
    release: Vec<String>,
    #[serde(default)]
    reject: Vec<String>,
    #[serde(default)]
    renew: Vec<String>,
}

/// The answer to an acknowledgement.
#[derive(Serialize)]
struct Results {
    results: Vec<ResultOf>,
}

/// What became of one of them.
#[derive(Serialize)]
struct ResultOf {
    ack_id: String,
    status: &'static str,
}

/// The answer to a read.
#[derive(Serialize)]
struct Records<'a> {
    records: Vec<Shown<'a>>,
}

/// A delivery as JSON.
struct Shown<'a>(&'a Delivery);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Shown(delivery) = self;
        let headers = delivery.headers.iter();
        let record = RecordJson {
            topic: delivery.topic.as_str(),
            partition: delivery.partition.0,
            offset: delivery.offset.0,
            timestamp: delivery.timestamp_ms,
            key: delivery.key.as_deref(),
            value: delivery.value.as_deref(),
            headers: Some(
                headers
                    .map(|(key, value)| (&**key, value.as_deref()))
                    .collect(),
            ),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ack_id", &delivery.ack_id)?;
        record.write(&mut map)?;
        map.serialize_entry("delivery_count", &delivery.delivery_count)?;
        map.end()
    }
}

async fn read(
    State(shared): State<Arc<Shared>>,
    Path(group): Path<String>,
    peer: Option<Extension<Peer>>,
    body: Body,
) -> Result<Response, Problem> {
    let asked: Asked = read_json(body).await?;
    let group = GroupId::parse(&group)?;
    let member = member(
        asked.member.as_deref(),
        peer.map(|Extension(Peer(peer))| peer),
    )?;
    let mut topics = Vec::with_capacity(asked.topics.len());
    for topic in &asked.topics {
        topics.push(super::topics::find(&shared, topic)?.name.clone());
    }
    let read = Read {
        group,
        member,
        topics,
        max_records: asked.max_records.unwrap_or(RECORDS_DEFAULT),
        wait: Duration::from_millis(asked.wait_ms.unwrap_or(0)).min(limits::WAIT_MAX),
        lease: asked.lease_ms.map(Duration::from_millis),
        stop: shared.handles.draining.clone(),
    };
    let deliveries = shared.handles.shares.read(read).await?;
    let permit = answer::place(&shared.answers).await?;
    let records = deliveries.records.iter().map(Shown).collect();
    // Writing to memory fails only where a map key is no text; ours are.
    let json = serde_json::to_vec(&Records { records }).unwrap_or_default();
    Ok(large_json(json, permit))
}

/// Who reads: by its name, else by its connection.
fn member(name: Option<&str>, connection: Option<SocketAddr>) -> Result<Member, Problem> {
    match name {
        Some(name) if name.is_empty() || name.len() > limits::MEMBER_BYTES_MAX => {
            Err(Problem::invalid(
                format!("read as a member whose name has {} bytes", name.len()),
                format!(
                    "name it with 1 to {} bytes, or leave member out",
                    limits::MEMBER_BYTES_MAX
                ),
            ))
        }
        Some(name) => Ok(Member::of(&name)),
        None => Ok(Member::of(&connection)),
    }
}

async fn ack(
    State(shared): State<Arc<Shared>>,
    Path(group): Path<String>,
    body: Body,
) -> Result<Json<Results>, Problem> {
    let asked: Acks = read_json(body).await?;
    let group = GroupId::parse(&group)?;
    let all = [
        (asked.accept, Ack::Accept),
        (asked.release, Ack::Release),
        (asked.reject, Ack::Reject),
        (asked.renew, Ack::Renew),
    ];
    let all = all
        .into_iter()
        .flat_map(|(ids, ack)| ids.into_iter().map(move |id| (id, ack)));
    let acks: Vec<(String, Ack)> = all.collect();
    if acks.len() > limits::ACKS_MAX {
        return Err(Problem::invalid(
            format!("take {} ids in one call", acks.len()),
            format!("send at most {}", limits::ACKS_MAX),
        ));
    }
    let statuses = shared.handles.shares.ack(&group, &acks).await?;
    let result = |((ack_id, _), status): ((String, Ack), Status)| ResultOf {
        ack_id,
        status: match status {
            Status::Ok => "ok",
            Status::Expired => "expired",
            Status::Unknown => "unknown",
        },
    };
    let results = acks.into_iter().zip(statuses).map(result).collect();
    Ok(Json(Results { results }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_told_by_its_name_else_by_its_connection() {
        let of = |name, port: u16| member(name, Some(SocketAddr::from(([127, 0, 0, 1], port))));
        let same = |a: Result<Member, Problem>, b: Result<Member, Problem>| {
            a.unwrap_or_else(|_| panic!()) == b.unwrap_or_else(|_| panic!())
        };
        assert!(same(of(None, 1), of(None, 1)));
        assert!(!same(of(None, 1), of(None, 2)));
        assert!(same(of(Some("a"), 1), of(Some("a"), 2)));
        assert!(!same(of(Some("a"), 1), of(Some("b"), 1)));
        assert!(of(Some(""), 1).is_err());
        assert!(of(Some(&"x".repeat(256)), 1).is_err());
    }
}
