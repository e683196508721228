//! Events of injury cases: one that cannot follow yet waits for its case; a decision is kept as a
//! new row, leads to what is owed, and gives money of the bank that came first its cause.

use super::bank::{APPLICATION, load, refresh, settle_decision};
use super::booking::{Line, memo};
use super::case_records::owe_records;
use super::content::{Content, short_hex};
use super::{ApplyError, Outcome, Scope};
use crate::cases::competence::{check_body, decision_of};
use crate::cases::state::{CaseState, Refusal, step};
use crate::domain::event::{AssessmentStage, CaseEvent, CaseFact, Decision, Envelope, Filing};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{CaseId, DocumentNo, ItemCode, OrderId};
use crate::domain::money::Fen;
use crate::ledger::account::Account;
use crate::ledger::standing::Benefit;
use crate::store::Tx;
use crate::store::cases::{self, CaseRow, DecisionRow};
use crate::store::locks::{Key, lock};

/// Applies an event of a case, or says why it waits or is refused.
///
/// # Errors
/// [`ApplyError`] where the database fails or an amount leaves the range of money.
pub(super) async fn apply_case_event(
    tx: &mut Tx,
    scope: Scope<'_>,
    cause: &Envelope,
    event: &CaseEvent,
) -> Result<Outcome, ApplyError> {
    let (case, fact) = (&event.case, &event.fact);
    lock(tx, keys(case, fact)).await?;
    let (identity, digest) = identity(fact);
    let known = cases::event_digest(tx, case, &identity).await?;
    if known.as_deref() == Some(digest.as_slice()) {
        return Ok(Outcome::Duplicate);
    }
    if let Err(reason) = check(tx, scope, event, known.is_some()).await? {
        return Ok(Outcome::Held(reason));
    }
    if let CaseFact::Filed(filing) = fact {
        cases::open_file(tx, case, filing).await?;
    }
    cases::put_event(tx, cause, &CaseRow { case, identity: &identity, digest }).await?;
    if let Some(row) = decision_row(case, fact) {
        decide(tx, cause, fact, &row).await?;
    }
    refresh(tx, case).await?;
    if let Some(row) = decision_row(case, fact) {
        owe_records(tx, cause, fact, &row).await?;
    }
    Ok(Outcome::Applied { releases: vec![format!("case:{case}")] })
}

/// The first reason that applies, in the order of [`HoldReason`] but for one: that the identity
/// stands already is said before where the case stands, since waiting could not help.
async fn check(
    tx: &mut Tx,
    scope: Scope<'_>,
    event: &CaseEvent,
    stands: bool,
) -> Result<Result<(), HoldReason>, ApplyError> {
    let (case, fact) = (&event.case, &event.fact);
    let decision = decision_of(fact);
    if decision.is_some_and(|(_, decision)| decision.document_no.is_none()) {
        return Ok(Err(HoldReason::NoDocumentNumber));
    }
    if let (Some(filing), Some((function, decision))) = (cases::filing(tx, case).await?, decision)
        && let Err(reason) = check_body(scope.policy, function, decision, filing.accident_county)
    {
        return Ok(Err(reason));
    }
    if stands {
        return Ok(Err(HoldReason::SameIdentityOtherContent { what: kind_of(fact) }));
    }
    if let CaseFact::BenefitDecision { instruction, .. } = fact {
        let givers = cases::cases_of_instruction(tx, instruction).await?;
        if givers.iter().any(|giver| giver != case.as_str()) {
            return Ok(Err(HoldReason::SameIdentityOtherContent { what: "payment instruction" }));
        }
    }
    let state = load(tx, case).await?.unwrap_or_else(CaseState::default);
    Ok(match step(&state, fact) {
        Ok(_) => Ok(()),
        Err(Refusal::Unknown) => Err(HoldReason::CaseUnknown { case: case.clone() }),
        Err(Refusal::OutOfOrder { detail }) => {
            Err(HoldReason::OutOfOrder { case: case.clone(), detail })
        }
    })
}

async fn decide(
    tx: &mut Tx,
    cause: &Envelope,
    fact: &CaseFact,
    row: &DecisionRow<'_>,
) -> Result<(), ApplyError> {
    let CaseFact::BenefitDecision { decision, items, instruction } = fact else {
        cases::put_decision(tx, cause, row).await?;
        return Ok(());
    };
    let before = cases::benefit_of(tx, instruction.as_str(), row.case.as_str()).await?;
    cases::put_decision(tx, cause, row).await?;
    cases::put_items(tx, row.case, decision.version, items).await?;
    let now = cases::benefit_of(tx, instruction.as_str(), row.case.as_str()).await?;
    let name = format!("benefit:{}:{}", row.case, decision.version);
    // A later version that names the same instruction takes the place of the earlier one.
    let decided = total(now.as_ref())?.minus(total(before.as_ref())?)?;
    let subject = format!("instruction:{instruction}:{}", row.case);
    let line = Line { cause: &name, day: decision.decided_on, subject: &subject, links: None };
    let accounts = (Account::BenefitDecided, Account::BenefitPayable);
    memo(tx, cause, &line, accounts, decided).await?;
    settle_decision(tx, cause, (instruction, row.case), before, &name).await
}

fn total(benefit: Option<&Benefit>) -> Result<Fen, ApplyError> {
    Ok(match benefit {
        Some(benefit) => benefit.total()?,
        None => Fen::ZERO,
    })
}

fn keys(case: &CaseId, fact: &CaseFact) -> Vec<Key> {
    let mut keys = vec![Key::Case(case.clone())];
    match fact {
        CaseFact::Filed(filing) => keys.push(Key::Person(filing.person)),
        CaseFact::BenefitDecision { instruction, .. } => {
            keys.push(Key::Instruction(instruction.clone()));
        }
        CaseFact::Applied { .. }
        | CaseFact::Proposed { .. }
        | CaseFact::Confirmation { .. }
        | CaseFact::Assessment { .. } => {}
    }
    keys
}

const fn kind_of(fact: &CaseFact) -> &'static str {
    match fact {
        CaseFact::Filed(_) => "filing",
        CaseFact::Applied { .. } => "application",
        CaseFact::Proposed { .. } => "proposal",
        CaseFact::Confirmation { .. }
        | CaseFact::Assessment { .. }
        | CaseFact::BenefitDecision { .. } => "decision",
    }
}

/// What makes two events of a case the same, and the digest of what they say.
fn identity(fact: &CaseFact) -> (String, [u8; 32]) {
    match fact {
        CaseFact::Filed(filing) => ("filing".to_owned(), filing_digest(filing)),
        CaseFact::Applied { applicant } => {
            (APPLICATION.to_owned(), Content::of(APPLICATION).text(applicant).digest())
        }
        CaseFact::Proposed { function, outcome } => {
            let digest = Content::of("proposal").text(function.code()).text(outcome).digest();
            // An insurer may propose again and otherwise: each content is its own proposal.
            (format!("proposal:{}:{}", function.code(), short_hex(&digest)), digest)
        }
        CaseFact::Confirmation { decision, confirmed, situation } => {
            let content = decision_content("confirmation", decision)
                .number(i32::from(*confirmed))
                .maybe(situation.as_deref());
            (version_of(fact, decision), content.digest())
        }
        CaseFact::Assessment { decision, stage, grade } => {
            let content =
                decision_content("assessment", decision).text(stage_code(*stage)).number(*grade);
            (version_of(fact, decision), content.digest())
        }
        CaseFact::BenefitDecision { decision, items, instruction } => {
            let mut content = decision_content("benefit", decision).text(instruction.as_str());
            let mut items: Vec<&(ItemCode, Fen)> = items.iter().collect();
            items.sort_unstable();
            for (item, amount) in items {
                content = content.text(item.as_str()).number(amount.get());
            }
            (version_of(fact, decision), content.digest())
        }
    }
}

fn version_of(fact: &CaseFact, decision: &Decision) -> String {
    let function = decision_of(fact).map_or("decision", |(function, _)| function.code());
    format!("{function}:{}", decision.version)
}

fn decision_content(kind: &str, decision: &Decision) -> Content {
    Content::of(kind)
        .text(decision.body.as_str())
        .maybe(decision.document_no.as_ref().map(DocumentNo::as_str))
        .number(decision.decided_on.epoch_days())
        .number(decision.version)
}

fn filing_digest(filing: &Filing) -> [u8; 32] {
    Content::of("filing")
        .text(filing.platform.as_str())
        .number(filing.worker.0)
        .number(filing.person.0)
        .number(filing.accident_at.ms())
        .number(filing.accident_county.get())
        .maybe(filing.order_id.as_ref().map(OrderId::as_str))
        .digest()
}

const fn stage_code(stage: AssessmentStage) -> &'static str {
    match stage {
        AssessmentStage::Initial => "initial",
        AssessmentStage::Review => "review",
        AssessmentStage::Reassessment => "reassessment",
    }
}

/// The row that a decision with a document is kept as.
fn decision_row<'a>(case: &'a CaseId, fact: &'a CaseFact) -> Option<DecisionRow<'a>> {
    let (function, decision) = decision_of(fact)?;
    let document_no = decision.document_no.as_ref()?;
    let blank = DecisionRow {
        case,
        function,
        decision,
        document_no,
        outcome: "decided",
        situation: None,
        grade: None,
        instruction: None,
    };
    match fact {
        CaseFact::Filed(_) | CaseFact::Applied { .. } | CaseFact::Proposed { .. } => None,
        CaseFact::Confirmation { confirmed, situation, .. } => Some(DecisionRow {
            outcome: if *confirmed { "confirmed" } else { "refused" },
            situation: situation.as_deref(),
            ..blank
        }),
        CaseFact::Assessment { stage, grade, .. } => {
            Some(DecisionRow { outcome: stage_code(*stage), grade: Some(*grade), ..blank })
        }
        CaseFact::BenefitDecision { instruction, .. } => {
            Some(DecisionRow { instruction: Some(instruction), ..blank })
        }
    }
}
