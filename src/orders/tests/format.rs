//! The bytes of a segment: released versions are read for ever, and damage is an error.

use sha2::{Digest, Sha256};

use super::{accepted, bare, day};
use crate::domain::event::{OrderEvent, OrderKind, Origin};
use crate::domain::ids::{ConnectorId, OrderId, PlatformId, WorkerToken};
use crate::orders::columns::{Columns, RawMessage};
use crate::orders::segment::{SegmentHead, decode, encode, encode_joined, encode_small};

/// Format version 1 as it was first released: never written again.
const FIRST_EVENTS_V1: &[u8] = include_bytes!("../../../tests/golden/segment-v1.bin");
const DELTAS_V1: &[u8] = include_bytes!("../../../tests/golden/segment-v1-delta.bin");

const HEAD: SegmentHead = SegmentHead { manifest_version: 3, batch: 1_000_001 };

/// First events with every field that there is, one of them with its message.
fn first_events() -> Columns {
    let at = day("2026-07-20").start().plus_ms(36_000_123);
    let mut rows = Columns::default();
    for number in 0..40 {
        let id = format!("DX{:017}", 12_345_678_901_u64 + 7919 * number);
        rows.push(None, &accepted(&id, number % 5, at.plus_ms(number as i64 * 777), 150_102));
    }
    rows.push(
        None,
        &OrderEvent {
            origin: Some(Box::new(Origin {
                agent: Some(ConnectorId::new("agent-a").unwrap()),
                channel: Some("高德".to_owned()),
                upstream: Some((
                    PlatformId::new("didi-chuxing").unwrap(),
                    OrderId::new("u1").unwrap(),
                )),
            })),
            ended_at: Some(at.plus_ms(900_000)),
            service_county: Some(super::county(150_105)),
            line: None,
            resolution_ms: 1000,
            ..accepted("an id of no shape", u64::MAX, at, 110_105)
        },
    );
    let raw = RawMessage {
        header_digest: Some([9; 32]),
        partition: 3,
        offset: 77,
        received_at: at,
        bytes: b"{\"a\":1}".to_vec(),
        ..RawMessage::nothing()
    };
    rows.push_raw(&bare("early", OrderKind::Completed, at), raw);
    rows
}

fn deltas() -> Columns {
    let at = day("2026-07-20").start();
    let mut rows = Columns::default();
    for ordinal in [0, 3, 4, 4, 900, 70_000] {
        let event = bare("x", OrderKind::Completed, at.plus_ms(i64::from(ordinal)));
        rows.push_kind(ordinal, &OrderEvent { ended_at: Some(event.occurred_at), ..event });
    }
    let other = OrderEvent { worker: Some(WorkerToken(5)), ..bare("x", OrderKind::Cancelled, at) };
    rows.push(Some(70_001), &other);
    rows
}

#[test]
fn format_version_1_is_read_for_ever() {
    for (golden, content) in [(FIRST_EVENTS_V1, first_events()), (DELTAS_V1, deltas())] {
        let (head, rows) = decode(golden).unwrap();
        assert_eq!(head, HEAD);
        assert_eq!(rows, content);
    }
}

#[test]
fn what_is_written_is_read() {
    for content in [first_events(), deltas(), Columns::default()] {
        for encode in [encode, encode_joined, encode_small] {
            let bytes = encode(HEAD, &content).unwrap();
            assert_eq!(decode(&bytes).unwrap(), (HEAD, content.clone()));
        }
    }
}

fn each_written() -> Vec<Vec<u8>> {
    let encodings = [encode, encode_joined, encode_small];
    let each = encodings.iter().flat_map(|encode| {
        [encode(HEAD, &first_events()).unwrap(), encode(HEAD, &deltas()).unwrap()]
    });
    each.collect()
}

#[test]
fn every_flipped_bit_and_every_cut_is_an_error() {
    for bytes in each_written() {
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1 << bit;
                assert!(decode(&damaged).is_err(), "bit {bit} of byte {place}");
            }
            assert!(decode(&bytes[..place]).is_err(), "cut at {place}");
        }
    }
}

/// Damage that a checksum does not show (a defect of a writer): an error or other rows, each of
/// them whole, but no panic and no gigabytes.
#[test]
fn damage_under_a_fitting_checksum_does_not_panic() {
    for bytes in each_written() {
        for place in 0..bytes.len() - 8 {
            for with in [0, 1, 0x7f, 0x80, 0xff, bytes[place] ^ 0x10] {
                let mut damaged = bytes[..bytes.len() - 8].to_vec();
                damaged[place] = with;
                let digest = Sha256::digest(&damaged);
                damaged.extend_from_slice(&digest[..8]);
                if let Ok((_, rows)) = decode(&damaged) {
                    assert_eq!(rows.kinds.len(), rows.rows());
                }
            }
        }
    }
}
