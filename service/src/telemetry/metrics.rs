//! The metrics of a server. Without an endpoint to read them from nothing is recorded.
//!
//! No label is personal data, and none has values that callers choose.

mod definitions;
pub(crate) mod endpoint;
mod process;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

pub(crate) use self::definitions::*;

/// The metrics of one server.
#[derive(Default)]
pub(crate) struct Metrics {
    /// None if nobody can read them.
    recorder: Option<PrometheusRecorder>,
    /// Set the values that are read only when somebody asks.
    samplers: Mutex<Vec<Sampler>>,
}

type Sampler = Box<dyn Fn() + Send + Sync>;

/// Of what kind a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often a value was in each of these buckets.
    Histogram(&'static [f64]),
}

/// What is recorded under a name.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'static [&'static str],
    pub(crate) help: &'static str,
}

const METADATA: Metadata<'static> = Metadata::new("contacts_service", Level::INFO, None);

impl Metrics {
    /// Metrics that can be rendered.
    pub(crate) fn recorded() -> Self {
        let mut builder = PrometheusBuilder::new();
        for metric in ALL {
            if let Kind::Histogram(buckets) = metric.kind {
                let name = Matcher::Full(metric.name.to_owned());
                builder = builder
                    .set_buckets_for_metric(name, buckets)
                    .expect("every histogram has buckets");
            }
        }
        let recorder = builder.build_recorder();
        for metric in ALL {
            let (name, help) = (metric.name.into(), metric.help.into());
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram(_) => recorder.describe_histogram(name, None, help),
            }
        }
        let metrics = Self { recorder: Some(recorder), samplers: Mutex::default() };
        process::sample(&metrics);
        metrics
    }

    /// The counter with these values of its labels.
    pub(crate) fn counter(&self, metric: &Metric, labels: &[&str]) -> Counter {
        debug_assert_eq!(metric.kind, Kind::Counter, "{}", metric.name);
        self.recorder.as_ref().map_or_else(Counter::noop, |recorder| {
            recorder.register_counter(&key(metric, labels), &METADATA)
        })
    }

    /// The gauge with these values of its labels.
    pub(crate) fn gauge(&self, metric: &Metric, labels: &[&str]) -> Gauge {
        debug_assert_eq!(metric.kind, Kind::Gauge, "{}", metric.name);
        self.recorder.as_ref().map_or_else(Gauge::noop, |recorder| {
            recorder.register_gauge(&key(metric, labels), &METADATA)
        })
    }

    /// The histogram with these values of its labels.
    pub(crate) fn histogram(&self, metric: &Metric, labels: &[&str]) -> Histogram {
        debug_assert!(matches!(metric.kind, Kind::Histogram(_)), "{}", metric.name);
        self.recorder.as_ref().map_or_else(Histogram::noop, |recorder| {
            recorder.register_histogram(&key(metric, labels), &METADATA)
        })
    }

    /// Calls this before the metrics are rendered.
    pub(crate) fn sample(&self, sampler: impl Fn() + Send + Sync + 'static) {
        if self.recorder.is_some() {
            let mut samplers = self.samplers.lock().unwrap_or_else(PoisonError::into_inner);
            samplers.push(Box::new(sampler));
        }
    }

    /// The metrics in the text format of Prometheus.
    pub(crate) fn render(&self) -> String {
        for sampler in self.samplers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            sampler();
        }
        self.recorder.as_ref().map(|recorder| recorder.handle().render()).unwrap_or_default()
    }

    /// Sums up what was recorded since. Without it, histograms keep every value until they are
    /// rendered.
    fn sum_up(&self) {
        if let Some(recorder) = &self.recorder {
            recorder.handle().run_upkeep();
        }
    }
}

fn key(metric: &Metric, labels: &[&str]) -> Key {
    debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
    let labels = metric.labels.iter().zip(labels);
    let labels: Vec<_> =
        labels.map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(metric.name, labels)
}
