//! A disk that is full again and again, under a hub that takes in, applies, seals and freezes: it
//! says so, takes nothing in that it cannot keep, and goes on where there is room again.
//!
//! The disk is a small file system in a namespace of its own, where no other process sees it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;

use crate::crash::truth::with_repeats;
use crate::hub::{Folder, Hub, arrivals, assert_truth, json, text};
use crate::service::{Service, write_tokens_for};

const DISK_BYTES: &str = "size=128m";
/// Room that is made at a time; the hub needs dozens of them.
const ROOM: &str = "256K";
const PATIENCE: Duration = Duration::from_secs(120);
/// How long nothing may go on before room is made.
const STILL: Duration = Duration::from_millis(500);
/// What the system and SQLite call it; the last where its shared memory cannot grow: a command that
/// finds it so tries to connect for half a minute before it ends.
const FULL: [&str; 3] =
    ["No space left on device", "database or disk is full", "(code: 4874) disk I/O error"];

/// A small file system; it ends with the process that keeps its namespace.
struct Disk {
    keeper: Child,
    path: PathBuf,
}

impl Disk {
    fn mount(path: PathBuf) -> Self {
        std::fs::create_dir(&path).unwrap();
        let script = "mount -t tmpfs -o \"$1\" tmpfs \"$2\" && echo mounted && exec cat";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        command.args([DISK_BYTES, text(&path)]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(
            said, "mounted\n",
            "expected a file system of its own for the full disk, found that this system gives \
             users no namespaces; allow them: sysctl -w kernel.unprivileged_userns_clone=1, and in \
             a container: --security-opt seccomp=unconfined --cap-add SYS_ADMIN"
        );
        Self { keeper, path }
    }

    /// What starts a program where the disk is seen.
    fn launcher(&self) -> Vec<String> {
        let keeper = self.keeper.id().to_string();
        let words = ["nsenter", "--target", &keeper, "--user", "--mount", "--preserve-credentials"];
        words.map(str::to_owned).to_vec()
    }

    /// Runs a script in the disk's folder.
    fn script(&self, script: &str) -> Output {
        let launcher = self.launcher();
        let mut command = Command::new(&launcher[0]);
        command.args(&launcher[1..]).args(["sh", "-c", "cd \"$1\" && eval \"$2\"", "sh"]);
        let output = command.args([text(&self.path), script]).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        output
    }

    /// Fills the disk to its last byte.
    fn fill(&self) {
        self.script(&format!(
            "mkdir -p ballast && while file=$(mktemp ballast/XXXXXX) && fallocate -l {ROOM} $file; \
             do :; done; cat /dev/zero >$file || true"
        ));
    }

    /// Makes some room.
    fn make_room(&self) {
        self.script("rm \"ballast/$(ls ballast | head -n 1)\"");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.keeper.kill().unwrap();
        self.keeper.wait().unwrap();
    }
}

/// Runs a command until there is room for all of it; gives how often there was not.
#[track_caller]
fn done_in_the_end(hub: &Hub, disk: &Disk, arguments: &[&str]) -> u32 {
    let mut refusals = 0;
    loop {
        let ended = hub.run(arguments);
        if ended.is_success {
            return refusals;
        }
        let is_full = FULL.iter().any(|full| ended.err.contains(full));
        assert!(is_full && !ended.err.contains("panicked"), "{arguments:?}: {}", ended.err);
        refusals += 1;
        disk.make_room();
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_doubles_nothing() {
    let folder = Folder::new("full-disk");
    let disk = Disk::mount(folder.path("disk"));
    let generated = folder.path("generated");
    let hub = Hub::new(disk.path.join("hub")).launched_by(disk.launcher());
    let size = ["--orders", "3000", "--from", "2026-07-01", "--days", "1", "--seed", "31"];
    hub.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
    let files = arrivals(&generated);
    let tokens = folder.path("tokens.toml");
    write_tokens_for(&tokens, &files);
    let said = folder.path("said.txt");
    let arguments = ["--replay-clock", "--tokens", text(&tokens), "--lease-ms", "200"];
    let service = Service::start_saying(&hub, &arguments, File::create(&said).unwrap());
    disk.fill();

    let (mut refusals, mut stills) = (0, 0);
    for file in &files {
        loop {
            let (status, answer) = service.post(file, Some(file.received_at_ms)).await;
            if status == StatusCode::OK && answer["complete"] == true {
                break;
            }
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
            refusals += 1;
            disk.make_room();
        }
    }
    for file in &files {
        let since = Instant::now();
        while service.applied_within(file, STILL).await.is_none() {
            assert!(since.elapsed() < PATIENCE, "{} is pending still", text(&file.path));
            stills += 1;
            disk.make_room();
        }
    }
    assert!(service.stop("TERM").success(), "{}", std::fs::read_to_string(&said).unwrap());
    let mut of_commands = 0;
    let reason = "the test's month is over";
    // A claim that finds no room is tried again for two leases.
    for command in [
        &["seal", "--until", "2026-07-31", "--lease-ms", "100"][..],
        &["freeze", "--month", "2026-07", "--reason", reason, "--lease-ms", "100"],
        &["evidence", "--lease-ms", "100"],
        &["publish"],
    ] {
        // What the service, or the command before, gave back goes too.
        disk.fill();
        of_commands += done_in_the_end(&hub, &disk, command);
    }
    eprintln!("{refusals} bodies, {stills} waits, {of_commands} commands found no room");
    let said = std::fs::read_to_string(&said).unwrap();
    assert!(FULL.iter().any(|full| said.contains(full)), "it says nothing of it: {said}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(refusals >= 3 && stills > 0 && of_commands >= 3, "too seldom full");

    let export = hub.export(&folder.path("out"));
    let adjusted = folder.path("adjusted.json");
    let truth = with_repeats(&json(&generated.join("truth.json")), &export);
    std::fs::write(&adjusted, truth.to_string()).unwrap();
    assert_truth(&adjusted, &folder.path("out/export.json"));
    hub.done(&["status"]);
}
