//! `POST /declarations/apply`: reads the declared topics, groups and integrations again, and
//! tells what that changes. With `{"dry_run":true}` nothing is changed.
//!
//! Not here: what the changes are and how they are made; that comes in as [`Declaring`].

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::answer::read_json;
use super::error::Problem;
use super::guard::Shared;
use crate::config::Problems;

/// What becomes of one thing that is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed.
    Change,
    /// It holds no longer. A topic stays, with its settings.
    Release,
    /// It differs and stays as it is, since it cannot be changed.
    Keep,
}

/// One change, made or planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What becomes of it.
    pub action: Action,
    /// What it is, such as `topic "orders"`.
    pub subject: String,
    /// From what to what.
    pub detail: String,
    /// Why it could not be made, where it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What holds, for `/status`.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// The file.
    pub file: String,
    /// Entries that hold.
    pub topics: usize,
    /// Entries that hold.
    pub groups: usize,
    /// Entries that hold.
    pub integrations: usize,
    /// When they were taken from the file, in milliseconds since 1970.
    pub applied_ms: i64,
    /// Why the file as it was last read does not hold.
    pub error: Option<String>,
}

/// The outcome of reading the file.
pub type Outcome<'a> = Pin<Box<dyn Future<Output = Result<Vec<Step>, Problems>> + Send + 'a>>;

/// Reads the declarations again and makes them hold.
pub trait Declaring: Send + Sync + fmt::Debug {
    /// What the file changes; made, unless it is a dry run. An error changed nothing.
    fn apply(&self, dry_run: bool) -> Outcome<'_>;

    /// What holds now.
    fn standing(&self) -> Standing;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default)]
    dry_run: bool,
}

/// What is answered.
#[derive(Serialize)]
struct Answer {
    applied: bool,
    steps: Vec<Step>,
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/declarations/apply", post(apply))
}

async fn apply(State(shared): State<Arc<Shared>>, body: Body) -> Result<Json<Answer>, Problem> {
    let Request { dry_run } = read_json(body).await?;
    let Some(declaring) = &shared.handles.declaring else {
        return Err(Problem::not_found(
            "find a file of declarations",
            "start the server with PENSTOCK_TOPICS",
        ));
    };
    let steps = declaring.apply(dry_run).await?;
    Ok(Json(Answer {
        applied: !dry_run,
        steps,
    }))
}
