//! Values that are compressed by themselves: unpacked within the feed's limits, or held.

use std::collections::BTreeMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const MANIFEST: &str = r#"name = "x"
platform = "x"
legal_entity = "某公司"
lines = ["ride_hailing"]
valid_from = "2026-07-01"
partitions = 2
[[feed]]
name = "orders"
format = "json"
bytes_max = 4000
compression = "gzip"
ratio_max = 20
depth_max = 4
time = "rfc3339"
own = { path = "p", is = ["X"] }
[[feed.record]]
makes = "order"
status = { path = "s", kinds = { "1" = "accepted" } }
[feed.record.fields]
order_id = "id"
line = { const = "ride_hailing" }
worker = "w"
accepted_at = "t"
occurred_at = "t"
county = "c"
"#;

const ORDER: &str =
    r#"{"p":"X","s":"1","id":"77","w":"5","t":"2026-07-02T08:00:00+08:00","c":"150102"}"#;

fn compile(text: &str) -> Result<Manifest, ManifestError> {
    let files = BTreeMap::from([("connector.toml".to_owned(), text.as_bytes().to_vec())]);
    Manifest::from_files("x", "x/connector.toml", files)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An order with so many spaces in it.
fn wide(spaces: usize) -> Vec<u8> {
    ORDER.replace("\"p\"", &format!("{}\"p\"", " ".repeat(spaces))).into_bytes()
}

#[track_caller]
fn check_value(value: &[u8], expected: &str) {
    let found = check_bytes(&compile(MANIFEST).unwrap(), "orders", None, value);
    assert!(found.starts_with(expected), "expected {expected}, found {found}");
}

#[test]
fn a_compressed_value_is_read_and_routed_as_what_it_unpacks_to() {
    check_value(&gzip(ORDER.as_bytes()), "order accepted x/77 ");
    // A gzip stream may have several members.
    let (head, tail) = ORDER.as_bytes().split_at(30);
    check_value(&[gzip(head), gzip(tail)].concat(), "order accepted x/77 ");
    let manifest = compile(MANIFEST).unwrap();
    let feed = FeedId::new("orders").unwrap();
    assert_eq!(manifest.route(&feed, None, &gzip(ORDER.as_bytes())), b"77");
}

#[test]
fn a_bomb_is_held_by_its_own_code_whichever_limit_it_breaks() {
    // Within the ratio of its size, but more than the feed allows.
    let noise = |n: u32| char::from(u8::try_from(n * n * 7919 / 13 % 94 + 33).unwrap());
    let noise: String = (0..700).cycle().take(4_000).map(noise).collect();
    let large = [ORDER.as_bytes(), noise.as_bytes()].concat();
    check_value(&gzip(&large), "held message.decompression_bomb: expected at most 4000 bytes");
    // Less than the feed allows, but from next to nothing.
    check_value(&gzip(&wide(3_500)), "held message.decompression_bomb");
    check_value(&gzip(&vec![b' '; 3_000_000]), "held message.decompression_bomb");
    // As many spaces as the limits permit are none.
    check_value(&gzip(&wide(1_000)), "order accepted x/77 ");
}

#[test]
fn what_is_no_whole_gzip_is_held_for_what_it_is() {
    let whole = gzip(ORDER.as_bytes());
    for length in 11..whole.len() {
        check_value(&whole[..length], "held message.truncated");
    }
    check_value(ORDER.as_bytes(), "held message.malformed: expected gzip");
    check_value(b"\x1f\x8b garbage that begins as gzip does", "held message.malformed");
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    check_value(&damaged, "held message.");
    let last = whole.len() - 6;
    let mut other_sum = whole.clone();
    other_sum[last] ^= 1;
    check_value(&other_sum, "held message.malformed");
    check_value(
        &[whole.as_slice(), b"and more than a header has"].concat(),
        "held message.malformed",
    );
    check_value(&gzip(b""), "held message.empty");
    check_value(b"", "held message.empty");
    check_value(&vec![b'x'; 4_001], "held message.oversized");
}

#[test]
fn a_manifest_says_how_and_how_far() {
    for (from, to, expected) in [
        ("\"gzip\"", "\"zip\"", "x/connector.toml:11: compression: expected gzip, found \"zip\""),
        ("ratio_max = 20\n", "", "expected the key ratio_max"),
        ("ratio_max = 20", "ratio_max = 0", "x/connector.toml:12: ratio_max: expected at least 1"),
        ("compression = \"gzip\"\n", "", "ratio_max: expected compression beside it"),
    ] {
        let error = compile(&MANIFEST.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
