//! The world of one seed: instances that come and go, senders, the clocks, and what happens to
//! them. All of it is chosen by one seeded source, one step after the other.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::destinations::Destination;
use super::faults::{Chaos, Rates, pick, strikes};
use super::instances::{LEASE_MS, Shared, Work};
use super::platforms::Platform;
use super::senders::Senders;
use super::traffic::{Message, traffic};
use super::turns::{Actor, Clock, MADE_UP, Place, Turns, Verdict};
use super::{SimulationError, Template};
use crate::domain::time::{Day, Moment};
use crate::forward::{national, tax};
use crate::hub::HubError;
use crate::log::simulated::SimulatedLog;
use crate::store::Database;
use crate::store::tx::Access;

/// How long one turn may take in real time before somebody is taken to stand still for good.
const TURN_MAX: Duration = Duration::from_secs(60);
/// Steps after which a world that has not come to its end has gone round in circles.
const STEPS_MAX: u64 = 200_000;
/// Occasions to send when nothing is left to send.
const TAIL: u64 = 30;
/// How far the log's clock may jump.
const LOG_BACK_MS: i64 = 120_000;
const LOG_AHEAD_MS: i64 = 6 * 3_600_000;

/// First days of runs: the scheme's own start, and the last days of a month.
const FIRST_DAYS: [(u32, u32); 3] = [(6, 30), (7, 1), (7, 29)];

/// Everything of one seed.
pub(super) struct World {
    pub(super) shared: Shared,
    pub(super) senders: Senders,
    pub(super) first_day: Day,
    /// What was found that must not be.
    pub(super) differences: Vec<String>,
    pub(super) steps: u64,
    random: ChaCha8Rng,
    actors: BTreeMap<Actor, Running>,
    instances: BTreeMap<u64, Up>,
    next_actor: Actor,
    next_instance: u64,
    log_skew_ms: i64,
    trace: Sha256,
}

/// An instance that runs.
struct Up {
    skew_ms: Arc<AtomicI64>,
    stop: watch::Sender<bool>,
    /// It stands still until then.
    paused_until: Moment,
}

struct Running {
    /// The instance that it belongs to; `None` for an operator's command.
    instance: Option<u64>,
    name: &'static str,
    work: Work,
}

impl World {
    /// A world before its first step, on a database of its own.
    pub(super) async fn new(
        template: Arc<Template>,
        (seed, orders): (u64, u32),
        file: &Path,
    ) -> Result<Self, SimulationError> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let rates = Rates::draw(&mut random);
        let (month, day) = pick(&mut random, &FIRST_DAYS).unwrap_or((7, 1));
        let first_day = Day::from_ymd(2026, month, day).unwrap_or(Day::from_epoch_days(0));
        let messages = traffic(&mut random, (orders, rates.grows), first_day);
        let clock = Clock::default();
        clock.advance_to(first_day.start());
        let turns = Arc::new(Turns::new(clock.clone()));
        let db = Database::open_simulated(file, Arc::<Turns>::clone(&turns)).await?;
        let log = SimulatedLog::new(random.random(), rates.log, clock.now());
        super::make_all_topics(&log, &template).await?;
        let destinations = [&national::CONTRACT, &tax::CONTRACT].into_iter().map(|contract| {
            let temper = (random.random(), rates.misbehaviour);
            let place = (Arc::clone(&turns), clock.clone());
            Arc::new(Destination::new(contract, temper, place))
        });
        let destinations = destinations.collect();
        let log = Arc::new(log);
        let senders = Senders::new(Arc::clone(&log), messages, rates.sent_again);
        let shared =
            Shared { template, turns, clock, log, db, destinations, rates, seed: random.random() };
        Ok(Self {
            shared,
            senders,
            first_day,
            differences: Vec::new(),
            steps: 0,
            random,
            actors: BTreeMap::new(),
            instances: BTreeMap::new(),
            next_actor: 0,
            next_instance: 0,
            log_skew_ms: 0,
            trace: Sha256::new(),
        })
    }

    /// Messages as they were to be sent.
    pub(super) fn messages(&self) -> &[Message] {
        self.senders.messages()
    }

    /// Runs until everything is sent, and a while longer.
    pub(super) async fn run(&mut self) {
        let mut left = 0;
        while !self.senders.are_done() || left > 0 {
            if self.senders.are_done() && left == 0 {
                break;
            }
            self.step().await;
            self.steps += 1;
            if !self.senders.are_done() {
                left = TAIL * u64::from(self.shared.rates.turns + 1);
            } else {
                left -= 1;
            }
            if self.steps > STEPS_MAX {
                self.differences.push(format!("expected an end within {STEPS_MAX} steps"));
                return;
            }
        }
    }

    /// Sends everything before anybody begins.
    #[cfg(test)]
    pub(super) async fn send_all(&mut self) {
        while !self.senders.are_done() {
            self.send();
        }
    }

    /// Ends everybody and everything that goes wrong; what is left to do is done in peace.
    pub(super) fn settle(&mut self) -> Result<(), SimulationError> {
        self.actors.clear();
        self.instances.clear();
        self.shared.turns.settle();
        self.shared.log.settle()?;
        self.shared.destinations.iter().for_each(|one| one.settle());
        self.shared.clock.advance(30 * LEASE_MS);
        self.shared.log.set_clock(self.shared.clock.now());
        Ok(())
    }

    /// What was chosen in all steps, as a digest.
    pub(super) fn trace(&self) -> [u8; 32] {
        self.trace.clone().finalize().into()
    }

    fn note(&mut self, what: &str) {
        self.trace.update(what.as_bytes());
        self.trace.update(b"\n");
        tracing::trace!(step = self.steps, at = %self.shared.clock.now(), "{what}");
    }

    async fn step(&mut self) {
        self.shared.clock.advance(self.random.random_range(0..2_000));
        self.set_log_clock();
        if self.instances.len() < self.shared.rates.instances && strikes(&mut self.random, 100) {
            self.start();
        }
        if strikes(&mut self.random, self.shared.rates.chaos) {
            let chaos = Chaos::draw(&mut self.random);
            self.happen(chaos).await;
        }
        let all = self.shared.rates.turns + 1;
        if self.random.random_range(0..all) == 0 {
            self.send();
        } else {
            self.somebody_goes_on().await;
        }
    }

    fn set_log_clock(&self) {
        self.shared.log.set_clock(self.shared.clock.now().plus_ms(self.log_skew_ms));
    }

    /// Sends the next message; time goes on to when that is.
    fn send(&mut self) {
        let Some(at) = self.senders.next_at() else {
            // Nothing is left to send: time goes on all the same.
            let wait_ms = self.random.random_range(0..LEASE_MS / 4);
            self.shared.clock.advance(wait_ms);
            return;
        };
        self.shared.clock.advance_to(at);
        self.set_log_clock();
        let said = self.senders.send(&mut self.random, self.shared.clock.now());
        self.note(&said);
    }

    fn start(&mut self) {
        self.next_instance += 1;
        let number = self.next_instance;
        let instance = self.shared.instance(format!("instance-{number}"));
        let up = Up {
            skew_ms: instance.skew_ms,
            stop: instance.stop,
            paused_until: Moment::from_ms(i64::MIN),
        };
        self.instances.insert(number, up);
        for (name, work) in instance.roles {
            self.enter(Some(number), name, work);
        }
        self.note(&format!("start {number}"));
    }

    /// Somebody new, who begins with its first turn.
    fn enter(&mut self, instance: Option<u64>, name: &'static str, work: Work) {
        self.next_actor += 1;
        self.actors.insert(self.next_actor, Running { instance, name, work });
        // Whoever has not begun stands before nothing.
        self.shared.turns.begin(self.next_actor);
    }

    fn is_paused(&self, actor: Actor) -> bool {
        let instance = self.actors.get(&actor).and_then(|running| running.instance);
        let up = instance.and_then(|number| self.instances.get(&number));
        up.is_some_and(|up| up.paused_until > self.shared.clock.now())
    }

    async fn somebody_goes_on(&mut self) {
        let mut ready = self.shared.turns.ready();
        ready.retain(|actor| !self.is_paused(*actor));
        let Some(actor) = pick(&mut self.random, &ready) else { return };
        // Often the same one for several turns, so that much happens between two others.
        let turns = pick(&mut self.random, &[1, 1, 2, 3, 8, 30]).unwrap_or(1);
        for _ in 0..turns {
            if !self.shared.turns.ready().contains(&actor) {
                return;
            }
            let verdict = self.verdict(self.shared.turns.place(actor));
            self.go_on(actor, verdict).await;
        }
    }

    fn verdict(&mut self, place: Option<Place>) -> Verdict {
        let rates = self.shared.rates;
        let random = &mut self.random;
        match place {
            Some(Place::Begin(_)) if strikes(random, rates.begin_lost) => Verdict::Lost,
            Some(Place::Commit(_)) if strikes(random, rates.commit_lost) => Verdict::Lost,
            Some(Place::Commit(_)) if strikes(random, rates.commit_unanswered) => {
                Verdict::Unanswered
            }
            Some(Place::Request) if strikes(random, rates.request_lost) => Verdict::Lost,
            Some(Place::Begin(_) | Place::Commit(_) | Place::Request | Place::Sleep(_)) | None => {
                Verdict::Go
            }
        }
    }

    /// Lets one go on until it stands still again, or ends.
    async fn go_on(&mut self, actor: Actor, verdict: Verdict) {
        let place = self.shared.turns.place(actor);
        let Some(running) = self.actors.get_mut(&actor) else { return };
        let said = format!("{actor} {} {place:?} {verdict:?}", running.name);
        let turns = Arc::clone(&self.shared.turns);
        turns.grant(actor, verdict);
        let going = poll_fn(|context| {
            turns.enter(actor);
            match running.work.as_mut().poll(context) {
                Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                Poll::Pending if turns.place(actor).is_some() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        let gone = tokio::time::timeout(TURN_MAX, going).await;
        self.note(&said);
        match gone {
            Ok(None) => {}
            Ok(Some(outcome)) => self.ended(actor, outcome),
            Err(_) => {
                self.differences.push(format!("{said}: stands still for {TURN_MAX:?}"));
                self.actors.remove(&actor);
                self.shared.turns.forget(actor);
            }
        }
    }

    fn ended(&mut self, actor: Actor, outcome: Result<(), HubError>) {
        self.shared.turns.forget(actor);
        let Some(running) = self.actors.remove(&actor) else { return };
        self.note(&format!("{actor} {} ended {}", running.name, outcome.is_ok()));
        if let Err(error) = &outcome
            && !self.is_made_up(error, running.instance.is_none())
        {
            self.differences.push(format!("{} stopped: {error}", running.name));
        }
        // One role that ends takes the others with it.
        if let Some(number) = running.instance {
            self.kill(number);
        }
    }

    /// Whether an error is of a fault of the simulation that ends a process or a command.
    fn is_made_up(&self, error: &HubError, is_command: bool) -> bool {
        let text = error.to_string();
        let is_late = is_command && matches!(error, HubError::CutPassed { .. });
        let is_in_the_way =
            is_command && matches!(error, HubError::Growing { .. } | HubError::Leased { .. });
        // Whoever gave the command gives it again.
        let is_in_the_way = is_in_the_way || (is_command && error.is_passing());
        is_late || is_in_the_way || (is_command && text.contains(MADE_UP))
    }

    fn kill(&mut self, number: u64) {
        let of_instance = self.actors.iter().filter(|(_, one)| one.instance == Some(number));
        for actor in of_instance.map(|(actor, _)| *actor).collect::<Vec<_>>() {
            self.actors.remove(&actor);
            self.shared.turns.forget(actor);
        }
        self.instances.remove(&number);
    }

    async fn happen(&mut self, chaos: Chaos) {
        let all: Vec<u64> = self.instances.keys().copied().collect();
        let one = pick(&mut self.random, &all);
        self.note(&format!("{chaos:?} {one:?}"));
        match (chaos, one) {
            (Chaos::Kill, Some(number)) => self.kill(number),
            (Chaos::Pause, Some(number)) => self.pause(number).await,
            (Chaos::Stop, Some(number)) => {
                if let Some(up) = self.instances.get(&number) {
                    up.stop.send_replace(true);
                }
            }
            (Chaos::Jump, Some(number)) => {
                let skew_ms = self.random.random_range(-LEASE_MS..2 * LEASE_MS);
                if let Some(up) = self.instances.get(&number) {
                    up.skew_ms.store(skew_ms, Ordering::Relaxed);
                }
            }
            (Chaos::LogJump, _) => {
                self.log_skew_ms = self.random.random_range(-LOG_BACK_MS..LOG_AHEAD_MS);
            }
            (Chaos::Disk, _) => {
                let is_full = !self.shared.turns.is_full();
                self.shared.turns.fill_disk(is_full);
            }
            (Chaos::Freeze, _) => {
                let month = self.shared.clock.now().day().plus(-2).month();
                let work = self.shared.freeze(month, self.steps);
                self.enter(None, "freeze", work);
            }
            (Chaos::Recycle, _) => {
                let work = self.shared.recycle(self.steps);
                self.enter(None, "recycle", work);
            }
            (Chaos::Grow, _) => {
                let platform = pick(&mut self.random, &Platform::ALL);
                if let Some(platform) = platform.filter(|_| self.shared.rates.grows) {
                    let work = self.shared.grow(platform, self.steps);
                    self.enter(None, "grow", work);
                }
            }
            (Chaos::Kill | Chaos::Stop | Chaos::Pause | Chaos::Jump, None) => {}
        }
    }

    /// Lets an instance stand still. The server ends what it has under way, as it would after two
    /// seconds, so that the others can write.
    async fn pause(&mut self, number: u64) {
        let pause_ms = self.random.random_range(LEASE_MS / 2..4 * LEASE_MS);
        let until = self.shared.clock.now().plus_ms(pause_ms);
        if let Some(up) = self.instances.get_mut(&number) {
            up.paused_until = until;
        }
        if let Some(writer) = self.shared.turns.writer()
            && self.actors.get(&writer).is_some_and(|one| one.instance == Some(number))
            && self.shared.turns.place(writer) == Some(Place::Commit(Access::Write))
        {
            self.go_on(writer, Verdict::Lost).await;
        }
    }
}
