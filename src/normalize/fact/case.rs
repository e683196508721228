//! Facts about injury cases.

use std::ops::RangeInclusive;

use super::{REVISIONS, Taken, Taker};
use crate::domain::event::{
    AssessmentStage, CaseEvent, CaseFact, Decision, DecisionFunction, Fact, Filing,
};
use crate::domain::ids::{BodyCode, CaseId, ItemCode};
use crate::domain::time::Moment;

/// 伤残等级 1 to 10; 0 where no grade was reached.
const GRADES: RangeInclusive<u8> = 0..=10;

impl Taker<'_, '_, '_> {
    pub(super) fn filing(&mut self) -> Option<Taken> {
        let (case, platform, rider) = (self.case(), self.platform(), self.text("rider"));
        let (identity_no, accident_at) = (self.text("identity_no"), self.moment("accident_at"));
        let accident_county = self.county("accident_county");
        let order_id = self.optional("order_id").and_then(|source| self.fields.order_id(source));
        let at = self.moment("occurred_at");
        let (case, platform) = (case?, platform?);
        let worker = self.scope.keys.worker(&platform, &rider?);
        let filing = Filing {
            platform,
            worker,
            person: self.scope.keys.person(&identity_no?),
            accident_at: accident_at?,
            accident_county: accident_county?,
            order_id,
        };
        Some(about(case, String::new(), at?, CaseFact::Filed(filing)))
    }

    pub(super) fn application(&mut self) -> Option<Taken> {
        let (case, applicant) = (self.case(), self.text("applicant"));
        let at = self.moment("occurred_at");
        let applicant = applicant?;
        Some(about(case?, format!(":{applicant}"), at?, CaseFact::Applied { applicant }))
    }

    pub(super) fn proposal(&mut self) -> Option<Taken> {
        let (case, function) = (self.case(), self.text("function"));
        let (outcome, at) = (self.text("outcome"), self.moment("occurred_at"));
        let function = match function?.as_str() {
            "confirmation" => DecisionFunction::Confirmation,
            "assessment" => DecisionFunction::Assessment,
            "benefit_determination" => DecisionFunction::BenefitDetermination,
            _ => return None,
        };
        let at = at?;
        let revision = format!(":{}:{}", function.code(), at.ms());
        Some(about(case?, revision, at, CaseFact::Proposed { function, outcome: outcome? }))
    }

    pub(super) fn confirmation(&mut self) -> Option<Taken> {
        let (case, decision) = (self.case(), self.decision());
        let (confirmed, at) = (self.text("confirmed"), self.moment("occurred_at"));
        let situation = self.optional_text("situation");
        let (decision, confirmed) = (decision?, confirmed? == "confirmed");
        let revision = format!(":{}", decision.version);
        let fact = CaseFact::Confirmation { decision, confirmed, situation };
        Some(about(case?, revision, at?, fact))
    }

    pub(super) fn assessment(&mut self) -> Option<Taken> {
        let (case, decision, stage) = (self.case(), self.decision(), self.text("stage"));
        let (grade, at) = (self.small("grade", GRADES), self.moment("occurred_at"));
        let (decision, word) = (decision?, stage?);
        let stage = match word.as_str() {
            "initial" => AssessmentStage::Initial,
            "review" => AssessmentStage::Review,
            "reassessment" => AssessmentStage::Reassessment,
            _ => return None,
        };
        let revision = format!(":{word}:{}", decision.version);
        let fact = CaseFact::Assessment { decision, stage, grade: grade? };
        Some(about(case?, revision, at?, fact))
    }

    pub(super) fn benefit(&mut self) -> Option<Taken> {
        let (case, decision) = (self.case(), self.decision());
        let instruction = self.document("instruction");
        let items = self.required("items");
        let items = items.and_then(|source| self.fields.amounts(source, ItemCode::new));
        let (at, decision) = (self.moment("occurred_at"), decision?);
        let revision = format!(":{}", decision.version);
        let (items, instruction) = (items?, instruction?);
        let fact = CaseFact::BenefitDecision { decision, items, instruction };
        Some(about(case?, revision, at?, fact))
    }

    fn decision(&mut self) -> Option<Decision> {
        let body = self.id("body", BodyCode::new);
        let document_no = self.optional_document("document_no");
        let (decided_on, version) =
            (self.day("decided_on", true), self.small("version", REVISIONS));
        Some(Decision { body: body?, document_no, decided_on: decided_on?, version: version? })
    }
}

/// A fact about a case; `revision` is what follows the case in the event id.
fn about(case: CaseId, revision: String, occurred_at: Moment, fact: CaseFact) -> Taken {
    let identity = format!("{case}{revision}");
    Taken { identity, occurred_at, fact: Fact::Case(CaseEvent { case, fact }) }
}
