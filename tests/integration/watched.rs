//! A hub whose long steps are watched as it says them, so that a kill can fall into one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::hub::Hub;

const SIGKILL: i32 = 9;

/// The only lines that the hub is asked for.
const FILTER: &str = "error,zhibao::apply::under_way=debug";

/// A command of a hub, under watch.
pub(crate) struct Watched {
    child: Child,
    said: Receiver<String>,
    begun: BTreeMap<String, u32>,
    /// Step and what it works on.
    under_way: BTreeSet<(String, String)>,
}

/// How a watched command ended.
pub(crate) struct Ended {
    /// `None` where it was killed.
    pub(crate) status: Option<ExitStatus>,
    /// Steps that had begun and not ended.
    pub(crate) under_way: BTreeSet<String>,
}

impl Watched {
    pub(crate) fn start(hub: &Hub, arguments: &[&str]) -> Self {
        let mut command = hub.command(arguments);
        command.env("ZHIBAO_LOG", FILTER).env("NO_COLOR", "1");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (say, said) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // Ends with the command: nobody else writes into its pipe.
        std::thread::spawn(move || {
            for line in lines {
                if say.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        Self { child, said, begun: BTreeMap::new(), under_way: BTreeSet::new() }
    }

    /// Waits for the next line, at most so long, and takes in what has been said.
    pub(crate) fn look(&mut self, at_most: Duration) {
        if let Ok(line) = self.said.recv_timeout(at_most) {
            self.hear(&line);
        }
        while let Ok(line) = self.said.try_recv() {
            self.hear(&line);
        }
    }

    /// How many steps of a kind have begun.
    pub(crate) fn begun(&self, step: &str) -> u32 {
        self.begun.get(step).copied().unwrap_or(0)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Kills the command a moment later, wherever it then is. What it was doing is told by what it
    /// had said until its end.
    pub(crate) fn kill_after(mut self, moment: Duration) -> Ended {
        std::thread::sleep(moment);
        // A child that has ended by itself meanwhile takes no signal and keeps its own status.
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        let status = (status.signal() != Some(SIGKILL)).then_some(status);
        loop {
            match self.said.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => self.hear(&line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the killed command's pipe stays open"),
            }
        }
        let under_way = self.under_way.into_iter().map(|(step, _)| step).collect();
        Ended { status, under_way }
    }

    /// `… DEBUG zhibao::apply::under_way: begins step="merge" of="raw.meituan/3"`.
    fn hear(&mut self, line: &str) {
        let field = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let (Some(step), Some(of)) = (field("step"), field("of")) else {
            eprintln!("{line}");
            return;
        };
        if line.contains(": begins ") {
            *self.begun.entry(step.clone()).or_default() += 1;
            self.under_way.insert((step, of));
        } else {
            assert!(line.contains(": ended "), "expected a step that begins or ended: {line}");
            self.under_way.remove(&(step, of));
        }
    }
}
