//! Makes what `topics.yaml` declares hold: at the start, on SIGHUP, and when asked over HTTP.
//!
//! ```text
//! file -> Declarations -> plan against the log and what held -> rules replaced -> topics made,
//!  (whole or nothing)                                            settings changed
//! ```
//!
//! Invariants: a file with an error changes nothing, and what held goes on; a topic is never
//! deleted; what cannot be changed is told. One application runs at a time, and signals that come
//! meanwhile are one.
//! Not here: settings of topics made later; the log takes them from the same rules.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::declared_plan::{self as plan, Work};
use crate::clock::Clock;
use crate::config::topics::{self, Declarations, Rules};
use crate::config::{Problem, Problems};
use crate::error::chain;
use crate::log::Log;
use crate::serve::http::{Action, Declaring, Outcome, Standing, Step};

/// The declarations of a running server. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Declared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    log: Log,
    rules: Rules,
    clock: Arc<dyn Clock>,
    /// Partitions of a named topic that does not say how many.
    partitions: u32,
    /// Held while declarations are applied.
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Last>,
    asked: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct Last {
    applied_ms: i64,
    error: Option<String>,
}

impl Declared {
    pub(super) fn new(
        file: &Path,
        log: Log,
        rules: Rules,
        clock: Arc<dyn Clock>,
        partitions: u32,
    ) -> Declared {
        Declared(Arc::new(Inner {
            file: file.to_owned(),
            log,
            rules,
            clock,
            partitions,
            turn: tokio::sync::Mutex::default(),
            last: Mutex::default(),
            asked: tokio::sync::Notify::new(),
        }))
    }

    /// Makes what was read with the configuration hold.
    pub(super) async fn begin(&self) {
        let _turn = self.0.turn.lock().await;
        let declarations = Declarations::clone(&self.0.rules.now());
        self.make(declarations).await;
    }

    /// Asks for the file to be read again. Requests that come before it is are one.
    pub(super) fn ask(&self) {
        self.0.asked.notify_one();
    }

    /// Reads the file whenever that is asked for.
    pub(super) async fn run(self, closing: CancellationToken) {
        loop {
            tokio::select! {
                () = closing.cancelled() => return,
                () = self.0.asked.notified() => {}
            }
            if let Ok(steps) = self.apply_file(false).await {
                let file = self.0.file.display().to_string();
                tracing::info!(file, changes = steps.len(), "declarations applied");
            }
        }
    }

    async fn apply_file(&self, dry_run: bool) -> Result<Vec<Step>, Problems> {
        let _turn = self.0.turn.lock().await;
        let declarations = self.read().await.inspect_err(|problems| {
            if !dry_run {
                tracing::error!(error = %problems, "declarations not applied; what held goes on");
                self.0.last.lock().error = Some(problems.to_string());
            }
        })?;
        if dry_run {
            return Ok(self
                .work(&declarations)
                .into_iter()
                .map(|w| w.step)
                .collect());
        }
        Ok(self.make(declarations).await)
    }

    async fn read(&self) -> Result<Declarations, Problems> {
        let file = self.0.file.clone();
        let loading = tokio::task::spawn_blocking(move || topics::load(&file));
        let gone = |cause: tokio::task::JoinError| {
            Problems(vec![Problem::Unreadable {
                path: self.0.file.clone(),
                cause: std::io::Error::other(cause),
            }])
        };
        let loaded = loading.await.map_err(gone)??;
        if loaded.missing {
            tracing::warn!(file = %self.0.file.display(), "there is no file; it counts as empty");
        }
        for warning in &loaded.warnings {
            tracing::warn!("{}", warning.line());
        }
        Ok(loaded.declarations)
    }

    fn work(&self, declarations: &Declarations) -> Vec<Work> {
        let before = self.0.rules.now();
        plan::work(&self.0.log, &before, declarations, self.0.partitions)
    }

    /// Replaces the rules first, so that topics made from now on follow them.
    async fn make(&self, declarations: Declarations) -> Vec<Step> {
        let work = self.work(&declarations);
        self.0.rules.replace(declarations);
        let mut steps = Vec::with_capacity(work.len());
        for one in work {
            let made = plan::make(&self.0.log, &one).await;
            let error = made.err().map(|error| chain(&error));
            let step = Step { error, ..one.step };
            tell(&step);
            steps.push(step);
        }
        let failed = steps.iter().filter(|step| step.error.is_some()).count();
        *self.0.last.lock() = Last {
            applied_ms: self.0.clock.now_ms(),
            error: (failed > 0).then(|| format!("{failed} of the changes could not be made")),
        };
        steps
    }
}

fn tell(step: &Step) {
    let Step {
        subject, detail, ..
    } = step;
    match (&step.error, step.action) {
        (Some(error), _) => {
            tracing::error!(error = %error, "declared {subject}: could not make it so: {detail}");
        }
        (None, Action::Keep) => tracing::warn!("declared {subject}: {detail}"),
        (None, Action::Create | Action::Change | Action::Release) => {
            tracing::info!("declared {subject}: {detail}");
        }
    }
}

impl Declaring for Declared {
    fn apply(&self, dry_run: bool) -> Outcome<'_> {
        Box::pin(self.apply_file(dry_run))
    }

    fn standing(&self) -> Standing {
        let declared = self.0.rules.now();
        let last = self.0.last.lock();
        Standing {
            file: self.0.file.display().to_string(),
            topics: declared.topics.len(),
            groups: declared.groups.len(),
            integrations: declared.integrations.len(),
            applied_ms: last.applied_ms,
            error: last.error.clone(),
        }
    }
}
