//! The console in a real browser: what it shows without a reload, what its buttons do, and that
//! it asks nothing of anybody else.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Browser, Penstock, Postgres, Setup, http, wait_until};

const LIMIT: Duration = Duration::from_secs(60);
/// User and password as they stand in an address.
const LOGIN: &str = "admin:s3cret-and-long";
const PASSWORD: &str = "s3cret-and-long";
/// A desktop and a phone.
const SIZES: [(&str, u32, u32, &str); 3] = [
    ("desktop", 1280, 800, "light"),
    ("dark", 1280, 800, "dark"),
    ("phone", 390, 844, "light"),
];

fn page(penstock: &Penstock, view: &str) -> String {
    format!("http://{}/#/{view}", penstock.address("http"))
}

#[track_caller]
fn post(penstock: &Penstock, path: &str, body: &Value) -> Value {
    let answer = http(
        penstock.address("http"),
        "POST",
        path,
        Some(&body.to_string()),
    )
    .unwrap();
    assert!(answer.status < 300, "POST {path}: {answer:?}");
    answer.json()
}

/// The page did nothing that its policy forbids, and asked this server only.
#[track_caller]
fn assert_quiet(browser: &Browser, penstock: &Penstock) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let own = format!("http://{}/", penstock.address("http"));
    let mut requests = browser.requests();
    for request in &mut requests {
        // What the address of the page began with, its first files' addresses do too.
        *request = request.replace(&format!("{LOGIN}@"), "");
    }
    assert!(
        requests.iter().any(|url| url.starts_with(&own)),
        "{requests:?}"
    );
    let foreign: Vec<&String> = requests
        .iter()
        .filter(|url| url.starts_with("http") && !url.starts_with(&own))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

/// Pictures of a view in every size; nothing may be wider than the window.
#[track_caller]
fn shoot(browser: &Browser, name: &str) {
    for (size, width, height, scheme) in SIZES {
        browser.resize(width, height, scheme);
        let over = browser.script(
            "const page = document.documentElement; return Math.max(0, page.scrollWidth - page.clientWidth)",
        );
        assert_eq!(over, json!(0), "{name} is wider than {width}");
        browser.shoot(&format!("{name}-{size}"));
    }
    let (_, width, height, scheme) = SIZES[0];
    browser.resize(width, height, scheme);
}

#[test]
fn a_committed_row_appears_in_the_live_tail_without_a_reload() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let postgres = Postgres::lease();
    let sql = postgres.database("shop");
    sql.exec("CREATE TABLE orders (id int PRIMARY KEY, note text)");
    sql.exec("INSERT INTO orders VALUES (1, 'from the snapshot')");
    let penstock = Setup::new()
        .source(&postgres.url("shop"), "public.orders", "app")
        .start();
    penstock.wait_for_state("app", "RUNNING");

    browser.go(&page(&penstock, "topics"));
    browser.wait_for(&["app.public.orders"]);
    shoot(&browser, "topics");
    browser.go(&page(&penstock, "topics/app.public.orders"));
    browser.wait_for(&["Live tail", "from the snapshot"]);
    browser.script("window.stillTheSamePage = true");
    sql.exec("INSERT INTO orders VALUES (2, '<b id=\"injected\">just now</b>')");
    browser.wait_for(&["just now"]);
    assert_eq!(
        browser.script("return window.stillTheSamePage"),
        json!(true)
    );
    assert_eq!(
        browser.script("return document.getElementById('injected')"),
        Value::Null,
        "a value is text, never markup"
    );
    browser.click(".record-line");
    browser.wait_for(&["\"source\"", "__debezium.context.connector"]);
    shoot(&browser, "topic");
    // Paused it shows nothing new; then it goes on where it was.
    browser.click("#tail-pause");
    browser.wait_for(&["Go on"]);
    sql.exec("INSERT INTO orders VALUES (3, 'while paused')");
    wait_until("the change in the topic", LIMIT, || {
        let topic = penstock.get("/topics/app.public.orders").unwrap().json();
        match topic["records"].as_i64() {
            Some(3) => Ok(()),
            _ => Err(topic.to_string()),
        }
    });
    assert!(!browser.text().contains("while paused"));
    browser.click("#tail-pause");
    browser.wait_for(&["while paused"]);
    let records =
        "return [...document.querySelectorAll('.record .at')].map((one) => one.innerText)";
    assert_eq!(browser.script(records), json!(["0:2", "0:1", "0:0"]));

    browser.go(&page(&penstock, "sources"));
    browser.wait_for(&["app", "running", "penstock_app"]);
    shoot(&browser, "sources");
    browser.go(&page(&penstock, ""));
    browser.wait_for(&["Records a second", "Sources"]);
    shoot(&browser, "overview");
    assert_quiet(&browser, &penstock);
}

#[test]
fn views_without_data_say_what_to_do_next() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let penstock = Setup::new().start();
    for (view, text) in [
        ("", "Nothing flows yet"),
        ("sources", "No source is declared"),
        ("topics", "There is no topic yet"),
        ("groups", "Nobody reads as a group yet"),
        ("push", "Nobody has pushed since the start"),
    ] {
        browser.go(&page(&penstock, view));
        browser.wait_for(&[text, "Copy"]);
        let name = if view.is_empty() { "overview" } else { view };
        shoot(&browser, &format!("empty-{name}"));
    }
    browser.go(&page(&penstock, "topics/absent"));
    browser.wait_for(&["PEN-HTTP-002"]);
}

#[test]
fn a_lost_connection_is_told_and_found_again() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let mut penstock = Setup::new().start();
    browser.go(&page(&penstock, ""));
    browser.wait_for(&["ready"]);
    penstock.kill();
    browser.wait_for(&["Connection lost"]);
    shoot(&browser, "lost");
    penstock.start();
    browser.click(".connection button");
    wait_until("the connection", LIMIT, || {
        let shown = browser.text();
        if shown.contains("Connection lost") {
            return Err(shown);
        }
        Ok(())
    });
}

#[test]
fn the_admin_password_lets_the_console_in() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let penstock = Setup::new()
        .env("PENSTOCK_ADMIN_PASSWORD", PASSWORD)
        .start();
    let address = penstock.address("http");
    for path in ["/", "/console/main.js"] {
        let answer = http(address, "GET", path, None).unwrap();
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(
            answer.head.contains("www-authenticate: basic"),
            "{answer:?}"
        );
    }
    browser.go(&format!("http://{LOGIN}@{address}/#/topics"));
    browser.wait_for(&["There is no topic yet", "ready"]);
    post_as_admin(&penstock, "/topics", &json!({"name": "hello"}));
    browser.wait_for(&["hello"]);
    browser.script("location.hash = '#/topics/hello'");
    browser.wait_for(&["Live tail", "live"]);
    assert_quiet(&browser, &penstock);
}

#[track_caller]
fn post_as_admin(penstock: &Penstock, path: &str, body: &Value) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let url = format!("http://{}{path}", penstock.address("http"));
    let request = reqwest::Client::new()
        .post(url)
        .basic_auth("admin", Some(PASSWORD))
        .json(body);
    let answer = runtime.block_on(request.send()).unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

#[test]
fn a_dead_letter_is_shown_and_redriven_by_a_click() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let penstock = Setup::new().start();
    post(&penstock, "/topics", &json!({"name": "jobs"}));
    penstock
        .kcat()
        .produce("jobs", &[], "ada:{\"job\":7,\"for\":\"ada\"}\n");
    let read = json!({"topics": ["jobs"], "max_records": 10, "wait_ms": 1000});
    let deliver = |count: u64| -> String {
        wait_until(&format!("delivery {count}"), LIMIT, || {
            let answer = post(&penstock, "/groups/workers/read", &read);
            let record = &answer["records"][0];
            match record["delivery_count"].as_u64() {
                Some(found) => {
                    assert_eq!(found, count, "{answer}");
                    Ok(record["ack_id"].as_str().unwrap().to_owned())
                }
                None => Err(answer.to_string()),
            }
        })
    };
    for count in 1..=5 {
        let ack_id = deliver(count);
        post(
            &penstock,
            "/groups/workers/ack",
            &json!({"release": [ack_id]}),
        );
    }
    browser.go(&page(&penstock, "letters"));
    browser.wait_for(&["dlq.workers"]);
    shoot(&browser, "letters");
    browser.go(&page(&penstock, "groups/workers"));
    browser.wait_for(&["workers", "shared"]);
    shoot(&browser, "group");
    browser.go(&page(&penstock, "groups"));
    browser.wait_for(&["workers"]);
    shoot(&browser, "groups");
    browser.go(&page(&penstock, ""));
    browser.wait_for(&["1 dead letter waits"]);
    shoot(&browser, "overview-letters");
    browser.go(&page(&penstock, "letters/dlq.workers"));
    browser.wait_for(&["exhausted", "\"job\":7"]);
    browser.click(".letter-open");
    browser.wait_for(&["__dlq.errors.group"]);
    shoot(&browser, "letter");
    browser.click(".letter input[type=checkbox]");
    browser.click("#redrive-selected");
    browser.wait_for(&["1 record went back", "Nothing waits here"]);
    shoot(&browser, "redriven");
    // It is delivered to its group again, counted anew.
    let ack_id = deliver(1);
    post(
        &penstock,
        "/groups/workers/ack",
        &json!({"accept": [ack_id]}),
    );
    assert_quiet(&browser, &penstock);
}
