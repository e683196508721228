//! Instances of the hub as a service, which are killed, paused and started again.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::servers::signal;
use crate::hub::{Hub, text};

const SIGKILL: i32 = 9;
const PATIENCE: Duration = Duration::from_secs(60);
/// Every way in which a byte leaves a process: to a socket, or to a file.
const WRITES: &str = "sendto,sendmsg,write,writev,pwrite64,fsync,fdatasync";

/// One instance.
pub(crate) struct Instance {
    arguments: Vec<String>,
    /// What it says, of all its starts.
    said: PathBuf,
    /// How much of it was said before the last start.
    said_before: usize,
    child: Option<Child>,
}

impl Instance {
    /// An instance that is not started yet.
    pub(crate) fn new(said: PathBuf, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { arguments, said, said_before: 0, child: None }
    }

    fn command(&self, hub: &Hub) -> Command {
        hub.command(&self.arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn spawn(&mut self, mut command: Command) {
        let said = File::options().create(true).append(true).open(&self.said).unwrap();
        self.said_before = self.said().len();
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap());
        command.stderr(said).env("NO_COLOR", "1");
        self.child = Some(command.spawn().unwrap());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap()
    }

    /// Waits until it listens, which is when it takes its end for an order; `false` where it has
    /// ended in vain.
    fn comes_to_listen(&mut self) -> bool {
        let since = Instant::now();
        while !self.said().split_at(self.said_before).1.contains("listening: ") {
            if self.has_ended_in_vain() {
                return false;
            }
            assert!(since.elapsed() < PATIENCE, "it does not start: {}", text(&self.said));
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Starts it where it does not run.
    pub(crate) fn start(&mut self, hub: &Hub) {
        if self.child.is_none() {
            self.spawn(self.command(hub));
        }
    }

    /// Starts it again where it has ended in vain, as whoever watches over it would. Returns whether
    /// that was so.
    pub(crate) fn start_again(&mut self, hub: &Hub) -> bool {
        let in_vain = self.has_ended_in_vain();
        if in_vain {
            self.start(hub);
        }
        in_vain
    }

    /// Whether it found no server to start with, and has ended.
    fn has_ended_in_vain(&mut self) -> bool {
        let Some(status) = self.ended_within(Duration::ZERO) else { return false };
        let all = self.said();
        let said = all.split_at(self.said_before).1;
        assert!(!said.contains("listening: "), "it ended by itself with {status}: {said}");
        let last = said.lines().last().unwrap_or_default();
        // Whatever it was asking for, a database that crashed under its question included; one that
        // finds nobody for good never comes to listen.
        let is_away = [
            "expected a connection",
            "expected an answer",
            "BrokerTransportFailure",
            "error communicating with database",
            "terminating connection",
        ];
        assert!(is_away.iter().any(|it| last.contains(it)), "it ended with {status}: {last}");
        true
    }

    /// Starts it so that it is killed as one of its threads is about to write for the nth time.
    pub(crate) fn start_until_write(&mut self, hub: &Hub, number: u32) {
        assert!(self.child.is_none(), "it runs already");
        let whole = self.command(hub);
        let mut command = Command::new("strace");
        // -D: the instance stays the child of this process. Not by seccomp, under which some versions
        // inject nothing.
        command.args(["-D", "-f", "-qqq", "-o", "/dev/null"]);
        command.args(["-e", &format!("trace={WRITES}")]);
        command.args(["-e", &format!("inject={WRITES}:signal=SIGKILL:when={number}")]);
        command.arg(whole.get_program()).args(whole.get_args());
        for (name, value) in whole.get_envs() {
            command.env(name, value.unwrap());
        }
        self.spawn(command);
    }

    /// Asks for its end, however it has come, for so long.
    pub(crate) fn ended_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        let since = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                self.child = None;
                return Some(status);
            }
            if since.elapsed() >= time {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills it; fails where it had ended by itself.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            let status = child.wait().unwrap();
            assert!(is_killed(status), "it ended by itself with {status}: {}", text(&self.said));
        }
    }

    /// Stops it for a time in which others take its partitions, and lets it go on.
    pub(crate) fn pause(&self, time: Duration) {
        let Some(pid) = self.pid() else { return };
        signal(&pid, "STOP");
        std::thread::sleep(time);
        signal(&pid, "CONT");
    }

    /// Its number, where it runs.
    pub(crate) fn pid(&self) -> Option<String> {
        self.child.as_ref().map(|child| child.id().to_string())
    }

    /// Tells it to stop, and waits until it has. One that has ended in vain need not be told.
    pub(crate) fn stop(&mut self) {
        if self.child.is_none() || !self.comes_to_listen() {
            return;
        }
        let Some(child) = &self.child else { return };
        signal(&child.id().to_string(), "TERM");
        let status = self
            .ended_within(PATIENCE)
            .unwrap_or_else(|| panic!("it does not stop when it is told to: {}", text(&self.said)));
        assert!(status.success(), "it stopped with {status}: {}", text(&self.said));
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// Whether a process ended by a kill.
pub(crate) fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(SIGKILL)
}
