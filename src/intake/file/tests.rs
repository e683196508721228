//! Files of each format into a log, killed and resumed at every append, resent and changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use super::{IngestFile, Ingested, Progress, ingest_file};
use crate::domain::ids::{ConnectorId, FeedId};
use crate::domain::time::Moment;
use crate::intake::framing::Format;
use crate::intake::{AppendLimits, Arrival, IntakeError, Route};
use crate::log::contract::Folder;
use crate::log::embedded::EmbeddedLog;
use crate::log::simulated::{Faults, SimulatedLog};
use crate::log::{Log, LogError};

const TOPIC: &str = "raw.shansong";

struct TempFile(std::path::PathBuf);

impl TempFile {
    fn new(bytes: &[u8]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhibao-file-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

fn ingest(file: &TempFile, format: Format) -> IngestFile {
    IngestFile {
        connector: ConnectorId::new("shansong").unwrap(),
        feed: FeedId::new("orders").unwrap(),
        path: file.0.clone(),
        format,
        record_bytes_max: 1000,
        limits: AppendLimits { records_max: 10, bytes_max: 1 << 20 },
        received_at: Some(Moment::from_ms(1_782_867_600_000)),
        again: false,
    }
}

/// The record without its last character: its key in these tests.
fn route(arrival: &Arrival<'_>) -> Vec<u8> {
    let last = arrival.value.len() - 1;
    arrival.value[..last].to_vec()
}

async fn log(faults: Faults) -> SimulatedLog {
    let log = SimulatedLog::new(7, faults, Moment::from_ms(0));
    log.ensure_topic(TOPIC, 4).await.unwrap();
    log
}

async fn records(log: &dyn Log) -> Vec<String> {
    let mut all = Vec::new();
    for extent in log.extents(TOPIC).await.unwrap() {
        let mut from = extent.first;
        while from < extent.next {
            let batch = log.read(TOPIC, extent.partition, from, 1 << 20).await.unwrap();
            for record in &batch.records {
                let text = String::from_utf8(batch.value(record).to_vec()).unwrap();
                let key = &text.as_bytes()[..text.len() - 1];
                assert_eq!(crate::log::partition_of(key, 4), extent.partition);
                all.push(text);
                from = record.offset + 1;
            }
        }
    }
    all.sort();
    all
}

fn lines(count: u32) -> Vec<String> {
    (0..count).map(|n| format!("{{\"order\":{n:05}}}")).collect()
}

async fn run(log: &dyn Log, file: &IngestFile) -> Result<Ingested, IntakeError> {
    let route: Arc<Route> = Arc::new(route);
    ingest_file(log, &*route, file, &mut |_| ()).await
}

#[tokio::test]
async fn a_file_is_taken_once_and_again_only_where_asked() {
    let text = lines(25).join("\n");
    let file = TempFile::new(text.as_bytes());
    let log = log(Faults::default()).await;
    let mut file_in = ingest(&file, Format::JsonLines);
    let mut heard = Vec::new();
    let route: Arc<Route> = Arc::new(route);
    let taken = ingest_file(&log, &*route, &file_in, &mut |progress| heard.push(progress)).await;
    let Ingested::Taken { mark, records_new: 25 } = taken.unwrap() else { panic!("25 records") };
    assert!(mark.complete);
    let bytes = u64::try_from(text.len()).unwrap();
    assert_eq!((mark.offset, mark.records), (bytes, 25));
    assert_eq!(heard.last(), Some(&Progress { bytes, bytes_all: bytes, records: 25 }));
    assert_eq!(run(&log, &file_in).await.unwrap(), Ingested::Already { mark });
    assert_eq!(records(&log).await, lines(25));
    file_in.again = true;
    for times in [2, 3] {
        let Ingested::Taken { records_new: 25, .. } = run(&log, &file_in).await.unwrap() else {
            panic!("taken again")
        };
        assert_eq!(records(&log).await.len(), 25 * times);
    }
}

#[tokio::test]
async fn a_killed_ingest_goes_on_where_it_was() {
    let faults = Faults { append_lost: 300, append_unanswered: 300, ..Faults::default() };
    let rows: Vec<String> = lines(155).iter().map(|line| line.replace('"', "")).collect();
    for (format, text) in [
        (Format::JsonLines, format!("{}\n\n\n", lines(155).join("\r\n\n"))),
        (Format::Csv, format!("order,\"x\ny\"\n{}\n", rows.join("\n"))),
    ] {
        let file = TempFile::new(text.as_bytes());
        let log = log(faults).await;
        let file_in = ingest(&file, format);
        let mut kills = 0;
        while let Err(error) = run(&log, &file_in).await {
            assert!(matches!(error, IntakeError::Log(LogError::NoAnswer { .. })), "{error}");
            kills += 1;
        }
        assert!(kills > 3, "{kills} kills");
        assert_eq!(records(&log).await.len(), 155, "nothing lost, nothing doubled");
    }
}

#[tokio::test]
async fn an_ingest_that_is_dropped_at_any_point_goes_on_in_the_embedded_log() {
    let file = TempFile::new(lines(155).join("\n").as_bytes());
    let file_in = ingest(&file, Format::JsonLines);
    let folder = Folder::new();
    let mut drops = 0;
    for polls_max in (1..).step_by(7) {
        let clock = Arc::new(|| Moment::from_ms(0));
        let log = EmbeddedLog::open(&folder.0, clock).await.unwrap();
        log.ensure_topic(TOPIC, 4).await.unwrap();
        let mut ingest = Box::pin(run(&log, &file_in));
        let mut polls = 0;
        let result = std::future::poll_fn(|context| {
            polls += 1;
            if polls > polls_max {
                Poll::Ready(None)
            } else {
                ingest.as_mut().poll(context).map(Some)
            }
        })
        .await;
        drop(ingest);
        if let Some(result) = result {
            result.unwrap();
            assert_eq!(records(&log).await, lines(155), "nothing lost, nothing doubled");
            break;
        }
        drops += 1;
        log.close().await;
    }
    assert!(drops > 3, "{drops} drops");
}

#[tokio::test]
async fn csv_records_name_the_digest_of_their_header_line() {
    let file = TempFile::new("\u{feff}平台,订单号\r\n闪送,SS1\r\n闪送,SS2\r\n".as_bytes());
    let log = log(Faults::default()).await;
    let route: Arc<Route> = Arc::new(|arrival: &Arrival<'_>| {
        assert_eq!(arrival.header.map(|(line, _)| line), Some("平台,订单号".as_bytes()));
        Vec::new()
    });
    ingest_file(&log, &*route, &ingest(&file, Format::Csv), &mut |_| ()).await.unwrap();
    let partition = crate::log::partition_of(b"", 4);
    let batch = log.read(TOPIC, partition, 0, 1 << 20).await.unwrap();
    assert_eq!(batch.records.len(), 2);
    assert_eq!(batch.records[0].received_at, Moment::from_ms(1_782_867_600_000));
    let digest = batch.headers[0].header_digest.unwrap();
    let line = log.header(digest).await.unwrap().unwrap();
    assert_eq!(line, "平台,订单号".as_bytes());
}

#[tokio::test]
async fn a_broken_container_gives_its_whole_blocks_and_is_never_complete() {
    let file = TempFile::new(b"Obj\x01 and nothing of the kind");
    let log = log(Faults::default()).await;
    let schema = Arc::new(apache_avro::Schema::parse_str("\"string\"").unwrap());
    let error = run(&log, &ingest(&file, Format::Avro(schema))).await.unwrap_err();
    assert!(matches!(error, IntakeError::Framing(_)), "{error}");
    let gone = IngestFile { path: "/does/not/exist".into(), ..ingest(&file, Format::Csv) };
    let error = run(&log, &gone).await.unwrap_err();
    assert!(matches!(error, IntakeError::File { .. }), "{error}");
    assert!(records(&log).await.is_empty());
}
