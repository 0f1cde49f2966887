//! Metadata, versions 0-12: the one broker, and topics with their partitions.
//!
//! Topics are asked for by name, from version 12 on also by id, or all at once. All means all but
//! the internal ones, which only administrators see. A topic that is not there is created where
//! both the client (always below version 4) and the configuration say so.
//! A topic that is asked for twice is answered once. Ignored: authorized operations, which are not computed.

use std::collections::HashSet;

use uuid::Uuid;

use super::super::access::Access;
use super::super::broker::{LEADER_EPOCH, NODE_ID};
use super::super::dispatch::Context;
use crate::kafka::{
    ErrorCode, MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use crate::log::Topic;
use crate::topic::TopicName;

pub(in crate::serve::kafka) async fn handle_metadata(
    context: Context<'_>,
    request: MetadataRequest,
) -> MetadataResponse {
    let all = request.wants_all_topics(context.caller.version);
    let mut topics = Vec::new();
    if all {
        let visible = |topic: &&std::sync::Arc<Topic>| {
            context.broker.access.read(topic.name.as_str()).is_ok()
        };
        let there = context.broker.log.topics();
        topics.extend(there.iter().filter(visible).map(|topic| describe(topic)));
    } else {
        let may_create = context.broker.config.auto_create_topics
            && (request.allow_auto_topic_creation || context.caller.version < 4);
        let mut seen = HashSet::new();
        for asked in request.topics.unwrap_or_default() {
            if !seen.insert((asked.name.clone(), asked.topic_id)) {
                continue;
            }
            topics.push(one(context, asked, may_create).await);
        }
    }
    let (host, port) = context.broker.endpoint(&context.caller);
    MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: NODE_ID,
            host,
            port,
            rack: None,
        }],
        cluster_id: Some(context.broker.log.cluster_id().to_owned()),
        controller_id: NODE_ID,
        topics,
        ..MetadataResponse::default()
    }
}

async fn one(
    context: Context<'_>,
    asked: MetadataRequestTopic,
    may_create: bool,
) -> MetadataResponseTopic {
    let broker = context.broker;
    let Some(text) = asked.name else {
        let found = broker.log.topic_by_id(asked.topic_id);
        let visible = found.filter(|topic| broker.access.read(topic.name.as_str()).is_ok());
        return match visible {
            Some(topic) => describe(&topic),
            None => failed(None, asked.topic_id, ErrorCode::UNKNOWN_TOPIC_ID),
        };
    };
    if let Err(code) = broker.access.read(&text) {
        return failed(Some(text), Uuid::nil(), code);
    }
    if let Some(topic) = broker.log.topic(&text) {
        return describe(&topic);
    }
    let Ok(name) = TopicName::parse(&text) else {
        return failed(Some(text), Uuid::nil(), ErrorCode::INVALID_TOPIC_EXCEPTION);
    };
    if !may_create || Access::create(&text).is_err() {
        return failed(
            Some(text),
            Uuid::nil(),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        );
    }
    let settings = broker.log.default_topic_config(&name);
    let partitions = broker.config.default_partitions;
    let partitions = broker.log.default_partitions(&name, partitions);
    match broker.create_topic(&name, partitions, settings).await {
        Ok(topic) => describe(&topic),
        // Another client was quicker.
        Err((ErrorCode::TOPIC_ALREADY_EXISTS, _)) => match broker.log.topic(&text) {
            Some(topic) => describe(&topic),
            None => failed(Some(text), Uuid::nil(), ErrorCode::LEADER_NOT_AVAILABLE),
        },
        Err((code, why)) => {
            tracing::warn!(topic = %name, code = %code, why, "did not create a topic on first use");
            failed(Some(text), Uuid::nil(), code)
        }
    }
}

fn describe(topic: &Topic) -> MetadataResponseTopic {
    let partitions = topic
        .partitions()
        .iter()
        .map(|partition| MetadataResponsePartition {
            error_code: ErrorCode::NONE,
            partition_index: partition.id.0,
            leader_id: NODE_ID,
            leader_epoch: LEADER_EPOCH,
            replica_nodes: vec![NODE_ID],
            isr_nodes: vec![NODE_ID],
            offline_replicas: Vec::new(),
        });
    MetadataResponseTopic {
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: topic.name.is_internal(),
        partitions: partitions.collect(),
        ..MetadataResponseTopic::default()
    }
}

fn failed(name: Option<String>, topic_id: Uuid, error_code: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code,
        name,
        topic_id,
        ..MetadataResponseTopic::default()
    }
}
