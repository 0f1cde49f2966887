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
use super::budget::{Share, shrink};
use super::connection::Addresses;
use crate::kafka::{
    ApiKey, ApiVersionsResponse, DescribeConfigsRequest, DescribeGroupsRequest, Error, Frame,
    ListGroupsRequest, MetadataRequest, OffsetFetchRequest, Request, RequestHeader, decode_request,
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
        ApiKey::Metadata => call.then_large(api::handle_metadata).await,
        ApiKey::ListOffsets => call.then(api::handle_list_offsets).await,
        ApiKey::FindCoordinator => call.now(api::handle_find_coordinator),
        ApiKey::JoinGroup => call.then(api::handle_join_group).await,
        ApiKey::SyncGroup => call.then(api::handle_sync_group).await,
        ApiKey::Heartbeat => call.now(|context, request| api::handle_heartbeat(context, &request)),
        ApiKey::LeaveGroup => call.now(api::handle_leave_group),
        ApiKey::OffsetCommit => call.then(api::handle_offset_commit).await,
        ApiKey::OffsetFetch => call.large(api::handle_offset_fetch).await,
        ApiKey::ListGroups => {
            call.large(|context, request| api::handle_list_groups(context, &request))
                .await
        }
        ApiKey::DescribeGroups => call.large(api::handle_describe_groups).await,
        ApiKey::DeleteGroups => call.then(api::handle_delete_groups).await,
        ApiKey::InitProducerId => call.then(api::handle_init_producer_id).await,
        ApiKey::CreateTopics => call.then(api::handle_create_topics).await,
        ApiKey::DeleteTopics => call.then(api::handle_delete_topics).await,
        ApiKey::DescribeConfigs => call.large(api::handle_describe_configs).await,
        ApiKey::DescribeCluster => {
            call.now(|context, request| api::handle_describe_cluster(context, &request))
        }
    }
}

/// Answers whose size the request does not bound take this much of the budget until it is known.
const ANSWER_BYTES: usize = 2 << 20;

/// A request whose answer may be much larger than itself.
trait Weight: Request {
    /// Bytes that the answer may take, as far as can be told before it is made.
    fn answer_bytes(&self, _broker: &Broker) -> usize {
        ANSWER_BYTES
    }
}

impl Weight for MetadataRequest {}
impl Weight for ListGroupsRequest {}
impl Weight for DescribeConfigsRequest {}

impl Weight for DescribeGroupsRequest {
    fn answer_bytes(&self, broker: &Broker) -> usize {
        let groups = self.groups.iter().map(String::as_str);
        broker.groups.bytes_of(groups).max(ANSWER_BYTES)
    }
}

impl Weight for OffsetFetchRequest {
    fn answer_bytes(&self, broker: &Broker) -> usize {
        let several = self.groups.iter().map(|group| group.group_id.as_str());
        let groups = several.chain([self.group_id.as_str()]);
        broker.groups.bytes_of(groups).max(ANSWER_BYTES)
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

    /// For handlers that do not wait and may answer much to a short request.
    async fn large<R: Weight>(
        &self,
        handle: impl FnOnce(Context<'_>, R) -> R::Response,
    ) -> Result<Answer, Refusal> {
        let request = self.decode::<R>()?;
        let share = self
            .broker
            .budget
            .records(request.answer_bytes(self.broker))
            .await;
        let response = handle(self.context(), request);
        self.within::<R>(&response, share)
    }

    /// For handlers that wait, and may answer much to a short request.
    async fn then_large<'b, R: Weight, F: Future<Output = R::Response>>(
        &'b self,
        handle: impl FnOnce(Context<'b>, R) -> F,
    ) -> Result<Answer, Refusal>
    where
        'a: 'b,
    {
        let request = self.decode::<R>()?;
        let share = self
            .broker
            .budget
            .records(request.answer_bytes(self.broker))
            .await;
        let response = handle(self.context(), request).await;
        self.within::<R>(&response, share)
    }

    fn within<R: Request>(
        &self,
        response: &R::Response,
        mut share: Share,
    ) -> Result<Answer, Refusal> {
        let frame = self.encode::<R>(response)?;
        shrink(&mut share, frame.len_bytes());
        Ok(Answer::Now(frame, Some(share)))
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
