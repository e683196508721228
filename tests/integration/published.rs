//! What is applied and not published shows in the status, and `zhibao publish` brings it to
//! nothing, once.

use crate::hub::{Folder, Hub, text};

/// The lines of the status under "not published yet".
fn unpublished(hub: &Hub) -> Vec<String> {
    let status = hub.done(&["status"]);
    let lines = status.lines().skip_while(|line| *line != "not published yet").skip(1);
    lines.take_while(|line| !line.is_empty()).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_status_says_what_is_not_published_yet() {
    let folder = Folder::new("published");
    let generated = folder.path("generated");
    let hub = Hub::new(folder.path("hub"));
    let size = ["--orders", "2000", "--from", "2026-07-01", "--days", "1", "--seed", "6"];
    hub.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
    hub.done(&["replay", text(&generated)]);
    hub.done(&["process"]);

    let before = unpublished(&hub);
    let has = |what: &str| before.iter().any(|line| line.starts_with(what));
    assert!(has("meituan ") && has("events.enrolments "), "{before:?}");
    hub.done(&["seal", "--until", "2026-07-31"]);
    assert!(unpublished(&hub).iter().any(|line| line.starts_with("meituan ")), "sealing lost it");

    let published = hub.done(&["publish"]);
    let count = |topic: &str| {
        let line = published.lines().find_map(|line| line.strip_prefix(topic)).unwrap();
        line.trim_start_matches(": ").split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert!(count("events.orders") >= 2000, "{published}");
    assert!(count("events.enrolments") > 0, "{published}");
    assert_eq!(unpublished(&hub), ["none"]);
    assert_eq!(hub.done(&["publish"]), "nothing to publish\n");
}

#[test]
fn without_canonical_topics_nothing_is_kept_for_them() {
    let folder = Folder::new("unpublished");
    let generated = folder.path("generated");
    let hub = Hub::new(folder.path("hub"));
    let size = ["--orders", "2000", "--from", "2026-07-01", "--days", "1", "--seed", "6"];
    hub.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
    hub.done(&["replay", text(&generated)]);
    hub.done(&["process", "--no-canonical-topics"]);
    hub.done(&["seal", "--no-canonical-topics", "--until", "2026-07-31"]);
    assert_eq!(unpublished(&hub), ["none"]);
}
