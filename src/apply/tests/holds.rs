//! Every reason that a case event is held for, and what becomes of it then.

use super::bench::{
    Bench, Held, applied, assessment, bank, benefit, case, confirmation, decision, filed, owed,
    states,
};
use crate::apply::Outcome;
use crate::domain::event::{BankOutcome, CaseFact, DecisionFunction, Fact};

crate::store::scratch::on_each_engine!(
    every_event_of_an_unknown_case_waits_for_its_filing,
    an_event_without_its_predecessor_is_out_of_order,
    the_same_decision_again_is_a_duplicate_and_another_content_is_held,
    an_instruction_is_one_cases_own,
    only_the_competent_body_decides_and_only_by_a_document,
    what_waited_is_applied_in_its_order_when_the_filing_comes,
    a_proposal_moves_nothing_and_owes_nothing,
);

/// Says a fact and gives the code of the reason that it is held for, or `applied`, `duplicate`.
async fn code(bench: &Bench, fact: Fact) -> &'static str {
    match bench.say(fact).await {
        Outcome::Applied { .. } => "applied",
        Outcome::Duplicate => "duplicate",
        Outcome::Held(reason) => reason.code(),
    }
}

fn proposed(outcome: &str) -> Fact {
    let function = DecisionFunction::Confirmation;
    case("C1", CaseFact::Proposed { function, outcome: outcome.to_owned() })
}

fn confirmation_by(body: &str) -> Fact {
    let (decision, situation) = (decision(body, 1), None);
    case("C1", CaseFact::Confirmation { decision, confirmed: true, situation })
}

async fn every_event_of_an_unknown_case_waits_for_its_filing() {
    let bench = Bench::new().await;
    for fact in [
        applied("C1"),
        proposed("confirmed"),
        confirmation("C1", 1, true),
        assessment("C1", 1, 8),
        benefit("C1", 1, "PI1", &[("medical", 1)]),
    ] {
        let Outcome::Held(reason) = bench.say(fact).await else { panic!("expected a hold") };
        assert_eq!(reason.code(), "case.unknown");
        assert_eq!(reason.waits_for().as_deref(), Some("case:C1"));
    }
    let released = bench.say(filed("C1")).await;
    assert_eq!(released, Outcome::Applied { releases: vec!["case:C1".to_owned()] });
    bench.close().await;
}

async fn an_event_without_its_predecessor_is_out_of_order() {
    let bench = Bench::new().await;
    let benefit = || benefit("C1", 1, "PI1", &[("medical", 1)]);
    bench.say_all([filed("C1")]).await;
    assert_eq!(code(&bench, proposed("confirmed")).await, "case.out_of_order");
    assert_eq!(code(&bench, confirmation("C1", 1, true)).await, "case.out_of_order");
    bench.say_all([applied("C1"), proposed("confirmed")]).await;
    assert_eq!(code(&bench, assessment("C1", 1, 8)).await, "case.out_of_order");
    assert_eq!(code(&bench, benefit()).await, "case.out_of_order");
    bench.say_all([confirmation("C1", 1, false)]).await;
    assert_eq!(code(&bench, benefit()).await, "case.out_of_order");
    // A court revokes the refusal: a higher version replaces it, and the row of the first stays.
    bench.say_all([confirmation("C1", 2, true), benefit()]).await;
    assert_eq!(code(&bench, assessment("C1", 1, 8)).await, "case.out_of_order");
    bench.close().await;
}

async fn the_same_decision_again_is_a_duplicate_and_another_content_is_held() {
    let bench = Bench::new().await;
    bench.say_all([filed("C1"), applied("C1"), confirmation("C1", 1, true)]).await;
    bench.say_all([assessment("C1", 1, 8), benefit("C1", 1, "PI1", &[("medical", 5)])]).await;
    bench.say_all([bank("B1", BankOutcome::Paid, ("PI1", "C1"), 5)]).await;
    for fact in [
        filed("C1"),
        applied("C1"),
        confirmation("C1", 1, true),
        assessment("C1", 1, 8),
        benefit("C1", 1, "PI1", &[("medical", 5)]),
        bank("B1", BankOutcome::Paid, ("PI1", "C1"), 5),
    ] {
        assert_eq!(code(&bench, fact).await, "duplicate");
    }
    let kin = case("C1", CaseFact::Applied { applicant: "kin".to_owned() });
    for fact in [
        kin,
        confirmation("C1", 1, false),
        assessment("C1", 1, 7),
        benefit("C1", 1, "PI1", &[("medical", 6)]),
        benefit("C1", 1, "PI2", &[("medical", 5)]),
    ] {
        assert_eq!(code(&bench, fact).await, "identity.other_content");
    }
    let mut tx = bench.tx().await;
    assert_eq!(states(&mut tx).await, [("C1".to_owned(), "paid".to_owned())]);
    assert_eq!(owed(&mut tx).await.len(), 5, "three case records, one benefit, one posting");
    tx.rollback().await.unwrap();
    bench.close().await;
}

async fn an_instruction_is_one_cases_own() {
    let bench = Bench::new().await;
    for id in ["C1", "C2"] {
        bench.say_all([filed(id), applied(id), confirmation(id, 1, true)]).await;
    }
    bench.say_all([benefit("C1", 1, "PI1", &[("medical", 5)])]).await;
    let other = benefit("C2", 1, "PI1", &[("medical", 5)]);
    assert_eq!(code(&bench, other).await, "identity.other_content");
    bench.close().await;
}

async fn only_the_competent_body_decides_and_only_by_a_document() {
    let bench = Bench::new().await;
    bench.say_all([filed("C1"), applied("C1")]).await;
    for body in ["hr-150103", "hr-150000", "ssa-150102", "lac-150100", "insurer"] {
        assert_eq!(code(&bench, confirmation_by(body)).await, "decision.not_competent", "{body}");
    }
    let mut nameless = decision("insurer", 1);
    nameless.document_no = None;
    let fact = CaseFact::Confirmation { decision: nameless, confirmed: true, situation: None };
    assert_eq!(code(&bench, case("C1", fact.clone())).await, "decision.no_document_number");
    assert_eq!(code(&bench, case("C9", fact)).await, "decision.no_document_number");
    // The county's own body is 150102; the league's, 150100, may decide too.
    assert_eq!(code(&bench, confirmation_by("hr-150100")).await, "applied");
    bench.close().await;
}

async fn what_waited_is_applied_in_its_order_when_the_filing_comes() {
    let bench = Bench::new().await;
    let mut tx = bench.tx().await;
    let mut held = Held::default();
    for fact in [
        benefit("C1", 1, "PI1", &[("medical", 5)]),
        confirmation("C1", 1, true),
        applied("C1"),
        filed("C2"),
        filed("C1"),
    ] {
        bench.rules.deliver(&mut tx, fact, &mut held).await;
    }
    assert!(held.0.is_empty(), "{:?}", held.0);
    let expected =
        [("C1", "benefit_decided"), ("C2", "filed")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(states(&mut tx).await, expected);
    tx.rollback().await.unwrap();
    bench.close().await;
}

async fn a_proposal_moves_nothing_and_owes_nothing() {
    let bench = Bench::new().await;
    bench.say_all([filed("C1"), applied("C1"), proposed("confirmed"), proposed("refused")]).await;
    assert_eq!(code(&bench, proposed("confirmed")).await, "duplicate");
    let mut tx = bench.tx().await;
    assert_eq!(states(&mut tx).await, [("C1".to_owned(), "applied".to_owned())]);
    assert_eq!(owed(&mut tx).await, [""; 0]);
    tx.rollback().await.unwrap();
    bench.close().await;
}
