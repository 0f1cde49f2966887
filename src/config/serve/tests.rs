//! Claims about layering and reading the settings of `serve`.

use super::*;
use crate::config::{Environment, KEYS, Origin};

fn with(file: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    with_flags(file, variables, &[])
}

fn with_flags(
    file: &str,
    variables: &[(&str, &str)],
    flags: &[(&'static str, String)],
) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.hcl");
    std::fs::write(&path, file).unwrap();
    let environment: Environment = variables.iter().copied().collect();
    load(&Sources {
        flags,
        environment: &environment,
        file: Some(&path),
    })
    .map_err(|problems| problems.to_string())
}

#[test]
fn nothing_is_required_and_the_defaults_are_those_of_the_contract() {
    let config = with("", &[]).unwrap();
    assert_eq!(config.http_listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.kafka_listen.to_string(), "127.0.0.1:9092");
    assert_eq!(config.metrics_listen.unwrap().to_string(), "127.0.0.1:9464");
    assert_eq!(config.data_dir, Path::new("data"));
    assert_eq!(config.connectors, ["cdc/*.json"]);
    assert_eq!(config.retention_ms, Some(7 * 24 * 3600 * 1000));
    assert_eq!(config.retention_bytes, None);
    assert_eq!(
        (config.journal_files, config.journal_file_bytes),
        (4, 64 << 20)
    );
    assert_eq!(config.kafka_anonymous, Anonymous::Limited);
    assert!(
        config.source.is_none() && config.warnings.is_empty(),
        "{:?}",
        config.warnings
    );
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let file = "http {\n listen = \"f:1\"\n}\nkafka {\n listen = \"f:1\"\n}\ndata_dir = \"f\"\n";
    let config = with_flags(
        file,
        &[
            ("PENSTOCK_HTTP_LISTEN", "v:2"),
            ("PENSTOCK_KAFKA__LISTEN", "v:2"),
        ],
        &[("http.listen", "g:3".to_owned())],
    )
    .unwrap();
    assert_eq!(config.http_listen.host, "g");
    assert_eq!(config.kafka_listen.host, "v");
    assert_eq!(config.data_dir, Path::new("f"));
}

#[test]
fn an_empty_variable_leaves_the_file_in_force() {
    let config = with("data_dir = \"f\"", &[("PENSTOCK_DATA_DIR", "")]).unwrap();
    assert_eq!(config.data_dir, Path::new("f"));
}

#[test]
fn a_short_and_a_long_variable_may_agree_but_not_differ() {
    let same = [
        ("PENSTOCK_HTTP_LISTEN", "a:1"),
        ("PENSTOCK_HTTP__LISTEN", "a:1"),
    ];
    assert!(with("", &same).is_ok());
    let error = with("", &[same[0], ("PENSTOCK_HTTP__LISTEN", "b:1")]).unwrap_err();
    assert!(error.contains("PEN-CONFIG-003"), "{error}");
}

#[test]
fn an_unknown_key_is_an_error_with_its_line_and_a_suggestion() {
    let error = with("\nhttp {\n  lisen = \"a:1\"\n}\nhttp = 3\n", &[]).unwrap_err();
    assert!(
        error.contains("p.hcl:3") && error.contains("did you mean \"http.listen\"?"),
        "{error}"
    );
    assert!(error.contains("PEN-CONFIG-001"), "{error}");
}

#[test]
fn an_unknown_variable_is_a_warning_with_a_suggestion() {
    let config = with("", &[("PENSTOCK_HTTP_LISTN", "a:1"), ("OTHER", "x")]).unwrap();
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(config.warnings[0].contains("did you mean \"PENSTOCK_HTTP_LISTEN\"?"));
}

#[test]
fn all_errors_are_told_at_once() {
    let error = with(
        "http {\n listen = \"nope\"\n}\n",
        &[
            ("PENSTOCK_KAFKA_LISTEN", "x:70000"),
            ("PENSTOCK_TOPICS__PARTITIONS", "0"),
            ("PENSTOCK_ACL", "a"),
        ],
    )
    .unwrap_err();
    for part in [
        "p.hcl:2",
        "PENSTOCK_KAFKA_LISTEN",
        "topics.partitions",
        "PENSTOCK_ACL",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[test]
fn listeners_that_are_not_built_are_accepted_and_told_to_be_off() {
    let config = with(
        "",
        &[
            ("PENSTOCK_SQL_LISTEN", "127.0.0.1:0"),
            ("PENSTOCK_CAPNP_LISTEN", "127.0.0.1:0"),
            ("PENSTOCK_CONNECT_LISTEN", "off"),
        ],
    )
    .unwrap();
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    assert!(config.warnings[0].contains("stays off"));
}

#[test]
fn drivers_are_refused_and_the_embedded_broker_is_not() {
    assert!(with("broker = { embedded = {} }", &[]).is_ok());
    for driver in [
        "broker = { grpc = { endpoint = \"a\", tls = { key = \"k\" } } }",
        "broker {\n fluvio {\n topic = \"t\"\n }\n}",
    ] {
        let error = with(driver, &[]).unwrap_err();
        assert!(error.contains("PEN-CONFIG-005"), "{error}");
    }
    let error = with("", &[("PENSTOCK_BROKER__NATS__ENDPOINT", "x")]).unwrap_err();
    assert!(error.contains("broker.nats"), "{error}");
}

#[test]
fn logto_is_an_endpoint_and_a_resource() {
    let endpoint = ("PENSTOCK_LOGTO_ENDPOINT", "http://logto:3001/");
    let resource = ("PENSTOCK_LOGTO_RESOURCE", "https://api");
    let config = with("", &[endpoint, resource]).unwrap();
    let logto = config.logto.unwrap();
    assert_eq!(logto.issuers, ["http://logto:3001/oidc"]);
    assert_eq!((&*logto.resource, logto.jwks_url), ("https://api", None));
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(config.warnings[0].contains("without encryption"));
    assert!(with("", &[]).unwrap().logto.is_none());
}

#[test]
fn issuers_may_be_several_and_replace_the_endpoint() {
    let config = with(
        "",
        &[
            ("PENSTOCK_LOGTO_ENDPOINT", "https://logto.example.com"),
            (
                "PENSTOCK_LOGTO_ISSUER",
                "https://a.example.com/oidc, https://b.example.com/oidc",
            ),
            ("PENSTOCK_LOGTO_JWKS_URL", "https://a.example.com/oidc/jwks"),
            ("PENSTOCK_LOGTO_RESOURCE", "https://api"),
        ],
    )
    .unwrap();
    let logto = config.logto.unwrap();
    assert_eq!(
        logto.issuers,
        ["https://a.example.com/oidc", "https://b.example.com/oidc"]
    );
    assert_eq!(
        logto.jwks_url.as_deref(),
        Some("https://a.example.com/oidc/jwks")
    );
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn half_of_logto_is_refused() {
    let refused: &[(&[(&str, &str)], &str)] = &[
        (
            &[("PENSTOCK_LOGTO_ENDPOINT", "https://logto")],
            "PENSTOCK_LOGTO_RESOURCE",
        ),
        (
            &[("PENSTOCK_LOGTO_RESOURCE", "https://api")],
            "PENSTOCK_LOGTO_ENDPOINT",
        ),
        (
            &[
                ("PENSTOCK_LOGTO_JWKS_URL", "https://logto/jwks"),
                ("PENSTOCK_LOGTO_RESOURCE", "https://api"),
            ],
            "PENSTOCK_LOGTO_ENDPOINT",
        ),
        (
            &[
                ("PENSTOCK_LOGTO_ISSUER", " , "),
                ("PENSTOCK_LOGTO_RESOURCE", "https://api"),
            ],
            "PENSTOCK_LOGTO_ENDPOINT",
        ),
    ];
    for (set, expected) in refused {
        let error = with("", set).unwrap_err();
        assert!(error.contains(expected), "{set:?}: {error}");
        assert!(error.contains("PEN-CONFIG-003"), "{set:?}: {error}");
    }
    for address in [
        "logto:3001",
        "ftp://logto",
        "https://",
        "https://u@h",
        "https://a b",
    ] {
        let set = [
            ("PENSTOCK_LOGTO_ENDPOINT", address),
            ("PENSTOCK_LOGTO_RESOURCE", "https://api"),
        ];
        let error = with("", &set).unwrap_err();
        assert!(error.contains("PEN-CONFIG-002"), "{address}: {error}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let config = with(
        "",
        &[
            ("PENSTOCK_ADMIN_PASSWORD", "hunter2"),
            ("PENSTOCK_SOURCE_URL", "postgres://u:hunter2@h/d"),
        ],
    )
    .unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    let shown: Vec<&str> = config.settings.iter().map(Setting::shown).collect();
    assert!(shown.contains(&"***") && !shown.iter().any(|text| text.contains("hunter2")));
}

#[test]
fn errors_of_the_topics_file_are_errors_and_a_missing_one_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("topics.yaml");
    let set = path.to_str().unwrap();
    assert_eq!(
        with("", &[("PENSTOCK_TOPICS", set)])
            .unwrap()
            .warnings
            .len(),
        1
    );
    std::fs::write(&path, "# nothing\n\n").unwrap();
    assert!(
        with("", &[("PENSTOCK_TOPICS", set)])
            .unwrap()
            .warnings
            .is_empty()
    );
    std::fs::write(&path, "topics:\n  a: { partitions: 3 }\n").unwrap();
    let config = with("", &[("PENSTOCK_TOPICS", set)]).unwrap();
    assert_eq!(config.declarations.topic("a").unwrap().partitions, Some(3));
    std::fs::write(&path, "topics:\n  a: { partitions: 0 }\n").unwrap();
    let error = with("", &[("PENSTOCK_TOPICS", set)]).unwrap_err();
    assert!(error.contains("topics.yaml:2:20"), "{error}");
}

#[test]
fn every_default_of_the_table_can_be_read() {
    let config = with("", &[]).unwrap();
    assert_eq!(config.settings.len(), KEYS.len());
    assert!(
        config
            .settings
            .iter()
            .all(|setting| setting.origin == Origin::Default)
    );
}

#[test]
fn a_missing_named_file_is_an_error() {
    let environment: Environment = [("PENSTOCK_CONFIG", "nowhere.hcl")].into_iter().collect();
    let sources = Sources {
        flags: &[],
        environment: &environment,
        file: None,
    };
    assert!(
        load(&sources)
            .unwrap_err()
            .to_string()
            .contains("nowhere.hcl")
    );
}
