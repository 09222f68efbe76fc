//! The environment, from which flags take values, too.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};

use clap::{Arg, Command, CommandFactory};

use super::Cli;

impl Cli {
    /// Those of the variables in the environment that look like settings and are none: mistyped, perhaps.
    pub fn unknown_variables(variables: impl IntoIterator<Item = OsString>) -> Vec<String> {
        let command = Self::command();
        let mut known = HashSet::new();
        add_variables(&command, &mut known);
        let unknown = |name: &String| {
            // The clients' token, and what tests of this program use.
            let is_other = name == "CONTACTS_TOKEN" || name.starts_with("CONTACTS_TEST_");
            name.starts_with("CONTACTS_") && !is_other && !known.contains(OsStr::new(name))
        };
        let names = variables.into_iter().filter_map(|name| name.into_string().ok());
        let mut unknown: Vec<_> = names.filter(unknown).collect();
        unknown.sort_unstable();
        unknown
    }
}

fn add_variables(command: &Command, known: &mut HashSet<OsString>) {
    known.extend(command.get_arguments().filter_map(Arg::get_env).map(OsStr::to_owned));
    command.get_subcommands().for_each(|command| add_variables(command, known));
}
