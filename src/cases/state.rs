//! The state of a case as a function of what was applied to it, and the step of one more event.

use crate::domain::event::{CaseFact, Decision};

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// 事故备案.
    Filed,
    /// 待遇给付申请.
    Applied,
    /// 职业伤害确认.
    Confirmed,
    /// 不予确认.
    Refused,
    /// 劳动能力鉴定 done.
    Assessed,
    /// 待遇核定.
    BenefitDecided,
    /// The bank paid.
    Paid,
    /// 退票: the money came back.
    Returned,
}

impl State {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Filed,
        Self::Applied,
        Self::Confirmed,
        Self::Refused,
        Self::Assessed,
        Self::BenefitDecided,
        Self::Paid,
        Self::Returned,
    ];

    /// The word used in the database, in exports and in records.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Filed => "filed",
            Self::Applied => "applied",
            Self::Confirmed => "confirmed",
            Self::Refused => "refused",
            Self::Assessed => "assessed",
            Self::BenefitDecided => "benefit_decided",
            Self::Paid => "paid",
            Self::Returned => "returned",
        }
    }
}

/// The confirmation that stands: the one of the highest version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its version.
    pub version: u32,
    /// 确认 or 不予确认.
    pub confirmed: bool,
}

/// What became of the benefit decision that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Not paid.
    Open,
    /// Paid and kept.
    Paid,
    /// Paid, and everything came back.
    Returned,
}

/// What was applied to a case, as far as its state depends on it. The default is a case that
/// nobody filed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaseState {
    /// The filing came.
    pub filed: bool,
    /// The application came.
    pub applied: bool,
    /// The confirmation that stands.
    pub confirmation: Option<Standing>,
    /// An assessment was made.
    pub assessed: bool,
    /// A benefit decision was made, and what became of the one that stands.
    pub benefit: Option<Settlement>,
}

/// Why an event cannot follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The case was never filed: waits.
    Unknown,
    /// The case is not in a state that the event follows: waits.
    OutOfOrder {
        /// What the event needs and where the case stands.
        detail: String,
    },
}

impl CaseState {
    /// Where the case stands; `None` for one that nobody filed.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        if !self.filed {
            return None;
        }
        if !self.applied {
            return Some(State::Filed);
        }
        Some(match (self.confirmation, self.benefit) {
            (None, _) => State::Applied,
            (Some(Standing { confirmed: false, .. }), _) => State::Refused,
            (Some(_), Some(Settlement::Open)) => State::BenefitDecided,
            (Some(_), Some(Settlement::Paid)) => State::Paid,
            (Some(_), Some(Settlement::Returned)) => State::Returned,
            (Some(_), None) if self.assessed => State::Assessed,
            (Some(_), None) => State::Confirmed,
        })
    }

    /// What the bank's results make of the decision that stands.
    #[must_use]
    pub const fn settled(self, settlement: Settlement) -> Self {
        Self { benefit: Some(settlement), ..self }
    }
}

/// The case after one more event. That an event of the same identity was applied before is the
/// caller's to find out first.
///
/// Legal source: the order of 《办法》 and 《规程》 (备案, 申请, 确认, 鉴定, 核定, 支付); which state
/// follows which is a house decision.
///
/// # Errors
/// [`Refusal`] where the event's predecessor has not been applied.
pub fn step(case: &CaseState, fact: &CaseFact) -> Result<CaseState, Refusal> {
    if let CaseFact::Filed(_) = fact {
        return Ok(CaseState { filed: true, ..*case });
    }
    let Some(state) = case.state() else { return Err(Refusal::Unknown) };
    match fact {
        CaseFact::Filed(_) => Ok(*case),
        CaseFact::Applied { .. } => Ok(CaseState { applied: true, ..*case }),
        CaseFact::Proposed { .. } => match state {
            State::Filed => Err(early(state, "proposal", "an application")),
            State::Applied
            | State::Confirmed
            | State::Refused
            | State::Assessed
            | State::BenefitDecided
            | State::Paid
            | State::Returned => Ok(*case),
        },
        CaseFact::Confirmation { decision, confirmed, .. } => match state {
            State::Filed => Err(early(state, "confirmation", "an application")),
            State::Applied
            | State::Confirmed
            | State::Refused
            | State::Assessed
            | State::BenefitDecided
            | State::Paid
            | State::Returned => Ok(confirm(case, decision, *confirmed)),
        },
        CaseFact::Assessment { .. } => assess(case, state),
        CaseFact::BenefitDecision { .. } => match state {
            State::Filed | State::Applied | State::Refused => {
                Err(early(state, "benefit decision", "a confirmation"))
            }
            State::Confirmed
            | State::Assessed
            | State::BenefitDecided
            | State::Paid
            | State::Returned => Ok(case.settled(Settlement::Open)),
        },
    }
}

fn confirm(case: &CaseState, decision: &Decision, confirmed: bool) -> CaseState {
    let version = decision.version;
    match case.confirmation {
        Some(standing) if standing.version >= version => *case,
        Some(_) | None => {
            CaseState { confirmation: Some(Standing { version, confirmed }), ..*case }
        }
    }
}

fn assess(case: &CaseState, state: State) -> Result<CaseState, Refusal> {
    match state {
        State::Filed | State::Applied | State::Refused => {
            Err(early(state, "assessment", "a confirmation"))
        }
        // A later version replaces the one that stands and leaves the benefits as they are.
        State::BenefitDecided | State::Paid | State::Returned if !case.assessed => {
            Err(early(state, "first assessment", "a case without a benefit decision"))
        }
        State::BenefitDecided
        | State::Paid
        | State::Returned
        | State::Confirmed
        | State::Assessed => Ok(CaseState { assessed: true, ..*case }),
    }
}

fn early(state: State, event: &str, needs: &str) -> Refusal {
    Refusal::OutOfOrder {
        detail: format!("{event}: expected {needs} first, found the case {}", state.code()),
    }
}
