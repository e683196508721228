//! The demonstration: the whole main job on generated input, against the truth.

mod report;
mod run;
mod summary;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::options::{Demo, Folders};
use super::{CliError, write_json};
use crate::hub::Hub;

/// Marks a folder that a demonstration made and may empty.
const MARK: &str = "made-by-zhibao-demo";

pub(super) async fn run(folders: &Folders, demo: Demo) -> Result<ExitCode, CliError> {
    let data = match folders.data.to_str() {
        Some("data") | None => PathBuf::from("demo-data"),
        Some(_) => folders.data.clone(),
    };
    empty(&data)?;
    // The demonstration is the main job with nothing else installed.
    let folders =
        Folders { data: data.join("hub"), log: Some("embedded".to_owned()), ..folders.clone() };
    let hub = Hub::open(&folders.settings()?).await?;
    let outcome = run::run(hub, &demo, &data).await?;
    let is_true = outcome.differences.is_empty();
    Ok(if is_true && outcome.status.closes() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows the outcome, before live traffic goes on.
fn show(demo: &Demo, outcome: &run::Outcome) -> Result<(), CliError> {
    report::print(outcome);
    match &demo.summary {
        Some(path) => write_json(path, &summary::of(outcome)),
        None => Ok(()),
    }
}

/// Empties a folder that an earlier demonstration made; refuses any other that is not empty.
fn empty(data: &Path) -> Result<(), CliError> {
    let failed = |source| CliError::File { path: data.display().to_string(), source };
    if data.exists() {
        let is_empty = std::fs::read_dir(data).map_err(failed)?.next().is_none();
        if !is_empty && !data.join(MARK).exists() {
            return Err(CliError::Argument {
                what: "--data",
                expected: "a new folder, or one that an earlier demo made",
                found: data.display().to_string(),
            });
        }
        std::fs::remove_dir_all(data).map_err(failed)?;
    }
    std::fs::create_dir_all(data).map_err(failed)?;
    std::fs::write(data.join(MARK), "").map_err(failed)
}
