//! Acknowledgements that two instances fetch at once.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::domain::ids::FeedId;
use crate::forward::acks::AckPoller;
use crate::forward::client::{Counterparty, HttpAnswer, NoAnswer};
use crate::hub::forward::fetch_acks_from;
use crate::hub::{Hub, HubSettings, LogChoice};
use crate::log::embedded::Retention;
use crate::log::{Append, IntakeMark, Log, NewRecord};

const LINE: &str = r#"{"record":"x","result":"accepted","at":"2026-07-03T02:10:00+08:00"}"#;

/// A counterparty whose first answer takes so long that another instance appends it meanwhile.
struct Slow(Arc<dyn Log>);

impl Slow {
    async fn another_instance_appends(&self) {
        let append = Append {
            topic: "raw.tax".into(),
            feed: FeedId::new("acks").unwrap(),
            header_digest: None,
            records: vec![NewRecord { partition: 0, key: Vec::new(), value: LINE.into() }],
            received_at: None,
            mark: Some(IntakeMark {
                source: "http:tax:acks".to_owned(),
                offset: u64::try_from(LINE.len()).unwrap(),
                records: 1,
                complete: false,
                digest: [0; 32],
            }),
        };
        self.0.append(append).await.unwrap();
    }
}

impl Counterparty for Slow {
    fn post_records(&self, _body: Vec<u8>) -> BoxFuture<'_, Result<HttpAnswer, NoAnswer>> {
        unreachable!("nothing is owed")
    }

    fn get_record<'a>(&'a self, _id: &'a str) -> BoxFuture<'a, Result<HttpAnswer, NoAnswer>> {
        unreachable!("nothing is owed")
    }

    fn get_acks(&self, after: u64, _limit: u32) -> BoxFuture<'_, Result<HttpAnswer, NoAnswer>> {
        Box::pin(async move {
            let mut body = Vec::new();
            if after == 0 {
                self.another_instance_appends().await;
                body.extend_from_slice(format!("{LINE}\n").as_bytes());
            }
            Ok(HttpAnswer { status: 200, retry_after_s: None, body })
        })
    }
}

/// Previously the instance that came second ended, with all its roles.
#[tokio::test]
async fn acknowledgements_that_another_instance_was_faster_with_are_left_to_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = std::env::temp_dir().join(format!("zhibao-acks-{}", std::process::id()));
    let settings = HubSettings {
        data: data.clone(),
        database: None,
        connectors: root.join("connectors"),
        policy: root.join("policy"),
        apply: crate::apply::engine::ApplySettings::default(),
        log: LogChoice::Embedded,
        retention: Retention::default(),
        schema_registry: None,
        grows: None,
        canonical: crate::forward::canonical::Limits::default(),
    };
    let hub = Hub::open(&settings).await.unwrap();
    let poller = AckPoller::of(Arc::new(Slow(Arc::clone(&hub.engine.log))));
    for _ in 0..2 {
        assert_eq!(fetch_acks_from(&hub.engine, ("tax", &poller), None).await.unwrap(), 0);
    }
    let extents = hub.engine.log.extents("raw.tax").await.unwrap();
    assert_eq!(extents.iter().map(|extent| extent.next).sum::<u64>(), 1);
    hub.close().await.unwrap();
    std::fs::remove_dir_all(data).unwrap();
}
