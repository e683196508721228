//! Statements and registrations.

use super::*;

crate::store::scratch::on_each_engine!(
    the_highest_revision_replaces_the_whole_day,
    a_statement_that_cannot_be_applied_changes_nothing,
    what_is_out_of_scope_is_applied_and_not_counted,
    a_registration_stands_once_and_never_changes_silently,
);

async fn the_highest_revision_replaces_the_whole_day() {
    let hub = Fixture::new().await;
    let (day, next) = (july(2), july(3).start());
    let first = totals(day, 1, &[(150_102, 100), (150_103, 20)]);
    let third = totals(day, 3, &[(150_102, 90), (150_104, 0), (150_781, 5)]);
    assert_eq!(hub.state(&first, next).await, applied());
    assert_eq!(hub.state(&first, next).await, Outcome::Duplicate);
    assert_eq!(hub.stated(day, Extent::Whole).await, [(150_102, 100), (150_103, 20)]);
    assert_eq!(hub.state(&third, next).await, applied());
    assert_eq!(hub.stated(day, Extent::Whole).await, [(150_102, 90), (150_781, 5)]);
    // Older revisions, whatever they say, are duplicates of history.
    assert_eq!(hub.state(&totals(day, 2, &[(150_102, 1)]), next).await, Outcome::Duplicate);
    // The same figures in other words: an absent county is 0.
    let same = totals(day, 3, &[(150_102, 90), (150_781, 5)]);
    assert_eq!(hub.state(&same, next).await, Outcome::Duplicate);
    let other = hub.state(&totals(day, 3, &[(150_102, 91), (150_781, 5)]), next).await;
    let reason = HoldReason::SameRevisionOtherContent { revision: 3 };
    assert_eq!(other, Outcome::Held(reason));
    assert_eq!(hub.stated(day, Extent::Whole).await, [(150_102, 90), (150_781, 5)]);
}

async fn a_statement_that_cannot_be_applied_changes_nothing() {
    let hub = Fixture::new().await;
    let at = july(3).start();
    let unknown = hub.state(&totals(july(2), 1, &[(150_102, 1), (150_999, 1)]), at).await;
    assert_eq!(unknown, Outcome::Held(HoldReason::CountyUnknown { found: "150999".to_owned() }));
    let mut other_line = totals(july(2), 1, &[(150_102, 1)]);
    other_line.line = LineCode::new("ride_hailing").unwrap();
    let Outcome::Held(reason) = hub.state(&other_line, at).await else { panic!("held") };
    assert_eq!(reason.code(), "code.unknown");
    assert_eq!(hub.stated(july(2), Extent::Whole).await, []);
    // Nothing of it was stored: the same revision with right counties is applied.
    assert_eq!(hub.state(&totals(july(2), 1, &[(150_102, 1)]), at).await, applied());
}

async fn what_is_out_of_scope_is_applied_and_not_counted() {
    let hub = Fixture::new().await;
    let before = july(1).plus(-1);
    let early = totals(before, 1, &[(150_102, 9)]);
    assert_eq!(hub.state(&early, july(1).start()).await, applied());
    assert_eq!(hub.stated(before, Extent::Whole).await, []);
    let elsewhere = totals(july(1), 1, &[(110_101, 9), (150_102, 2)]);
    assert_eq!(hub.state(&elsewhere, july(2).start()).await, applied());
    assert_eq!(hub.stated(july(1), Extent::Whole).await, [(150_102, 2)]);
}

async fn a_registration_stands_once_and_never_changes_silently() {
    let hub = Fixture::new().await;
    let registration = Registration {
        credit_code: CreditCode::new("91110108MA0000000X").unwrap(),
        platform: riders().platform,
        line: riders().line,
        action: RegistrationAction::Registered,
        effective_from: july(1),
        document_no: DocumentNo::new("内社保登〔2026〕1号").unwrap(),
    };
    let changed = Registration { action: RegistrationAction::Changed, ..registration.clone() };
    let document_no = DocumentNo::new("内社保登〔2026〕2号").unwrap();
    let other = Registration { document_no, ..registration.clone() };
    let line = LineCode::new("ride_hailing").unwrap();
    let unknown = Registration { line, ..registration.clone() };
    let what = "registration";
    let mut tx = hub.begin().await;
    let mut outcomes = Vec::new();
    for event in [&registration, &registration, &changed, &other, &unknown] {
        let envelope = envelope(july(1).start());
        outcomes.push(apply_registration(&mut tx, hub.scope(), &envelope, event).await.unwrap());
    }
    assert_eq!(
        outcomes[..4],
        [
            applied(),
            Outcome::Duplicate,
            applied(),
            Outcome::Held(HoldReason::SameIdentityOtherContent { what }),
        ]
    );
    assert!(matches!(&outcomes[4], Outcome::Held(HoldReason::CodeUnknown { .. })));
}
