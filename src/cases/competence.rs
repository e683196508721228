//! What has to be right about a decision before the case is looked at: its document and its body.

use crate::domain::event::{AssessmentStage, CaseFact, Decision, DecisionFunction};
use crate::domain::hold::HoldReason;
use crate::domain::ids::CountyCode;
use crate::policy::Policy;

/// The decision in a fact, and the function under which it was taken.
#[must_use]
pub const fn decision_of(fact: &CaseFact) -> Option<(DecisionFunction, &Decision)> {
    match fact {
        CaseFact::Filed(_) | CaseFact::Applied { .. } | CaseFact::Proposed { .. } => None,
        CaseFact::Confirmation { decision, .. } => Some((DecisionFunction::Confirmation, decision)),
        CaseFact::Assessment { decision, stage, .. } => {
            let function = match stage {
                AssessmentStage::Initial | AssessmentStage::Review => DecisionFunction::Assessment,
                AssessmentStage::Reassessment => DecisionFunction::Reassessment,
            };
            Some((function, decision))
        }
        CaseFact::BenefitDecision { decision, .. } => {
            Some((DecisionFunction::BenefitDetermination, decision))
        }
    }
}

/// Checks that the body may decide this for an injury in the county, on the day of its document.
///
/// Legal source: rows of `policy/competence.toml`.
///
/// # Errors
/// [`HoldReason::NotCompetent`] where it may not.
pub fn check_body(
    policy: &Policy,
    function: DecisionFunction,
    decision: &Decision,
    county: CountyCode,
) -> Result<(), HoldReason> {
    let day = decision.decided_on;
    if policy.is_competent(function, &decision.body, county, day) {
        return Ok(());
    }
    Err(HoldReason::NotCompetent {
        body: decision.body.to_string(),
        expected: policy.competent_bodies(function, county, day),
    })
}
