//! What a counterparty keeps, and where it holds the hub to the contract.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

use super::Counterparty;
use super::wire::{Record, RecordAnswer};

/// A breach of the contract by the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The same id came with other content.
    OtherContent {
        /// The id.
        id: String,
    },
    /// A new record of an ordered key came after a later one, or before one that is missing.
    OutOfOrder {
        /// The id.
        id: String,
        /// The key.
        key: String,
        /// Place expected.
        expected: u64,
        /// Place found.
        found: u64,
    },
    /// A record of an ordered key came after one that is refused.
    PassedRefusal {
        /// The id.
        id: String,
        /// The key.
        key: String,
    },
    /// Two ids for the same place of a key.
    SamePlace {
        /// The later id.
        id: String,
        /// The key.
        key: String,
    },
}

/// A record that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its key.
    pub key: String,
    /// Its place in the key.
    pub seq: u64,
    /// Its revision.
    pub revision: u32,
    /// SHA-256 of what it says.
    pub digest: [u8; 32],
}

/// Everything a counterparty keeps.
pub(super) struct Books {
    counterparty: Counterparty,
    /// Final answer and digest of each id.
    known: HashMap<String, ([u8; 32], RecordAnswer)>,
    /// Accepted records in order of arrival.
    pub(super) received: Vec<Received>,
    keys: HashMap<String, KeyBook>,
    newest: HashMap<(String, String), u32>,
    pub(super) violations: Vec<Violation>,
    /// How often a record came that was known already.
    pub(super) repeated: u64,
    /// Records accepted by kind.
    pub(super) accepted_by_kind: BTreeMap<String, u64>,
}

#[derive(Default)]
struct KeyBook {
    last_seq: u64,
    stopped: bool,
}

impl Books {
    pub(super) fn new(counterparty: Counterparty) -> Self {
        Self {
            counterparty,
            known: HashMap::new(),
            received: Vec::new(),
            keys: HashMap::new(),
            newest: HashMap::new(),
            violations: Vec::new(),
            repeated: 0,
            accepted_by_kind: BTreeMap::new(),
        }
    }

    /// The final answer that was given to an id.
    pub(super) fn answer_of(&self, id: &str) -> Option<&RecordAnswer> {
        self.known.get(id).map(|(_, answer)| answer)
    }

    /// Whether a refusal of this kind stops its key; a kind that is not ours stops it too.
    pub(super) fn is_ordered(&self, kind: &str) -> bool {
        self.ordered(kind).unwrap_or(true)
    }

    fn ordered(&self, kind: &str) -> Option<bool> {
        let mut kinds = self.counterparty.kinds().iter();
        kinds.find(|(name, _)| *name == kind).map(|(_, ordered)| *ordered)
    }

    /// Takes or refuses a record. Returns the answer and whether it is new, which asks for an
    /// acknowledgement.
    pub(super) fn take(&mut self, record: &Record, refuse: bool) -> (RecordAnswer, bool) {
        let digest = digest(record);
        if let Some((known, answer)) = self.known.get(&record.id) {
            if *known == digest {
                self.repeated += 1;
                return (answer.clone(), false);
            }
            self.violations.push(Violation::OtherContent { id: record.id.clone() });
            return (answered(record, "refused", Some("record.other_content")), false);
        }
        let Some(ordered) = self.ordered(&record.kind) else {
            return (self.finish(record, digest, "refused", Some("kind.unknown")), true);
        };
        self.check_place(record, ordered);
        if refuse {
            self.keys.entry(record.key.clone()).or_default().stopped |= ordered;
            return (self.finish(record, digest, "refused", Some("content.refused")), true);
        }
        let newest =
            self.newest.entry((record.kind.clone(), record.key.clone())).or_insert(record.revision);
        let superseded = record.revision < *newest;
        *newest = record.revision.max(*newest);
        self.received.push(Received {
            id: record.id.clone(),
            kind: record.kind.clone(),
            key: record.key.clone(),
            seq: record.seq,
            revision: record.revision,
            digest,
        });
        *self.accepted_by_kind.entry(record.kind.clone()).or_default() += 1;
        let result = if superseded { "superseded" } else { "accepted" };
        (self.finish(record, digest, result, None), true)
    }

    fn check_place(&mut self, record: &Record, ordered: bool) {
        let (id, key) = (record.id.clone(), record.key.clone());
        let book = self.keys.entry(key.clone()).or_default();
        let expected = book.last_seq + 1;
        let gap = record.seq > expected;
        if book.stopped {
            self.violations.push(Violation::PassedRefusal { id, key });
        } else if record.seq == book.last_seq {
            self.violations.push(Violation::SamePlace { id, key });
        } else if record.seq < book.last_seq || (ordered && book.last_seq > 0 && gap) {
            self.violations.push(Violation::OutOfOrder { id, key, expected, found: record.seq });
        }
        book.last_seq = book.last_seq.max(record.seq);
    }

    fn finish(
        &mut self,
        record: &Record,
        digest: [u8; 32],
        result: &'static str,
        code: Option<&'static str>,
    ) -> RecordAnswer {
        let answer = answered(record, result, code);
        self.known.insert(record.id.clone(), (digest, answer.clone()));
        answer
    }
}

pub(super) fn answered(
    record: &Record,
    result: &'static str,
    code: Option<&'static str>,
) -> RecordAnswer {
    RecordAnswer { id: record.id.clone(), result, code }
}

/// Digest of everything a record says besides its id; lengths keep the fields apart.
fn digest(record: &Record) -> [u8; 32] {
    let mut hash = Sha256::new();
    let (seq, revision) = (record.seq.to_string(), record.revision.to_string());
    let content = record.content.get();
    for part in [&record.kind, &record.key, &seq, &revision, &record.caused_at, content] {
        hash.update(part.len().to_string());
        hash.update(b":");
        hash.update(part);
    }
    hash.finalize().into()
}
