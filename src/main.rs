//! The `signoff` command.

fn main() {}
