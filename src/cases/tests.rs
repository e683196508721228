//! What each state permits, and which orders bear witness.

use super::evidence::{Candidate, Evidence, Window, choose};
use super::state::{CaseState, Refusal, Settlement, Standing, State, step};
use crate::domain::event::{AssessmentStage, CaseFact, Decision, DecisionFunction};
use crate::domain::ids::{BodyCode, DocumentNo, OrderId, PlatformId, WorkerToken};
use crate::domain::time::{Day, Moment};

fn decision(version: u32) -> Decision {
    Decision {
        body: BodyCode::new("hr-150102").unwrap(),
        document_no: Some(DocumentNo::new("1号").unwrap()),
        decided_on: Day::parse("2026-08-01").unwrap(),
        version,
    }
}

fn confirmation(version: u32, confirmed: bool) -> CaseFact {
    CaseFact::Confirmation { decision: decision(version), confirmed, situation: None }
}

fn assessment() -> CaseFact {
    CaseFact::Assessment { decision: decision(1), stage: AssessmentStage::Initial, grade: 8 }
}

fn benefit() -> CaseFact {
    let instruction = DocumentNo::new("PI1").unwrap();
    CaseFact::BenefitDecision { decision: decision(1), items: Vec::new(), instruction }
}

/// One case in each state.
fn in_state(state: State) -> CaseState {
    let confirmed = Some(Standing { version: 1, confirmed: true });
    let filed = CaseState { filed: true, ..CaseState::default() };
    let applied = CaseState { applied: true, ..filed };
    let open = CaseState { confirmation: confirmed, ..applied };
    let made = match state {
        State::Filed => filed,
        State::Applied => applied,
        State::Confirmed => open,
        State::Refused => {
            let refused = Some(Standing { version: 1, confirmed: false });
            CaseState { confirmation: refused, ..applied }
        }
        State::Assessed => CaseState { assessed: true, ..open },
        State::BenefitDecided => open.settled(Settlement::Open),
        State::Paid => open.settled(Settlement::Paid),
        State::Returned => open.settled(Settlement::Returned),
    };
    assert_eq!(made.state(), Some(state));
    made
}

fn after(state: State, fact: &CaseFact) -> Option<State> {
    match step(&in_state(state), fact) {
        Ok(case) => case.state(),
        Err(Refusal::OutOfOrder { .. }) => None,
        Err(Refusal::Unknown) => panic!("the case is known"),
    }
}

#[test]
fn each_event_follows_exactly_the_states_that_permit_it() {
    use State::{Applied, Assessed, BenefitDecided, Confirmed, Filed, Paid, Refused, Returned};
    let proposed = CaseFact::Proposed {
        function: DecisionFunction::Confirmation,
        outcome: "confirmed".to_owned(),
    };
    // From state: proposal, confirmation (version 2), refusal (version 2), assessment, benefit.
    let table = [
        (Filed, [None, None, None, None, None]),
        (Applied, [Some(Applied), Some(Confirmed), Some(Refused), None, None]),
        (
            Confirmed,
            [Some(Confirmed), Some(Confirmed), Some(Refused), Some(Assessed), Some(BenefitDecided)],
        ),
        (Refused, [Some(Refused), Some(Confirmed), Some(Refused), None, None]),
        (
            Assessed,
            [Some(Assessed), Some(Assessed), Some(Refused), Some(Assessed), Some(BenefitDecided)],
        ),
        (
            BenefitDecided,
            [Some(BenefitDecided), Some(BenefitDecided), Some(Refused), None, Some(BenefitDecided)],
        ),
        (Paid, [Some(Paid), Some(Paid), Some(Refused), None, Some(BenefitDecided)]),
        (Returned, [Some(Returned), Some(Returned), Some(Refused), None, Some(BenefitDecided)]),
    ];
    assert_eq!(table.map(|(state, _)| state), State::ALL.map(|state| state));
    for (state, expected) in table {
        let facts = [
            proposed.clone(),
            confirmation(2, true),
            confirmation(2, false),
            assessment(),
            benefit(),
        ];
        let found = facts.each_ref().map(|fact| after(state, fact));
        assert_eq!(found, expected, "from {}", state.code());
    }
}

#[test]
fn a_lower_version_changes_nothing_and_an_unknown_case_waits() {
    let standing = Some(Standing { version: 3, confirmed: true });
    let case = CaseState { confirmation: standing, ..in_state(State::Confirmed) };
    assert_eq!(step(&case, &confirmation(2, false)), Ok(case));
    assert_eq!(step(&CaseState::default(), &benefit()), Err(Refusal::Unknown));
    // A case that was assessed before its benefits may be assessed again after them.
    let paid = CaseState { assessed: true, ..in_state(State::Paid) };
    assert_eq!(step(&paid, &assessment()), Ok(paid));
}

const HOUR: i64 = 3_600_000;

fn order(platform: &str, id: &str, worker: u64, accepted_at: i64) -> Candidate {
    Candidate {
        platform: PlatformId::new(platform).unwrap(),
        order: OrderId::new(id).unwrap(),
        worker: WorkerToken(worker),
        accepted_at: Moment::from_ms(accepted_at),
        void: false,
    }
}

#[test]
fn evidence_is_every_order_of_the_person_around_the_accident() {
    let accident = Moment::from_ms(100 * HOUR);
    let workers = [("meituan", 1), ("eleme", 2)]
        .map(|(platform, worker)| (PlatformId::new(platform).unwrap(), WorkerToken(worker)));
    let mut voided = order("meituan", "void", 1, 99 * HOUR);
    voided.void = true;
    let candidates = [
        order("meituan", "first", 1, 88 * HOUR),
        order("meituan", "too early", 1, 88 * HOUR - 1),
        order("eleme", "last", 2, 101 * HOUR),
        order("eleme", "too late", 2, 101 * HOUR + 1),
        order("eleme", "another's", 1, 99 * HOUR),
        voided,
        order("meituan", "first", 1, 88 * HOUR),
    ];
    let found = choose(accident, &workers, &candidates, true);
    let orders: Vec<String> =
        found.orders().iter().map(|(platform, id)| format!("{platform}/{id}")).collect();
    assert_eq!(orders, ["eleme/last", "meituan/first"]);
    assert_eq!(choose(accident, &workers, &[], true), Evidence::NoneFound);
    assert_eq!(choose(accident, &workers, &[], false), Evidence::NoDetailSupplied);
    assert_eq!(Window::around(accident).first, Moment::from_ms(88 * HOUR));
}
