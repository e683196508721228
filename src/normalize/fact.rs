//! Everything that is no order message: canonical facts and their event ids.

mod case;
mod fund;

use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};

use super::credit_code;
use super::fields::Fields;
use super::manifest::kinds::Kind;
use super::manifest::source::Source;
use super::token::TokenKeys;
use crate::domain::event::{
    Ack, CountStatement, Enrolment, Envelope, Event, Fact, Registration, RegistrationAction,
};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{
    AccountCode, CaseId, ConnectorId, CountyCode, DestinationId, DocumentNo, EventId, IdError,
    LineCode, PlatformId,
};
use crate::domain::message::Message;
use crate::domain::money::Fen;
use crate::domain::personal::Personal;
use crate::domain::time::{Day, Moment, Month};

/// Revisions of statements and versions of decisions are counted from 1.
const REVISIONS: RangeInclusive<u32> = 1..=u32::MAX;

/// What every fact of a connector shares.
#[derive(Clone, Copy)]
pub(super) struct Scope<'m> {
    pub(super) connector: &'m ConnectorId,
    /// The connector's own platform, for what only a platform makes.
    pub(super) platform: Option<&'m PlatformId>,
    pub(super) keys: &'m TokenKeys,
}

/// What a record of this kind says, or why it is held.
pub(super) fn read(
    kind: Kind,
    sources: &[(&'static str, Source)],
    scope: Scope<'_>,
    message: &Message<'_>,
    fields: Fields<'_, '_>,
) -> Result<Event, HoldReason> {
    let mut taker = Taker { sources, fields, scope };
    let taken = taker.fact(kind);
    if let Some(reason) = taker.fields.fault() {
        return Err(reason);
    }
    let defect = |detail: &str| HoldReason::Defect { detail: detail.to_owned() };
    let taken = taken.ok_or_else(|| defect("a field without value or reason"))?;
    let event_id = event_id(scope.connector, kind, &taken.identity);
    let event_id = event_id.map_err(|error| defect(&error.to_string()))?;
    let envelope = Envelope {
        event_id,
        connector: scope.connector.clone(),
        feed: message.feed.clone(),
        source: message.source.clone(),
        occurred_at: taken.occurred_at,
        received_at: message.received_at,
    };
    Ok(Event { envelope, fact: taken.fact })
}

/// `<connector>:<kind>:<identity>`; an identity too long for an id is replaced by its digest.
fn event_id(connector: &ConnectorId, kind: Kind, identity: &str) -> Result<EventId, IdError> {
    let plain = EventId::new(&format!("{connector}:{}:{identity}", kind.code()));
    plain.or_else(|_| {
        let digest = Sha256::digest(identity.as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        EventId::new(&format!("{connector}:{}:{hex}", kind.code()))
    })
}

/// A fact with what its envelope takes from it.
struct Taken {
    identity: String,
    occurred_at: Moment,
    fact: Fact,
}

/// Takes the canonical fields of one record. Every method gives `None` where the value is absent
/// or wrong, and [`Fields`] keeps the reason, so that the first reason by precedence is given.
struct Taker<'r, 's, 'a> {
    sources: &'r [(&'static str, Source)],
    fields: Fields<'s, 'a>,
    scope: Scope<'r>,
}

impl<'r> Taker<'r, '_, '_> {
    fn fact(&mut self, kind: Kind) -> Option<Taken> {
        match kind {
            Kind::Statement => self.statement(),
            Kind::Enrolment => self.enrolment(),
            Kind::Registration => self.registration(),
            Kind::Filing => self.filing(),
            Kind::Application => self.application(),
            Kind::Proposal => self.proposal(),
            Kind::Confirmation => self.confirmation(),
            Kind::Assessment => self.assessment(),
            Kind::Benefit => self.benefit(),
            Kind::Declaration => self.declaration(),
            Kind::Payment => self.payment(),
            Kind::Refund => self.refund(),
            Kind::Receipt => self.receipt(),
            Kind::Transfer => self.transfer(),
            Kind::Interest => self.interest(),
            Kind::BankResult => self.bank_result(),
            Kind::Ack => self.ack(),
            Kind::Order => None,
        }
    }

    fn statement(&mut self) -> Option<Taken> {
        let (line, day) = (self.line(), self.day("day", true));
        let (revision, orders) = (self.small("revision", REVISIONS), self.counts("orders"));
        let at = self.optional_moment();
        let (line, day, revision) = (line?, day?, revision?);
        let statement =
            CountStatement { platform: self.own()?, line, day, revision, orders: orders? };
        Some(Taken {
            identity: format!("{}:{day}:{revision}", statement.line),
            occurred_at: at.unwrap_or_else(|| day.end()),
            fact: Fact::Statement(statement),
        })
    }

    fn enrolment(&mut self) -> Option<Taken> {
        let (rider, name) = (self.text("rider"), self.text("name"));
        let (identity_no, from) = (self.text("identity_no"), self.day("from", false));
        let (platform, rider, identity_no, from) = (self.own()?, rider?, identity_no?, from?);
        let worker = self.scope.keys.worker(&platform, &rider);
        Some(Taken {
            identity: format!("{:016x}", worker.0),
            occurred_at: from.start(),
            fact: Fact::Enrolment(Enrolment {
                platform,
                worker,
                person: self.scope.keys.person(&identity_no),
                rider: Personal::new(rider),
                name: Personal::new(name?),
                identity_no: Personal::new(identity_no),
                from,
            }),
        })
    }

    fn registration(&mut self) -> Option<Taken> {
        let (credit_code, platform) = (self.id("credit_code", credit_code::read), self.platform());
        let (line, action) = (self.line(), self.text("action"));
        let from = self.day("effective_from", false);
        let document_no = self.document("document_no");
        let at = self.optional_moment();
        let action = match action?.as_str() {
            "registered" => RegistrationAction::Registered,
            "changed" => RegistrationAction::Changed,
            "cancelled" => RegistrationAction::Cancelled,
            _ => return None,
        };
        let (credit_code, line, document_no) = (credit_code?, line?, document_no?);
        let effective_from = from?;
        Some(Taken {
            identity: format!("{credit_code}:{line}:{document_no}"),
            occurred_at: at.unwrap_or_else(|| effective_from.start()),
            fact: Fact::Registration(Registration {
                credit_code,
                platform: platform?,
                line,
                action,
                effective_from,
                document_no,
            }),
        })
    }

    fn ack(&mut self) -> Option<Taken> {
        let (record, result) = (self.id("record", EventId::new), self.text("result"));
        let (code, at) = (self.optional_text("code"), self.moment("occurred_at"));
        let (record, result) = (record?, result?);
        let destination = DestinationId::new(self.scope.connector.as_str()).ok()?;
        // A refusal without a code is still a refusal.
        let refused = (result == "refused").then(|| code.unwrap_or_else(|| "refused".to_owned()));
        Some(Taken {
            identity: format!("{record}:{result}"),
            occurred_at: at?,
            fact: Fact::Ack(Ack { destination, record, refused }),
        })
    }

    /// The source of a field, if it is mapped.
    fn optional(&self, name: &str) -> Option<&'r Source> {
        self.sources.iter().find(|(known, _)| *known == name).map(|(_, source)| source)
    }

    /// The source of a field whose absence is a reason to hold.
    fn required(&mut self, name: &str) -> Option<&'r Source> {
        let source = self.optional(name)?;
        let there = matches!(source, Source::Constant(_)) || self.fields.place(source).is_some();
        self.fields.need(source, there.then_some(source))
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let source = self.required(name)?;
        self.fields.text(source).map(|text| text.into_owned())
    }

    fn optional_text(&mut self, name: &str) -> Option<String> {
        let source = self.optional(name)?;
        self.fields.text(source).map(|text| text.into_owned())
    }

    fn id<T>(&mut self, name: &str, make: fn(&str) -> Result<T, IdError>) -> Option<T> {
        let source = self.required(name)?;
        self.fields.id(source, make)
    }

    fn case(&mut self) -> Option<CaseId> {
        self.id("case", CaseId::new)
    }

    fn platform(&mut self) -> Option<PlatformId> {
        self.id("platform", PlatformId::new)
    }

    fn line(&mut self) -> Option<LineCode> {
        self.id("line", LineCode::new)
    }

    fn account(&mut self, name: &str) -> Option<AccountCode> {
        self.id(name, AccountCode::new)
    }

    fn document(&mut self, name: &str) -> Option<DocumentNo> {
        self.id(name, DocumentNo::new)
    }

    fn optional_document(&mut self, name: &str) -> Option<DocumentNo> {
        let source = self.optional(name)?;
        self.fields.id(source, DocumentNo::new)
    }

    /// The connector's own platform.
    fn own(&self) -> Option<PlatformId> {
        self.scope.platform.cloned()
    }

    fn moment(&mut self, name: &str) -> Option<Moment> {
        let source = self.required(name)?;
        self.fields.moment(source)
    }

    fn optional_moment(&mut self) -> Option<Moment> {
        let source = self.optional("occurred_at")?;
        self.fields.moment(source)
    }

    fn day(&mut self, name: &str, past: bool) -> Option<Day> {
        let source = self.required(name)?;
        self.fields.day(source, past)
    }

    fn period(&mut self) -> Option<Month> {
        let source = self.required("period")?;
        self.fields.month(source)
    }

    fn county(&mut self, name: &str) -> Option<CountyCode> {
        let source = self.required(name)?;
        self.fields.county(source)
    }

    fn count(&mut self, name: &str) -> Option<u64> {
        let source = self.required(name)?;
        self.fields.count(source)
    }

    fn small<T>(&mut self, name: &str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<u64> + PartialOrd,
    {
        let source = self.required(name)?;
        self.fields.small(source, range)
    }

    fn counts(&mut self, name: &str) -> Option<Vec<(CountyCode, u64)>> {
        let source = self.required(name)?;
        self.fields.counts(source)
    }

    fn amount(&mut self, name: &str) -> Option<Fen> {
        let source = self.required(name)?;
        self.fields.amount(source)
    }
}
