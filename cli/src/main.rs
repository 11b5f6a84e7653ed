//! A 0k-Sync device on the command line.

fn main() {}
