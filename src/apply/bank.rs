//! What the bank did with payment instructions, and what that makes of decisions and cases.

use super::booking::{Change, book};
use super::content::Content;
use super::voucher::{Alone, Voucher, book_alone, keep, place};
use super::{ApplyError, Outcome};
use crate::cases::state::{CaseState, Settlement};
use crate::domain::event::{BankOutcome, BankResult, Envelope};
use crate::domain::ids::{CaseId, DocumentNo};
use crate::domain::money::Fen;
use crate::ledger::entry::Posting;
use crate::ledger::standing::{Benefit, Payout, Standing};
use crate::ledger::suspect::Rule;
use crate::store::locks::Key;
use crate::store::money::{self, BankTally, FundFact};
use crate::store::{Tx, cases};

/// Books what the bank did with an instruction, and moves the case where it was paid or returned.
///
/// # Errors
/// [`ApplyError`] where the database fails or an amount leaves the range of money.
pub(super) async fn apply_bank_result(
    tx: &mut Tx,
    cause: &Envelope,
    result: &BankResult,
) -> Result<Outcome, ApplyError> {
    let account = match place("account", &result.account) {
        Ok(account) => account,
        Err(reason) => return Ok(Outcome::Held(reason)),
    };
    let amount = result.amount;
    let (kind, cash, reused) = match result.outcome {
        BankOutcome::Paid => {
            ("paid", Posting::credit(account, amount)?, Standing::paid_unknown(amount)?)
        }
        BankOutcome::Returned => {
            ("returned", Posting::debit(account, amount), Standing::received_unknown(amount)?)
        }
    };
    let fact = FundFact {
        connector: &cause.connector,
        voucher_no: &result.voucher_no,
        digest: digest(result, kind),
        kind,
        account: &result.account,
        to_account: None,
        amount,
        e_ticket: None,
        instruction: Some((&result.instruction, &result.case)),
        booked_on: result.booked_on,
        event_id: &cause.event_id,
        received_at: cause.received_at,
    };
    let keys = [Key::Case(result.case.clone()), Key::Instruction(result.instruction.clone())];
    let name = match keep(tx, &fact, keys).await? {
        Voucher::Known => return Ok(Outcome::Duplicate),
        Voucher::Reused(name) => {
            let rule = Rule::VoucherReused;
            let (day, cash) = (result.booked_on, vec![cash]);
            return book_alone(tx, cause, Alone { name, day, cash, standing: reused, rule }).await;
        }
        Voucher::First(name) => name,
    };
    settle(tx, cause, result, &name, cash).await?;
    let releases = match refresh(tx, &result.case).await? {
        Some(key) => vec![key],
        None => Vec::new(),
    };
    Ok(Outcome::Applied { releases })
}

async fn settle(
    tx: &mut Tx,
    cause: &Envelope,
    result: &BankResult,
    name: &str,
    cash: Posting,
) -> Result<(), ApplyError> {
    let (instruction, case) = (result.instruction.as_str(), result.case.as_str());
    let benefit = cases::benefit_of(tx, instruction, case).await?;
    let tallies = money::bank_tallies(tx, instruction, case).await?;
    let after = payout(&tallies, result.amount, benefit);
    let mut before = after.clone();
    let rule = match result.outcome {
        BankOutcome::Paid => {
            before.paid = before.paid.saturating_sub(1);
            paid_rule(tx, result, &after).await?
        }
        BankOutcome::Returned => {
            before.returned = before.returned.saturating_sub(1);
            Rule::ReturnedUnpaid
        }
    };
    let change = Change {
        cause: name,
        cash: vec![cash],
        before: &before.standing()?,
        after: &after.standing()?,
        day: result.booked_on,
        subject: &subject(&result.instruction, &result.case, result.amount),
        rule,
    };
    book(tx, cause, change).await
}

async fn paid_rule(tx: &mut Tx, result: &BankResult, after: &Payout) -> Result<Rule, ApplyError> {
    if after.benefit.is_some() {
        return Ok(if after.is_due()? { Rule::PaidTwice } else { Rule::PaidOtherAmount });
    }
    let known = cases::cases_of_instruction(tx, &result.instruction).await?;
    Ok(if known.is_empty() { Rule::InstructionUnknown } else { Rule::PaidOtherCase })
}

/// Moves money that stands for an instruction from what `before` allowed to what stands now: after
/// a benefit decision was kept. `name` is the decision's.
pub(super) async fn settle_decision(
    tx: &mut Tx,
    cause: &Envelope,
    (instruction, case): (&DocumentNo, &CaseId),
    before: Option<Benefit>,
    name: &str,
) -> Result<(), ApplyError> {
    let now = cases::benefit_of(tx, instruction.as_str(), case.as_str()).await?;
    let tallies = money::bank_tallies(tx, instruction.as_str(), case.as_str()).await?;
    for tally in &tallies {
        let amount = tally.amount;
        let change = Change {
            cause: &format!("{name}:{}", amount.get()),
            cash: Vec::new(),
            before: &payout(&tallies, amount, before.clone()).standing()?,
            after: &payout(&tallies, amount, now.clone()).standing()?,
            day: cause.received_at.day(),
            subject: &subject(instruction, case, amount),
            rule: Rule::PaidOtherAmount,
        };
        book(tx, cause, change).await?;
    }
    Ok(())
}

/// Writes where the case stands after what was applied to it; gives the key that releases what
/// waits for it, or nothing where the case is not known.
pub(super) async fn refresh(tx: &mut Tx, case: &CaseId) -> Result<Option<String>, ApplyError> {
    let Some(state) = load(tx, case).await? else { return Ok(None) };
    if let Some(state) = state.state() {
        cases::set_state(tx, case, state).await?;
    }
    Ok(Some(format!("case:{case}")))
}

/// What was applied to a case; `None` where it was never filed.
pub(super) async fn load(tx: &mut Tx, case: &CaseId) -> Result<Option<CaseState>, ApplyError> {
    if cases::filing(tx, case).await?.is_none() {
        return Ok(None);
    }
    let decided = cases::decided(tx, case).await?;
    let benefit = match decided.benefit {
        Some((_, instruction)) => Some(settlement(tx, &instruction, case).await?),
        None => None,
    };
    Ok(Some(CaseState {
        filed: true,
        applied: cases::event_digest(tx, case, APPLICATION).await?.is_some(),
        confirmation: decided.confirmation,
        assessed: decided.assessed,
        benefit,
    }))
}

/// The identity of the application within its case.
pub(super) const APPLICATION: &str = "application";

async fn settlement(
    tx: &mut Tx,
    instruction: &str,
    case: &CaseId,
) -> Result<Settlement, ApplyError> {
    let Some(benefit) = cases::benefit_of(tx, instruction, case.as_str()).await? else {
        return Ok(Settlement::Open);
    };
    let total = benefit.total()?;
    let tallies = money::bank_tallies(tx, instruction, case.as_str()).await?;
    let due = payout(&tallies, total, Some(benefit));
    Ok(if due.paid > due.returned {
        Settlement::Paid
    } else if due.paid > 0 {
        Settlement::Returned
    } else {
        Settlement::Open
    })
}

fn payout(tallies: &[BankTally], amount: Fen, benefit: Option<Benefit>) -> Payout {
    let (paid, returned) = tallies
        .iter()
        .find(|tally| tally.amount == amount)
        .map_or((0, 0), |tally| (tally.paid, tally.returned));
    Payout { amount, paid, returned, benefit }
}

fn subject(instruction: &DocumentNo, case: &CaseId, amount: Fen) -> String {
    format!("instruction:{instruction}:{case}:{}", amount.get())
}

fn digest(result: &BankResult, kind: &str) -> [u8; 32] {
    Content::of(kind)
        .text(result.instruction.as_str())
        .text(result.case.as_str())
        .text(result.account.as_str())
        .number(result.amount.get())
        .number(result.booked_on.epoch_days())
        .digest()
}
