//! DeleteTopics, versions 1-6: by name, from version 6 on also by id; administrators only, and
//! never an internal topic. What groups committed for the topic goes with it.
//! Ignored: the timeout.

use uuid::Uuid;

use super::super::dispatch::Context;
use super::super::error::of_log;
use crate::error::chain;
use crate::kafka::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode,
};

pub(in crate::serve::kafka) async fn handle_delete_topics(
    context: Context<'_>,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let by_name = request
        .topic_names
        .into_iter()
        .map(|name| DeleteTopicState {
            name: Some(name),
            topic_id: Uuid::nil(),
        });
    let mut responses = Vec::new();
    for asked in request.topics.into_iter().chain(by_name) {
        let deleted = delete(context, &asked).await;
        let (error_code, why) = match deleted {
            Ok(()) => (ErrorCode::NONE, None),
            Err((code, why)) => (code, Some(why)),
        };
        responses.push(DeletableTopicResult {
            name: asked.name,
            topic_id: asked.topic_id,
            error_code,
            error_message: why,
        });
    }
    DeleteTopicsResponse {
        responses,
        ..DeleteTopicsResponse::default()
    }
}

async fn delete(context: Context<'_>, asked: &DeleteTopicState) -> Result<(), (ErrorCode, String)> {
    let broker = context.broker;
    let not_allowed = |code| {
        let why = "only administrators delete topics (PENSTOCK_KAFKA_ANONYMOUS=admin)";
        (code, why.to_owned())
    };
    // Who may not delete does not learn which topics there are, either.
    if let Some(name) = &asked.name {
        broker.access.delete(name).map_err(not_allowed)?;
    }
    let (found, unknown) = match &asked.name {
        Some(name) => (
            broker.log.topic(name),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ),
        None => (
            broker.log.topic_by_id(asked.topic_id),
            ErrorCode::UNKNOWN_TOPIC_ID,
        ),
    };
    let topic = found.ok_or_else(|| (unknown, "there is no such topic".to_owned()))?;
    broker
        .access
        .delete(topic.name.as_str())
        .map_err(not_allowed)?;
    let deleted = broker.log.delete_topic(&topic.name).await;
    deleted.map_err(|error| (of_log(&error), chain(&error)))?;
    tracing::info!(topic = %topic.name, peer = %context.caller.peer, "deleted a topic");
    if let Err(error) = broker.groups.topic_deleted(&topic.name).await {
        // The topic's id keeps the old offsets from counting for a new topic.
        tracing::warn!(topic = %topic.name, error = %chain(&error), "offsets were not deleted");
    }
    if let Err(error) = broker.shares.topic_deleted(&topic.name).await {
        tracing::warn!(topic = %topic.name, error = %chain(&error), "the state of shared groups was not deleted");
    }
    Ok(())
}
