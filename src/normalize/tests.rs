//! The engine against every folder of `connectors/`, and each reason to hold.

use std::path::PathBuf;

use proptest::prelude::*;

use super::check::message_of;
use super::samples::{Sample, read_all};
use super::*;

fn connectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("connectors")
}

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(connectors())
        .expect("the folder connectors")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn keys() -> TokenKeys {
    TokenKeys::new(b"samples")
}

fn manifest(name: &str) -> Manifest {
    Manifest::load(&connectors().join(name)).expect("a manifest")
}

/// One record of the feed `orders` (or another, `feed`) through a connector, as text.
fn check(connector: &str, feed: &str, record: &str) -> String {
    check_bytes(&manifest(connector), feed, None, record.as_bytes())
}

fn check_bytes(manifest: &Manifest, feed: &str, header: Option<[u8; 32]>, value: &[u8]) -> String {
    let feed = FeedId::new(feed).expect("a feed's name");
    describe(&manifest.normalize_guarded(&message_of(manifest, &feed, header, value), &keys()))
}

const ACCEPTED: &str = r#"{"bizCode":"MEITUAN","orderViewId":"3605012345678901234","status":20,"riderId":123456789,"acceptTime":1782864001123,"opTime":1782864001123,"adcode":150102}"#;

#[test]
fn every_folder_is_as_declared() {
    let expectations = match std::env::var_os("ZHIBAO_BLESS") {
        Some(_) => Expectations::Rewrite,
        None => Expectations::Compare,
    };
    let folders = folders();
    assert!(folders.len() >= 3, "expected connectors, found {folders:?}");
    let mut findings = Vec::new();
    for folder in folders {
        match check_connector(&folder, expectations) {
            Ok(found) => findings.extend(found.into_iter().map(|finding| {
                format!("{}/{}: {}", folder.display(), finding.file, finding.detail)
            })),
            Err(error) => findings.push(error.to_string()),
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn an_acceptance_of_meituan_by_hand() {
    // 1782864001123 ms is 2026-07-01T00:00:01.123Z; the worker's token is checked in token.rs.
    assert_eq!(
        check("meituan", "orders", ACCEPTED),
        "order accepted meituan/3605012345678901234 line=instant_delivery \
         worker=3689749c39ae2553 accepted=2026-07-01T08:00:01.123+08:00 ended=- \
         occurred=2026-07-01T08:00:01.123+08:00 county=150102/acceptance service=- channel=- \
         upstream=- resolution_ms=1"
    );
}

#[test]
fn a_feed_that_the_manifest_lacks_is_held() {
    assert!(check("meituan", "nonesuch", ACCEPTED).starts_with("held feed.unknown"));
    assert!(check("meituan", "nonesuch", "").starts_with("held message.empty"));
}

#[test]
fn csv_without_a_known_header_is_malformed() {
    let found = check("shansong", "orders", "a,b,c,d,e,f,g");
    assert!(found.starts_with("held message.malformed: expected the header line"), "{found}");
    assert!(found.contains("平台,订单号"), "{found}");
}

#[test]
fn gb18030_that_is_cut_off_is_truncated_and_other_bytes_are_another_encoding() {
    let manifest = manifest("shansong");
    let whole = encoding_rs::GB18030.encode("闪送,SS1,已接单").0.into_owned();
    let cut = check_bytes(&manifest, "orders", None, &whole[..whole.len() - 1]);
    assert!(cut.starts_with("held message.truncated"), "{cut}");
    let mut odd = whole.clone();
    odd[2] = 0xff;
    let odd = check_bytes(&manifest, "orders", None, &odd);
    assert_eq!(odd, "held message.encoding: expected GB18030, found another encoding at byte 2");
}

#[test]
fn a_panic_holds_the_message_as_a_defect() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let held = guard(|| panic!("slot {} is gone", 7));
    std::panic::set_hook(quiet);
    assert_eq!(describe(&held), "held hub.defect: the hub itself failed: slot 7 is gone");
}

#[test]
fn the_first_reason_in_the_order_of_precedence_is_given() {
    let all_wrong = ACCEPTED
        .replace("MEITUAN", "ELEME")
        .replace("\"status\":20", "\"status\":77")
        .replace("1782864001123", "1");
    assert!(check("meituan", "orders", &all_wrong).starts_with("held platform.other"));
    let id_too = all_wrong.replace("3605012345678901234", "");
    assert!(check("meituan", "orders", &id_too).starts_with("held order.id_invalid"));
    let times =
        ACCEPTED.replacen("1782864001123", "1", 1).replace("1782864001123", "1893456000000");
    assert!(check("meituan", "orders", &times).starts_with("held time.impossible"));
}

#[test]
fn the_order_number_is_the_partition_key_and_what_cannot_be_read_still_has_one() {
    let (manifest, orders) = (manifest("meituan"), FeedId::new("orders").expect("a feed"));
    let route = |value: &str| manifest.route(&orders, None, value.as_bytes());
    assert_eq!(route(ACCEPTED), b"3605012345678901234");
    // The key is the order's, whatever else is wrong with the record.
    assert_eq!(route(&ACCEPTED.replace("1782864001123", "1")), b"3605012345678901234");
    let broken = &ACCEPTED[..40];
    assert_eq!(route(broken), Sha256::digest(broken).to_vec());
    let nameless = ACCEPTED.replace("3605012345678901234", "");
    assert_eq!(route(&nameless), Sha256::digest(&nameless).to_vec());
    let roster = FeedId::new("roster").expect("a feed");
    assert_eq!(manifest.route(&roster, None, br#"{"platform":"MEITUAN","rider":"5"}"#), b"5");
}

#[test]
fn the_key_of_every_accepted_order_is_its_number() {
    for folder in folders() {
        let manifest = Manifest::load(&folder).expect("a manifest");
        for sample in read_all(&folder.join("samples/accept"), manifest.feeds()).expect("samples") {
            let feed = FeedId::new(&sample.feed).expect("a feed");
            for record in sample.records.as_ref().expect("records") {
                let header = sample.header_digest;
                let message = message_of(&manifest, &feed, header, record);
                if let Normalized::Order(order) = manifest.normalize(&message, &keys()) {
                    let key = manifest.route(&feed, header.as_ref(), record);
                    assert_eq!(key, order.order_id.as_str().as_bytes());
                }
            }
        }
    }
}

#[test]
fn packed_manifests_are_the_same_version_and_damaged_ones_are_refused() {
    let loaded = Connectors::load(&connectors()).expect("all folders");
    let bytes = loaded.to_bytes();
    let unpacked = Connectors::from_bytes(&bytes).expect("its own bytes");
    assert_eq!(loaded.digest(), unpacked.digest());
    assert_eq!(unpacked.to_bytes(), bytes);
    let names = |all: &Connectors| all.iter().map(|m| m.name().clone()).collect::<Vec<_>>();
    assert_eq!(names(&loaded), names(&unpacked));
    assert!(Connectors::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    assert!(Connectors::from_bytes(b"something else").is_err());
}

/// Every record of every sample, with the manifest that reads it.
fn corpus() -> Vec<(Manifest, Vec<Sample>)> {
    let corpus = folders().into_iter().map(|folder| {
        let manifest = Manifest::load(&folder).expect("a manifest");
        let mut samples = read_all(&folder.join("samples/accept"), manifest.feeds()).expect("read");
        samples.extend(read_all(&folder.join("samples/reject"), manifest.feeds()).expect("read"));
        (manifest, samples)
    });
    corpus.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_decoder_survives_mutation_of_every_sample(
        seed in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        how in 0..4_u8,
    ) {
        for (manifest, samples) in CORPUS.iter() {
            for sample in samples {
                for record in sample.records.as_ref().expect("records") {
                    let mut bytes = record.clone();
                    mutate(&mut bytes, seed, byte, how);
                    let feed = &sample.feed;
                    let found = check_bytes(manifest, feed, sample.header_digest, &bytes);
                    prop_assert!(!found.starts_with("held hub.defect"), "{}", found);
                    let feed = FeedId::new(feed).expect("a feed");
                    let key = manifest.route(&feed, sample.header_digest.as_ref(), &bytes);
                    prop_assert!(!key.is_empty());
                }
            }
        }
    }
}

static CORPUS: std::sync::LazyLock<Vec<(Manifest, Vec<Sample>)>> = std::sync::LazyLock::new(corpus);

fn mutate(bytes: &mut Vec<u8>, seed: prop::sample::Index, byte: u8, how: u8) {
    if bytes.is_empty() {
        return bytes.push(byte);
    }
    let at = seed.index(bytes.len());
    match how {
        0 => bytes[at] = byte,
        1 => bytes.insert(at, byte),
        2 => bytes.truncate(at),
        _ => {
            bytes.remove(at);
        }
    }
}

mod compression;
mod frames;
mod manifests;
