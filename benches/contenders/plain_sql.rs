//! Plain SQL: what a good engineer would write in an afternoon. Acceptances go by `COPY` into an
//! unlogged staging table; one statement moves those that are new into the table of orders and adds
//! them to the counts. Messages are read and decoded by one thread while another waits for the
//! database.

use std::fmt::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rdkafka::message::Message;
use sqlx::{Connection, Executor, PgConnection};

use crate::Failure;
use crate::counts;
use crate::input::{InputError, Shares};
use crate::orders::{OrderError, accepted};

/// Acceptances of one transaction.
const BATCH: usize = 50_000;
/// Batches that are decoded ahead of the database.
const AHEAD: usize = 2;

const TABLES: &str = "\
drop table if exists bench_staging, bench_order, bench_count;
create unlogged table bench_staging (
    platform smallint not null,
    day integer not null,
    county integer not null,
    order_no text collate \"C\" not null
);
create table bench_order (
    platform smallint not null,
    day integer not null,
    county integer not null,
    order_no text collate \"C\" not null,
    primary key (platform, day, order_no)
);
create table bench_count (
    platform smallint not null,
    day integer not null,
    county integer not null,
    orders bigint not null,
    primary key (platform, day, county)
);";

/// Sorted by the key, so that the index is written page by page.
const MOVE: &str = "\
with new as (
    insert into bench_order (platform, day, county, order_no)
    select platform, day, county, order_no from bench_staging order by platform, day, order_no
    on conflict do nothing
    returning platform, day, county
)
insert into bench_count (platform, day, county, orders)
select platform, day, county, count(*) from new group by platform, day, county
on conflict (platform, day, county) do update set orders = bench_count.orders + excluded.orders";

const ANSWER: &str = "\
select platform, day, county, orders from bench_count order by platform, day, county";

#[derive(Debug, thiserror::Error)]
enum PlainError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("expected a batch to be taken, found that the database's thread has ended")]
    Ended,
}

/// Lines for `COPY`, and how many.
#[derive(Debug, Default)]
struct Batch {
    lines: String,
    count: usize,
}

/// Reads everything and writes the counts; gives how many messages it read.
pub(crate) fn run(brokers: &str, prefix: &str, out: &Path, database: &str) -> Result<u64, Failure> {
    let (send, receive) = sync_channel(AHEAD);
    let written = std::thread::scope(|scope| {
        let writing = scope.spawn(move || write_batches(database, receive));
        let read = read_batches(brokers, prefix, send);
        let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // What ended the database's thread says more than that it has ended.
        written.and_then(|rows| Ok((read?, rows)))
    });
    let (messages, rows) = written?;
    counts::write(out, rows.into_iter())?;
    Ok(messages)
}

fn read_batches(brokers: &str, prefix: &str, send: SyncSender<Batch>) -> Result<u64, PlainError> {
    let mut batch = Batch::default();
    let mut messages = 0;
    for mut reader in Shares::of(brokers, prefix, 1)?.readers()? {
        messages += reader.read_all(|platform, message| {
            let json = message.payload().unwrap_or_default();
            let Some(accepted) = accepted(platform, json)? else { return Ok(()) };
            let (day, county, order) = (accepted.day, accepted.county, accepted.order);
            // An order's number has no character that `COPY` would read as anything else.
            writeln!(batch.lines, "{platform}\t{day}\t{county}\t{order}").unwrap_or_default();
            batch.count += 1;
            if batch.count == BATCH {
                hand_over(&send, std::mem::take(&mut batch))?;
            }
            Ok::<_, PlainError>(())
        })?;
    }
    hand_over(&send, batch)?;
    Ok(messages)
}

fn hand_over(send: &SyncSender<Batch>, batch: Batch) -> Result<(), PlainError> {
    if send.send(batch).is_err() {
        return Err(PlainError::Ended);
    }
    Ok(())
}

type Row = ((usize, i32, u32), u64);

fn write_batches(database: &str, batches: Receiver<Batch>) -> Result<Vec<Row>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut session = PgConnection::connect(database).await?;
        session.execute(TABLES).await?;
        for batch in batches {
            let mut tx = session.begin().await?;
            tx.execute("truncate bench_staging").await?;
            let columns = "copy bench_staging (platform, day, county, order_no) from stdin";
            let mut copy = tx.copy_in_raw(columns).await?;
            copy.send(batch.lines.as_bytes()).await?;
            copy.finish().await?;
            tx.execute(MOVE).await?;
            tx.commit().await?;
        }
        let rows: Vec<(i16, i32, i32, i64)> =
            sqlx::query_as(ANSWER).fetch_all(&mut session).await?;
        session.close().await?;
        let row = |(platform, day, county, orders): (i16, i32, i32, i64)| {
            Ok(((platform.try_into()?, day, county.try_into()?), orders.try_into()?))
        };
        rows.into_iter().map(row).collect()
    })
}
