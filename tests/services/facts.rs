//! Where the servers of `scripts/services` answer, for tests that need them. Without the servers
//! such a test fails with the command that starts them; none is ever skipped.

use std::path::PathBuf;

/// One line of what `scripts/services` wrote down.
///
/// # Panics
/// Where the servers were never started from this checkout.
pub(crate) fn fact(name: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder =
        std::env::var_os("ZHIBAO_SERVICES").map_or("target/services".into(), PathBuf::from);
    let path = root.join(folder).join("env");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; start the servers: scripts/services up", path.display())
    });
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    found.map(str::to_owned).unwrap_or_else(|| {
        panic!("{}: expected {name}, found none; run: scripts/services up", path.display())
    })
}
