//! Metadata, creating, deleting and describing topics; the broker itself.

use super::support::Node;
use crate::kafka::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
    DeleteTopicState, DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest,
    DescribeConfigsResource, ErrorCode, FindCoordinatorRequest, MetadataRequest,
    MetadataRequestTopic,
};
use crate::serve::kafka::{Advertise, Config};

fn asking(names: &[&str]) -> MetadataRequest {
    let topics = names.iter().map(|name| MetadataRequestTopic {
        name: Some((*name).to_owned()),
        ..MetadataRequestTopic::default()
    });
    MetadataRequest {
        topics: Some(topics.collect()),
        ..MetadataRequest::default()
    }
}

fn creating(topic: CreatableTopic) -> CreateTopicsRequest {
    CreateTopicsRequest {
        topics: vec![topic],
        ..CreateTopicsRequest::default()
    }
}

fn named(name: &str) -> CreatableTopic {
    CreatableTopic {
        name: name.to_owned(),
        ..CreatableTopic::default()
    }
}

#[tokio::test]
async fn metadata_tells_the_broker_in_every_version() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 3, &[]).await;
    for version in 0..=12 {
        let response = client.call(version, &asking(&["t"])).await;
        let broker = &response.brokers[0];
        assert_eq!((broker.node_id, broker.host.as_str()), (1, "127.0.0.1"));
        assert_eq!(broker.port, i32::from(node.address.port()));
        let topic = &response.topics[0];
        assert_eq!(topic.partitions.len(), 3);
        assert_eq!(topic.partitions[2].leader_id, 1);
        if version >= 10 {
            assert_eq!(topic.topic_id, node.log.topic("t").unwrap().id);
        }
    }
    let all = MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    };
    let response = client.call(12, &all).await;
    let names: Vec<&str> = response
        .topics
        .iter()
        .filter_map(|t| t.name.as_deref())
        .collect();
    assert_eq!(names, ["t"], "internal topics are not shown");
    let by_id = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            topic_id: node.log.topic("t").unwrap().id,
            name: None,
        }]),
        ..MetadataRequest::default()
    };
    let response = client.call(12, &by_id).await;
    assert_eq!(response.topics[0].name.as_deref(), Some("t"));
    node.stop().await;
}

#[tokio::test]
async fn clients_are_told_the_advertised_address() {
    let config = Config {
        advertise: Some(Advertise {
            host: "kafka.example".to_owned(),
            port: Some(19_092),
        }),
        ..Config::default()
    };
    let node = Node::with(config).await;
    let mut client = node.client().await;
    let response = client.call(12, &asking(&[])).await;
    let broker = &response.brokers[0];
    assert_eq!(
        (broker.host.as_str(), broker.port),
        ("kafka.example", 19_092)
    );
    let request = FindCoordinatorRequest {
        key: "g".to_owned(),
        ..FindCoordinatorRequest::default()
    };
    let response = client.call(3, &request).await;
    assert_eq!(
        (response.host.as_str(), response.port),
        ("kafka.example", 19_092)
    );
    let response = client.call(2, &DescribeClusterRequest::default()).await;
    assert_eq!(response.cluster_id, node.log.cluster_id());
    assert_eq!(response.brokers[0].host, "kafka.example");
    node.stop().await;
}

#[tokio::test]
async fn topics_are_created_on_first_use_where_both_sides_want_it() {
    let node = Node::start().await;
    let mut client = node.client().await;
    let response = client.call(12, &asking(&["made"])).await;
    assert_eq!(response.topics[0].error_code, ErrorCode::NONE);
    assert_eq!(response.topics[0].partitions.len(), 1);
    let unwanted = MetadataRequest {
        allow_auto_topic_creation: false,
        ..asking(&["unmade"])
    };
    let response = client.call(12, &unwanted).await;
    assert_eq!(
        response.topics[0].error_code,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    for name in ["", ".", "..", "../../etc", "a b", "nul\0", &"x".repeat(250)] {
        let response = client.call(12, &asking(&[name])).await;
        let code = response.topics[0].error_code;
        assert_eq!(code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{name:?}");
    }
    let response = client.call(12, &asking(&["__transaction_state"])).await;
    assert_eq!(
        response.topics[0].error_code,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED
    );
    node.stop().await;
    let off = Config {
        auto_create_topics: false,
        ..Config::default()
    };
    let node = Node::with(off).await;
    let mut client = node.client().await;
    let response = client.call(12, &asking(&["made"])).await;
    assert_eq!(
        response.topics[0].error_code,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    node.stop().await;
}

#[tokio::test]
async fn created_topics_have_what_was_asked_for_and_keep_it() {
    let node = Node::start().await;
    let mut client = node.client().await;
    let configs = [
        ("retention.ms", "60000"),
        ("cleanup.policy", "compact"),
        ("compression.type", "producer"),
    ];
    client.create("t", 4, &configs).await;
    let node = node.restart().await;
    let mut client = node.client().await;
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: 2,
            resource_name: "t".to_owned(),
            configuration_keys: None,
        }],
        ..DescribeConfigsRequest::default()
    };
    let response = client.call(4, &request).await;
    let find = |name: &str| {
        let configs = &response.results[0].configs;
        let config = configs.iter().find(|config| config.name == name).unwrap();
        (config.value.clone().unwrap(), config.config_source)
    };
    assert_eq!(find("retention.ms"), ("60000".to_owned(), 1));
    assert_eq!(find("cleanup.policy"), ("compact".to_owned(), 1));
    assert_eq!(find("retention.bytes"), ("-1".to_owned(), 5));
    assert_eq!(node.log.topic("t").unwrap().partitions().len(), 4);
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_created_is_refused_with_the_reason() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("there", 1, &[]).await;
    let with = |partitions, replicas, config: Option<(&str, &str)>| CreatableTopic {
        num_partitions: partitions,
        replication_factor: replicas,
        configs: config
            .into_iter()
            .map(|(name, value)| CreatableTopicConfig {
                name: name.to_owned(),
                value: Some(value.to_owned()),
            })
            .collect(),
        ..named("t")
    };
    let by_hand = CreatableTopic {
        assignments: vec![CreatableReplicaAssignment::default()],
        ..named("t")
    };
    for (topic, wanted) in [
        (named("there"), ErrorCode::TOPIC_ALREADY_EXISTS),
        (named("../etc"), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (
            named("__consumer_offsets"),
            ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ),
        (with(0, -1, None), ErrorCode::INVALID_PARTITIONS),
        (with(-2, -1, None), ErrorCode::INVALID_PARTITIONS),
        (with(i32::MAX, -1, None), ErrorCode::INVALID_PARTITIONS),
        (with(1, 3, None), ErrorCode::INVALID_REPLICATION_FACTOR),
        (
            with(1, 1, Some(("no.such", "1"))),
            ErrorCode::INVALID_CONFIG,
        ),
        (
            with(1, 1, Some(("retention.ms", "soon"))),
            ErrorCode::INVALID_CONFIG,
        ),
        (by_hand, ErrorCode::INVALID_REPLICA_ASSIGNMENT),
    ] {
        let response = client.call(7, &creating(topic.clone())).await;
        let result = &response.topics[0];
        assert_eq!(result.error_code, wanted, "{topic:?}");
        assert!(result.error_message.is_some());
    }
    let twice = CreateTopicsRequest {
        topics: vec![named("t"), named("t")],
        ..CreateTopicsRequest::default()
    };
    let response = client.call(7, &twice).await;
    assert!(
        response
            .topics
            .iter()
            .all(|t| t.error_code == ErrorCode::INVALID_REQUEST)
    );
    let checked = CreateTopicsRequest {
        validate_only: true,
        ..creating(named("t"))
    };
    let response = client.call(7, &checked).await;
    assert_eq!(response.topics[0].error_code, ErrorCode::NONE);
    assert!(node.log.topic("t").is_none());
    node.stop().await;
}

#[tokio::test]
async fn only_administrators_delete_topics() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let by_name = |name: &str| DeleteTopicsRequest {
        topic_names: vec![name.to_owned()],
        ..DeleteTopicsRequest::default()
    };
    let response = client.call(5, &by_name("t")).await;
    let refused = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    assert_eq!(response.responses[0].error_code, refused);
    node.stop().await;
    let admin = Config {
        anonymous_admin: true,
        ..Config::default()
    };
    let node = Node::with(admin).await;
    let mut client = node.client().await;
    client.create("a", 1, &[]).await;
    client.create("b", 1, &[]).await;
    let response = client.call(1, &by_name("a")).await;
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    let by_id = DeleteTopicsRequest {
        topics: vec![DeleteTopicState {
            name: None,
            topic_id: node.log.topic("b").unwrap().id,
        }],
        ..DeleteTopicsRequest::default()
    };
    let response = client.call(6, &by_id).await;
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    assert!(node.log.topic("a").is_none() && node.log.topic("b").is_none());
    let response = client.call(5, &by_name("a")).await;
    assert_eq!(
        response.responses[0].error_code,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    let response = client.call(5, &by_name("__consumer_offsets")).await;
    assert_eq!(response.responses[0].error_code, refused);
    node.stop().await;
}

#[tokio::test]
async fn the_broker_tells_its_settings() {
    let node = Node::start().await;
    let mut client = node.client().await;
    let asking = |resource_type, name: &str, keys: Option<Vec<String>>| DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type,
            resource_name: name.to_owned(),
            configuration_keys: keys,
        }],
        ..DescribeConfigsRequest::default()
    };
    let keys = Some(vec!["num.partitions".to_owned(), "unknown".to_owned()]);
    for version in 1..=4 {
        let response = client.call(version, &asking(4, "1", keys.clone())).await;
        let configs = &response.results[0].configs;
        assert_eq!(configs.len(), 1);
        assert_eq!(configs[0].value.as_deref(), Some("1"));
    }
    for (kind, name, wanted) in [
        (4, "2", ErrorCode::INVALID_REQUEST),
        (2, "missing", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (
            2,
            "__consumer_offsets",
            ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ),
        (99, "x", ErrorCode::INVALID_REQUEST),
    ] {
        let response = client.call(4, &asking(kind, name, None)).await;
        assert_eq!(response.results[0].error_code, wanted, "{kind} {name}");
    }
    node.stop().await;
}

#[tokio::test]
async fn only_groups_have_a_coordinator() {
    let node = Node::start().await;
    let mut client = node.client().await;
    for (key, key_type, wanted) in [
        ("g", 0, ErrorCode::NONE),
        ("push.x", 0, ErrorCode::INVALID_GROUP_ID),
        ("tx", 1, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        ("g", 2, ErrorCode::INVALID_REQUEST),
        ("g", -7, ErrorCode::INVALID_REQUEST),
    ] {
        for version in 0..=6 {
            let request = FindCoordinatorRequest {
                key: key.to_owned(),
                key_type,
                coordinator_keys: vec![key.to_owned()],
            };
            let response = client.call(version, &request).await;
            let (code, node_id) = match response.coordinators.first() {
                Some(found) => (found.error_code, found.node_id),
                None => (response.error_code, response.node_id),
            };
            if version == 0 && key_type != 0 {
                continue;
            }
            assert_eq!(code, wanted, "{key} {key_type} in version {version}");
            assert_eq!(node_id, if wanted == ErrorCode::NONE { 1 } else { -1 });
        }
    }
    node.stop().await;
}
