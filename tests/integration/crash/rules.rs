//! The repository's manifests with another number of partitions.

use std::path::{Path, PathBuf};

use crate::hub::repository;

/// Copies manifests and policy into a folder; every platform that has several partitions gets so
/// many.
pub(crate) fn with_partitions(folder: &Path, partitions: u32) -> PathBuf {
    for part in ["connectors", "policy"] {
        copy(&repository().join(part), &folder.join(part), partitions);
    }
    folder.to_owned()
}

fn copy(from: &Path, to: &Path, partitions: u32) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target, partitions);
        } else if path.ends_with("connector.toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let line = |line: &str| match line.strip_prefix("partitions = ") {
                Some(several) if several != "1" => format!("partitions = {partitions}\n"),
                _ => format!("{line}\n"),
            };
            std::fs::write(&target, text.lines().map(line).collect::<String>()).unwrap();
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
