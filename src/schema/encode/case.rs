//! Case events: a union of what can be said of a case. A new kind is added at the end of the union,
//! here and in the schema.

use crate::domain::event::{AssessmentStage, CaseEvent, CaseFact, Decision, Filing};

use super::super::Record;
use super::super::wire::Datum;
use super::{EncodeError, write_county, write_worker};

pub(super) fn write(datum: &mut Datum, event: &CaseEvent) -> Result<Record, EncodeError> {
    let CaseEvent { case, fact } = event;
    datum.string(case.as_str());
    match fact {
        CaseFact::Filed(filing) => {
            datum.long(0);
            write_filing(datum, filing);
        }
        CaseFact::Applied { applicant } => {
            datum.long(1);
            datum.string(applicant);
        }
        CaseFact::Proposed { function, outcome } => {
            datum.long(2);
            datum.string(function.code());
            datum.string(outcome);
        }
        CaseFact::Confirmation { decision, confirmed, situation } => {
            datum.long(3);
            write_decision(datum, decision);
            datum.boolean(*confirmed);
            datum.optional(situation.as_deref(), Datum::string);
        }
        CaseFact::Assessment { decision, stage, grade } => {
            datum.long(4);
            write_decision(datum, decision);
            datum.string(match stage {
                AssessmentStage::Initial => "initial",
                AssessmentStage::Review => "review",
                AssessmentStage::Reassessment => "reassessment",
            });
            datum.long(i64::from(*grade));
        }
        CaseFact::BenefitDecision { decision, items, instruction } => {
            datum.long(5);
            write_decision(datum, decision);
            datum.array(items, |datum, (item, amount)| {
                datum.string(item.as_str());
                datum.money("items.amount", *amount)
            })?;
            datum.string(instruction.as_str());
        }
    }
    Ok(Record::Case)
}

fn write_filing(datum: &mut Datum, filing: &Filing) {
    let Filing { platform, worker, person, accident_at, accident_county, order_id } = filing;
    datum.string(platform.as_str());
    write_worker(datum, *worker);
    datum.fixed(&person.0.to_be_bytes());
    datum.long(accident_at.ms());
    write_county(datum, *accident_county);
    datum.optional(order_id.as_ref(), |datum, order_id| datum.string(order_id.as_str()));
}

fn write_decision(datum: &mut Datum, decision: &Decision) {
    let Decision { body, document_no, decided_on, version } = decision;
    datum.string(body.as_str());
    datum.optional(document_no.as_ref(), |datum, number| datum.string(number.as_str()));
    datum.long(i64::from(decided_on.epoch_days()));
    datum.long(i64::from(*version));
}
