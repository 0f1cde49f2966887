//! The topic of a measurement: made for it and deleted afterwards, unless one was named.

use std::time::{Duration, Instant};

use reqwest::Method;

use super::super::client::Client;
use super::super::failure::Failure;
use super::client::{Connection, refuse};
use crate::error;
use crate::kafka::{
    CreatableTopic, CreateTopicsRequest, DeleteTopicState, DeleteTopicsRequest, ErrorCode,
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic, MetadataRequest,
    MetadataRequestTopic, MetadataResponseTopic,
};

/// A new topic has its leaders within this time.
const LEADERS_TIMEOUT: Duration = Duration::from_secs(15);
/// How often they are looked for.
const POLL: Duration = Duration::from_millis(20);
/// Creating and deleting may take this long at the broker.
const CHANGE_TIMEOUT_MS: i32 = 30_000;
/// ListOffsets: the end of a partition.
pub(super) const AT_END: i64 = -1;
/// ListOffsets: the start of a partition.
pub(super) const AT_START: i64 = -2;

/// A topic to measure with.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) partitions: i32,
    is_temporary: bool,
}

impl Topic {
    /// The topic `named`, made where it is missing, or one of our own.
    pub(super) async fn prepare(
        broker: &mut Connection,
        named: Option<&str>,
        partitions: i32,
    ) -> Result<Topic, Failure> {
        let random = || format!("bench-{}", uuid::Uuid::new_v4().simple());
        let name = named.map_or_else(random, str::to_owned);
        let there = match named {
            Some(_) => metadata(broker, &name).await?,
            None => None,
        };
        if there.is_none() {
            create(broker, &name, partitions).await?;
        }
        let mut topic = Topic {
            name,
            partitions,
            is_temporary: named.is_none(),
        };
        match topic.count_led_partitions(broker).await {
            Ok(partitions) => topic.partitions = partitions,
            Err(failure) => {
                topic.remove(broker.address()).await;
                return Err(failure);
            }
        }
        Ok(topic)
    }

    async fn count_led_partitions(&self, broker: &mut Connection) -> Result<i32, Failure> {
        let begin = Instant::now();
        loop {
            let found = metadata(broker, &self.name).await?;
            let leads = |topic: &MetadataResponseTopic| {
                let mut partitions = topic.partitions.iter();
                partitions.all(|partition| !partition.error_code.is_error())
            };
            if let Some(topic) = found.filter(leads)
                && !topic.partitions.is_empty()
            {
                return Ok(i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX));
            }
            if begin.elapsed() > LEADERS_TIMEOUT {
                let what = format!("failed to wait for the leaders of topic \"{}\"", self.name);
                return Err(Failure::new(error::CLI_BENCH, what, "see the broker's log"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Offsets at `place` of all partitions, in their order.
    pub(super) async fn offsets(
        &self,
        broker: &mut Connection,
        place: i64,
    ) -> Result<Vec<i64>, Failure> {
        offsets(broker, &self.name, self.partitions, place).await
    }

    /// Deletes the topic if it was made for us: as a Kafka client, or over HTTP where the broker
    /// does not let anybody delete. Says so where it stays.
    pub(super) async fn remove(self, address: &str) {
        if !self.is_temporary {
            return;
        }
        if let Ok(mut broker) = Connection::open(address).await
            && delete(&mut broker, &self.name).await.is_ok()
        {
            return;
        }
        let name = &self.name;
        let deleted = match Client::of_process() {
            Ok(client) => {
                client
                    .send_bare(Method::DELETE, &format!("/topics/{name}"))
                    .await
            }
            Err(failure) => Err(failure),
        };
        if deleted.is_err() {
            eprintln!(
                "topic \"{name}\" stays: delete it with `penstock topics delete {name}`, with \
                 PENSTOCK_URL and PENSTOCK_ADMIN_PASSWORD set"
            );
        }
    }
}

/// Offsets at `place` of the first `partitions` partitions of `topic`.
pub(super) async fn offsets(
    broker: &mut Connection,
    topic: &str,
    partitions: i32,
    place: i64,
) -> Result<Vec<i64>, Failure> {
    let asked = |partition_index| ListOffsetsPartition {
        partition_index,
        timestamp: place,
        ..ListOffsetsPartition::default()
    };
    let request = ListOffsetsRequest {
        topics: vec![ListOffsetsTopic {
            name: topic.to_owned(),
            partitions: (0..partitions).map(asked).collect(),
        }],
        ..ListOffsetsRequest::default()
    };
    let answer = broker.call(&request).await?;
    let mut answers: Vec<_> = answer
        .topics
        .into_iter()
        .flat_map(|it| it.partitions)
        .collect();
    answers.sort_by_key(|partition| partition.partition_index);
    let what = format!("ask for the offsets of topic \"{topic}\"");
    for partition in &answers {
        refuse(partition.error_code, broker.address(), &what)?;
    }
    Ok(answers
        .into_iter()
        .map(|partition| partition.offset)
        .collect())
}

/// What the broker knows of the topic; `None` where it has none of this name.
async fn metadata(
    broker: &mut Connection,
    name: &str,
) -> Result<Option<MetadataResponseTopic>, Failure> {
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(name.to_owned()),
            ..MetadataRequestTopic::default()
        }]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let answer = broker.call(&request).await?;
    let Some(topic) = answer.topics.into_iter().next() else {
        return Ok(None);
    };
    match topic.error_code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::LEADER_NOT_AVAILABLE => Ok(None),
        code => {
            refuse(code, broker.address(), &format!("ask for topic \"{name}\""))?;
            Ok(Some(topic))
        }
    }
}

async fn create(broker: &mut Connection, name: &str, partitions: i32) -> Result<(), Failure> {
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: name.to_owned(),
            num_partitions: partitions,
            replication_factor: 1,
            ..CreatableTopic::default()
        }],
        timeout_ms: CHANGE_TIMEOUT_MS,
        validate_only: false,
    };
    let answer = broker.call(&request).await?;
    for topic in answer.topics {
        let what = format!("create topic \"{name}\"");
        refuse(topic.error_code, broker.address(), &what)?;
    }
    Ok(())
}

async fn delete(broker: &mut Connection, name: &str) -> Result<(), Failure> {
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopicState {
            name: Some(name.to_owned()),
            ..DeleteTopicState::default()
        }],
        topic_names: vec![name.to_owned()],
        timeout_ms: CHANGE_TIMEOUT_MS,
    };
    let answer = broker.call(&request).await?;
    for topic in answer.responses {
        let what = format!("delete topic \"{name}\"");
        refuse(topic.error_code, broker.address(), &what)?;
    }
    Ok(())
}
