//! All metrics. docs/operations.md has the table of them, which a test compares.

use super::Kind::{Counter, Gauge, Histogram};
use super::Metric;

/// Buckets of durations, in seconds.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Buckets of the numbers of checks that share a read.
const COUNTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// Declares the metrics, and the list of them.
macro_rules! metrics {
    ($($id:ident: $name:literal, $kind:expr, [$($label:literal),*], $help:literal;)*) => {
        $(pub(crate) const $id: Metric =
            Metric { name: $name, kind: $kind, labels: &[$($label),*], help: $help };)*

        /// All metrics.
        pub(crate) const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    RPC_DURATION: "contacts_rpc_duration_seconds", Histogram(SECONDS), ["method", "code"],
        "Time from a call's headers to the end of its response";
    RPCS_UNDER_WAY: "contacts_rpcs_under_way", Gauge, ["method"],
        "Calls under way: streams and imports among them";
    CHECKS: "contacts_checks_total", Counter, ["reason", "category"],
        "Decisions of checks, those of batches and streams included; only OPTED_IN allows";
    MIRROR_CHECKS: "contacts_mirror_checks_total", Counter, [],
        "People checked by consent in memory, after a read of its validity";
    MIRROR_BYTES: "contacts_mirror_bytes", Gauge, [],
        "Memory of the consent that is kept to answer checks";
    CHECKS_PER_READ: "contacts_checks_per_read", Histogram(COUNTS), [],
        "Checks of one person that shared a read of the database";
    IMPORT_ROWS: "contacts_import_rows_total", Counter, ["outcome"],
        "Rows of ImportContacts and BatchUpsertContacts: created, updated, unchanged, failed";
    PLACES: "contacts_places", Gauge, ["class"],
        "How many calls of a class the server takes at a time";
    PLACES_TAKEN: "contacts_places_taken", Gauge, ["class"],
        "Calls of a class under way";
    PLACES_REFUSED: "contacts_places_refused_total", Counter, ["class"],
        "Calls that were refused because all places of their class were taken";
    CONNECTIONS: "contacts_connections", Gauge, [],
        "Connections of clients";
    CONNECTIONS_REFUSED: "contacts_connections_refused_total", Counter, [],
        "Connections that were closed at once because there were too many";
    READY: "contacts_ready", Gauge, [],
        "1 while the health service reports SERVING, otherwise 0";
    POOL_WAIT: "contacts_pool_wait_seconds", Histogram(SECONDS), ["purpose"],
        "Time until there was a connection to the database; of writes, until the transaction began";
    POOL_FAILURES: "contacts_pool_failures_total", Counter, ["purpose"],
        "Waits for a connection to the database that ended without one";
    POOL_CONNECTIONS: "contacts_pool_connections", Gauge, ["purpose", "state"],
        "Open connections to the database: used, idle";
    POOL_CONNECTIONS_MAX: "contacts_pool_connections_max", Gauge, ["purpose"],
        "Most connections of a pool";
    RUNTIME_STALLS: "contacts_runtime_stalls_total", Counter, [],
        "Times that no task ran for a second";
    CLOCK_JUMPS: "contacts_clock_jumps_total", Counter, [],
        "Times that the machine's clock was set by a minute or more";
    ACCESS_LOG_OMITTED: "contacts_access_log_omitted_total", Counter, [],
        "Failed calls that are not in the access log because there were too many in that second";
    AUDIT_LINES: "contacts_audit_lines_total", Counter, [],
        "Lines of the audit log";
    AUDIT_LINES_LOST: "contacts_audit_lines_lost_total", Counter, [],
        "Lines that the audit log lacks because it could not be written";
    BUILD_INFO: "contacts_build_info", Gauge, ["version", "engine"],
        "1, with the version of the service and of the database";
    PROCESS_CPU: "process_cpu_seconds_total", Gauge, [],
        "Processor time of the process";
    PROCESS_MEMORY: "process_resident_memory_bytes", Gauge, [],
        "Resident memory of the process";
    PROCESS_FILES: "process_open_fds", Gauge, [],
        "Open file descriptors";
    PROCESS_FILES_MAX: "process_max_fds", Gauge, [],
        "Limit of open file descriptors";
    PROCESS_THREADS: "process_threads", Gauge, [],
        "Threads of the process";
}
