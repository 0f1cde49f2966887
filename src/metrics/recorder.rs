//! The process's one recorder, and the page: what was recorded, the last round of samples, and the
//! process itself.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;

use super::names::{ALL, BUILD_INFO, Form};
use super::process;
use super::samples::Samples;

/// Upper ends of the histograms' buckets in seconds: 0.1 ms to 10 s, three for each power of ten,
/// so that both a sync of 0.2 ms and one of 2 s can be told from their neighbours.
const BUCKETS_SECONDS: [f64; 16] = [
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0,
];

/// How often [`Handle::run_upkeep`] is to be called: histograms keep single values until then.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Why there is no recorder.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("set the buckets of a histogram")]
    Buckets(#[from] metrics_exporter_prometheus::BuildError),
    #[error("install a second metrics recorder in one process")]
    Second,
}

/// Renders the page. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    recorded: PrometheusHandle,
    /// The last round, rendered.
    sampled: Arc<Mutex<Arc<str>>>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

impl Handle {
    fn new(recorded: PrometheusHandle) -> Handle {
        let sampled = Arc::new(Mutex::new("".into()));
        Handle { recorded, sampled }
    }

    /// The page of `/metrics`, in Prometheus' text format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = self.recorded.render();
        let sampled = Arc::clone(&self.sampled.lock());
        page.push_str(&sampled);
        let mut samples = Samples::default();
        process::add(&mut samples);
        page.push_str(&samples.render());
        page
    }

    /// Puts `samples` in the place of the round before: series that are not in it are gone.
    pub fn publish(&self, samples: &Samples) {
        *self.sampled.lock() = samples.render().into();
    }

    /// Sorts recorded values into buckets, so that they do not pile up between scrapes.
    pub fn run_upkeep(&self) {
        self.recorded.run_upkeep();
    }

    /// Calls [`Handle::run_upkeep`] for ever. To be run as a task that is aborted at the end.
    pub async fn upkeep(self) {
        let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            ticks.tick().await;
            self.run_upkeep();
        }
    }
}

/// Makes the recorder of this process and describes every metric. The second call in a process
/// fails and changes nothing.
pub fn install(version: &'static str, revision: &'static str) -> Result<Handle, InstallError> {
    let recorder = builder()?.build_recorder();
    let handle = Handle::new(recorder.handle());
    metrics::set_global_recorder(recorder).map_err(|_| InstallError::Second)?;
    describe();
    // Those without labels are there from the start; the others appear with their objects.
    for metric in ALL.iter().filter(|metric| metric.labels.is_empty()) {
        if metric.form == Form::Histogram {
            drop(metrics::histogram!(metric.name));
        }
    }
    metrics::gauge!(BUILD_INFO, "version" => version, "revision" => revision).set(1.0);
    Ok(handle)
}

fn builder() -> Result<PrometheusBuilder, InstallError> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL.iter().filter(|metric| metric.form == Form::Histogram) {
        let matcher = Matcher::Full(metric.name.to_owned());
        builder = builder.set_buckets_for_metric(matcher, &BUCKETS_SECONDS)?;
    }
    Ok(builder)
}

/// Tells the recorder every metric's unit and meaning.
pub fn describe() {
    for metric in ALL {
        let unit = metric.unit.unwrap_or(metrics::Unit::Count);
        match metric.form {
            Form::Counter => metrics::describe_counter!(metric.name, unit, metric.help),
            Form::Gauge | Form::Untyped => metrics::describe_gauge!(metric.name, unit, metric.help),
            Form::Histogram => metrics::describe_histogram!(metric.name, unit, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::names::{APPEND_SECONDS, LOG_BYTES, SOURCE_EVENTS_TOTAL};

    #[test]
    fn histograms_have_the_documented_buckets_and_names_keep_their_form() {
        let recorder = builder().unwrap().build_recorder();
        let handle = Handle::new(recorder.handle());
        metrics::with_local_recorder(&recorder, || {
            describe();
            metrics::histogram!(APPEND_SECONDS).record(0.0003);
            metrics::counter!(SOURCE_EVENTS_TOTAL, "connector" => "a", "op" => "c").absolute(0);
        });
        handle.run_upkeep();
        let page = handle.render();
        assert!(
            page.contains("penstock_append_seconds_bucket{le=\"0.0002\"} 0"),
            "{page}"
        );
        assert!(
            page.contains("penstock_append_seconds_bucket{le=\"0.0005\"} 1"),
            "{page}"
        );
        assert!(
            page.contains("# TYPE penstock_source_events_total counter"),
            "{page}"
        );
        let zero = "penstock_source_events_total{connector=\"a\",op=\"c\"} 0";
        assert!(page.contains(zero), "{page}");
    }

    #[test]
    fn a_series_goes_with_its_object_and_the_page_tells_of_the_process() {
        let recorder = builder().unwrap().build_recorder();
        let handle = Handle::new(recorder.handle());
        let mut samples = Samples::default();
        for topic in ["a", "b"] {
            samples.set(ALL, LOG_BYTES, &[("topic", topic)], 1.0);
        }
        handle.publish(&samples);
        assert!(
            handle
                .render()
                .contains("penstock_log_bytes{topic=\"b\"} 1")
        );
        let mut samples = Samples::default();
        samples.set(ALL, LOG_BYTES, &[("topic", "a")], 2.0);
        handle.publish(&samples);
        let page = handle.render();
        assert!(page.contains("penstock_log_bytes{topic=\"a\"} 2"), "{page}");
        assert!(!page.contains("topic=\"b\""), "{page}");
        assert!(page.contains("\nprocess_resident_memory_bytes "), "{page}");
    }
}
