//! Delivers one parcel: whole runs of keys, in order. What was sent with its answer lost is asked
//! for by id first; what the counterparty never got is sent again under the same id.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::answer::{self, Answer, Reply};
use super::client::{Client, NoAnswer};
use super::contract::Contract;
use super::request::{self, WireRecord};
use crate::store::relay::{DeliveryState, OpenRecord};

/// What became of a parcel.
#[derive(Debug)]
pub(super) struct Delivery {
    /// The records, by key and seq.
    pub(super) records: Vec<OpenRecord>,
    /// For each record its answer; `None` where it was not tried.
    pub(super) answers: Vec<Option<Answer>>,
    /// Requests that were sent or tried.
    pub(super) requests: u64,
    /// Whether the destination as a whole failed: no connection, no answer, an error for all.
    pub(super) failed: bool,
    /// The pause that it asked for.
    pub(super) pause_ms: Option<i64>,
}

/// Delivers records that were claimed together.
pub(super) async fn deliver(
    client: &Client,
    contract: &Contract,
    records: Vec<OpenRecord>,
    requests_max: usize,
) -> Delivery {
    let answers = vec![None; records.len()];
    let mut delivery = Delivery { records, answers, requests: 0, failed: false, pause_ms: None };
    delivery.ask(client, requests_max).await;
    if !delivery.failed {
        delivery.send(client, contract).await;
    }
    delivery
}

impl Delivery {
    /// A parcel that was never tried.
    #[must_use]
    pub(super) fn untried(records: Vec<OpenRecord>) -> Self {
        let answers = vec![None; records.len()];
        Self { records, answers, requests: 0, failed: false, pause_ms: None }
    }

    /// Whether any record was delivered or refused for good.
    pub(super) fn is_final_for_any(&self) -> bool {
        let mut answers = self.answers.iter().flatten();
        answers.any(|answer| matches!(answer, Answer::Delivered { .. } | Answer::Refused { .. }))
    }

    /// Asks by id for every record whose answer was lost, a few at a time, until one stays open.
    async fn ask(&mut self, client: &Client, requests_max: usize) {
        let lost: Vec<(usize, String)> = (self.records.iter().enumerate())
            .filter(|(_, record)| record.state == DeliveryState::Unknown)
            .map(|(place, record)| (place, record.id.as_str().to_owned()))
            .collect();
        for some in lost.chunks(requests_max.max(1)) {
            let asked = join_all(some.iter().map(|(_, id)| client.get_record(id))).await;
            for ((place, id), http) in some.iter().zip(asked) {
                self.requests += 1;
                let answer = match http {
                    Ok(http) => {
                        self.failed |= http.status != 200 && http.status != 404;
                        answer::of_query(id, &http)
                    }
                    Err(error) => {
                        self.failed = true;
                        Answer::Unknown { why: format!("asked by id, {error}") }
                    }
                };
                self.put(*place, answer);
            }
            if self.failed {
                return;
            }
        }
    }

    /// Sends what is open and not stopped by an earlier record of its key.
    async fn send(&mut self, client: &Client, contract: &Contract) {
        self.refuse_unsendable(contract);
        let mut stack = vec![(0..self.records.len()).collect::<Vec<_>>()];
        while let Some(places) = stack.pop() {
            let places = self.sendable(&places, contract);
            if places.is_empty() {
                continue;
            }
            match self.post(client, contract, &places).await {
                Reply::PerRecord(answers) => {
                    for (place, answer) in places.iter().zip(answers) {
                        self.put(*place, answer);
                    }
                }
                Reply::Whole { suspect: true, .. } if places.len() > 1 => {
                    let (first, second) = places.split_at(places.len() / 2);
                    stack.push(second.to_vec());
                    stack.push(first.to_vec());
                }
                Reply::Whole { answer, suspect } => {
                    for place in places {
                        self.put(place, answer.clone());
                    }
                    if suspect {
                        continue;
                    }
                    self.failed = true;
                    if let Answer::Later { after_ms, .. } = answer {
                        self.pause_ms = after_ms;
                    }
                    return;
                }
            }
        }
    }

    async fn post(&mut self, client: &Client, contract: &Contract, places: &[usize]) -> Reply {
        let records = places.iter().filter_map(|place| self.records.get(*place));
        let (ids, wire): (Vec<&str>, Vec<WireRecord<'_>>) = records
            .filter_map(|record| {
                Some((record.id.as_str(), request::wire_record(contract, record).ok()?))
            })
            .unzip();
        let reply = match serde_json::to_vec(&wire) {
            Ok(body) => match client.post_records(body).await {
                Ok(http) => answer::of_post(&ids, &http),
                Err(NoAnswer::NotSent(why)) => whole(Answer::Later { why, after_ms: None }),
                Err(error @ NoAnswer::Lost(_)) => whole(Answer::Unknown { why: error.to_string() }),
            },
            Err(error) => whole(Answer::Later { why: error.to_string(), after_ms: None }),
        };
        self.requests += 1;
        reply
    }

    /// What can be sent of these places now: open, and after no stop of its key.
    fn sendable(&self, places: &[usize], contract: &Contract) -> Vec<usize> {
        let mut stopped: HashSet<&str> = HashSet::new();
        let mut open = HashSet::new();
        for (place, (record, answer)) in self.records.iter().zip(&self.answers).enumerate() {
            let key = record.key.as_str();
            match answer {
                Some(Answer::Delivered { .. }) => {}
                Some(Answer::Refused { .. }) if !contract.stops(&record.kind) => {}
                None | Some(Answer::Absent) => {
                    if !record.is_stopped && !stopped.contains(key) {
                        open.insert(place);
                    }
                }
                Some(Answer::Refused { .. } | Answer::Later { .. } | Answer::Unknown { .. }) => {
                    stopped.insert(key);
                }
            }
        }
        places.iter().copied().filter(|place| open.contains(place)).collect()
    }

    fn refuse_unsendable(&mut self, contract: &Contract) {
        for (record, answer) in self.records.iter().zip(&mut self.answers) {
            let open = matches!(answer, None | Some(Answer::Absent));
            match request::wire_record(contract, record) {
                Err(ours) if open => *answer = Some(Answer::Refused { code: ours.to_string() }),
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn put(&mut self, place: usize, answer: Answer) {
        if let Some(slot) = self.answers.get_mut(place) {
            *slot = Some(answer);
        }
    }
}

const fn whole(answer: Answer) -> Reply {
    Reply::Whole { answer, suspect: false }
}
