//! Why a message is held (挂起): one reason a message, the first that applies in the order of this
//! enum. Codes are stable: they stand in the database, in reports and in platforms' own handling.

use std::fmt;

use super::ids::{CaseId, CountyCode, PlatformId};
use super::time::Moment;

/// Why a message cannot be applied, or not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldReason {
    /// Our own code failed on it.
    Defect {
        /// What failed.
        detail: String,
    },
    /// No bytes.
    Empty,
    /// More bytes than the feed allows.
    Oversized {
        /// Its size.
        bytes: u64,
        /// The feed's limit.
        bytes_max: u64,
    },
    /// Unpacks to more bytes than the feed allows.
    Bomb {
        /// The limit.
        bytes_max: u64,
    },
    /// Ends before the record does.
    Truncated {
        /// Where it ended.
        at: String,
    },
    /// Not in the feed's character encoding.
    Encoding {
        /// The encoding expected.
        expected: &'static str,
        /// First byte that does not fit.
        at: usize,
    },
    /// Nested deeper than the feed allows.
    TooDeep {
        /// The limit.
        depth_max: u32,
    },
    /// One object names a key twice.
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// Not in the feed's format.
    Malformed {
        /// What was expected and found.
        detail: String,
    },
    /// The record names a feed that the manifest does not have.
    FeedUnknown {
        /// The name.
        feed: String,
    },
    /// Written with a schema that is not the feed's.
    SchemaUnknown {
        /// The number in the record's frame.
        found: u32,
    },
    /// A required field is absent.
    FieldMissing {
        /// Path in the native record.
        field: String,
    },
    /// A field has a value of another kind.
    FieldInvalid {
        /// Path in the native record.
        field: String,
        /// What was expected.
        expected: &'static str,
        /// What was found, cut to 80 characters.
        found: String,
    },
    /// The order number is empty, too long or has control characters.
    OrderIdInvalid {
        /// The text, cut to 80 characters.
        found: String,
    },
    /// The record is another platform's.
    OtherPlatform {
        /// What the record says.
        found: String,
    },
    /// A status that the manifest neither maps nor ignores.
    StatusUnknown {
        /// The status.
        status: String,
    },
    /// A code that no table of the manifest or policy has (line, item, account, outcome).
    CodeUnknown {
        /// Path in the native record.
        field: String,
        /// The code.
        found: String,
    },
    /// A time that does not exist (month 13, year 1).
    TimeImpossible {
        /// Path in the native record.
        field: String,
        /// The text.
        found: String,
    },
    /// More than five minutes after the log's append time.
    TimeFuture {
        /// Path or canonical field.
        field: String,
        /// The time.
        found: Moment,
    },
    /// A county of the region that the table of that day does not have.
    CountyUnknown {
        /// The code.
        found: String,
    },
    /// An amount below zero.
    AmountNegative {
        /// Path in the native record.
        field: String,
    },
    /// An amount with more digits than money has.
    AmountDigits {
        /// Path in the native record.
        field: String,
        /// The text.
        found: String,
    },
    /// The platform is not yet, or no longer, in force on the day.
    NotInForce {
        /// The platform.
        platform: PlatformId,
        /// `not yet` or `no longer`.
        when: &'static str,
    },
    /// Two events of one order disagree in a material field.
    SameIdOtherContent {
        /// The first field that disagrees.
        field: &'static str,
    },
    /// The order number stands on another day already.
    SameIdOtherDay,
    /// No acceptance of this order is known within the identity horizon.
    NoAcceptance,
    /// A statement of a revision that stands already says something else.
    SameRevisionOtherContent {
        /// The revision.
        revision: u32,
    },
    /// A decision without the number of its document.
    NoDocumentNumber,
    /// A decision by a body that is not competent.
    NotCompetent {
        /// The body.
        body: String,
        /// Function and county.
        expected: String,
    },
    /// A roster line that links a rider to another person than before.
    RosterConflict,
    /// The case is not known: waits for its filing.
    CaseUnknown {
        /// The case.
        case: CaseId,
    },
    /// The case is not in the state that this event follows: waits.
    OutOfOrder {
        /// The case.
        case: CaseId,
        /// State and event.
        detail: String,
    },
    /// The same identity says something else (a decision version, a voucher, a registration).
    SameIdentityOtherContent {
        /// What.
        what: &'static str,
    },
    /// An answer to a record that we never sent.
    RecordUnknown,
}

impl HoldReason {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Defect { .. } => "hub.defect",
            Self::Empty => "message.empty",
            Self::Oversized { .. } => "message.oversized",
            Self::Bomb { .. } => "message.decompression_bomb",
            Self::Truncated { .. } => "message.truncated",
            Self::Encoding { .. } => "message.encoding",
            Self::TooDeep { .. } => "message.too_deep",
            Self::DuplicateKey { .. } => "message.duplicate_key",
            Self::Malformed { .. } => "message.malformed",
            Self::FeedUnknown { .. } => "feed.unknown",
            Self::SchemaUnknown { .. } => "schema.unknown",
            Self::FieldMissing { .. } => "field.missing",
            Self::FieldInvalid { .. } => "field.invalid",
            Self::OrderIdInvalid { .. } => "order.id_invalid",
            Self::OtherPlatform { .. } => "platform.other",
            Self::StatusUnknown { .. } => "status.unknown",
            Self::CodeUnknown { .. } => "code.unknown",
            Self::TimeImpossible { .. } => "time.impossible",
            Self::TimeFuture { .. } => "time.future",
            Self::CountyUnknown { .. } => "county.unknown",
            Self::AmountNegative { .. } => "amount.negative",
            Self::AmountDigits { .. } => "amount.too_many_digits",
            Self::NotInForce { .. } => "platform.not_in_force",
            Self::SameIdOtherContent { .. } => "order.same_id_other_content",
            Self::SameIdOtherDay => "order.same_id_other_day",
            Self::NoAcceptance => "order.no_acceptance",
            Self::SameRevisionOtherContent { .. } => "statement.same_revision_other_content",
            Self::NoDocumentNumber => "decision.no_document_number",
            Self::NotCompetent { .. } => "decision.not_competent",
            Self::RosterConflict => "roster.conflict",
            Self::CaseUnknown { .. } => "case.unknown",
            Self::OutOfOrder { .. } => "case.out_of_order",
            Self::SameIdentityOtherContent { .. } => "identity.other_content",
            Self::RecordUnknown => "ack.record_unknown",
        }
    }

    /// Whether the message waits for another message that will release it by itself.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::CaseUnknown { .. } | Self::OutOfOrder { .. } => true,
            Self::Defect { .. }
            | Self::Empty
            | Self::Oversized { .. }
            | Self::Bomb { .. }
            | Self::Truncated { .. }
            | Self::Encoding { .. }
            | Self::TooDeep { .. }
            | Self::DuplicateKey { .. }
            | Self::Malformed { .. }
            | Self::FeedUnknown { .. }
            | Self::SchemaUnknown { .. }
            | Self::FieldMissing { .. }
            | Self::FieldInvalid { .. }
            | Self::OrderIdInvalid { .. }
            | Self::OtherPlatform { .. }
            | Self::StatusUnknown { .. }
            | Self::CodeUnknown { .. }
            | Self::TimeImpossible { .. }
            | Self::TimeFuture { .. }
            | Self::CountyUnknown { .. }
            | Self::AmountNegative { .. }
            | Self::AmountDigits { .. }
            | Self::NotInForce { .. }
            | Self::SameIdOtherContent { .. }
            | Self::SameIdOtherDay
            | Self::NoAcceptance
            | Self::SameRevisionOtherContent { .. }
            | Self::NoDocumentNumber
            | Self::NotCompetent { .. }
            | Self::RosterConflict
            | Self::SameIdentityOtherContent { .. }
            | Self::RecordUnknown => false,
        }
    }

    /// What the message waits for, where it waits: the key that a release looks up.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        if let Self::CaseUnknown { case } | Self::OutOfOrder { case, .. } = self {
            return Some(format!("case:{case}"));
        }
        None
    }
}

/// What was expected and what was found, in one line, for a person.
impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defect { detail } => write!(f, "the hub itself failed: {detail}"),
            Self::Empty => f.write_str("expected a record, found no bytes"),
            Self::Oversized { bytes, bytes_max } => {
                write!(f, "expected at most {bytes_max} bytes, found {bytes}")
            }
            Self::Bomb { bytes_max } => {
                write!(f, "expected at most {bytes_max} bytes when unpacked, found more")
            }
            Self::Truncated { at } => write!(f, "expected a whole record, found its end at {at}"),
            Self::Encoding { expected, at } => {
                write!(f, "expected {expected}, found another encoding at byte {at}")
            }
            Self::TooDeep { depth_max } => {
                write!(f, "expected at most {depth_max} levels of nesting, found more")
            }
            Self::DuplicateKey { key } => write!(f, "expected each key once, found {key:?} twice"),
            Self::Malformed { detail } => f.write_str(detail),
            Self::FeedUnknown { feed } => {
                write!(f, "expected a feed of the manifest, found {feed:?}")
            }
            Self::SchemaUnknown { found } => write!(f, "expected the feed's schema, found {found}"),
            Self::FieldMissing { field } => write!(f, "{field}: expected a value, found none"),
            Self::FieldInvalid { field, expected, found } => {
                write!(f, "{field}: expected {expected}, found {found:?}")
            }
            Self::OrderIdInvalid { found } => {
                write!(f, "order id: expected 1 to 64 printable characters, found {found:?}")
            }
            Self::OtherPlatform { found } => {
                write!(f, "expected the connector's own platform code, found {found:?}")
            }
            Self::StatusUnknown { status } => {
                write!(f, "expected a status of the manifest, found {status:?}")
            }
            Self::CodeUnknown { field, found } => {
                write!(f, "{field}: expected a code of the table, found {found:?}")
            }
            Self::TimeImpossible { field, found } => {
                write!(f, "{field}: expected a time that exists, found {found:?}")
            }
            Self::TimeFuture { field, found } => write!(
                f,
                "{field}: expected at most 5 minutes after the append time, found {found}"
            ),
            Self::CountyUnknown { found } => {
                write!(f, "expected a county of the table in force, found {found:?}")
            }
            Self::AmountNegative { field } => {
                write!(f, "{field}: expected an amount of 0 or more, found a negative one")
            }
            Self::AmountDigits { field, found } => write!(
                f,
                "{field}: expected at most 15 digits and 2 decimal places, found {found:?}"
            ),
            Self::NotInForce { platform, when } => {
                write!(f, "expected a platform in force on the day, found {platform} {when} so")
            }
            Self::SameIdOtherContent { field } => {
                write!(f, "expected the {field} that the order has, found another")
            }
            Self::SameIdOtherDay => f.write_str("the order number stands on another day already"),
            Self::NoAcceptance => {
                f.write_str("no acceptance of this order within the identity horizon")
            }
            Self::SameRevisionOtherContent { revision } => {
                write!(f, "revision {revision} stands already with other figures")
            }
            Self::NoDocumentNumber => f.write_str("expected the document's number, found none"),
            Self::NotCompetent { body, expected } => {
                write!(f, "expected the body competent for {expected}, found {body}")
            }
            Self::RosterConflict => f.write_str("the rider is linked to another person already"),
            Self::CaseUnknown { case } => write!(f, "case {case} has not been filed yet"),
            Self::OutOfOrder { case, detail } => write!(f, "case {case}: {detail}"),
            Self::SameIdentityOtherContent { what } => {
                write!(f, "the same {what} stands already with other content")
            }
            Self::RecordUnknown => f.write_str("expected a record that was sent, found none"),
        }
    }
}

/// A county code as text, for reasons.
impl From<CountyCode> for String {
    fn from(code: CountyCode) -> Self {
        code.to_string()
    }
}

/// What a panic said, for the detail of a defect.
#[must_use]
pub fn said_by(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
    let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
    said.unwrap_or_else(|| "a panic".to_owned())
}
