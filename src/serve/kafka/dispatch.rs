//! From a frame to the handler of its API, and from the handler's answer to a frame.
//!
//! As in Kafka: a version of ApiVersions that is not known is answered with what is; any other
//! unknown API or version, or a body that cannot be read, closes the connection, since nobody
//! knows how an answer would be written.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::api;
use super::broker::{Broker, Caller};
use super::budget::Share;
use super::connection::Addresses;
use crate::kafka::{
    ApiKey, ApiVersionsResponse, Error, Frame, Request, RequestHeader, decode_request,
    decode_request_header, encode_response, encode_unsupported_version,
};

/// What is sent back.
pub(super) enum Answer {
    /// This, with the records' part of the budget.
    Now(Frame, Option<Share>),
    /// What the log will say; nothing where the producer wants no acknowledgement.
    Later(Pin<Box<dyn Future<Output = Result<Option<Frame>, Refusal>> + Send>>),
}

/// Why a request closes its connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The API is not served, or not in this version.
    #[error("serve API {key} in version {version}, as \"{client_id}\" asked")]
    Unsupported {
        key: i16,
        version: i16,
        client_id: String,
    },
    /// The bytes are no such request.
    #[error("read a request of {api}")]
    Malformed {
        api: &'static str,
        #[source]
        cause: Error,
    },
    /// The answer does not fit its version.
    #[error("answer a request of {api}")]
    Unanswerable {
        api: &'static str,
        #[source]
        cause: Error,
    },
    /// A Produce request that wants no answer failed; Kafka tells by closing.
    #[error("store records of a producer that wants no acknowledgement")]
    Unacknowledged,
}

/// Works on the request in `frame`.
pub(super) async fn dispatch(
    broker: &Arc<Broker>,
    addresses: Addresses,
    frame: Bytes,
) -> Result<Answer, Refusal> {
    let decoded = decode_request_header(&frame);
    let (header, body) = decoded.map_err(|cause| Refusal::Malformed {
        api: "header",
        cause,
    })?;
    drop(frame);
    let unsupported = || Refusal::Unsupported {
        key: header.api_key,
        version: header.api_version,
        client_id: header.client_id.clone().unwrap_or_default(),
    };
    let key = header.api().ok_or_else(unsupported)?;
    if !key.supports(header.api_version) {
        if key != ApiKey::ApiVersions {
            return Err(unsupported());
        }
        let table = ApiVersionsResponse::of_all_apis();
        let frame = encode_unsupported_version(header.correlation_id, &table);
        return Ok(Answer::Now(frame.map_err(unanswerable(key))?, None));
    }
    let call = Call {
        broker,
        addresses,
        header: &header,
        body,
    };
    match key {
        ApiKey::Produce => api::produce::dispatch(&call).await,
        ApiKey::Fetch => api::fetch::dispatch(&call).await,
        ApiKey::ApiVersions => call.now(api::handle_api_versions),
        ApiKey::Metadata => call.then(api::handle_metadata).await,
        ApiKey::ListOffsets => call.then(api::handle_list_offsets).await,
        ApiKey::FindCoordinator => call.now(api::handle_find_coordinator),
        ApiKey::JoinGroup => call.then(api::handle_join_group).await,
        ApiKey::SyncGroup => call.then(api::handle_sync_group).await,
        ApiKey::Heartbeat => call.now(|context, request| api::handle_heartbeat(context, &request)),
        ApiKey::LeaveGroup => call.now(api::handle_leave_group),
        ApiKey::OffsetCommit => call.then(api::handle_offset_commit).await,
        ApiKey::OffsetFetch => call.now(api::handle_offset_fetch),
        ApiKey::ListGroups => {
            call.now(|context, request| api::handle_list_groups(context, &request))
        }
        ApiKey::DescribeGroups => call.now(api::handle_describe_groups),
        ApiKey::DeleteGroups => call.then(api::handle_delete_groups).await,
        ApiKey::InitProducerId => call.then(api::handle_init_producer_id).await,
        ApiKey::CreateTopics => call.then(api::handle_create_topics).await,
        ApiKey::DeleteTopics => call.then(api::handle_delete_topics).await,
        ApiKey::DescribeConfigs => call.now(api::handle_describe_configs),
        ApiKey::DescribeCluster => {
            call.now(|context, request| api::handle_describe_cluster(context, &request))
        }
    }
}

/// A request that is about to be handled.
pub(super) struct Call<'a> {
    pub(super) broker: &'a Arc<Broker>,
    addresses: Addresses,
    header: &'a RequestHeader,
    body: Bytes,
}

/// What a handler knows beside the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) broker: &'a Broker,
    pub(super) caller: Caller<'a>,
}

impl<'a> Call<'a> {
    pub(super) fn version(&self) -> i16 {
        self.header.api_version
    }

    pub(super) fn correlation_id(&self) -> i32 {
        self.header.correlation_id
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            broker: self.broker,
            caller: Caller {
                local: self.addresses.local,
                peer: self.addresses.peer,
                client_id: self.header.client_id.as_deref().unwrap_or_default(),
                version: self.header.api_version,
            },
        }
    }

    pub(super) fn decode<R: Request>(&self) -> Result<R, Refusal> {
        let decoded = decode_request::<R>(self.header.api_version, &self.body);
        decoded.map_err(|cause| Refusal::Malformed {
            api: R::KEY.name(),
            cause,
        })
    }

    pub(super) fn encode<R: Request>(&self, response: &R::Response) -> Result<Frame, Refusal> {
        encode::<R>(self.version(), self.correlation_id(), response)
    }

    /// For handlers that do not wait.
    fn now<R: Request>(
        &self,
        handle: impl FnOnce(Context<'_>, R) -> R::Response,
    ) -> Result<Answer, Refusal> {
        let request = self.decode::<R>()?;
        let response = handle(self.context(), request);
        Ok(Answer::Now(self.encode::<R>(&response)?, None))
    }

    /// For handlers that wait.
    async fn then<'b, R: Request, F: Future<Output = R::Response>>(
        &'b self,
        handle: impl FnOnce(Context<'b>, R) -> F,
    ) -> Result<Answer, Refusal>
    where
        'a: 'b,
    {
        let request = self.decode::<R>()?;
        let response = handle(self.context(), request).await;
        Ok(Answer::Now(self.encode::<R>(&response)?, None))
    }
}

/// Encodes a response; it may fail on texts that a version cannot say.
pub(super) fn encode<R: Request>(
    version: i16,
    correlation_id: i32,
    response: &R::Response,
) -> Result<Frame, Refusal> {
    encode_response::<R>(version, correlation_id, response).map_err(unanswerable(R::KEY))
}

fn unanswerable(key: ApiKey) -> impl FnOnce(Error) -> Refusal {
    move |cause| Refusal::Unanswerable {
        api: key.name(),
        cause,
    }
}
