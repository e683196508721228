//! The `zhibao` command.

fn main() {}
