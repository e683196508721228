//! Counterparties that records are owed to, within the simulation: they refuse, ask for a pause,
//! fail, take a record and lose the answer, or take a request that nobody believes in any more.
//! They hold the hub to the contract, and acknowledge what they took, late, twice and out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::faults::strikes;
use super::turns::{Clock, MADE_UP, Turns};
use crate::forward::client::{Counterparty, HttpAnswer, NoAnswer};
use crate::forward::contract::Contract;

/// A record that was taken or refused.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) kind: String,
    pub(super) key: String,
    pub(super) seq: u64,
    pub(super) content: String,
    pub(super) is_refused: bool,
}

/// One counterparty.
pub(super) struct Destination {
    pub(super) contract: &'static Contract,
    turns: Arc<Turns>,
    clock: Clock,
    books: Mutex<Books>,
}

struct Books {
    random: ChaCha8Rng,
    /// How often it misbehaves, in a thousand requests and records.
    misbehaviour: u32,
    taken: BTreeMap<String, Taken>,
    acks: Vec<String>,
    /// Records whose acknowledgement is still to be written.
    to_acknowledge: Vec<String>,
    /// Requests that were taken for lost and still arrive.
    on_the_way: Vec<Vec<u8>>,
    breaches: Vec<String>,
}

impl Destination {
    pub(super) fn new(
        contract: &'static Contract,
        (seed, misbehaviour): (u64, u32),
        (turns, clock): (Arc<Turns>, Clock),
    ) -> Self {
        let books = Books {
            random: ChaCha8Rng::seed_from_u64(seed),
            misbehaviour,
            taken: BTreeMap::new(),
            acks: Vec::new(),
            to_acknowledge: Vec::new(),
            on_the_way: Vec::new(),
            breaches: Vec::new(),
        };
        Self { contract, turns, clock, books: Mutex::new(books) }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it has, by id.
    pub(super) fn taken(&self) -> BTreeMap<String, Taken> {
        self.books().taken.clone()
    }

    /// Breaches of the contract by the hub.
    pub(super) fn breaches(&self) -> Vec<String> {
        self.books().breaches.clone()
    }

    /// Records that it acknowledged, and in how many lines.
    pub(super) fn acknowledged(&self) -> (BTreeSet<String>, usize) {
        let books = self.books();
        let record = |line: &String| {
            let value: Value = serde_json::from_str(line).ok()?;
            Some(value.get("record")?.as_str()?.to_owned())
        };
        (books.acks.iter().filter_map(record).collect(), books.acks.len())
    }

    /// From now on it behaves, and everything is acknowledged.
    pub(super) fn settle(&self) {
        let now = self.clock.now().to_string();
        let mut books = self.books();
        books.misbehaviour = 0;
        for record in std::mem::take(&mut books.to_acknowledge) {
            books.acks.push(ack_line(&record, &now));
        }
    }

    fn post(&self, body: &[u8]) -> HttpAnswer {
        let now = self.clock.now().to_string();
        let mut books = self.books();
        let rate = books.misbehaviour / 2;
        if strikes(&mut books.random, rate) {
            let is_pause = strikes(&mut books.random, 500);
            let retry_after_s = is_pause.then_some(30);
            let status = if is_pause { 429 } else { 503 };
            return HttpAnswer { status, retry_after_s, body: b"busy".to_vec() };
        }
        if strikes(&mut books.random, 300)
            && let Some(late) = books.on_the_way.pop()
        {
            books.take_all(self.contract, &late, &now);
        }
        ok(&Value::Array(books.take_all(self.contract, body, &now)))
    }

    fn query(&self, id: &str) -> HttpAnswer {
        match self.books().taken.get(id) {
            Some(taken) => ok(&answer(id, taken.is_refused)),
            None => HttpAnswer {
                status: 404,
                retry_after_s: None,
                body: json!({ "code": "record.unknown" }).to_string().into_bytes(),
            },
        }
    }

    fn acks(&self, after: u64, limit: u32) -> HttpAnswer {
        let now = self.clock.now().to_string();
        let mut books = self.books();
        books.acknowledge_some(&now);
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        let lines = books.acks.iter().skip(after).take(usize::try_from(limit).unwrap_or(1));
        let body: String = lines.map(|line| format!("{line}\n")).collect();
        HttpAnswer { status: 200, retry_after_s: None, body: body.into_bytes() }
    }

    /// Lets a request arrive, or its answer.
    async fn travels(&self) -> Result<(), NoAnswer> {
        if self.turns.travel().await { Ok(()) } else { Err(NoAnswer::Lost(MADE_UP.to_owned())) }
    }
}

impl Books {
    fn take_all(&mut self, contract: &Contract, body: &[u8], now: &str) -> Vec<Value> {
        let records: Vec<Value> = serde_json::from_slice(body).unwrap_or_default();
        let mut later = BTreeSet::new();
        records.iter().map(|record| self.take(contract, record, now, &mut later)).collect()
    }

    /// Takes one record. What comes behind one that is to come later, or whose refusal stops its
    /// key, has to come later too.
    fn take(
        &mut self,
        contract: &Contract,
        record: &Value,
        now: &str,
        later: &mut BTreeSet<String>,
    ) -> Value {
        let text = |name: &str| {
            record.get(name).and_then(Value::as_str).map(str::to_owned).unwrap_or_default()
        };
        let (id, key, kind) = (text("id"), text("key"), text("kind"));
        let seq = record.get("seq").and_then(Value::as_u64).unwrap_or(0);
        let content = record.get("content").map(Value::to_string).unwrap_or_default();
        if let Some(known) = self.taken.get(&id) {
            if known.content != content || known.seq != seq {
                self.breaches.push(format!("{id}: expected what came before, found {content}"));
            }
            let is_refused = known.is_refused;
            // Refused by a request that came before this one though it was taken for lost.
            if is_refused && contract.stops(&kind) {
                later.insert(key);
            }
            return answer(&id, is_refused);
        }
        if strikes(&mut self.random, self.misbehaviour / 4) || later.contains(&key) {
            later.insert(key);
            return json!({ "id": id, "result": "later", "code": "busy", "retry_after_s": 60 });
        }
        let before = self.taken.iter().filter(|(_, one)| one.key == key);
        for (other, one) in before {
            let is_stop = one.is_refused && contract.stops(&one.kind) && one.seq < seq;
            if one.seq >= seq || is_stop {
                let what = if is_stop { "nothing behind a refusal" } else { "records in order" };
                self.breaches.push(format!("{id}: expected {what}, found it after {other}"));
            }
        }
        let is_refused = strikes(&mut self.random, self.misbehaviour / 16);
        if is_refused && contract.stops(&kind) {
            later.insert(key.clone());
        }
        self.taken.insert(id.clone(), Taken { kind, key, seq, content, is_refused });
        if !is_refused {
            self.to_acknowledge.push(id.clone());
            if strikes(&mut self.random, self.misbehaviour) {
                self.acks.push(ack_line(&id, now));
            }
        }
        answer(&id, is_refused)
    }

    /// Writes acknowledgements of records taken at any time, in any order.
    fn acknowledge_some(&mut self, now: &str) {
        while !self.to_acknowledge.is_empty() && strikes(&mut self.random, 600) {
            let place = self.random.random_range(0..self.to_acknowledge.len());
            let record = self.to_acknowledge.swap_remove(place);
            self.acks.push(ack_line(&record, now));
        }
    }
}

fn answer(id: &str, is_refused: bool) -> Value {
    if is_refused {
        return json!({ "id": id, "result": "refused", "code": "SIM-1" });
    }
    json!({ "id": id, "result": "accepted" })
}

fn ack_line(record: &str, now: &str) -> String {
    json!({ "record": record, "result": "accepted", "at": now }).to_string()
}

fn ok(body: &Value) -> HttpAnswer {
    HttpAnswer { status: 200, retry_after_s: None, body: body.to_string().into_bytes() }
}

impl Counterparty for Destination {
    fn post_records(&self, body: Vec<u8>) -> BoxFuture<'_, Result<HttpAnswer, NoAnswer>> {
        Box::pin(async move {
            if !self.turns.travel().await {
                let mut books = self.books();
                if strikes(&mut books.random, 300) {
                    return Err(NoAnswer::NotSent(MADE_UP.to_owned()));
                }
                if strikes(&mut books.random, 500) {
                    books.on_the_way.push(body);
                }
                return Err(NoAnswer::Lost(MADE_UP.to_owned()));
            }
            let answer = self.post(&body);
            self.travels().await?;
            Ok(answer)
        })
    }

    fn get_record<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<HttpAnswer, NoAnswer>> {
        Box::pin(async move {
            self.travels().await?;
            Ok(self.query(id))
        })
    }

    fn get_acks(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<HttpAnswer, NoAnswer>> {
        Box::pin(async move {
            self.travels().await?;
            Ok(self.acks(after, limit))
        })
    }
}
