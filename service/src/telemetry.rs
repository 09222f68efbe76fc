//! What operators see of a server: its log, to standard error; the access log and the audit log; and
//! metrics. None of it contains personal data: it names what happened, and people at most by the ids
//! of their contacts.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod call;
pub(crate) mod metrics;
#[cfg(feature = "otlp")]
pub(crate) mod otlp;
pub(crate) mod request_id;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use crate::config::{Log, LogFormat};

/// Starts logging. Once per process.
///
/// # Errors
/// When the process logs already.
pub fn init(config: &Log) -> Result<(), String> {
    std::panic::set_hook(Box::new(log_panic));
    if let Some(endpoint) = &config.otlp_endpoint {
        return init_with_traces(config, endpoint);
    }
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(config.log_level.filter());
    let started = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| error.to_string())
}

/// The same lines, and spans for a collector.
#[cfg(feature = "otlp")]
fn init_with_traces(config: &Log, endpoint: &str) -> Result<(), String> {
    use tracing_subscriber::layer::{Layer, SubscriberExt};
    use tracing_subscriber::util::SubscriberInitExt;

    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let lines = lines.with_filter(config.log_level.filter());
    let traced = tracing_subscriber::registry().with(lines).with(otlp::layer(endpoint)?);
    traced.try_init().map_err(|error| error.to_string())
}

/// Nobody would notice that the traces are missing.
#[cfg(not(feature = "otlp"))]
fn init_with_traces(_: &Log, _: &str) -> Result<(), String> {
    let message =
        "--otlp-endpoint: this program cannot send traces, build it with `--features otlp`";
    Err(message.to_owned())
}

/// Sends what has not been sent. At the end of the program.
pub async fn flush() {
    #[cfg(feature = "otlp")]
    otlp::flush().await;
}

/// Logs the location of a panic. Its message is logged only if it is a constant of the program: a
/// formatted one can contain personal data.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or_default();
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let call = call::current();
    tracing::error!(
        panic.location = location,
        panic.message = message,
        request.id = call.as_ref().map(|call| call.request_id()),
        "panic"
    );
}
