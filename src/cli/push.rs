//! `penstock push`: a file as an integration would push it, which proves token and door end to end.

use std::path::Path;

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::arguments::Push;
use super::client::{Client, encode};
use super::failure::Failure;
use super::output;
use super::topics::text;
use crate::config::{self, Environment};
use crate::error;

/// Bytes of a file; the server's own limit is usually far lower.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of the issuer's answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What the issuer answers.
#[derive(Deserialize)]
struct Token {
    access_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

pub(super) async fn run(flags: Push) -> Result<(), Failure> {
    let body = read(&flags.file)?;
    let environment = Environment::of_process();
    let token = match environment.get("PENSTOCK_TOKEN") {
        Some(token) => token.to_owned(),
        None => token(&flags, &environment).await?,
    };
    let mut headers = vec![("content-type", content_type(&flags))];
    if let Some(key) = &flags.idempotency_key {
        headers.push(("idempotency-key", key.clone()));
    }
    let client = Client::of_process()?.with_token(token);
    let path = format!("/push/{}", encode(&flags.name));
    let answer = client
        .send_bytes(Method::POST, &path, &headers, body)
        .await?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    if flags.json {
        return output::json(&answer);
    }
    eprintln!(
        "{} records are durable in {}-{} from offset {} on",
        text(&answer, "accepted"),
        text(&answer, "topic"),
        text(&answer, "partition"),
        text(&answer, "offset"),
    );
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let failed = |what: String| {
        let what = format!("failed to read \"{}\": {what}", path.display());
        Failure::new(error::CLI_INVALID, what, "name a file that you may read")
    };
    let reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let opened = std::fs::File::open(path);
        Box::new(opened.map_err(|cause| failed(cause.to_string()))?)
    };
    let mut bytes = Vec::new();
    let read = reader.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    let read = read.map_err(|cause| failed(cause.to_string()))?;
    if u64::try_from(read).is_ok_and(|read| read > FILE_BYTES_MAX) {
        return Err(failed(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn content_type(flags: &Push) -> String {
    if let Some(given) = &flags.content_type {
        return given.clone();
    }
    let extension = flags.file.extension().and_then(|it| it.to_str());
    match extension {
        Some("ndjson" | "jsonl") => "application/x-ndjson".to_owned(),
        Some(_) | None => "application/json".to_owned(),
    }
}

/// Asks the issuer for a token with just the scope of this integration.
async fn token(flags: &Push, environment: &Environment) -> Result<String, Failure> {
    let failed = |code, what: &str, mend: &str| {
        Failure::new(code, format!("failed to get a token: {what}"), mend)
    };
    let missing = |what: &str, mend: &str| failed(error::AUTH_NOT_CONFIGURED, what, mend);
    let refused = |what: &str, mend: &str| failed(error::CLI_REFUSED, what, mend);
    let sources = config::Sources {
        flags: &[],
        environment,
        file: None,
    };
    let logto = config::load_settings(&sources)?.logto;
    let logto = logto.ok_or_else(|| {
        let mend = "set PENSTOCK_TOKEN, or PENSTOCK_LOGTO_ENDPOINT and PENSTOCK_LOGTO_RESOURCE";
        missing("no issuer is set", mend)
    })?;
    let id = flags.client_id.as_deref();
    let id = id.ok_or_else(|| {
        let mend = "give --client-id and set PENSTOCK_CLIENT_SECRET, or set PENSTOCK_TOKEN";
        missing("no app is named", mend)
    })?;
    let secret = environment.get("PENSTOCK_CLIENT_SECRET");
    let secret = secret.ok_or_else(|| {
        let mend = "set PENSTOCK_CLIENT_SECRET to the secret of that app, or set PENSTOCK_TOKEN";
        missing(&format!("the secret of the app \"{id}\" is not set"), mend)
    })?;
    let issuer = logto.issuers.first().map_or("", String::as_str);
    let url = format!("{}/token", issuer.trim_end_matches('/'));
    let scope = format!("push:{}", flags.name);
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", &logto.resource),
        ("scope", &scope),
    ];
    let answer = Client::of_process()?
        .post_form(&url, (id, secret), &form, ANSWER_BYTES_MAX)
        .await?;
    let answer: Token = serde_json::from_slice(&answer).map_err(|_| {
        refused(
            &format!("{url} answered in another form"),
            "check PENSTOCK_LOGTO_ENDPOINT",
        )
    })?;
    answer.access_token.ok_or_else(|| {
        let error = answer.error.unwrap_or_else(|| "no token".to_owned());
        let description = answer.error_description;
        let description = description.map_or_else(String::new, |text| format!(" ({text})"));
        let mend = match error.as_str() {
            "invalid_client" => {
                "check --client-id and PENSTOCK_CLIENT_SECRET: the id and secret of a \
                 machine-to-machine app"
                    .to_owned()
            }
            "invalid_target" => format!(
                "make an API resource \"{}\" in Logto, or set PENSTOCK_LOGTO_RESOURCE to the one \
                 that is there",
                logto.resource
            ),
            _ => format!(
                "give the app \"{id}\" a role with the permission \"{scope}\" on the API resource \
                 \"{}\"",
                logto.resource
            ),
        };
        refused(&format!("{url} said \"{error}\"{description}"), &mend)
    })
}
