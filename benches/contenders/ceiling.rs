//! The ceiling: reads, decodes, counts in memory. No database, and no order is known again, so
//! that what is sent twice counts twice.

use std::path::Path;

use rdkafka::message::Message;

use crate::Failure;
use crate::counts::Counts;
use crate::input::{InputError, Shares};
use crate::orders::{OrderError, accepted};

#[derive(Debug, thiserror::Error)]
enum LoopError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// Reads everything with so many threads and writes the counts; gives how many messages it read.
pub(crate) fn run(brokers: &str, prefix: &str, out: &Path, threads: usize) -> Result<u64, Failure> {
    let readers = Shares::of(brokers, prefix, threads)?.readers()?;
    let (mut all, mut messages) = (Counts::default(), 0);
    let counted: Vec<Result<(Counts, u64), LoopError>> = std::thread::scope(|scope| {
        let count = |mut reader: crate::input::Reader| {
            let mut counts = Counts::default();
            let messages = reader.read_all(|platform, message| {
                let json = message.payload().unwrap_or_default();
                if let Some(accepted) = accepted(platform, json)? {
                    counts.add(platform, &accepted);
                }
                Ok::<_, LoopError>(())
            })?;
            Ok((counts, messages))
        };
        let threads: Vec<_> =
            readers.into_iter().map(|reader| scope.spawn(move || count(reader))).collect();
        let panicked = |_| std::panic::resume_unwind(Box::new("a thread of the loop panicked"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    });
    for share in counted {
        let (counts, read) = share?;
        all.join(counts);
        messages += read;
    }
    all.write(out)?;
    Ok(messages)
}
