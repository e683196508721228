//! Holds a connector's folder against itself: its samples are accepted and rejected as declared,
//! and nothing that the manifest names stays without a sample.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::cell::{Cell, empty_slots};
use super::fields::Fields;
use super::manifest::{Feed, Makes, Manifest, ManifestError};
use super::samples::{Sample, read_all, read_error};
use super::{Normalized, TokenKeys};
use crate::domain::event::{CountySource, OrderEvent};
use crate::domain::ids::FeedId;
use crate::domain::message::{Message, Source};
use crate::domain::time::Moment;

/// When all samples are received: 2027-01-01T00:00:00+08:00.
const RECEIVED_AT: Moment = Moment::from_ms(1_798_732_800_000);

/// The token key of samples; no deployment uses it.
const TOKEN_KEY: &[u8] = b"samples";

/// The headings that every connector's README has.
const HEADINGS: [&str; 5] = ["Delivery", "Ordering", "Keys", "Units", "Known limits"];

/// Something in a connector's folder that is not as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, within the folder.
    pub file: String,
    /// What was expected and found.
    pub detail: String,
}

/// What to do with expectations of accepted samples that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectations {
    /// Report them.
    Compare,
    /// Write what was found; a person reads the change.
    Rewrite,
}

/// Loads the connector in `folder` and checks its README and samples. No findings: all is well.
///
/// # Errors
/// [`ManifestError`] where the manifest is wrong or a file cannot be read.
pub fn check_connector(
    folder: &Path,
    expectations: Expectations,
) -> Result<Vec<Finding>, ManifestError> {
    let manifest = Manifest::load(folder)?;
    let mut check = Check { folder, keys: TokenKeys::new(TOKEN_KEY), findings: Vec::new() };
    check.readme()?;
    let accepted = read_all(&folder.join("samples/accept"), manifest.feeds())?;
    for sample in &accepted {
        check.accepted(&manifest, sample, expectations)?;
    }
    for sample in &read_all(&folder.join("samples/reject"), manifest.feeds())? {
        check.rejected(&manifest, sample);
    }
    for feed in manifest.feeds() {
        check.coverage(feed, &accepted);
    }
    Ok(check.findings)
}

/// What became of one message, in one line of stable text.
#[must_use]
pub fn describe(normalized: &Normalized) -> String {
    match normalized {
        Normalized::Order(order) => describe_order(order),
        Normalized::Event(event) => {
            let envelope = &event.envelope;
            format!("{} occurred={} {:?}", envelope.event_id, envelope.occurred_at, event.fact)
        }
        Normalized::Ignored { status } => format!("ignored {status}"),
        Normalized::Held(reason) => format!("held {}: {reason}", reason.code()),
    }
}

fn describe_order(order: &OrderEvent) -> String {
    let dash = || "-".to_owned();
    let moment = |moment: Option<Moment>| moment.map_or_else(dash, |moment| moment.to_string());
    let county = order.county.map_or_else(dash, |county| {
        format!("{county}/{}", order.county_source.map_or("-", CountySource::code))
    });
    let upstream = order.upstream();
    format!(
        "order {} {}/{} line={} worker={} accepted={} ended={} occurred={} county={county} \
         service={} channel={} upstream={} resolution_ms={}",
        order.kind.code(),
        order.platform,
        order.order_id,
        order.line.as_ref().map_or_else(dash, ToString::to_string),
        order.worker.map_or_else(dash, |worker| format!("{:016x}", worker.0)),
        moment(order.accepted_at),
        moment(order.ended_at),
        order.occurred_at,
        order.service_county.map_or_else(dash, |county| county.to_string()),
        order.channel().unwrap_or("-"),
        upstream.map_or_else(dash, |(platform, order)| format!("{platform}/{order}")),
        order.resolution_ms,
    )
}

struct Check<'f> {
    folder: &'f Path,
    keys: TokenKeys,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn find(&mut self, file: &Path, detail: String) {
        let file = file.strip_prefix(self.folder).unwrap_or(file).display().to_string();
        self.findings.push(Finding { file, detail });
    }

    fn readme(&mut self) -> Result<(), ManifestError> {
        let path = self.folder.join("README.md");
        let text = std::fs::read_to_string(&path).map_err(read_error(&path))?;
        for heading in HEADINGS {
            if !text.lines().any(|line| line.strip_prefix("## ") == Some(heading)) {
                self.find(&path, format!("expected the heading \"## {heading}\", found none"));
            }
        }
        Ok(())
    }

    fn accepted(
        &mut self,
        manifest: &Manifest,
        sample: &Sample,
        expectations: Expectations,
    ) -> Result<(), ManifestError> {
        let mut found = String::new();
        for normalized in self.normalize(manifest, sample) {
            let line = describe(&normalized);
            if matches!(normalized, Normalized::Held(_)) {
                self.find(&sample.path, format!("expected an accepted record, found it {line}"));
            }
            writeln!(found, "{line}").unwrap_or_default();
        }
        let path = sample.expectation();
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if expected == found {
            return Ok(());
        }
        if expectations == Expectations::Rewrite {
            return std::fs::write(&path, found).map_err(read_error(&path));
        }
        self.find(&path, format!("expected:\n{expected}found:\n{found}"));
        Ok(())
    }

    fn rejected(&mut self, manifest: &Manifest, sample: &Sample) {
        let code = sample.name().split("--").next().unwrap_or_default();
        for normalized in self.normalize(manifest, sample) {
            let held = matches!(&normalized, Normalized::Held(reason) if reason.code() == code);
            if !held {
                let found = describe(&normalized);
                self.find(&sample.path, format!("expected held {code}, found {found}"));
            }
        }
    }

    fn normalize(&mut self, manifest: &Manifest, sample: &Sample) -> Vec<Normalized> {
        let feed = FeedId::new(&sample.feed);
        let (records, feed) = match (&sample.records, &feed) {
            (Ok(records), Ok(feed)) if !records.is_empty() => (records, feed),
            (Ok(_), Ok(_)) => {
                self.find(&sample.path, "expected at least one record, found none".to_owned());
                return Vec::new();
            }
            (Err(detail), _) => {
                self.find(&sample.path, detail.clone());
                return Vec::new();
            }
            (_, Err(error)) => {
                self.find(&sample.path, error.to_string());
                return Vec::new();
            }
        };
        let keys = &self.keys;
        let normalize = |record: &Vec<u8>| {
            let message = message_of(manifest, feed, sample.header_digest, record);
            manifest.normalize_guarded(&message, keys)
        };
        records.iter().map(normalize).collect()
    }

    /// Every path, status and type that a feed names is in some accepted sample.
    fn coverage(&mut self, feed: &Feed, accepted: &[Sample]) {
        let samples = accepted.iter().filter(|sample| sample.feed == feed.id().as_str());
        let mut seen = Seen::default();
        for sample in samples {
            for record in sample.records.iter().flatten() {
                seen.record(feed, sample.header_digest.as_ref(), record);
            }
        }
        let manifest = self.folder.join("connector.toml");
        let mut missing = |what: &str, name: &str| {
            let detail = format!("feed {}: {what} {name:?}: expected a sample with it", feed.id());
            self.find(&manifest, detail);
        };
        for (slot, path) in feed.plan.paths.iter().enumerate() {
            if !seen.slots.contains(&slot) {
                missing("path", path);
            }
        }
        for record in &feed.records {
            if let Some(native) = record.native.as_ref().filter(|n| !seen.codes.contains(*n)) {
                missing("type", native);
            }
            if let Makes::Order(plan) = &record.makes {
                for (native, _) in plan.meanings.iter().filter(|(n, _)| !seen.codes.contains(n)) {
                    missing("status", native);
                }
            }
        }
        let ignored = feed.types.iter().flat_map(|types| &types.ignored);
        for native in ignored.filter(|native| !seen.codes.contains(*native)) {
            missing("type", native);
        }
    }
}

/// What the samples of a feed show.
#[derive(Default)]
struct Seen {
    slots: BTreeSet<usize>,
    codes: BTreeSet<String>,
}

impl Seen {
    fn record(&mut self, feed: &Feed, header_digest: Option<&[u8; 32]>, value: &[u8]) {
        let mut slots = empty_slots();
        let Ok(value) = feed.unpack(value) else { return };
        let Ok(text) = feed.decode(&value) else { return };
        if feed.fill(header_digest, &value, &text, &mut slots).is_err() {
            return;
        }
        let filled = slots.iter().enumerate().filter(|(_, cell)| **cell != Cell::Absent);
        self.slots.extend(filled.map(|(slot, _)| slot));
        let mut fields = Fields::new(&slots, RECEIVED_AT);
        let statuses = feed.records.iter().filter_map(|record| match &record.makes {
            Makes::Order(plan) => Some(&plan.status),
            Makes::Fact(..) => None,
        });
        for read in statuses.chain(feed.types.as_ref().map(|types| &types.read)) {
            self.codes.extend(fields.code(read).map(|code| code.into_owned()));
        }
    }
}

/// A sample's record as a message.
pub(super) fn message_of<'a>(
    manifest: &'a Manifest,
    feed: &'a FeedId,
    header_digest: Option<[u8; 32]>,
    value: &'a [u8],
) -> Message<'a> {
    Message {
        connector: manifest.name(),
        feed,
        header_digest,
        source: Source { topic: Arc::from("samples"), partition: 0, offset: 0 },
        received_at: RECEIVED_AT,
        value,
    }
}
