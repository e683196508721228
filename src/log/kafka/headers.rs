//! Record headers: what the log knows of a record beside its bytes.
//!
//! `feed` names the feed, `csv-header` the SHA-256 of the header line in hexadecimal digits,
//! `zhibao-received-at` the append time of a replay in milliseconds. Other headers are other
//! people's.

use rdkafka::message::{Header, OwnedHeaders};

use crate::domain::ids::{FeedId, NO_FEED};
use crate::domain::time::Moment;
use crate::log::Headers;

pub(super) const FEED: &str = "feed";
pub(super) const CSV_HEADER: &str = "csv-header";
pub(super) const RECEIVED_AT: &str = "zhibao-received-at";

/// The headers of records that are appended together. Those of no feed say nothing of it: a client
/// copies the headers for each record.
pub(super) fn written(headers: &Headers, received_at: Option<Moment>) -> OwnedHeaders {
    let mut written = OwnedHeaders::new_with_capacity(3);
    if headers.feed.as_str() != NO_FEED {
        written = written.insert(Header { key: FEED, value: Some(headers.feed.as_str()) });
    }
    if let Some(digest) = headers.header_digest {
        written = written.insert(Header { key: CSV_HEADER, value: Some(&hex(&digest)) });
    }
    if let Some(at) = received_at {
        let text = at.ms().to_string();
        written = written.insert(Header { key: RECEIVED_AT, value: Some(&text) });
    }
    written
}

/// The headers of a record that was read; the first of each name counts.
pub(super) fn read<H: rdkafka::message::Headers>(headers: Option<&H>) -> (Headers, Option<Moment>) {
    let (mut feed, mut digest, mut received_at) = (None, None, None);
    for header in headers.into_iter().flat_map(|headers| headers.iter()) {
        let text = header.value.and_then(|value| std::str::from_utf8(value).ok());
        match (header.key, text) {
            (FEED, Some(text)) if feed.is_none() => feed = FeedId::new(text).ok(),
            (CSV_HEADER, Some(text)) if digest.is_none() => digest = unhex(text),
            (RECEIVED_AT, Some(text)) if received_at.is_none() => {
                received_at = text.parse().ok().map(Moment::from_ms);
            }
            _ => {}
        }
    }
    let feed = feed.or_else(|| FeedId::new(NO_FEED).ok());
    let feed = feed.unwrap_or_else(|| unreachable!("a constant of lawful shape"));
    (Headers { feed, header_digest: digest }, received_at)
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != 64 {
        return None;
    }
    for (place, pair) in digest.iter_mut().zip(pairs) {
        *place = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(name: &str) -> FeedId {
        FeedId::new(name).unwrap()
    }

    #[test]
    fn what_is_written_comes_back() {
        for digest in [None, Some([0xa7; 32])] {
            for name in ["orders", NO_FEED] {
                let headers = Headers { feed: feed(name), header_digest: digest };
                let at = Moment::from_ms(1_782_835_200_123);
                for at in [None, Some(at)] {
                    assert_eq!(read(Some(&written(&headers, at))), (headers.clone(), at));
                }
            }
        }
    }

    #[test]
    fn what_is_not_ours_is_no_feed_and_no_digest() {
        let none = Headers { feed: feed("unknown"), header_digest: None };
        assert_eq!(read::<OwnedHeaders>(None), (none.clone(), None));
        let long = "7".repeat(63);
        for (key, value) in [
            (FEED, b"\xff\xfe".as_slice()),
            (FEED, b""),
            (CSV_HEADER, long.as_bytes()),
            (CSV_HEADER, &[b'x'; 64]),
            (RECEIVED_AT, b"yesterday"),
            ("traceparent", b"00-1-2-01"),
        ] {
            let headers = OwnedHeaders::new().insert(Header { key, value: Some(value) });
            assert_eq!(read(Some(&headers)), (none.clone(), None), "{key}");
        }
    }

    #[test]
    fn the_first_of_two_counts() {
        let headers = OwnedHeaders::new()
            .insert(Header { key: FEED, value: Some("orders") })
            .insert(Header { key: FEED, value: Some("daily") });
        assert_eq!(read(Some(&headers)).0.feed, feed("orders"));
    }
}
