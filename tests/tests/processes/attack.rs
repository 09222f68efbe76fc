//! The attack script itself: what it reports is read by people, but it has to run.

use std::process::{Command, Output};

fn attack(names: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attack"));
    command.args(["--seconds", "1"]).args(names).output().expect("the script")
}

#[test]
fn a_server_that_was_attacked_serves_newcomers() {
    let names = ["gzip-bombs", "idle-streams", "half-messages", "descriptors"];
    let done = attack(&names);
    let shown = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{shown}{}", String::from_utf8_lossy(&done.stderr));
    let rows: Vec<_> = shown.lines().skip(2).collect();
    assert_eq!(rows.len(), names.len(), "{shown}");
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let seconds = cells.last().expect("cells").parse::<f64>();
        assert!(cells.len() == 8 && seconds.is_ok(), "{row}");
    }
}
