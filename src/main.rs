//! The `zhibao` command.

use std::process::ExitCode;

/// See ADR 0007: the system's allocator keeps what each thread freed apart.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    zhibao::cli::main()
}
