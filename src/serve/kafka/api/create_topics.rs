//! CreateTopics, versions 2-7.
//!
//! -1 partitions and -1 replicas are the defaults; there is one node, so 1 replica is all there
//! is. Settings: `retention.ms`, `retention.bytes`, `cleanup.policy`, `segment.bytes`,
//! `max.message.bytes`; others that Kafka's tools show are taken with the value they have here,
//! unknown ones refused. Assigning replicas by hand is refused. With `validate_only` everything is
//! checked and nothing made. A name that occurs twice in a request is refused.
//! Ignored: the timeout; the topic is durable when the answer comes.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::access::Access;
use super::super::dispatch::Context;
use super::topic_settings::{set, settings};
use crate::kafka::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse, ErrorCode,
};
use crate::log::{Topic, TopicConfig};
use crate::topic::TopicName;

/// Partitions of one topic.
const PARTITIONS_MAX: i32 = 1_000;
/// `config_source` of DescribeConfigs and this API: a default, and the topic's own.
const SOURCE_DEFAULT: i8 = 5;
const SOURCE_TOPIC: i8 = 1;

type Refused = (ErrorCode, String);

/// A topic that may be made.
struct Plan {
    name: TopicName,
    partitions: u32,
    config: TopicConfig,
    defaults: TopicConfig,
}

pub(in crate::serve::kafka) async fn handle_create_topics(
    context: Context<'_>,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut counts = HashMap::<String, usize>::new();
    for topic in &request.topics {
        *counts.entry(topic.name.clone()).or_default() += 1;
    }
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let name = asked.name.clone();
        let result = if counts.get(&name).is_some_and(|count| *count > 1) {
            let why = "the request has this topic twice".to_owned();
            Err((ErrorCode::INVALID_REQUEST, why))
        } else {
            create(context, asked, request.validate_only).await
        };
        topics.push(
            result.unwrap_or_else(|(error_code, why)| CreatableTopicResult {
                name,
                error_code,
                error_message: Some(why),
                ..CreatableTopicResult::default()
            }),
        );
    }
    CreateTopicsResponse {
        topics,
        ..CreateTopicsResponse::default()
    }
}

async fn create(
    context: Context<'_>,
    asked: CreatableTopic,
    validate_only: bool,
) -> Result<CreatableTopicResult, Refused> {
    let plan = plan(context, &asked)?;
    if validate_only {
        return Ok(respond(&plan, None));
    }
    let broker = context.broker;
    let made = broker
        .create_topic(&plan.name, plan.partitions, plan.config.clone())
        .await?;
    Ok(respond(&plan, Some(&made)))
}

fn plan(context: Context<'_>, asked: &CreatableTopic) -> Result<Plan, Refused> {
    let name = TopicName::parse(&asked.name);
    let name = name.map_err(|why| (ErrorCode::INVALID_TOPIC_EXCEPTION, why.to_string()))?;
    let internal = "Penstock keeps its own state in this topic".to_owned();
    Access::create(name.as_str()).map_err(|code| (code, internal))?;
    if context.broker.log.topic(name.as_str()).is_some() {
        return Err((
            ErrorCode::TOPIC_ALREADY_EXISTS,
            format!("topic \"{name}\" exists"),
        ));
    }
    if !asked.assignments.is_empty() {
        let why = "there is one node; leave the assignment of replicas out".to_owned();
        return Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, why));
    }
    if !matches!(asked.replication_factor, -1 | 1) {
        let why = format!(
            "there is one node; {} replicas cannot be",
            asked.replication_factor
        );
        return Err((ErrorCode::INVALID_REPLICATION_FACTOR, why));
    }
    let partitions = match asked.num_partitions {
        -1 => {
            let otherwise = context.broker.config.default_partitions;
            context.broker.log.default_partitions(&name, otherwise)
        }
        count @ 1..=PARTITIONS_MAX => count.unsigned_abs(),
        count => {
            let why = format!("a topic has 1 to {PARTITIONS_MAX} partitions, not {count}");
            return Err((ErrorCode::INVALID_PARTITIONS, why));
        }
    };
    let defaults = context.broker.log.default_topic_config(&name);
    let mut config = defaults.clone();
    for given in &asked.configs {
        let Some(value) = &given.value else {
            let why = format!("the setting \"{}\" has no value", given.name);
            return Err((ErrorCode::INVALID_CONFIG, why));
        };
        let outcome = set(&mut config, &given.name, value);
        outcome.map_err(|why| (ErrorCode::INVALID_CONFIG, why))?;
    }
    Ok(Plan {
        name,
        partitions,
        config,
        defaults,
    })
}

fn respond(plan: &Plan, made: Option<&Arc<Topic>>) -> CreatableTopicResult {
    let effective = settings(&plan.config)
        .into_iter()
        .zip(settings(&plan.defaults));
    let configs = effective.map(|(own, default)| CreatableTopicConfigs {
        name: own.name.to_owned(),
        config_source: if own.value == default.value {
            SOURCE_DEFAULT
        } else {
            SOURCE_TOPIC
        },
        value: Some(own.value),
        read_only: false,
        is_sensitive: false,
    });
    CreatableTopicResult {
        name: plan.name.to_string(),
        topic_id: made.map(|topic| topic.id).unwrap_or_default(),
        num_partitions: i32::try_from(plan.partitions).unwrap_or(i32::MAX),
        replication_factor: 1,
        configs: Some(configs.collect()),
        ..CreatableTopicResult::default()
    }
}
