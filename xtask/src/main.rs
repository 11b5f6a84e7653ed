//! The repository's own commands: setup, demo, verify.

fn main() {}
