//! `zhibao connector check`: compiles every manifest and holds each folder against its samples.
#![expect(clippy::print_stdout, reason = "the command line prints its results")]

use std::path::Path;
use std::process::ExitCode;

use super::CliError;
use crate::normalize::{Connectors, Expectations, check_connector};

/// Checks every connector's folder: the manifest, the README's headings, and that the samples are
/// accepted and rejected as declared. Fails where one is not.
pub(super) fn connectors(folder: &Path) -> Result<ExitCode, CliError> {
    let connectors = Connectors::load(folder)?;
    let mut failed = 0;
    for manifest in connectors.iter() {
        let name = manifest.name();
        let findings = check_connector(&folder.join(name.as_str()), Expectations::Compare)?;
        for finding in &findings {
            println!("{name}/{}: {}", finding.file, finding.detail);
        }
        failed += findings.len();
        println!("{name}: {} feeds, {} findings", manifest.feeds().len(), findings.len());
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
