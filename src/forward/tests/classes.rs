//! Each class of answer, one at a time, and what the outbox says afterwards.

use super::*;
use crate::forward::answer::{self, Answer, HttpAnswer, Reply};

crate::store::scratch::on_each_engine!(
    a_lower_revision_is_delivered_as_superseded,
    what_the_contract_does_not_have_is_never_sent,
    garbage_for_an_answer_is_asked_about,
    a_dropped_connection_after_taking_leaves_exactly_one_record,
    an_answer_after_the_time_limit_is_asked_about,
);

fn http(status: u16, body: &str) -> HttpAnswer {
    HttpAnswer { status, retry_after_s: None, body: body.as_bytes().to_vec() }
}

fn whole(status: u16, body: &str) -> (Answer, bool) {
    match answer::of_post(&["a"], &http(status, body)) {
        Reply::Whole { answer, suspect } => (answer, suspect),
        Reply::PerRecord(answers) => panic!("expected one answer for all, found {answers:?}"),
    }
}

#[test]
fn only_a_typed_code_refuses_for_good() {
    let typed = r#"{"code": "request.malformed", "detail": "…"}"#;
    for status in [400, 409, 413, 422] {
        let refused = Answer::Refused { code: "request.malformed".to_owned() };
        assert_eq!(whole(status, typed), (refused, true), "{status}");
    }
    let pages = ["<html>nginx</html>", "", r#"{"code": ""}"#, r#"{"code": "密码"}"#];
    for body in pages {
        for status in [400, 401, 403, 404, 409, 413, 422, 500, 502] {
            let (answer, suspect) = whole(status, body);
            assert!(matches!(answer, Answer::Later { .. }), "{status} {body}: {answer:?}");
            assert!(!suspect);
        }
    }
    // Not our right to send is nothing that is wrong with the record.
    for status in [401, 403, 404, 429, 500, 503] {
        assert!(matches!(whole(status, typed).0, Answer::Later { .. }), "{status}");
    }
}

#[test]
fn retry_after_is_followed_in_seconds() {
    let answer = HttpAnswer { retry_after_s: Some(7), ..http(429, "") };
    let expected = Answer::Later { why: "http 429".to_owned(), after_ms: Some(7_000) };
    let Reply::Whole { answer, suspect: false } = answer::of_post(&["a"], &answer) else {
        panic!("expected one answer for all")
    };
    assert_eq!(answer, expected);
}

#[test]
fn an_answer_counts_only_under_its_own_id() {
    let body = r#"[{"id": "b", "result": "accepted"}, {"id": "c", "result": "superseded"},
        {"id": "d", "result": "refused", "code": "x"}, {"id": "e", "result": "refused"},
        {"id": "f", "result": "later", "retry_after_s": 2},
        {"id": "g", "result": "accepted"}, {"id": "g", "result": "refused", "code": "x"}]"#;
    let ids = ["a", "b", "c", "d", "e", "f", "g"];
    let Reply::PerRecord(answers) = answer::of_post(&ids, &http(200, body)) else {
        panic!("expected answers by record")
    };
    let later = |why: &str, after_ms| Answer::Later { why: why.to_owned(), after_ms };
    assert!(matches!(answers[0], Answer::Unknown { .. }), "{:?}", answers[0]);
    assert_eq!(answers[1], Answer::Delivered { superseded: false });
    assert_eq!(answers[2], Answer::Delivered { superseded: true });
    assert_eq!(answers[3], Answer::Refused { code: "x".to_owned() });
    assert_eq!(answers[4], later("refused without a code", None));
    assert_eq!(answers[5], later("later", Some(2_000)));
    assert!(matches!(answers[6], Answer::Unknown { .. }), "{:?}", answers[6]);
}

#[test]
fn what_is_no_answer_is_unknown_never_refused() {
    for body in ["", "<html>", "[{]", r#"{"id": "a", "result": "accepted"}"#, r#"[{"id": "a"}]"#] {
        assert!(matches!(whole(200, body).0, Answer::Unknown { .. }), "{body}");
    }
    let strange = r#"[{"id": "a", "result": "perhaps"}]"#;
    assert!(matches!(whole(200, strange).0, Answer::Unknown { .. }));
}

#[test]
fn asking_by_id_believes_only_the_typed_absence() {
    let absent = r#"{"code": "record.unknown", "detail": "a"}"#;
    assert_eq!(answer::of_query("a", &http(404, absent)), Answer::Absent);
    let unknown = [
        (404, "<html>not found</html>"),
        (404, r#"{"code": "route.unknown"}"#),
        (500, absent),
        (200, r#"{"id": "b", "result": "accepted"}"#),
        (200, "<html>"),
    ];
    for (status, body) in unknown {
        let answer = answer::of_query("a", &http(status, body));
        assert!(matches!(answer, Answer::Unknown { .. }), "{status} {body}: {answer:?}");
    }
    let taken = r#"{"id": "a", "result": "accepted", "code": null}"#;
    assert_eq!(answer::of_query("a", &http(200, taken)), Answer::Delivered { superseded: false });
}

async fn a_lower_revision_is_delivered_as_superseded() {
    let bench = Bench::new().await;
    let platform = simulator(Counterparty::NationalPlatform, Misbehaviour::default(), 1).await;
    let contract = &national::CONTRACT;
    bench
        .owe(contract, "order_counts", &[("meituan/2026-07-01", 2), ("meituan/2026-07-01", 1)])
        .await;
    run(&bench, contract, quick(platform.url())).await;
    let answers: Vec<_> = bench.states().await.into_values().collect();
    let delivered = |answer: &str| ("delivered".to_owned(), Some(answer.to_owned()));
    assert_eq!(answers, [delivered("superseded"), delivered("accepted")]);
    bench.close().await;
}

async fn what_the_contract_does_not_have_is_never_sent() {
    let bench = Bench::new().await;
    let tax_office = simulator(Counterparty::Tax, Misbehaviour::default(), 1).await;
    let contract = &tax::CONTRACT;
    bench.owe(contract, "enrolment", &[("k", 1)]).await;
    let mut tx = bench.db.begin().await.unwrap();
    let no_json = Owed { body: "{".to_owned(), ..owed(contract, "levy_assessed", "l", 1) };
    outbox::owe(&mut tx, &no_json).await.unwrap();
    tx.commit().await.unwrap();
    bench.owe(contract, "levy_assessed", &[("k", 2), ("l", 2), ("m", 1)]).await;

    let report = run(&bench, contract, quick(tax_office.url())).await;

    // Both keys stop behind what could not be sent; the third passes.
    assert_eq!((report.refused, report.delivered), (2, 1));
    let states = bench.states().await;
    let of = |id: &str| states[id].clone();
    let refused = |code: &str| ("refused".to_owned(), Some(code.to_owned()));
    assert_eq!(of("tax:enrolment:k:1"), refused("hub.kind_not_in_contract"));
    assert_eq!(of("tax:levy_assessed:l:1"), refused("hub.content_not_json"));
    assert_eq!(of("tax:levy_assessed:k:2").0, "owed");
    assert_eq!(of("tax:levy_assessed:l:2").0, "owed");
    assert_eq!(tax_office.received().len(), 1);
    bench.close().await;
}

async fn garbage_for_an_answer_is_asked_about() {
    let misbehaviour = Misbehaviour { garbage_percent: 100, ..Misbehaviour::default() };
    taken_but_not_answered(misbehaviour).await;
}

async fn a_dropped_connection_after_taking_leaves_exactly_one_record() {
    let misbehaviour = Misbehaviour { drop_after_accept_percent: 100, ..Misbehaviour::default() };
    taken_but_not_answered(misbehaviour).await;
}

async fn an_answer_after_the_time_limit_is_asked_about() {
    let misbehaviour =
        Misbehaviour { slow_percent: 100, slow_ms: 60_000, ..Misbehaviour::default() };
    taken_but_not_answered(misbehaviour).await;
}

/// The counterparty takes the records, and its answers to `POST` are always lost.
async fn taken_but_not_answered(misbehaviour: Misbehaviour) {
    let bench = Bench::new().await;
    let core = simulator(Counterparty::GoldenInsurance, misbehaviour, 1).await;
    let contract = &golden_insurance::CONTRACT;
    bench.owe(contract, "fund_posting", &[("fiscal", 1), ("fiscal", 2), ("treasury", 1)]).await;
    let mut settings = quick(core.url());
    settings.limits.request_timeout_ms = 1_000;

    let report = run(&bench, contract, settings).await;

    assert_eq!((report.unknown, report.delivered), (3, 3));
    // One request that was lost, then one question for each record; nothing was sent twice.
    assert_eq!((report.requests, core.requests(), core.repeated()), (4, 4, 0));
    assert_eq!(core.received().len(), 3);
    assert_eq!(core.violations(), []);
    bench.close().await;
}
