//! The streams that go on while everything crashes: a folder's files in order of arrival, a few at
//! a time, taken in by a command that is killed now and then as well; but those of one platform,
//! whose own producer sends them to the wrong partitions.

use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use super::instance::is_killed;
use super::miskeyed::Miskeyed;
use crate::hub::{Arrival, Hub, arrivals, text, write_arrivals};

/// Files that are still to come.
pub(crate) struct Feed {
    generated: PathBuf,
    waiting: Vec<Arrival>,
    under_way: Option<Child>,
    miskeyed: Miskeyed,
}

impl Feed {
    /// All files of a generated folder.
    pub(crate) fn new(generated: &Path, kafka: &str) -> Self {
        let mut waiting = arrivals(generated);
        waiting.reverse();
        let (generated, miskeyed) = (generated.to_owned(), Miskeyed::new(kafka));
        Self { generated, waiting, under_way: None, miskeyed }
    }

    /// How many files are still to come.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Begins to take the next files in: a part of as many, by their bytes, of what is left, and
    /// one file at least.
    pub(crate) fn begin(&mut self, hub: &Hub, parts: u32) {
        assert!(self.under_way.is_none(), "the last files are not in yet");
        let bytes = |file: &Arrival| std::fs::metadata(&file.path).unwrap().len();
        let part = self.waiting.iter().map(bytes).sum::<u64>() / u64::from(parts.max(1));
        let mut taken = 0;
        let is_next = |file: &&Arrival| {
            let is_next = taken == 0 || taken + bytes(file) <= part;
            taken += bytes(file);
            is_next
        };
        let count = self.waiting.iter().rev().take_while(is_next).count();
        let next: Vec<Arrival> = self.waiting.split_off(self.waiting.len() - count);
        let (own, others): (Vec<_>, Vec<_>) =
            next.into_iter().rev().partition(|file| self.miskeyed.is_meant(file));
        self.miskeyed.begin(own);
        write_arrivals(&self.generated, others.iter());
        self.under_way = Some(self.spawn(hub));
    }

    fn spawn(&self, hub: &Hub) -> Child {
        let mut command = hub.command(&["replay", text(&self.generated)]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Kills the command that takes files in, wherever it is.
    pub(crate) fn kill(&mut self, hub: &Hub) {
        let Some(mut child) = self.under_way.take() else { return };
        child.kill().unwrap();
        child.wait().unwrap();
        self.under_way = Some(self.spawn(hub));
    }

    /// Waits until the files are in. A server that was away ends the command, and it is given
    /// again.
    pub(crate) fn end(&mut self, hub: &Hub) {
        const ATTEMPTS_MAX: u32 = 20;
        self.miskeyed.end();
        for _ in 0..ATTEMPTS_MAX {
            let Some(child) = self.under_way.take() else { return };
            let Output { status, stderr, .. } = child.wait_with_output().unwrap();
            assert!(!is_killed(status), "nobody else kills it");
            if status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&stderr);
            let is_away = ["kafka", "database"].iter().any(|server| said.contains(server));
            assert!(is_away && !said.contains("panicked"), "{status}: {said}");
            self.under_way = Some(self.spawn(hub));
        }
        panic!("files cannot be taken in: {}", text(&self.generated));
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Some(mut child) = self.under_way.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
