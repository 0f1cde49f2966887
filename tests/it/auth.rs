//! Tokens as an operator and a caller meet them: each wrong one has its own answer, keys may be
//! rotated under load, and the issuer may be away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Fault, Logto, Penstock, Setup, http_with, pause, wait_until};

const LIMIT: Duration = Duration::from_secs(40);

fn start(logto: &Logto) -> Penstock {
    Setup::new()
        .env("PENSTOCK_LOGTO_ENDPOINT", logto.issuer.endpoint())
        .env("PENSTOCK_LOGTO_RESOURCE", "https://penstock.example.com")
        .start()
}

fn bearer(penstock: &Penstock, method: &str, path: &str, token: &str) -> Answer {
    let shown = format!("Bearer {token}");
    let headers = [("Authorization", &*shown)];
    let body = (method == "POST").then_some("{}");
    http_with(penstock.address("http"), method, path, &headers, body).unwrap()
}

fn get(penstock: &Penstock, token: &str) -> Answer {
    bearer(penstock, "GET", "/topics", token)
}

/// Claims with some set otherwise; null takes one away.
fn changed(logto: &Logto, changes: &Value) -> String {
    let mut claims = logto.claims("penstock:read");
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    logto.issuer.sign(&claims)
}

/// A refused token: status, code, a part of the answer, the token.
type Wrong = (u16, &'static str, &'static str, String);

/// Every kind of wrong token; `good` is one that is right, `stranger` another issuer.
fn wrong_tokens(logto: &Logto, stranger: &Logto, good: &str) -> Vec<Wrong> {
    let (signed, _) = good.rsplit_once('.').unwrap();
    let none = format!(
        "eyJhbGciOiJub25lIiwia2lkIjoieCJ9.{}.",
        good.split('.').nth(1).unwrap()
    );
    let mut foreign = stranger.claims("penstock:read");
    foreign["iss"] = json!(format!("{}/oidc", logto.issuer.endpoint()));
    vec![
        (401, "PEN-AUTH-001", "nothing follows", String::new()),
        (401, "PEN-AUTH-002", "resource=", "opaque0token".to_owned()),
        (401, "PEN-AUTH-002", "encrypted", format!("{good}.a.b")),
        (401, "PEN-AUTH-002", "padding", format!("{good}==")),
        (401, "PEN-AUTH-002", "8192", "a".repeat(9000)),
        (401, "PEN-AUTH-003", "\\\"none\\\"", none),
        (401, "PEN-AUTH-004", "kid", stranger.issuer.sign(&foreign)),
        (
            401,
            "PEN-AUTH-005",
            "signature",
            format!("{signed}.{}", "A".repeat(128)),
        ),
        (
            401,
            "PEN-AUTH-006",
            "/oidc/",
            changed(
                logto,
                &json!({"iss": format!("{}/oidc/", logto.issuer.endpoint())}),
            ),
        ),
        (
            401,
            "PEN-AUTH-007",
            "example.com.evil",
            changed(logto, &json!({"aud": "https://penstock.example.com.evil"})),
        ),
        (
            401,
            "PEN-AUTH-007",
            "organization token",
            changed(logto, &json!({"aud": "urn:logto:organization:o"})),
        ),
        (
            401,
            "PEN-AUTH-008",
            "expired",
            changed(logto, &json!({"exp": 1})),
        ),
        (
            401,
            "PEN-AUTH-009",
            "nbf",
            changed(logto, &json!({"nbf": 4_000_000_000_u32})),
        ),
        (
            401,
            "PEN-AUTH-010",
            "exp",
            changed(logto, &json!({"exp": null})),
        ),
        (
            403,
            "PEN-AUTH-011",
            "no scope",
            changed(logto, &json!({"scope": null})),
        ),
        (403, "PEN-AUTH-011", "push:a", logto.token("push:a")),
    ]
}

#[test]
fn every_wrong_token_has_its_own_answer() {
    let logto = Logto::start(&[]);
    let penstock = start(&logto);
    let stranger = Logto::start(&[]);
    let good = logto.token("penstock:read");
    assert_eq!(get(&penstock, &good).status, 200);
    for (status, code, part, token) in wrong_tokens(&logto, &stranger, &good) {
        let answer = get(&penstock, &token);
        let problem = answer.json();
        assert_eq!(
            (answer.status, &problem["code"]),
            (status, &json!(code)),
            "{answer:?}"
        );
        assert!(answer.body.contains(part), "{part}: {answer:?}");
        assert!(problem["mend"].is_string(), "{answer:?}");
        let challenge = match code {
            "PEN-AUTH-001" => "www-authenticate: bearer realm=\"penstock\"\r\n",
            "PEN-AUTH-011" => {
                "error=\"insufficient_scope\", scope=\"penstock:read penstock:admin\""
            }
            _ => "error=\"invalid_token\"",
        };
        assert!(
            format!("{}\r\n", answer.head).contains(challenge),
            "{answer:?}"
        );
    }
    let log = penstock.stderr();
    assert!(
        !log.contains(good.rsplit('.').next().unwrap()),
        "a token is in the log"
    );
}

#[test]
fn reading_and_administrating_are_different_scopes_and_one_token_comes_one_way() {
    let logto = Logto::start(&[]);
    let penstock = start(&logto);
    let (read, admin) = (logto.token("penstock:read"), logto.token("penstock:admin"));
    assert_eq!(get(&penstock, &read).status, 200);
    assert_eq!(get(&penstock, &admin).status, 200);
    let create = |token: &str| {
        let shown = format!("Bearer {token}");
        let headers = [("Authorization", &*shown)];
        let body = Some("{\"name\":\"t\"}");
        http_with(penstock.address("http"), "POST", "/topics", &headers, body).unwrap()
    };
    assert_eq!(create(&read).status, 403);
    assert_eq!(
        get(&penstock, &read).json()["topics"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["name"] == "t")
            .count(),
        0
    );
    assert_eq!(create(&admin).status, 201);
    // Consuming is reading: whatever the route says, it is not about the scope.
    let consumed = bearer(&penstock, "POST", "/groups/g/read", &read);
    assert_ne!(consumed.json()["code"], "PEN-AUTH-011", "{consumed:?}");

    let address = penstock.address("http");
    let shown = format!("Bearer {read}");
    let twice = [("Authorization", &*shown), ("Authorization", &*shown)];
    let answer = http_with(address, "GET", "/topics", &twice, None).unwrap();
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (400, &json!("PEN-AUTH-015"))
    );
    let path = format!("/topics?access_token={read}");
    let answer = http_with(address, "GET", &path, &[], None).unwrap();
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (400, &json!("PEN-AUTH-015"))
    );

    let bare = penstock.get("/topics").unwrap();
    assert_eq!(bare.status, 401);
    assert!(bare.head.contains("www-authenticate: bearer"), "{bare:?}");
    assert!(!bare.head.contains("error="), "no token was sent: {bare:?}");
    assert_eq!(penstock.get("/healthz").unwrap().status, 200);
    assert!(penstock.status()["version"].is_null(), "counts only");
    let status = bearer(&penstock, "GET", "/status", &read).json();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_start_without_the_issuer_is_ready_and_lets_tokens_in_once_it_is_back() {
    let logto = Logto::start(&[]);
    logto.fail(Fault::Away);
    let penstock = start(&logto);
    let token = logto.token("penstock:read");
    let answer = get(&penstock, &token);
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (503, &json!("PEN-AUTH-013"))
    );
    assert!(answer.head.contains("retry-after: "), "{answer:?}");
    logto.fail(Fault::None);
    wait_until("the keys to be fetched", LIMIT, || {
        let answer = get(&penstock, &token);
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.body)
        }
    });
}

#[test]
fn an_issuer_that_is_away_or_out_of_its_mind_changes_nothing_for_known_keys() {
    let logto = Logto::start(&[]);
    let penstock = start(&logto);
    assert_eq!(get(&penstock, &logto.token("penstock:read")).status, 200);
    let known = logto.claims("penstock:read");
    let waiting: Vec<String> = (0..6).map(|_| logto.issuer.sign(&known)).collect();
    logto.issuer.rotate();
    for (fault, fresh) in [
        Fault::Away,
        Fault::Error,
        Fault::Html,
        Fault::Huge,
        Fault::Hang,
    ]
    .into_iter()
    .zip(&waiting)
    {
        logto.fail(fault);
        let unseen = get(&penstock, &logto.token("penstock:read"));
        assert_eq!(unseen.status, 503, "{fault:?}: {unseen:?}");
        assert!(unseen.head.contains("retry-after: "), "{unseen:?}");
        assert_eq!(get(&penstock, fresh).status, 200, "{fault:?}");
    }
    logto.fail(Fault::None);
    wait_until("the new key to be known", LIMIT, || {
        let answer = get(&penstock, &logto.token("penstock:read"));
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.body)
        }
    });
}

#[test]
fn a_flood_of_unknown_keys_costs_two_fetches() {
    let logto = Logto::start(&[]);
    let stranger = Logto::start(&[]);
    let penstock = start(&logto);
    let good = logto.token("penstock:read");
    assert_eq!(get(&penstock, &good).status, 200);
    let mut forged = stranger.claims("penstock:read");
    forged["iss"] = json!(format!("{}/oidc", logto.issuer.endpoint()));
    let before = logto.issuer.jwks_requests();
    let begun = Instant::now();
    let tokens: Vec<String> = (0..50)
        .map(|_| {
            stranger.issuer.rotate();
            stranger.issuer.sign(&forged)
        })
        .collect();
    std::thread::scope(|scope| {
        for part in tokens.chunks(10) {
            let penstock = &penstock;
            scope.spawn(move || {
                for token in part.iter().cycle().take(200) {
                    let status = get(penstock, token).status;
                    assert!(status == 401 || status == 503, "{status}");
                }
            });
        }
    });
    let windows = begun.elapsed().as_secs() / 30 + 1;
    let fetches = logto.issuer.jwks_requests() - before;
    assert!(
        fetches <= usize::try_from(2 * windows).unwrap(),
        "{fetches} fetches"
    );
    assert_eq!(get(&penstock, &good).status, 200);
}

/// One client's life: every answer is 200, or 503 with Retry-After and then 200 for the same token.
fn live(logto: &Logto, penstock: &Penstock, stop: &AtomicBool, asked_again: &AtomicUsize) {
    while !stop.load(Ordering::SeqCst) {
        let token = logto.token("penstock:read");
        let mut answer = get(penstock, &token);
        let begun = Instant::now();
        while answer.status == 503 {
            assert!(answer.head.contains("retry-after: "), "{answer:?}");
            assert!(begun.elapsed() < LIMIT, "{answer:?}");
            asked_again.fetch_add(1, Ordering::SeqCst);
            pause(Duration::from_millis(100));
            answer = get(penstock, &token);
        }
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[test]
fn a_rotation_under_load_refuses_no_valid_token() {
    let logto = Logto::start(&[]);
    let penstock = start(&logto);
    assert_eq!(get(&penstock, &logto.token("penstock:read")).status, 200);
    let (stop, asked_again) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| live(&logto, &penstock, &stop, &asked_again)))
            .collect();
        for round in 0..3 {
            logto.issuer.rotate();
            let token = logto.token("penstock:read");
            wait_until("the new key to be taken", LIMIT, || {
                let answer = get(&penstock, &token);
                assert!(
                    [200, 503].contains(&answer.status),
                    "round {round}: {answer:?}"
                );
                if answer.status == 200 {
                    Ok(())
                } else {
                    Err(answer.body)
                }
            });
        }
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().unwrap();
        }
    });
    assert!(
        asked_again.load(Ordering::SeqCst) > 0,
        "the third rotation has to wait"
    );
}
