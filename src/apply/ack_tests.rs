//! An acknowledgement stands once; what says otherwise is held.

use super::apply_ack;
use crate::apply::Outcome;
use crate::domain::event::{Ack, Envelope};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{ConnectorId, DestinationId, EventId, FeedId};
use crate::domain::message::Source;
use crate::domain::time::Moment;
use crate::store::outbox::{self, Owed};
use crate::store::scratch::Scratch;
use crate::store::standing;

crate::store::scratch::on_each_engine!(the_first_acknowledgement_stands,);

const ACKED_AT: Moment = Moment::from_ms(1_782_867_605_000);

fn envelope() -> Envelope {
    Envelope {
        event_id: EventId::new("tax:ack:x").unwrap(),
        connector: ConnectorId::new("tax").unwrap(),
        feed: FeedId::new("acks").unwrap(),
        source: Source { topic: "raw.tax".into(), partition: 0, offset: 0 },
        occurred_at: ACKED_AT.plus_ms(-500),
        received_at: ACKED_AT,
    }
}

fn ack(destination: &str, record: &str, refused: Option<&str>) -> Ack {
    Ack {
        destination: DestinationId::new(destination).unwrap(),
        record: EventId::new(record).unwrap(),
        refused: refused.map(str::to_owned),
    }
}

async fn the_first_acknowledgement_stands() {
    let scratch = Scratch::open().await;
    let db = &scratch.database;
    let mut tx = db.begin().await.unwrap();
    for (key, id) in [("a", "tax:levy_assessed:a:1"), ("b", "tax:levy_assessed:b:1")] {
        let owed = Owed {
            id: EventId::new(id).unwrap(),
            destination: DestinationId::new("tax").unwrap(),
            key: key.to_owned(),
            kind: "levy_assessed",
            revision: 1,
            body: "{}".to_owned(),
            caused_at: ACKED_AT.plus_ms(-5_000),
        };
        assert!(outbox::owe(&mut tx, &owed).await.unwrap());
    }
    let applied = Outcome::Applied { releases: Vec::new() };
    let other = Outcome::Held(HoldReason::SameIdentityOtherContent { what: "acknowledgement" });
    let unknown = Outcome::Held(HoldReason::RecordUnknown);
    let (a, b) = ("tax:levy_assessed:a:1", "tax:levy_assessed:b:1");
    let steps = [
        (ack("tax", a, None), &applied),
        (ack("tax", a, None), &Outcome::Duplicate),
        (ack("tax", a, Some("amount.differs")), &other),
        (ack("tax", b, Some("amount.differs")), &applied),
        (ack("tax", b, Some("amount.differs")), &Outcome::Duplicate),
        (ack("tax", b, Some("period.closed")), &other),
        (ack("tax", b, None), &other),
        (ack("tax", "tax:levy_assessed:c:1", None), &unknown),
        // A record of ours, but another counterparty's.
        (ack("national-platform", a, None), &unknown),
    ];
    for (ack, expected) in steps {
        let outcome = apply_ack(&mut tx, &envelope(), &ack).await.unwrap();
        assert_eq!(&outcome, expected, "{ack:?}");
    }
    let standings = standing::standings(&mut tx).await.unwrap();
    let [standing] = standings.as_slice() else { panic!("{standings:?}") };
    assert_eq!((standing.acknowledged, standing.acknowledged_refused), (1, 1));
    // Delivery is forward's: an acknowledgement does not touch it.
    assert_eq!((standing.owed, standing.delivered), (2, 0));
    assert_eq!(standing.oldest_open_at, Some(ACKED_AT.plus_ms(-5_000)));
    let row = sqlx::query("select acked_at, answered_at from outbox where key = 'a'")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    use sqlx::Row;
    assert_eq!(row.get::<i64, _>("acked_at"), ACKED_AT.ms());
    assert_eq!(row.get::<Option<i64>, _>("answered_at"), None);
    tx.commit().await.unwrap();
    db.close().await;
}
