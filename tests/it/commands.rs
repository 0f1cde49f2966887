//! The commands that write, watch and examine, as people and scripts use them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Background, Fault, Finished, Logto, Penstock, Postgres, RESOURCE, Setup, connector, http, run,
    run_with_input, wait_until,
};

const LIMIT: Duration = Duration::from_secs(60);

/// Makes a topic.
fn topic(penstock: &Penstock, name: &str, partitions: u32) {
    let new = json!({"name": name, "partitions": partitions}).to_string();
    let made = http(penstock.address("http"), "POST", "/topics", Some(&new)).unwrap();
    assert_eq!(made.status, 201, "{made:?}");
}

fn produce(penstock: &Penstock, words: &[&str], input: &str) -> Finished {
    let words = [&["produce"], words].concat();
    run_with_input(&mut penstock.command(&words), input, LIMIT)
}

/// The records that `penstock tail` shows.
fn tail(penstock: &Penstock, topic: &str) -> Vec<Value> {
    let mut command = penstock.command(&["tail", topic, "--from", "start", "--json"]);
    let lines = run(&mut command, LIMIT).ok("tail");
    let records = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    records.collect()
}

/// Checks that a command was refused with all of `parts` and printed no data.
#[track_caller]
fn refused(finished: &Finished, parts: &[&str]) {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    for part in parts {
        assert!(finished.stderr.contains(part), "{part}: {finished:?}");
    }
}

#[test]
fn completions_are_scripts_that_bash_loads_and_uses() {
    let penstock = Setup::new().build();
    let script = run(&mut penstock.command(&["completions", "bash"]), LIMIT).ok("completions");
    let file = penstock.path("completions.bash");
    std::fs::write(&file, script).unwrap();
    run(Command::new("bash").arg("-n").arg(&file), LIMIT).ok("bash -n");
    // What the shell does at `penstock pro<TAB>`.
    let press = "source \"$0\"; COMP_WORDS=(penstock pro); COMP_CWORD=1; _penstock penstock pro penstock; echo \"${COMPREPLY[@]}\"";
    let offered = run(Command::new("bash").args(["-c", press]).arg(&file), LIMIT).ok("bash");
    assert_eq!(offered.trim(), "produce");
}

#[test]
fn lines_become_records_that_tail_shows() {
    let penstock = Setup::new().start();
    topic(&penstock, "t", 2);
    let plain = ["t", "--key", "k", "--header", "h=v", "-p", "1"];
    let finished = produce(&penstock, &plain, "one\n\n{\"n\": 1.0}\r\n  kept  ");
    assert_eq!(finished.stdout, "1:0\n1:1\n1:2\n", "{finished:?}");
    assert!(
        finished.stderr.contains("3 records are durable in \"t\""),
        "{finished:?}"
    );
    let records = tail(&penstock, "t");
    let values: Vec<&Value> = records.iter().map(|record| &record["value"]).collect();
    assert_eq!(
        values,
        [&json!("one"), &json!({"n": 1.0}), &json!("  kept  ")]
    );
    for record in &records {
        assert_eq!(record["key"], "k");
        assert_eq!(record["headers"], json!([{"key": "h", "value": "v"}]));
    }
    let lines = "{\"value\": {\"n\": 12345678901234567890123}, \"key\": 7, \"headers\": [{\"key\": \"a\", \"value\": \"b\"}]}\n\n\
                 {\"value\": null, \"partition\": 1}\n";
    let finished = produce(&penstock, &["t", "--json"], lines);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let shown = run(
        &mut penstock.command(&["tail", "t", "--from", "start"]),
        LIMIT,
    )
    .ok("tail");
    assert!(
        shown.contains("7  {\"n\": 12345678901234567890123}"),
        "{shown}"
    );
    let records = tail(&penstock, "t");
    assert_eq!(records.len(), 5);
    let headers = json!([{"key": "a", "value": "b"}]);
    assert!(
        records.iter().any(|record| record["headers"] == headers),
        "{records:?}"
    );
    // Far more than fits one request, with quotes that JSON doubles.
    let many: String = (0..3000)
        .map(|n| format!("{n} {}\n", "\"".repeat(500)))
        .collect();
    topic(&penstock, "many", 1);
    let finished = produce(&penstock, &["many"], &many);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stdout.lines().count(), 3000);
    assert_eq!(finished.stdout.lines().last(), Some("0:2999"));
}

#[test]
fn a_line_is_durable_before_the_next_one_is_written() {
    let penstock = Setup::new().start();
    topic(&penstock, "t", 1);
    let mut command = penstock.command(&["produce", "t"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for count in 1..=2 {
        stdin.write_all(b"typed\n").unwrap();
        wait_until("the line in the topic", LIMIT, || {
            match tail(&penstock, "t").len() {
                found if found == count => Ok(()),
                found => Err(format!("{found} of {count}")),
            }
        });
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_may_not_be_produced_is_refused_and_the_lines_before_are_told() {
    let postgres = Postgres::lease();
    postgres
        .database("app")
        .exec("create table t (id int primary key)");
    let more = json!({"table.include.list": "public.t"});
    let mut penstock = Setup::new()
        .connector("shop", &connector(&postgres, "app", "shop", &more))
        .build();
    let declared = "topics:\n  orders:\n    schema: { type: object, required: [id] }\n";
    std::fs::write(penstock.path("topics.yaml"), declared).unwrap();
    penstock.start();
    penstock.wait_for_state("shop", "RUNNING");
    topic(&penstock, "app.public.u", 1);
    refused(
        &produce(&penstock, &["absent"], "x\n"),
        &["PEN-HTTP-002", "absent", "penstock topics list"],
    );
    refused(
        &produce(&penstock, &["app.public.u"], "x\n"),
        &["PEN-HTTP-001", "connector \"shop\""],
    );
    refused(
        &produce(&penstock, &["orders"], "{\"id\": 1}\n{}\n"),
        &["record 1", "id", "schema"],
    );
    refused(
        &produce(&penstock, &["orders"], "text\n"),
        &["record 0", "not JSON"],
    );
    refused(
        &produce(&penstock, &["orders", "--json"], "[1]\n"),
        &["PEN-CLI-003", "line 1"],
    );
    refused(
        &produce(&penstock, &["orders", "--json"], "{\"valu\": 1}\n"),
        &["valu"],
    );
    refused(
        &produce(&penstock, &["orders", "no-such-file"], ""),
        &["PEN-CLI-003", "no-such-file"],
    );
    assert!(tail(&penstock, "orders").is_empty());
    let good = "{\"id\": 1}\n".repeat(500);
    let finished = produce(&penstock, &["orders"], &format!("{good}{{}}\n"));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let durable = tail(&penstock, "orders").len();
    assert_eq!(finished.stdout.lines().count(), durable);
    let told = format!(
        "{durable} records are durable in \"orders\": those before line {}",
        durable + 1
    );
    assert!(
        durable == 0 || finished.stderr.contains(&told),
        "{finished:?}"
    );
    let both = produce(&penstock, &["orders", "--json", "--key", "k"], "");
    assert_eq!(both.code, Some(2), "{both:?}");
}

/// A server that takes pushes with tokens of `logto`.
fn with_logto(logto: &Logto) -> Setup {
    Setup::new()
        .env("PENSTOCK_LOGTO_ENDPOINT", logto.issuer.endpoint())
        .env("PENSTOCK_LOGTO_RESOURCE", RESOURCE)
        .env("PENSTOCK_ADMIN_PASSWORD", "secret of the admin")
}

#[test]
fn push_gets_its_token_and_says_what_the_issuer_or_the_door_refused() {
    let logto = Logto::start(&["push:crm"]);
    let penstock = with_logto(&logto).start();
    std::fs::write(penstock.path("one.json"), "{\"id\": 1}").unwrap();
    std::fs::write(penstock.path("many.ndjson"), "{\"id\": 2}\n{\"id\": 3}\n").unwrap();
    let push = |words: &[&str], variables: &[(&str, &str)]| {
        let words = [&["push"], words].concat();
        let mut command = penstock.command(&words);
        run(command.envs(variables.iter().copied()), LIMIT)
    };
    let app = [("PENSTOCK_CLIENT_SECRET", "secret")];
    let finished = push(&["crm", "one.json", "--client-id", "app"], &app);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished
            .stderr
            .contains("1 records are durable in integrations.crm.data-0"),
        "{finished:?}"
    );
    let finished = push(
        &["crm", "many.ndjson", "--client-id", "app", "--json"],
        &app,
    );
    let told: Value = serde_json::from_str(&finished.ok("push")).unwrap();
    assert_eq!((&told["accepted"], &told["offset"]), (&json!(2), &json!(1)));
    let token = logto.token("push:crm");
    let shown = [("PENSTOCK_TOKEN", &*token)];
    for _ in 0..2 {
        let words = ["crm", "one.json", "--idempotency-key", "once"];
        assert_eq!(push(&words, &shown).code, Some(0));
    }
    assert_eq!(tail(&penstock, "integrations.crm.data").len(), 4);

    let wrong = [("PENSTOCK_CLIENT_SECRET", "wrong")];
    let by_app = ["crm", "one.json", "--client-id", "app"];
    refused(
        &push(&by_app, &wrong),
        &["invalid_client", "PENSTOCK_CLIENT_SECRET", "--client-id"],
    );
    refused(
        &push(&by_app, &[]),
        &["PEN-AUTH-014", "the secret of the app \"app\" is not set"],
    );
    refused(
        &push(&["crm", "one.json"], &app),
        &["PEN-AUTH-014", "--client-id", "PENSTOCK_TOKEN"],
    );
    refused(
        &push(&["erp", "one.json", "--client-id", "app"], &app),
        &["push:erp"],
    );
    refused(
        &push(&["erp", "one.json"], &shown),
        &["PEN-AUTH-011", "push:erp"],
    );
    refused(
        &push(&["crm", "absent.json"], &shown),
        &["PEN-CLI-003", "absent.json"],
    );
    logto.fail(Fault::Away);
    refused(
        &push(&by_app, &app),
        &["PEN-CLI-001", "PENSTOCK_LOGTO_ENDPOINT"],
    );
    assert_eq!(tail(&penstock, "integrations.crm.data").len(), 4);
}

#[test]
fn lag_is_printed_again_while_it_is_watched() {
    let mut penstock = Setup::new().start();
    topic(&penstock, "t", 1);
    produce(&penstock, &["t"], "1\n2\n3\n").ok("produce");
    let read = json!({"topics": ["t"], "max_records": 1}).to_string();
    http(
        penstock.address("http"),
        "POST",
        "/groups/g/read",
        Some(&read),
    )
    .unwrap();
    let once = run(&mut penstock.command(&["lag"]), LIMIT).ok("lag");
    assert_eq!(once.lines().count(), 2, "{once}");
    let mut command = penstock.command(&["lag", "--watch"]);
    let mut watch = Background::start("watch", &penstock.path(""), &mut command);
    let printed = |watch: &mut Background, times: usize| {
        wait_until("the lag again", LIMIT, || {
            assert!(watch.ended().is_none(), "it ended: {}", watch.stderr());
            match watch.stdout().matches("GROUP").count() {
                found if found >= times => Ok(()),
                found => Err(format!("printed {found} times")),
            }
        });
    };
    printed(&mut watch, 2);
    // It lives through a restart of the server.
    penstock.kill();
    wait_until("a complaint", LIMIT, || match watch.stderr() {
        told if told.contains("PEN-CLI-001") => Ok(()),
        told => Err(told),
    });
    penstock.start();
    let before = watch.stdout().matches("GROUP").count();
    printed(&mut watch, before + 1);
    watch.kill();
}

/// Runs `penstock doctor`; its exit code and report.
fn doctor(penstock: &Penstock) -> (Option<i32>, Value) {
    let finished = run(&mut penstock.command(&["doctor", "--json"]), LIMIT);
    let report = serde_json::from_str(&finished.stdout);
    let report: Value = report.unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    assert_eq!(report["ok"], finished.code == Some(0), "{report}");
    (finished.code, report)
}

/// The findings of an area: level, what, mend.
fn findings(report: &Value, area: &str) -> Vec<(String, String, String)> {
    let areas = report["areas"].as_array().unwrap();
    let area = areas.iter().find(|one| one["name"] == area);
    let area = area.unwrap_or_else(|| panic!("no {area:?} in {report}"));
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or("").to_owned();
    let findings = area["findings"].as_array().unwrap().iter();
    let finding = |one: &Value| (text(one, "level"), text(one, "what"), text(one, "mend"));
    findings.map(finding).collect()
}

/// What has to be mended in an area, in its order.
fn mends(report: &Value, area: &str) -> Vec<String> {
    let failed = findings(report, area)
        .into_iter()
        .filter(|(level, ..)| level == "failed");
    failed.map(|(_, _, mend)| mend).collect()
}

#[test]
fn doctor_finds_nothing_wrong_without_a_source_and_with_one_that_fits() {
    let alone = Setup::new().build();
    let (code, report) = doctor(&alone);
    assert_eq!(code, Some(0), "{report}");
    let none = findings(&report, "source");
    assert!(
        none[0].1.contains("none is set") && none[0].2.contains("PENSTOCK_SOURCE_URL"),
        "{none:?}"
    );

    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    sql.exec("create table t (id int primary key); create table \"No Key\" (v text)");
    let penstock = Setup::new()
        .source(&postgres.url("app"), "public.*", "app")
        .build();
    let (code, report) = doctor(&penstock);
    assert_eq!(code, Some(0), "{report}");
    let found = findings(&report, "source app");
    let has = |level: &str, part: &str| {
        found
            .iter()
            .any(|(l, what, _)| l == level && what.contains(part))
    };
    assert!(has("ok", "logged in to PostgreSQL"), "{found:?}");
    assert!(has("ok", "2 tables are captured"), "{found:?}");
    assert!(
        has("ok", "slot \"penstock_app\" is not there yet"),
        "{found:?}"
    );
    assert!(
        has("warning", "\"public\".\"No Key\" has no replica identity"),
        "{found:?}"
    );
    // The SQL that it prints mends it.
    let warned = found.iter().find(|(level, ..)| level == "warning").unwrap();
    postgres.psql("app", &warned.2);
    let (_, report) = doctor(&penstock);
    let found = findings(&report, "source app");
    assert!(found.iter().all(|(level, ..)| level == "ok"), "{found:?}");
    assert_eq!(
        sql.one("select count(*) from pg_replication_slots"),
        "0",
        "it changed something"
    );
    assert!(
        !Path::new(&penstock.data()).exists(),
        "it made the data directory"
    );
    // As people see it.
    let shown = run(&mut penstock.command(&["doctor"]), LIMIT).ok("doctor");
    assert!(
        shown.contains("source app\n  ok       logged in"),
        "{shown}"
    );
}

#[test]
fn doctor_prints_sql_for_what_is_missing_and_running_it_mends_it() {
    let postgres = Postgres::own(&["wal_level=replica"]);
    let sql = postgres.database("app");
    sql.exec("create table t (id int primary key); create role poor login");
    let url = postgres.url_as("poor", "app");
    let penstock = Setup::new().source(&url, "public.*", "app").build();
    let mut runs = 0;
    let mut postgres = postgres;
    loop {
        let (code, report) = doctor(&penstock);
        let missing = mends(&report, "source app");
        if runs == 0 {
            let all = missing.join("\n");
            for part in [
                "wal_level",
                "REPLICATION",
                "GRANT SELECT",
                "CREATE PUBLICATION",
            ] {
                assert!(all.contains(part), "{part} in {all}");
            }
        }
        if missing.is_empty() {
            assert_eq!(code, Some(0), "{report}");
            break;
        }
        assert_eq!(code, Some(1), "{report}");
        runs += 1;
        assert!(runs < 4, "it prints SQL that mends nothing: {report}");
        postgres.psql("app", &missing.join("\n"));
        postgres.restart(crate::support::Stop::Fast);
    }
    // What the doctor calls fine is fine.
    let mut penstock = penstock;
    penstock.start();
    penstock.wait_for_state("app", "RUNNING");
}

#[test]
fn doctor_tells_a_database_and_an_issuer_that_are_away() {
    let logto = Logto::start(&[]);
    let penstock = with_logto(&logto)
        .source("postgres://nobody@127.0.0.1:1/app", "public.*", "app")
        .build();
    let (code, report) = doctor(&penstock);
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(findings(&report, "logto")[0].0, "ok", "{report}");
    let source = findings(&report, "source app");
    assert_eq!((source.len(), &*source[0].0), (1, "failed"), "{source:?}");
    assert!(
        source[0].1.contains("127.0.0.1:1") && !source[0].2.is_empty(),
        "{source:?}"
    );
    logto.fail(Fault::Away);
    let penstock = with_logto(&logto).build();
    let finished = run(&mut penstock.command(&["doctor"]), LIMIT);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains("PEN-AUTH-013"), "{finished:?}");
    assert!(
        finished.stdout.contains("PENSTOCK_LOGTO_ENDPOINT"),
        "{finished:?}"
    );
}
