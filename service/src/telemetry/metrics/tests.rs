//! The metrics and their documentation.

use super::*;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
const BEGIN: &str = "<!-- begin: made from the metrics of the server -->\n";
const END: &str = "<!-- end: made from the metrics of the server -->\n";

/// The table of docs/operations.md.
fn reference() -> String {
    let mut text = "| metric | kind | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for Metric { name, kind, labels, help } in ALL {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        text.push_str(&format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", ")));
    }
    text
}

/// UPDATE_DOCS=1 writes the table.
#[test]
fn the_documentation_has_every_metric() {
    let docs = std::fs::read_to_string(DOCS).expect("docs/operations.md");
    let (before, rest) = docs.split_once(BEGIN).expect("the beginning");
    let (table, after) = rest.split_once(END).expect("the end");
    let expected = format!("\n{}\n", reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let updated = format!("{before}{BEGIN}{expected}{END}{after}");
        std::fs::write(DOCS, updated).expect("written");
    } else {
        assert_eq!(table, expected, "run UPDATE_DOCS=1 cargo test -p contacts-service --lib");
    }
}

#[test]
fn names_are_those_that_prometheus_recommends() {
    for Metric { name, kind, help, .. } in ALL {
        let is_total = name.ends_with("_total");
        assert!(is_total == (*kind == Kind::Counter) || *name == PROCESS_CPU.name, "{name}");
        assert!(name.starts_with("contacts_") || name.starts_with("process_"), "{name}");
        assert!(!help.ends_with('.'), "{name}");
    }
}

/// The example rules, and what this documentation says of metrics.
#[test]
fn rules_are_about_metrics_that_exist() {
    const RULES: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/prometheus-rules.yaml"));
    let docs = std::fs::read_to_string(DOCS).expect("docs/operations.md");
    let mut used = std::collections::BTreeSet::new();
    for text in [RULES, &docs] {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_:/".contains(c)));
        // Without names of recorded series, and paths.
        let words = words.filter(|word| !word.contains([':', '/']));
        used.extend(words.filter(|word| {
            word.starts_with("contacts_") && !["contacts_", "contacts_service"].contains(word)
                || word.starts_with("process_")
        }));
    }
    assert!(used.len() > 10, "{used:?}");
    for name in used {
        let series = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
        let exists = |wanted: &str| ALL.iter().any(|metric| metric.name == wanted);
        assert!(exists(name) || series.is_some_and(exists), "{name}");
    }
}

#[test]
fn what_is_recorded_is_rendered() {
    let metrics = Metrics::recorded();
    metrics.counter(&CHECKS, &["OPTED_IN", "MARKETING"]).increment(2);
    metrics.histogram(&POOL_WAIT, &["check"]).record(0.002);
    let ready = metrics.gauge(&READY, &[]);
    metrics.sample(move || ready.set(1.0));
    metrics.sum_up();
    let text = metrics.render();
    for line in [
        "# TYPE contacts_checks_total counter",
        "contacts_checks_total{reason=\"OPTED_IN\",category=\"MARKETING\"} 2",
        "contacts_pool_wait_seconds_bucket{purpose=\"check\",le=\"0.001\"} 0",
        "contacts_pool_wait_seconds_bucket{purpose=\"check\",le=\"0.0025\"} 1",
        "contacts_pool_wait_seconds_count{purpose=\"check\"} 1",
        "contacts_ready 1",
    ] {
        assert!(text.lines().any(|rendered| rendered == line), "{line}: {text}");
    }
    let text = Metrics::default().render();
    assert!(text.is_empty(), "{text}");
}
