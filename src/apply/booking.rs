//! Booking: one place that turns a change of where money stands into entries, suspects and what is
//! owed to the core fund system.

use sha2::{Digest, Sha256};

use super::ApplyError;
use crate::domain::event::Envelope;
use crate::domain::ids::{DestinationId, EventId};
use crate::domain::money::Fen;
use crate::domain::time::Day;
use crate::ledger::account::{Account, Book};
use crate::ledger::entry::{Entry, Posting};
use crate::ledger::standing::Standing;
use crate::ledger::suspect::Rule;
use crate::store::ledger::{self, NewEntry};
use crate::store::outbox::{self, Owed};
use crate::store::{Tx, suspects};

/// Who keeps the fund's general ledger.
pub(super) const GOLDEN_INSURANCE: &str = "golden-insurance";

/// Who keeps the nation's register of the scheme.
pub(super) const NATIONAL_PLATFORM: &str = "national-platform";

/// Records of all cash entries go out in one order.
const CASH_KEY: &str = "cash";

/// One fact's effect on where money stands.
pub(super) struct Change<'a> {
    /// What caused it, unique among causes: entry ids are made of it.
    pub(super) cause: &'a str,
    /// The money itself, where the fact moved any.
    pub(super) cash: Vec<Posting>,
    /// Where the facts of the subject stood before.
    pub(super) before: &'a Standing,
    /// Where they stand now.
    pub(super) after: &'a Standing,
    /// Date in the books.
    pub(super) day: Day,
    /// What it is about: its suspects are found by this.
    pub(super) subject: &'a str,
    /// The rule that a new suspect is raised under.
    pub(super) rule: Rule,
}

/// Posts what changed: the cash entry, the memo entry of a benefit settled or no longer settled,
/// and the suspects raised or cleared.
pub(super) async fn book(
    tx: &mut Tx,
    cause: &Envelope,
    change: Change<'_>,
) -> Result<(), ApplyError> {
    let mut postings = change.cash;
    postings.extend(change.after.change_from(change.before)?);
    if let Some(entry) = Entry::balanced_or_nothing(postings)? {
        let cleared = if change.after.suspended < change.before.suspended {
            suspects::oldest_open(tx, change.subject).await?
        } else {
            None
        };
        let links = cleared.as_ref().map(|suspect| suspect.raised_by.as_str());
        let line = Line { cause: change.cause, day: change.day, subject: change.subject, links };
        let id = post(tx, cause, &line, &entry).await?;
        let at = cause.received_at;
        if let Some(suspect) = cleared {
            suspects::clear(tx, &suspect.id, id.as_str(), at).await?;
        }
        if change.after.suspended > change.before.suspended {
            suspects::raise(tx, change.rule, change.subject, id.as_str(), at).await?;
        }
    }
    let settled = change.after.settled.minus(change.before.settled)?;
    let line = Line { cause: change.cause, day: change.day, subject: change.subject, links: None };
    let accounts = (Account::BenefitPayable, Account::BenefitPaid);
    memo(tx, cause, &line, accounts, settled).await?;
    Ok(())
}

/// What an entry says of itself besides its postings.
pub(super) struct Line<'a> {
    /// What caused it.
    pub(super) cause: &'a str,
    /// Date in the books.
    pub(super) day: Day,
    /// What it is about.
    pub(super) subject: &'a str,
    /// The entry that it corrects or clears.
    pub(super) links: Option<&'a str>,
}

/// Posts a signed amount from one memo account to another; nothing where it is zero.
pub(super) async fn memo(
    tx: &mut Tx,
    cause: &Envelope,
    line: &Line<'_>,
    (debit, credit): (Account, Account),
    amount: Fen,
) -> Result<(), ApplyError> {
    let postings = vec![Posting::debit(debit, amount), Posting::credit(credit, amount)?];
    if let Some(entry) = Entry::balanced_or_nothing(postings)? {
        post(tx, cause, line, &entry).await?;
    }
    Ok(())
}

async fn post(
    tx: &mut Tx,
    cause: &Envelope,
    line: &Line<'_>,
    entry: &Entry,
) -> Result<EventId, ApplyError> {
    let id = made_id(&format!("{}:{}", entry.book().code(), line.cause));
    let new = NewEntry {
        id: &id,
        entry,
        booked_on: line.day,
        cause_event: cause.event_id.as_str(),
        subject: line.subject,
        links: line.links,
        caused_at: cause.received_at,
    };
    if ledger::post(tx, &new).await? && entry.book() == Book::Cash {
        outbox::owe(tx, &fund_posting(&new)).await?;
    }
    Ok(id)
}

fn fund_posting(new: &NewEntry<'_>) -> Owed {
    let postings: Vec<serde_json::Value> = new
        .entry
        .postings()
        .iter()
        .map(|posting| {
            serde_json::json!({
                "account": posting.account.to_string(),
                "amount_fen": posting.amount.get(),
            })
        })
        .collect();
    let body = serde_json::json!({
        "entry": new.id.as_str(),
        "book": new.entry.book().code(),
        "booked_on": new.booked_on.to_string(),
        "cause": new.cause_event,
        "links": new.links,
        "postings": postings,
    });
    Owed {
        id: made_id(&format!("{GOLDEN_INSURANCE}:fund_posting:{}:1", new.id)),
        destination: destination(GOLDEN_INSURANCE),
        key: CASH_KEY.to_owned(),
        kind: "fund_posting",
        revision: 1,
        body: body.to_string(),
        caused_at: new.caused_at,
    }
}

/// A destination that this program names itself.
pub(super) fn destination(name: &'static str) -> DestinationId {
    DestinationId::new(name).expect("a destination's name is short and printable")
}

/// An id made of a cause. Parts of a cause are checked ids; where together they are longer than an
/// id may be, the digest of the whole stands for its tail.
pub(super) fn made_id(text: &str) -> EventId {
    EventId::new(text).unwrap_or_else(|_| {
        let digest = Sha256::digest(text);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let head: String = text.chars().filter(|c| !c.is_control()).take(90).collect();
        EventId::new(&format!("{head}~{hex}")).expect("155 printable characters at most")
    })
}
