//! Whose turn it is: everybody in the simulation stands still wherever a transaction begins or
//! commits, wherever a request is on its way, and wherever it would wait for time to pass, until
//! the world says who goes on, and with what fault.
//!
//! One alone goes on at a time, so that all that happens follows from the seed, whatever threads
//! SQLite and tokio use below. Not done here: choosing who goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::domain::time::Moment;
use crate::store::tx::{Access, BeginFate, CommitFate, StoreFaults};

/// Text of every error that the simulation makes, so that it is told from errors of the hub.
pub(super) const MADE_UP: &str = "simulated fault";

/// Number of somebody who takes turns.
pub(super) type Actor = u32;

/// Where somebody stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Until it is time, by the world's clock.
    Sleep(Moment),
    /// Before a transaction begins.
    Begin(Access),
    /// Before a transaction commits.
    Commit(Access),
    /// Before a request arrives, or its answer.
    Request,
}

/// How somebody goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As if nothing were.
    Go,
    /// The database is away; what was to commit is rolled back.
    Lost,
    /// It commits, and the answer is lost.
    Unanswered,
}

/// The world's clock: the true time, which no part of the hub sees as it is.
#[derive(Clone, Default)]
pub(super) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(super) fn now(&self) -> Moment {
        Moment::from_ms(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    pub(super) fn advance_to(&self, moment: Moment) {
        self.0.fetch_max(moment.ms(), Ordering::Relaxed);
    }
}

/// Who stands where.
pub(super) struct Turns {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Actor,
    parked: BTreeMap<Actor, Place>,
    verdicts: BTreeMap<Actor, Verdict>,
    /// How those who stand still are woken.
    wakers: BTreeMap<Actor, Waker>,
    /// Who has not begun yet.
    new: BTreeSet<Actor>,
    /// Who has the one writing transaction.
    writer: Option<Actor>,
    is_full: bool,
    /// Whether the database knows that the disk is full.
    is_full_there: bool,
    /// Whether nobody stands still any more.
    is_settled: bool,
}

impl Turns {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands still until the world says how to go on.
    async fn park(&self, place: Place) -> Verdict {
        let mut is_parked = false;
        poll_fn(move |context| {
            let mut state = self.state();
            let own = state.running;
            if state.is_settled {
                return Poll::Ready(Verdict::Go);
            }
            if !is_parked {
                is_parked = true;
                state.parked.insert(own, place);
            }
            if let Some(verdict) = state.verdicts.remove(&own) {
                return Poll::Ready(verdict);
            }
            // Several that go on together are looked at only where they were woken.
            state.wakers.insert(own, context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Waits as long by the world's clock.
    pub(super) async fn sleep(&self, wait: Duration) {
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let until = self.clock.now().plus_ms(wait_ms);
        self.park(Place::Sleep(until)).await;
        if self.state().is_settled {
            self.clock.advance_to(until);
        }
    }

    /// From now on nobody stands still, and nothing fails.
    pub(super) fn settle(&self) {
        let mut state = self.state();
        state.is_full = false;
        state.is_settled = true;
    }

    /// A request on its way, or its answer; whether it arrives.
    pub(super) async fn travel(&self) -> bool {
        self.park(Place::Request).await == Verdict::Go
    }

    /// Somebody new, who may go on at once.
    pub(super) fn begin(&self, actor: Actor) {
        let now = self.clock.now();
        let mut state = self.state();
        state.parked.insert(actor, Place::Sleep(now));
        state.new.insert(actor);
    }

    /// Somebody is about to be polled.
    pub(super) fn enter(&self, actor: Actor) {
        self.state().running = actor;
    }

    /// Where somebody stands still.
    pub(super) fn place(&self, actor: Actor) -> Option<Place> {
        self.state().parked.get(&actor).copied()
    }

    /// Everybody who could go on now.
    pub(super) fn ready(&self) -> Vec<Actor> {
        let state = self.state();
        let is_ready = |place: &Place| match place {
            Place::Sleep(until) => *until <= self.clock.now(),
            Place::Begin(Access::Write) => state.writer.is_none(),
            Place::Begin(Access::Read) | Place::Commit(_) | Place::Request => true,
        };
        let ready = state.parked.iter().filter(|(_, place)| is_ready(place));
        ready.map(|(actor, _)| *actor).collect()
    }

    /// Lets somebody go on.
    pub(super) fn grant(&self, actor: Actor, verdict: Verdict) {
        let mut state = self.state();
        if state.parked.remove(&actor) == Some(Place::Begin(Access::Write)) {
            state.writer = Some(actor);
        }
        // Whoever begins stands at no place that waits to hear how to go on.
        if !state.new.remove(&actor) {
            state.verdicts.insert(actor, verdict);
        }
        if let Some(waker) = state.wakers.remove(&actor) {
            waker.wake();
        }
    }

    /// Who has the one writing transaction.
    pub(super) fn writer(&self) -> Option<Actor> {
        self.state().writer
    }

    /// Forgets somebody who is gone.
    pub(super) fn forget(&self, actor: Actor) {
        let mut state = self.state();
        state.parked.remove(&actor);
        state.verdicts.remove(&actor);
        state.new.remove(&actor);
        state.wakers.remove(&actor);
    }

    /// Whether the disk is full from now on.
    pub(super) fn fill_disk(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Whether the disk is full.
    pub(super) fn is_full(&self) -> bool {
        self.state().is_full
    }
}

impl StoreFaults for Turns {
    fn before_begin(&self, access: Access) -> BoxFuture<'_, BeginFate> {
        Box::pin(async move {
            if self.park(Place::Begin(access)).await != Verdict::Go {
                return BeginFate::Fail(away());
            }
            let mut state = self.state();
            if access == Access::Read || state.is_full == state.is_full_there {
                return BeginFate::Begin;
            }
            state.is_full_there = state.is_full;
            BeginFate::Disk { is_full: state.is_full }
        })
    }

    fn before_commit(&self, access: Access) -> BoxFuture<'_, CommitFate> {
        Box::pin(async move {
            if access == Access::Read {
                return CommitFate::Commit;
            }
            match self.park(Place::Commit(access)).await {
                Verdict::Go => CommitFate::Commit,
                Verdict::Lost => CommitFate::Lost(away()),
                Verdict::Unanswered => CommitFate::Unanswered(away()),
            }
        })
    }

    fn ended(&self, access: Access) {
        if access == Access::Write {
            self.state().writer = None;
        }
    }
}

/// A connection that broke.
fn away() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::other(MADE_UP))
}
