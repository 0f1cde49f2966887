//! DescribeConfigs, versions 1-4: the settings of topics, and those of the broker that tools look
//! at.
//!
//! All values are effective ones; a topic's are shown as its own where they differ from what a
//! topic of this name would get. A resource that is asked for twice is answered once. Ignored: synonyms and documentation.

use std::collections::HashSet;

use super::super::broker::{Broker, NODE_ID};
use super::super::dispatch::Context;
use super::topic_settings::{Setting, TYPE_BOOLEAN, TYPE_INT, TYPE_LONG, TYPE_STRING, settings};
use crate::group::limits::{
    INITIAL_REBALANCE_DELAY_MS, OFFSETS_RETENTION_MS, SESSION_TIMEOUT_MS_MAX,
    SESSION_TIMEOUT_MS_MIN,
};
use crate::kafka::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, ErrorCode,
};
use crate::topic::TopicName;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SOURCE_TOPIC: i8 = 1;
const SOURCE_STATIC: i8 = 4;
const SOURCE_DEFAULT: i8 = 5;
/// Name of what stands for the defaults of topics below, which no topic has.
const NO_TOPIC: &str = "penstock.defaults";

pub(in crate::serve::kafka) fn handle_describe_configs(
    context: Context<'_>,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let mut seen = HashSet::new();
    let once = |resource: &DescribeConfigsResource| {
        seen.insert((resource.resource_type, resource.resource_name.clone()))
    };
    let resources = request.resources.into_iter().filter(once);
    DescribeConfigsResponse {
        results: resources
            .map(|resource| describe(context, resource))
            .collect(),
        ..DescribeConfigsResponse::default()
    }
}

fn describe(context: Context<'_>, resource: DescribeConfigsResource) -> DescribeConfigsResult {
    let found = match resource.resource_type {
        TOPIC => topic(context, &resource.resource_name),
        BROKER => broker(context.broker, &resource.resource_name),
        other => {
            let why = format!("resources of type {other} have no settings here");
            Err((ErrorCode::INVALID_REQUEST, why))
        }
    };
    let (error_code, error_message, mut configs) = match found {
        Ok(configs) => (ErrorCode::NONE, None, configs),
        Err((code, why)) => (code, Some(why), Vec::new()),
    };
    if let Some(keys) = &resource.configuration_keys
        && !keys.is_empty()
    {
        configs.retain(|config| keys.contains(&config.name));
    }
    DescribeConfigsResult {
        error_code,
        error_message,
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        configs,
    }
}

type Found = Result<Vec<DescribeConfigsResourceResult>, (ErrorCode, String)>;

fn topic(context: Context<'_>, name: &str) -> Found {
    let broker = context.broker;
    let hidden = "this topic is internal".to_owned();
    broker.access.read(name).map_err(|code| (code, hidden))?;
    let topic = broker.log.topic(name).ok_or_else(|| {
        let why = format!("there is no topic \"{name}\"");
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, why)
    })?;
    let defaults = settings(&broker.log.default_topic_config(&topic.name));
    let own = settings(&topic.config()).into_iter().zip(defaults);
    let shown = own.map(|(own, default)| {
        let source = if own.value == default.value {
            SOURCE_DEFAULT
        } else {
            SOURCE_TOPIC
        };
        show(own, source, false)
    });
    Ok(shown.collect())
}

fn broker(broker: &Broker, name: &str) -> Found {
    if !name.is_empty() && name != NODE_ID.to_string() {
        let why = format!("there is one broker, {NODE_ID}, and not \"{name}\"");
        return Err((ErrorCode::INVALID_REQUEST, why));
    }
    let setting = |name, value: String, kind| Setting { name, value, kind };
    let flag = |name, value: bool| setting(name, value.to_string(), TYPE_BOOLEAN);
    let int = |name, value: i64| setting(name, value.to_string(), TYPE_INT);
    let long = |name, value: i64| setting(name, value.to_string(), TYPE_LONG);
    let text = |name, value: &str| setting(name, value.to_owned(), TYPE_STRING);
    let mut all = vec![
        flag(
            "auto.create.topics.enable",
            broker.config.auto_create_topics,
        ),
        text("compression.type", "producer"),
        int("default.replication.factor", 1),
        flag("delete.topic.enable", broker.config.anonymous_admin),
        long(
            "group.initial.rebalance.delay.ms",
            INITIAL_REBALANCE_DELAY_MS,
        ),
        int(
            "group.max.session.timeout.ms",
            i64::from(SESSION_TIMEOUT_MS_MAX),
        ),
        int(
            "group.min.session.timeout.ms",
            i64::from(SESSION_TIMEOUT_MS_MIN),
        ),
        text("log.message.timestamp.type", "CreateTime"),
        int("node.id", i64::from(NODE_ID)),
        int(
            "num.partitions",
            i64::from(broker.config.default_partitions),
        ),
        long("offsets.retention.minutes", OFFSETS_RETENTION_MS / 60_000),
    ];
    if let Ok(name) = TopicName::parse(NO_TOPIC) {
        let defaults = broker.log.default_topic_config(&name);
        all.push(int("log.segment.bytes", i64::from(defaults.segment_bytes)));
        all.push(int(
            "message.max.bytes",
            i64::from(defaults.max_message_bytes),
        ));
        all.push(long(
            "log.retention.ms",
            defaults.retention_ms.unwrap_or(-1),
        ));
        all.push(long(
            "log.retention.bytes",
            defaults.retention_bytes.unwrap_or(-1),
        ));
    }
    let shown = all
        .into_iter()
        .map(|setting| show(setting, SOURCE_STATIC, true));
    Ok(shown.collect())
}

fn show(setting: Setting, config_source: i8, read_only: bool) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult {
        name: setting.name.to_owned(),
        value: Some(setting.value),
        read_only,
        config_source,
        config_type: setting.kind,
        ..DescribeConfigsResourceResult::default()
    }
}
