//! A node on a folder of its own, and a client that sends one request at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::group::share::Shares;
use crate::group::{self, Groups};
use crate::kafka::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, ErrorCode, FetchPartition,
    FetchRequest, FetchResponse, FetchTopic, PartitionProduceData, ProduceRequest, ProduceResponse,
    RecordSet, Request, TopicProduceData, decode_response, encode_request,
};
use crate::log::{self, Log, RealDisk};
use crate::record::{BatchBuilder, Records, batches};
use crate::serve::kafka::{Config, Handles, Listener, Ownership, Service};
use crate::tasks;

/// Nothing in a test takes this long; what does has failed.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Topics that begin `owned.` are a connector's.
#[derive(Debug)]
pub(super) struct Connector;

impl Ownership for Connector {
    fn owner(&self, topic: &str) -> Option<String> {
        topic
            .starts_with("owned.")
            .then(|| "connector \"owned\"".to_owned())
    }
}

pub(super) struct Node {
    pub(super) address: SocketAddr,
    pub(super) log: Log,
    pub(super) groups: Groups,
    dir: Arc<TempDir>,
    config: Config,
    draining: CancellationToken,
    closing: CancellationToken,
    face: JoinHandle<()>,
    group_service: JoinHandle<()>,
    share_service: JoinHandle<()>,
}

impl Node {
    pub(super) async fn start() -> Node {
        Node::with(Config::default()).await
    }

    pub(super) async fn with(config: Config) -> Node {
        Node::at(Arc::new(tempfile::tempdir().unwrap()), config).await
    }

    async fn at(dir: Arc<TempDir>, config: Config) -> Node {
        let mut settings = log::Config::at(dir.path());
        settings.journal_file_bytes = 64 << 20;
        settings.journal_files = 2;
        settings.floors.outside = Some(0);
        let clock = Arc::new(SystemClock);
        let open_clock = clock.clone();
        let open = move || Log::open(settings, Arc::new(RealDisk), open_clock);
        let log = tokio::task::spawn_blocking(open).await.unwrap().unwrap();
        let opened = Groups::open(log.clone(), clock.clone(), group::Config::default()).await;
        let (groups, service) = opened.unwrap();
        let closing = CancellationToken::new();
        let group_service = tasks::spawn("groups", service.run(closing.clone()));
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address();
        let rules = crate::config::topics::Rules::default();
        let opened = Shares::open(log.clone(), clock.clone(), rules, groups.clone()).await;
        let (shares, service) = opened.unwrap();
        let share_service = tasks::spawn("shared groups", service.run(closing.clone()));
        let handles = Handles {
            log: log.clone(),
            shares,
            groups: groups.clone(),
            ownership: Arc::new(Connector),
            clock,
        };
        let draining = CancellationToken::new();
        let service = Service::new(listener, config.clone(), handles);
        let face = tasks::spawn("kafka", service.run(draining.clone()));
        Node {
            address,
            log,
            groups,
            dir,
            config,
            draining,
            closing,
            face,
            group_service,
            share_service,
        }
    }

    pub(super) async fn stop(self) -> (Arc<TempDir>, Config) {
        self.draining.cancel();
        timeout(DEADLINE, self.face)
            .await
            .expect("the face ends")
            .unwrap();
        self.closing.cancel();
        timeout(DEADLINE, self.group_service)
            .await
            .expect("groups end")
            .unwrap();
        timeout(DEADLINE, self.share_service)
            .await
            .expect("shared groups end")
            .unwrap();
        self.log.close().await.unwrap();
        (self.dir, self.config)
    }

    /// Stops in order and starts on the same folder.
    pub(super) async fn restart(self) -> Node {
        let (dir, config) = self.stop().await;
        Node::at(dir, config).await
    }

    pub(super) async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, sent: 0 }
    }
}

pub(super) struct Client {
    pub(super) stream: TcpStream,
    sent: i32,
}

impl Client {
    /// Sends without waiting; the answers come in the order of these calls.
    pub(super) async fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        self.sent += 1;
        let frame = encode_request(version, self.sent, Some("test"), request).unwrap();
        self.stream.write_all(&frame.to_vec()).await.unwrap();
        self.sent
    }

    pub(super) async fn receive<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        let frame = self.frame().await.expect("the connection is open");
        decode_response::<R>(version, &frame).unwrap()
    }

    /// A request and its answer.
    pub(super) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let sent = self.send(version, request).await;
        let (correlation_id, response) = self.receive::<R>(version).await;
        assert_eq!(correlation_id, sent);
        response
    }

    pub(super) async fn raw(&mut self, bytes: &[u8]) {
        // The other side may have closed already, which `frame` tells.
        self.stream.write_all(bytes).await.ok();
    }

    /// The next frame; `None` once the connection is closed.
    pub(super) async fn frame(&mut self) -> Option<Bytes> {
        let read = async {
            let length = self.stream.read_i32().await.ok()?;
            let mut frame = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(Bytes::from(frame))
        };
        timeout(DEADLINE, read)
            .await
            .expect("an answer or an end comes")
    }

    pub(super) async fn create(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        // Records of 1970 are kept, unless a test says otherwise.
        let keep = [("retention.ms", "-1")];
        let configs = keep
            .iter()
            .chain(configs)
            .map(|(name, value)| CreatableTopicConfig {
                name: (*name).to_owned(),
                value: Some((*value).to_owned()),
            });
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: name.to_owned(),
                num_partitions: partitions,
                configs: configs.collect(),
                ..CreatableTopic::default()
            }],
            ..CreateTopicsRequest::default()
        };
        let response = self.call(7, &request).await;
        assert_eq!(
            response.topics[0].error_code,
            ErrorCode::NONE,
            "{response:?}"
        );
    }

    pub(super) async fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        records: Vec<u8>,
    ) -> ProduceResponse {
        self.call(11, &producing(topic, partition, records)).await
    }

    pub(super) async fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> FetchResponse {
        self.call(12, &fetching(topic, partition, offset)).await
    }
}

pub(super) fn producing(topic: &str, partition: i32, records: Vec<u8>) -> ProduceRequest {
    ProduceRequest {
        acks: -1,
        timeout_ms: 1_000,
        topic_data: vec![TopicProduceData {
            name: topic.to_owned(),
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(RecordSet::from(Bytes::from(records))),
            }],
        }],
        ..ProduceRequest::default()
    }
}

/// Asks for what is there, without waiting.
pub(super) fn fetching(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic: topic.to_owned(),
            partitions: vec![FetchPartition {
                partition,
                fetch_offset: offset,
                partition_max_bytes: 1 << 20,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}

/// A batch of records with these values.
pub(super) fn batch(values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for value in values {
        builder
            .append(1_000, None, Some(value.as_bytes()), &[])
            .unwrap();
    }
    builder.finish().unwrap()
}

/// Offsets and values of all records of the first partition.
pub(super) fn values(response: &FetchResponse) -> Vec<(i64, String)> {
    let data = &response.responses[0].partitions[0];
    let bytes = data.records.clone().unwrap_or_default().into_bytes();
    let mut values = Vec::new();
    for found in batches(&bytes) {
        let (_, bytes) = found.unwrap();
        let records = Records::decode(bytes, 1 << 20).unwrap();
        for record in &records {
            let record = record.unwrap();
            let value = String::from_utf8(record.value.unwrap_or_default().to_vec()).unwrap();
            values.push((record.offset, value));
        }
    }
    values
}
