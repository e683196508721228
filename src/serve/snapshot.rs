//! The overview as bytes with a tag, made at most as often as it is cheap: pages that ask more
//! often, or many at once, get the same bytes, so that looking never slows the applying.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use sha2::{Digest, Sha256};

use super::overview::overview;
use super::{Books, ServeError};

/// The overview is at least this old before it is made again.
const AGE_MIN: Duration = Duration::from_millis(900);

/// And at least this many times as old as it took to make.
const COST_TIMES: u32 = 10;

/// One overview as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) json: Bytes,
    /// Strong entity tag, with its quotes.
    pub(super) tag: String,
}

/// The last overview that was made.
#[derive(Debug, Default)]
pub(super) struct Last(tokio::sync::Mutex<Option<(Made, Instant)>>);

impl Last {
    /// The last overview while it is young enough, else a new one.
    pub(super) async fn get(&self, books: &Books) -> Result<Made, ServeError> {
        let mut last = self.0.lock().await;
        if let Some((made, until)) = &*last
            && Instant::now() < *until
        {
            return Ok(made.clone());
        }
        let start = Instant::now();
        let made = make(books).await?;
        let until = Instant::now() + (start.elapsed() * COST_TIMES).max(AGE_MIN);
        *last = Some((made.clone(), until));
        Ok(made)
    }
}

async fn make(books: &Books) -> Result<Made, ServeError> {
    let mut tx = books.db.snapshot().await?;
    let overview = overview(&mut tx, books).await?;
    drop(tx);
    let json = serde_json::to_vec(&overview)?;
    let digest: [u8; 32] = Sha256::digest(&json).into();
    let short: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    Ok(Made { json: Bytes::from(json), tag: format!("\"{short}\"") })
}
