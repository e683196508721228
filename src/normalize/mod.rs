//! Normalize: a pure function of (manifest version, message) to what it means. No clock, no
//! database, no log line.
//!
//! Bytes become slots ([`json`], [`csv`], [`avro`] by the paths of a manifest's plan), slots become
//! canonical values ([`fields`]), and those an order event ([`order`]) or another fact ([`fact`]).
//! Only loading a manifest touches files.

mod avro;
mod cell;
mod check;
mod connectors;
mod credit_code;
mod csv;
mod fact;
mod fields;
mod frame;
mod json;
mod manifest;
mod order;
mod samples;
mod time;
mod token;
mod unpack;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use compact_str::CompactString;
use encoding_rs::DecoderResult;
use sha2::{Digest, Sha256};

use self::cell::{Cell, Slots, empty_slots};
use self::fields::{Fields, cut};
use self::manifest::{Makes, Record};
use self::unpack::check_size;
use crate::domain::event::{Event, OrderEvent};
use crate::domain::hold::{HoldReason, said_by};
use crate::domain::ids::FeedId;
use crate::domain::message::Message;

pub use self::check::{Expectations, Finding, check_connector, describe};
pub use self::connectors::Connectors;
pub use self::manifest::{AvroFormat, Brand, CsvFormat, Feed, Format, Manifest, ManifestError};
pub use self::token::TokenKeys;

/// Between the parts of a partition key that has several.
const SEPARATOR: u8 = 0x1f;

/// What normalizing made of one message.
#[derive(Clone, Debug, PartialEq)]
pub enum Normalized {
    /// Something happened to an order.
    Order(OrderEvent),
    /// Something else happened.
    Event(Box<Event>),
    /// The manifest lists its status as no event of ours.
    Ignored {
        /// The native status.
        status: CompactString,
    },
    /// It cannot be read, or not yet.
    Held(Box<HoldReason>),
}

impl Manifest {
    /// What a message means under this manifest.
    #[must_use]
    pub fn normalize(&self, message: &Message<'_>, keys: &TokenKeys) -> Normalized {
        self.read(message, keys).unwrap_or_else(|reason| Normalized::Held(Box::new(reason)))
    }

    /// As [`Manifest::normalize`]; a panic holds this one message as a defect of ours.
    #[must_use]
    pub fn normalize_guarded(&self, message: &Message<'_>, keys: &TokenKeys) -> Normalized {
        guard(|| self.normalize(message, keys))
    }

    /// The partition key of a record: the order number, or the key that the manifest names. What
    /// cannot be read has its SHA-256 as key, so that it goes somewhere, and always to the same.
    #[must_use]
    pub fn route(&self, feed: &FeedId, header_digest: Option<&[u8; 32]>, value: &[u8]) -> Vec<u8> {
        let key = self.feed(feed).and_then(|feed| feed.key_of(header_digest, value));
        key.unwrap_or_else(|| Sha256::digest(value).to_vec())
    }

    fn read(&self, message: &Message<'_>, keys: &TokenKeys) -> Result<Normalized, HoldReason> {
        let Some(feed) = self.feed(message.feed) else {
            check_size(message.value, usize::MAX)?;
            return Err(HoldReason::FeedUnknown { feed: message.feed.to_string() });
        };
        let value = feed.unpack(message.value)?;
        let text = feed.decode(&value)?;
        let mut slots = empty_slots();
        feed.fill(message.header_digest.as_ref(), &value, &text, &mut slots)?;
        self.make(feed, message, &slots, keys)
    }

    fn make(
        &self,
        feed: &Feed,
        message: &Message<'_>,
        slots: &Slots<'_>,
        keys: &TokenKeys,
    ) -> Result<Normalized, HoldReason> {
        let mut fields = Fields::new(slots, message.received_at);
        feed.check_own(&mut fields);
        let record = match feed.record(&mut fields) {
            Ok(record) => record,
            Err(ignored) => {
                return match (fields.fault(), ignored) {
                    (Some(reason), _) => Err(reason),
                    (None, Some(status)) => Ok(Normalized::Ignored { status }),
                    (None, None) => Err(HoldReason::Defect {
                        detail: format!("feed {}: no record and no reason", feed.id),
                    }),
                };
            }
        };
        match (&record.makes, &self.platform) {
            (Makes::Order(plan), Some(platform)) => {
                let scope = order::Scope { platform, resolution_ms: feed.resolution_ms, keys };
                Ok(order::read(plan, scope, fields))
            }
            (Makes::Order(_), None) => {
                Err(HoldReason::Defect { detail: "orders without a platform".to_owned() })
            }
            (Makes::Fact(kind, sources), platform) => {
                let scope =
                    fact::Scope { connector: &self.name, platform: platform.as_ref(), keys };
                let event = fact::read(*kind, sources, scope, message, fields)?;
                Ok(Normalized::Event(Box::new(event)))
            }
        }
    }
}

impl Feed {
    /// The record's text in UTF-8; nothing for a binary format.
    fn decode<'v>(&self, value: &'v [u8]) -> Result<Cow<'v, str>, HoldReason> {
        match &self.format {
            Format::Json { .. } => utf8(value),
            Format::Csv(csv) if csv.encoding == encoding_rs::GB18030 => gb18030(value),
            Format::Csv(_) => utf8(value),
            Format::Avro(_) => Ok(Cow::Borrowed("")),
        }
    }

    fn fill<'t>(
        &self,
        header_digest: Option<&[u8; 32]>,
        value: &'t [u8],
        text: &'t str,
        slots: &mut [Cell<'t>],
    ) -> Result<(), HoldReason> {
        match &self.format {
            Format::Json { depth_max } => json::read(text, &self.plan, *depth_max, slots),
            Format::Csv(csv) => csv::read(text, csv.columns(header_digest)?, slots),
            Format::Avro(avro) => {
                let (datum, shape) = avro.datum_of(value)?;
                avro::read(datum, shape, slots)
            }
        }
    }

    fn check_own(&self, fields: &mut Fields<'_, '_>) {
        let Some((read, codes)) = &self.own else { return };
        if let Some(code) = fields.code(read)
            && !codes.iter().any(|own| *own == *code)
        {
            fields.hold(HoldReason::OtherPlatform { found: cut(&code) });
        }
    }

    /// The record that the slots are one of; else the ignored type, or none where the reason is
    /// with the fields.
    fn record(&self, fields: &mut Fields<'_, '_>) -> Result<&Record, Option<CompactString>> {
        let Some(types) = &self.types else {
            return self.records.first().ok_or(None);
        };
        let Some(native) = fields.code(&types.read) else {
            return Err(None);
        };
        let known = self.records.iter().find(|record| record.native.as_deref() == Some(&*native));
        if known.is_none() && !types.ignored.iter().any(|ignored| *ignored == *native) {
            fields.hold(HoldReason::StatusUnknown { status: cut(&native) });
        }
        known.ok_or_else(|| Some(CompactString::from(native)))
    }

    fn key_of(&self, header_digest: Option<&[u8; 32]>, value: &[u8]) -> Option<Vec<u8>> {
        let value = self.unpack(value).ok()?;
        let text = self.decode(&value).ok()?;
        let mut slots = empty_slots();
        self.fill(header_digest, &value, &text, &mut slots).ok()?;
        // The key must not depend on when the record came: no time is read.
        let mut fields = Fields::new(&slots, crate::domain::time::Moment::from_ms(i64::MAX));
        if let Some(Makes::Order(plan)) = self.records.first().map(|record| &record.makes) {
            return Some(fields.order_id(plan.order_id()?)?.as_str().as_bytes().to_vec());
        }
        let mut key = Vec::new();
        for part in self.key.iter().filter_map(|read| fields.code(read)) {
            if !key.is_empty() {
                key.push(SEPARATOR);
            }
            key.extend_from_slice(part.as_bytes());
        }
        (!key.is_empty()).then_some(key)
    }
}

impl CsvFormat {
    fn columns(&self, digest: Option<&[u8; 32]>) -> Result<&[Option<usize>], HoldReason> {
        let known = self.layouts.iter().find(|layout| Some(&layout.digest) == digest);
        match (known, self.layouts.first()) {
            (Some(layout), _) => Ok(&layout.columns),
            (None, newest) => {
                let line = newest.map_or("", |layout| &layout.line);
                let found = if digest.is_some() { "another" } else { "none" };
                let detail = format!("expected the header line {line:?}, found {found}");
                Err(HoldReason::Malformed { detail })
            }
        }
    }
}

fn utf8(value: &[u8]) -> Result<Cow<'_, str>, HoldReason> {
    match std::str::from_utf8(value) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(error) if error.error_len().is_none() => {
            Err(HoldReason::Truncated { at: format!("byte {}", value.len()) })
        }
        Err(error) => Err(HoldReason::Encoding { expected: "UTF-8", at: error.valid_up_to() }),
    }
}

fn gb18030(value: &[u8]) -> Result<Cow<'_, str>, HoldReason> {
    if value.is_ascii() {
        return utf8(value);
    }
    let mut decoder = encoding_rs::GB18030.new_decoder_without_bom_handling();
    let room = decoder.max_utf8_buffer_length_without_replacement(value.len()).unwrap_or(0);
    let mut text = String::with_capacity(room);
    let (result, read) = decoder.decode_to_string_without_replacement(value, &mut text, false);
    if let DecoderResult::Malformed(bad, after) = result {
        let at = read.saturating_sub(usize::from(bad) + usize::from(after));
        return Err(HoldReason::Encoding { expected: "GB18030", at });
    }
    // What the end alone makes malformed was cut off.
    match decoder.decode_to_string_without_replacement(&[], &mut text, true).0 {
        DecoderResult::InputEmpty => Ok(Cow::Owned(text)),
        DecoderResult::OutputFull | DecoderResult::Malformed(..) => {
            Err(HoldReason::Truncated { at: format!("byte {}", value.len()) })
        }
    }
}

fn guard(normalize: impl FnOnce() -> Normalized) -> Normalized {
    catch_unwind(AssertUnwindSafe(normalize)).unwrap_or_else(|panic| {
        let detail = cut(&said_by(&*panic));
        Normalized::Held(Box::new(HoldReason::Defect { detail }))
    })
}

#[cfg(test)]
mod tests;
