//! The configuration file. Its values become the defaults of the flags of the same name, so that
//! flags and environment variables override them, and the same parsers check them.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::{Table, Value};

use super::Cli;

impl Cli {
    /// Parses the program's arguments, environment variables and, if they name one, the
    /// configuration file.
    ///
    /// # Errors
    /// The first problem found, for [`clap::Error::exit`].
    pub fn load(
        arguments: impl IntoIterator<Item = OsString> + Clone,
    ) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let mut matches = command.try_get_matches_from_mut(arguments.clone())?;
        if let Some(path) = config_path(&matches) {
            let settings = read(&path, &command)?;
            command = with_defaults(Self::command(), &settings);
            matches = command.try_get_matches_from_mut(arguments)?;
        }
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

/// Whether an argument can be set in the file: every one that can be set in the environment, but
/// for the name of the file itself.
pub(super) fn is_setting(arg: &Arg) -> bool {
    arg.get_env().is_some() && arg.get_id() != "config"
}

/// `--config` of the command that was called.
fn config_path(matches: &ArgMatches) -> Option<PathBuf> {
    match matches.subcommand() {
        Some((_, matches)) => config_path(matches),
        // Absent from commands that only group others.
        None => matches.try_get_one::<PathBuf>("config").ok().flatten().cloned(),
    }
}

/// Name and value of each setting in the file.
type Settings = Vec<(String, String)>;

fn read(path: &Path, command: &Command) -> Result<Settings, clap::Error> {
    let refuse = |reason: &dyn Display| {
        let message = format!("{}: {reason}\n", path.display());
        clap::Error::raw(ErrorKind::ValueValidation, message)
    };
    let text = std::fs::read_to_string(path).map_err(|error| refuse(&error))?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        // Its `Display` shows the line, which can be that of a password.
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        refuse(&format_args!("line {line}: {}", error.message()))
    })?;
    let mut settings = Settings::new();
    for (name, value) in table {
        // The server's, which every other command's are a part of.
        let known = command.get_arguments().find(|arg| arg.get_long() == Some(&name));
        let Some(arg) = known.filter(|arg| is_setting(arg)) else {
            return Err(refuse(&unknown(&name, command)));
        };
        let value = check(arg, &value);
        settings.push((
            name.clone(),
            value.map_err(|reason| refuse(&format_args!("{name}: {reason}")))?,
        ));
    }
    Ok(settings)
}

fn unknown(name: &str, command: &Command) -> String {
    let known = command.get_arguments().filter(|arg| is_setting(arg)).filter_map(Arg::get_long);
    let near = known
        .map(|known| (strsim::jaro_winkler(known, &name.replace('_', "-")), known))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, near)) => format!("unknown key {name:?}, did you mean {near:?}?"),
        None => format!("unknown key {name:?}: see `contacts-service serve --help`"),
    }
}

/// A value as its flag takes it, or what is wrong with it.
fn check(arg: &Arg, value: &Value) -> Result<String, String> {
    let is_flag = matches!(arg.get_action(), ArgAction::SetTrue);
    let text = match value {
        Value::Boolean(value) if is_flag => return Ok(value.to_string()),
        _ if is_flag => return Err("expected true or false".to_owned()),
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        _ => return Err("expected a string or a whole number".to_owned()),
    };
    let flag = format!("--{}={text}", arg.get_long().unwrap_or_default());
    let arg = arg.clone().env(None::<&str>);
    let command = Command::new("file").no_binary_name(true).disable_help_flag(true).arg(arg);
    match command.try_get_matches_from([flag]) {
        Ok(_) => Ok(text),
        Err(error) => Err(match error.source() {
            Some(reason) => reason.to_string(),
            // "error: …", then lines of advice about flags.
            None => first_line(&error.to_string()),
        }),
    }
}

fn first_line(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn with_defaults(command: Command, settings: &Settings) -> Command {
    let command = command.mut_args(|arg| {
        let found = settings.iter().find(|(name, _)| arg.get_long() == Some(name));
        match found {
            Some((_, value)) if is_setting(&arg) => arg.default_value(value.clone()),
            _ => arg,
        }
    });
    command.mut_subcommands(|command| with_defaults(command, settings))
}
