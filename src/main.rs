//! The `zhibao` command.

use std::process::ExitCode;

/// See ADR 0008.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    zhibao::cli::main()
}
