//! What the server logs.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// What the server logs, to standard error unless said otherwise.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Logging")]
pub struct Log {
    /// Format of log lines.
    #[arg(
        long,
        env = "CONTACTS_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value = "text"
    )]
    pub log_format: LogFormat,

    /// Minimum level: error, warn, info, debug (one line per call) or trace.
    ///
    /// Also takes a filter in the syntax of tracing's EnvFilter, such as
    /// `contacts_service=debug,h2=info`.
    #[arg(long, env = "CONTACTS_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,

    /// Which calls the log has a line for: off, errors or all.
    ///
    /// With method, code, duration, request id, workspace and client address, at the level
    /// info. Of failed calls at most 100 lines per second, unless it is all.
    #[arg(
        long,
        env = "CONTACTS_ACCESS_LOG",
        value_name = "CALLS",
        value_enum,
        default_value = "errors"
    )]
    pub access_log: AccessLogMode,

    /// Where the audit log goes: off, stderr, or the path of a file.
    ///
    /// One line of JSON for each call that reads, exports, erases or changes something,
    /// without personal data. Checks are not in it. A file is appended to, and opened again
    /// after it was renamed or removed.
    #[arg(long, env = "CONTACTS_AUDIT_LOG", value_name = "FILE", default_value = "off")]
    pub audit_log: AuditTarget,

    /// Address of an OpenTelemetry collector that traces are sent to, such as
    /// `http://127.0.0.1:4317`.
    ///
    /// A span for each call, over OTLP with gRPC, without personal data. Only in a program that was
    /// built with `--features otlp`. The standard variables apply, such as
    /// OTEL_TRACES_SAMPLER.
    #[arg(long, env = "CONTACTS_OTLP_ENDPOINT", value_name = "URL", value_parser = collector)]
    pub otlp_endpoint: Option<String>,
}

/// Checks the address of a collector.
fn collector(text: &str) -> Result<String, String> {
    match url::Url::parse(text) {
        Ok(url) if url.scheme() == "http" && url.has_host() => Ok(text.to_owned()),
        _ => Err("it has to be http://HOST:PORT".to_owned()),
    }
}

/// Which calls the log has a line for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessLogMode {
    /// None.
    Off,
    /// Those that failed.
    Errors,
    /// All, checks and health checks among them.
    All,
}

/// Where the audit log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTarget {
    /// Nowhere.
    Off,
    /// To standard error, between the lines of the log.
    Stderr,
    /// To this file.
    File(PathBuf),
}

impl FromStr for AuditTarget {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "off" | "" => Self::Off,
            "stderr" => Self::Stderr,
            path => Self::File(path.into()),
        })
    }
}

impl fmt::Display for AuditTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Stderr => f.write_str("stderr"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// A valid level or filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel {
    directives: String,
}

impl LogLevel {
    /// The filter that this stands for.
    pub(crate) fn filter(&self) -> EnvFilter {
        EnvFilter::new(&self.directives)
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let directives = match text.parse::<LevelFilter>() {
            // A plain level is this program's own. What libraries log at `debug` and below can
            // contain the data they carry, so that needs a filter that names them.
            Ok(level) => format!("{},contacts_service={level}", level.min(LevelFilter::WARN)),
            Err(_) => text.to_owned(),
        };
        // EnvFilter takes any word for the name of a crate, and a typo would silence the log.
        let is_known = |directive: &str| {
            directive.contains(['=', '[']) || directive.parse::<LevelFilter>().is_ok()
        };
        if !text.is_empty()
            && directives.split(',').all(|directive| is_known(directive.trim()))
            && EnvFilter::try_new(&directives).is_ok()
        {
            Ok(Self { directives })
        } else {
            Err("expected error, warn, info, debug, trace or off, or a filter such as \
                 contacts_service=debug,h2=info"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_level_is_for_this_program() {
        let shown = |text: &str| text.parse::<LogLevel>().map(|level| level.filter().to_string());
        assert_eq!(shown("debug").as_deref(), Ok("contacts_service=debug,warn"));
        assert_eq!(shown("error").as_deref(), Ok("contacts_service=error,error"));
        assert_eq!(shown("h2=trace").as_deref(), Ok("h2=trace"));
        for text in ["loud", "loud=very=", "h2=loud", "info,loud", "contacts_service", ""] {
            assert!(shown(text).is_err(), "{text}");
        }
    }
}
