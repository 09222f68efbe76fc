//! The command line and its documentation.

use clap::CommandFactory;

use super::*;
use crate::store::postgres::PostgresOptions;
use crate::store::sqlite::SqliteOptions;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::load(line.split(' ').map(Into::into).collect::<Vec<std::ffi::OsString>>())
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn variables_that_are_no_settings_are_found() {
    let names =
        ["CONTACTS_LISEN", "CONTACTS_LISTEN", "CONTACTS_KEY_FILE", "CONTACTS_TOKEN", "LISEN"];
    assert_eq!(Cli::unknown_variables(names.map(Into::into)), ["CONTACTS_LISEN"]);
}

#[test]
fn defaults_are_those_of_the_store() {
    let config = Config::defaults();
    let shown = format!("{:?}", config.postgres.options());
    assert_eq!(shown, format!("{:?}", PostgresOptions::default()));
    let shown = format!("{:?}", config.sqlite.options());
    assert_eq!(shown, format!("{:?}", SqliteOptions::default()));
    let retention = config.retention;
    assert_eq!(retention.response_retention, crate::store::RESPONSE_RETENTION);
    assert_eq!(retention.suppression_retention, Kept(None));
}

#[test]
fn without_a_command_the_server_runs() {
    let cli = parse("contacts-service --listen [::1]:1 --idle-timeout 250ms").expect("settings");
    assert!(cli.command.is_none());
    assert_eq!(cli.serve.config.listener.listen, "[::1]:1");
    assert_eq!(cli.serve.config.timeouts.idle_timeout, Duration::from_millis(250));
    let Some(Command::Serve(arguments)) =
        parse("contacts-service serve --listen [::1]:1").expect("settings").command
    else {
        panic!("another command")
    };
    assert_eq!(arguments.config.listener.listen, "[::1]:1");
}

#[test]
fn commands_take_no_flags_of_the_server() {
    for line in [
        "contacts-service workspace list --listen [::1]:1",
        "contacts-service --listen [::1]:1 workspace list",
        "contacts-service audit verify --migrate",
    ] {
        let error = parse(line).expect_err(line).to_string();
        assert!(error.contains("--listen") || error.contains("--migrate"), "{line}: {error}");
    }
}

/// Every command with its full name, such as `audit verify`.
fn commands() -> Vec<(String, clap::Command)> {
    fn collect(name: &str, command: &clap::Command, all: &mut Vec<(String, clap::Command)>) {
        for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
            let name = format!("{name}{}", command.get_name());
            collect(&format!("{name} "), command, all);
            if !command.has_subcommands() {
                all.push((name, command.clone()));
            }
        }
    }
    let mut all = Vec::new();
    collect("", &Cli::command(), &mut all);
    all
}

#[test]
fn names_of_flags_variables_and_keys_agree() {
    for (name, command) in commands() {
        for arg in command.get_arguments() {
            let (Some(long), Some(env)) = (arg.get_long(), arg.get_env()) else { continue };
            let expected = format!("CONTACTS_{}", long.replace('-', "_").to_uppercase());
            assert_eq!(env.to_str(), Some(&*expected), "{name} --{long}");
        }
    }
}

/// The tables of docs/operations.md, made from the command line.
fn reference() -> String {
    let mut text = String::new();
    let commands = commands();
    text.push_str("| command | what it does |\n|---|---|\n");
    for (name, command) in &commands {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("| `{name}` | {about} |\n"));
    }
    let (_, serve) = commands.iter().find(|(name, _)| name == "serve").expect("it exists");
    let mut heading = None;
    for arg in serve.get_arguments().filter(|arg| file::is_setting(arg)) {
        if arg.get_help_heading() != heading.as_deref() {
            heading = arg.get_help_heading().map(ToOwned::to_owned);
            let heading = heading.as_deref().unwrap_or_default();
            text.push_str(&format!(
                "\n**{heading}**\n\n| flag | default | meaning |\n|---|---|---|\n"
            ));
        }
        let flag = arg.get_long().unwrap_or_default();
        let default: Vec<_> =
            arg.get_default_values().iter().filter_map(|value| value.to_str()).collect();
        let default = match &default[..] {
            [] if arg.get_id() == "key_file" => "see below".to_owned(),
            [] => "off".to_owned(),
            values => format!("`{}`", values.join(" ")),
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("| `--{flag}` | {default} | {help} |\n"));
    }
    text
}

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
const BEGIN: &str = "<!-- begin: made from `--help` -->\n";
const END: &str = "<!-- end: made from `--help` -->\n";

#[test]
fn the_tables_in_the_documentation_are_those_of_help() {
    let docs = std::fs::read_to_string(DOCS).expect("docs/operations.md");
    let (before, rest) = docs.split_once(BEGIN).expect("where the tables begin");
    let (written, after) = rest.split_once(END).expect("where the tables end");
    let expected = reference();
    if written.trim() != expected.trim() {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let docs = format!("{before}{BEGIN}\n{expected}\n{END}{after}");
            std::fs::write(DOCS, docs).expect("written");
            return;
        }
        panic!(
            "docs/operations.md is out of date: run UPDATE_DOCS=1 cargo test -p contacts-service\n{expected}"
        );
    }
}

#[test]
fn every_flag_in_the_documentation_exists_and_is_documented() {
    let docs = std::fs::read_to_string(DOCS).expect("docs/operations.md");
    let commands = commands();
    let known: std::collections::BTreeSet<_> = commands
        .iter()
        .flat_map(|(_, command)| command.get_arguments())
        .filter_map(clap::Arg::get_long)
        .collect();
    // In code, and not an option of another program in an example.
    let written: std::collections::BTreeSet<_> = docs
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with("--") || code.starts_with("contacts-service"))
        .flat_map(|code| code.split([' ', '=']))
        .filter_map(|word| word.strip_prefix("--"))
        .collect();
    let unknown: Vec<_> = written.difference(&known).filter(|flag| **flag != "help").collect();
    assert!(unknown.is_empty(), "there are no such flags: {unknown:?}");
    let missing: Vec<_> = known.difference(&written).collect();
    assert!(missing.is_empty(), "not in docs/operations.md: {missing:?}");
}

#[test]
fn the_sample_configuration_file_in_the_documentation_is_accepted() {
    let docs = std::fs::read_to_string(DOCS).expect("docs/operations.md");
    let sample = docs.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.toml");
    std::fs::write(&path, sample.expect("a sample")).expect("written");
    let cli = parse(&format!("contacts-service --config {}", path.display())).expect("settings");
    assert_eq!(cli.serve.config.timeouts.idle_timeout, Duration::from_secs(90));
}

fn with_file(text: &str, flags: &str) -> Result<Config, String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("contacts.toml");
    std::fs::write(&path, text).expect("written");
    let line = format!("contacts-service --config {}{flags}", path.display());
    parse(&line).map(|cli| cli.serve.config).map_err(|error| error.to_string())
}

#[test]
fn every_setting_is_a_key_of_the_configuration_file() {
    let serve = Cli::command();
    for arg in serve.get_arguments().filter(|arg| file::is_setting(arg)) {
        let long = arg.get_long().expect("a flag");
        let value = match arg.get_default_values() {
            [] if long.ends_with("-file") || long.starts_with("tls-") => {
                "\"contacts.key\"".to_owned()
            }
            [] if long.ends_with("-endpoint") => "\"http://127.0.0.1:4317\"".to_owned(),
            [] if long.ends_with("-listen") => "\"127.0.0.1:0\"".to_owned(),
            [] => "true".to_owned(),
            [value, ..] => format!("\"{}\"", value.to_str().expect("text")),
        };
        if let Err(error) = with_file(&format!("{long} = {value}"), "") {
            panic!("{long}: {error}");
        }
    }
}

#[test]
fn flags_override_the_configuration_file() {
    let text = "idle-timeout = '5s'\nmax-concurrent-requests = 7\ninsecure = true\n";
    let config = with_file(text, " --idle-timeout 6s").expect("settings");
    assert_eq!(config.timeouts.idle_timeout, Duration::from_secs(6));
    assert_eq!(config.limits.max_concurrent_requests, 7);
    assert!(config.listener.insecure && !config.migrate);
}

#[test]
fn errors_in_the_configuration_file_name_the_key_and_no_secret() {
    for (text, expected) in [
        (
            "idle-time = '5s'",
            "contacts.toml: unknown key \"idle-time\", did you mean \"idle-timeout\"?",
        ),
        ("idle_timeout = '5s'", "did you mean \"idle-timeout\"?"),
        ("colour = 'red'", "contacts.toml: unknown key \"colour\""),
        ("config = 'other.toml'", "contacts.toml: unknown key \"config\""),
        ("[limits]\nx = 1", "contacts.toml: unknown key \"limits\""),
        ("idle-timeout = 5", "contacts.toml: idle-timeout: expected a duration"),
        ("idle-timeout = [5]", "contacts.toml: idle-timeout: expected a string or a whole number"),
        ("insecure = 'yes'", "contacts.toml: insecure: expected true or false"),
        ("log-format = 'xml'", "contacts.toml: log-format: invalid value"),
        ("database-url = 'mysql://ana:s3cr3t@db'", "contacts.toml: database-url: "),
        ("listen = 'x'\ndatabase-url = s3cr3t", "contacts.toml: line 2: "),
    ] {
        let error = with_file(text, "").expect_err(text);
        assert!(error.contains(expected) && !error.contains("s3cr3t"), "{text}: {error}");
    }
}
