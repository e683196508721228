//! The `zhibao` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    zhibao::cli::main()
}
