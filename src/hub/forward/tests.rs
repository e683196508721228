//! Acknowledgements that two instances fetch at once, and those of a topic that is lost.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::domain::ids::FeedId;
use crate::forward::acks::AckPoller;
use crate::forward::client::{Counterparty, HttpAnswer, NoAnswer};
use crate::hub::forward::{Destinations, fetch_acks_from};
use crate::hub::{Hub, HubSettings};
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

/// Where it was asked all the same, the counterparty would give what it then holds as taken.
#[tokio::test]
async fn nobody_is_asked_for_acknowledgements_whose_topic_is_lost() {
    let data = std::env::temp_dir().join(format!("zhibao-acks-lost-{}", std::process::id()));
    Hub::open(&HubSettings::of_tests(data.clone())).await.unwrap().close().await.unwrap();
    std::fs::remove_file(data.join("log.db")).unwrap();
    let hub = Hub::open(&HubSettings::of_tests(data.clone())).await.unwrap();
    let counterparty = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    counterparty.set_nonblocking(true).unwrap();
    let tax = Some(format!("http://{}", counterparty.local_addr().unwrap()));
    let destinations = Destinations { tax, ..Destinations::default() };
    let refused = hub.fetch_acks(&destinations, None).await.unwrap_err().to_string();
    assert!(refused.contains("raw.tax") && refused.contains("found none"), "{refused}");
    let asked = counterparty.accept().unwrap_err();
    assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock);
    hub.close().await.unwrap();
    std::fs::remove_dir_all(data).unwrap();
}

/// Previously the instance that came second ended, with all its roles.
#[tokio::test]
async fn acknowledgements_that_another_instance_was_faster_with_are_left_to_it() {
    let data = std::env::temp_dir().join(format!("zhibao-acks-{}", std::process::id()));
    let hub = Hub::open(&HubSettings::of_tests(data.clone())).await.unwrap();
    let poller = AckPoller::of(Arc::new(Slow(Arc::clone(&hub.engine.log))));
    for _ in 0..2 {
        assert_eq!(fetch_acks_from(&hub.engine, ("tax", &poller), None).await.unwrap(), 0);
    }
    let extents = hub.engine.log.extents("raw.tax").await.unwrap();
    assert_eq!(extents.iter().map(|extent| extent.next).sum::<u64>(), 1);
    hub.close().await.unwrap();
    std::fs::remove_dir_all(data).unwrap();
}
