//! Logs, to standard error. No personal data is ever logged, so whoever logs
//! names what happened, not to whom.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Begins to log. Once per process.
///
/// # Errors
/// A sentence, when the level is none or somebody else logs already.
pub fn init(config: &Log) -> Result<(), String> {
    let filter = filter(&config.log_level)?;
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    let begun = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| error.to_string())?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A level is this program's own. What libraries log at `debug` and below can
/// hold what they carry, so that takes a filter that names them.
fn filter(level: &str) -> Result<EnvFilter, String> {
    let directives = match level.parse::<LevelFilter>() {
        Ok(level) => format!("{},contacts_service={level}", level.min(LevelFilter::WARN)),
        Err(_) => level.to_owned(),
    };
    EnvFilter::try_new(directives)
        .map_err(|_| format!("{level:?} is no log level: send error, warn, info, debug or trace"))
}

/// Where, and the message only where it is part of the program: one that was
/// put together can hold anything.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or_default();
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(panic.location = location, panic.message = message, "a panic");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_for_this_program() {
        let shown = |level: &str| filter(level).map(|filter| filter.to_string());
        assert_eq!(shown("debug").as_deref(), Ok("contacts_service=debug,warn"));
        assert_eq!(shown("error").as_deref(), Ok("contacts_service=error,error"));
        assert_eq!(shown("h2=trace").as_deref(), Ok("h2=trace"));
        assert!(shown("loud=very=").is_err());
    }
}
