//! A device and a relay killed with -9 under load: a short run of what `cargo xtask kills` does at length.

use std::process::Command;

use crate::process::binary;

#[test]
fn kill_g10_a_relay_killed_at_any_moment_keeps_every_acknowledged_blob_at_its_cursor() {
    kills("relay");
}

#[test]
fn kill_d4_a_device_killed_at_any_moment_loses_nothing_durable_and_uses_no_position_twice() {
    kills("device");
}

fn kills(victim: &str) {
    let mut command = Command::new(binary("kills"));
    let output = command.args(["--count", "60", "--only", victim]).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.contains(&format!("{victim}: 60 kills")), "{report}");
}
