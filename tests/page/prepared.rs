//! A small hub database with something of everything that the page shows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use zhibao::cases::state::State;
use zhibao::domain::event::Filing;
use zhibao::domain::hold::HoldReason;
use zhibao::domain::ids::{
    AccountCode, CaseId, ConnectorId, CountyCode, DestinationId, EventId, FeedId, ItemCode,
    LineCode, PersonToken, PlatformId, WorkerToken,
};
use zhibao::domain::money::{Fen, Rate};
use zhibao::domain::time::{Day, Moment, Month};
use zhibao::ledger::account::Account;
use zhibao::ledger::entry::{Entry, Posting};
use zhibao::ledger::suspect::Rule;
use zhibao::levy::LevyPeriod;
use zhibao::levy::assessment::Figure;
use zhibao::normalize::Connectors;
use zhibao::policy::{Basis, Policy};
use zhibao::serve::Books;
use zhibao::store::counts::CountDelta;
use zhibao::store::held::ToHold;
use zhibao::store::ledger::NewEntry;
use zhibao::store::levy::NewRevision;
use zhibao::store::outbox::Owed;
use zhibao::store::outcomes::Tally;
use zhibao::store::positions::PartitionKey;
use zhibao::store::relay::{DeliveryState, Settled};
use zhibao::store::{
    Database, Tx, cases, counts, held, ledger, levy, outbox, outcomes, positions, relay, standing,
    suspects,
};

/// Platform, line, county, orders on the first day, more orders on each further day.
const ORDERS: [(&str, &str, u32, i64, i64); 18] = [
    ("meituan", "instant_delivery", 150_102, 100_000, 1_000),
    ("eleme", "instant_delivery", 150_203, 90_001, 0),
    ("jd-miaosong", "instant_delivery", 150_402, 21_400, 120),
    ("shansong", "instant_delivery", 150_602, 8_300, 35),
    ("sf-tongcheng", "instant_delivery", 150_502, 12_900, -80),
    ("didi-chuxing", "ride_hailing", 150_102, 61_000, 350),
    ("didi-chuxing", "ride_hailing", 150_702, 12_000, 40),
    ("didi-chuxing", "ride_hailing", 150_781, 3_000, 10),
    ("didi-chuxing", "ride_hailing", 152_501, 2_100, 5),
    ("caocao-chuxing", "ride_hailing", 150_203, 17_200, -60),
    ("caocao-chuxing", "ride_hailing", 150_802, 6_000, 20),
    ("huolala", "intra_city_freight", 150_102, 9_400, 45),
    ("huolala", "intra_city_freight", 150_902, 2_500, 8),
    ("kuaigou-dache", "intra_city_freight", 150_302, 1_950, 12),
    ("didi-huoyun", "intra_city_freight", 152_502, 2_870, -9),
    ("didi-huoyun", "intra_city_freight", 152_201, 1_400, 3),
    ("manbang-shengsheng", "intra_city_freight", 152_921, 1_320, 4),
    ("manbang-shengsheng", "intra_city_freight", 150_602, 2_700, 14),
];

/// Reason and how many messages are held for it.
const HELD: [(HoldReason, u64); 5] = [
    (HoldReason::NoAcceptance, 31),
    (HoldReason::SameIdOtherDay, 12),
    (HoldReason::NoDocumentNumber, 3),
    (HoldReason::RosterConflict, 7),
    (HoldReason::RecordUnknown, 2),
];

const STATES: [(State, u32); 8] = [
    (State::Filed, 6),
    (State::Applied, 9),
    (State::Confirmed, 14),
    (State::Refused, 3),
    (State::Assessed, 8),
    (State::BenefitDecided, 11),
    (State::Paid, 37),
    (State::Returned, 2),
];

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A database in a folder of its own; the folder goes with it.
pub(crate) struct Prepared {
    database: Database,
    folder: PathBuf,
}

impl Prepared {
    pub(crate) async fn open() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhibao-page-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        Self { database: Database::open(&folder).await.unwrap(), folder }
    }

    pub(crate) fn books(&self) -> Books {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        Books {
            db: self.database.clone(),
            policy: Arc::new(Policy::load(&root.join("policy")).unwrap()),
            connectors: Arc::new(Connectors::load(&root.join("connectors")).unwrap()),
        }
    }

    /// Fills everything in one transaction.
    pub(crate) async fn fill(&self) {
        let mut tx = self.database.begin().await.unwrap();
        orders(&mut tx).await;
        messages(&mut tx).await;
        issued(&mut tx).await;
        filed(&mut tx).await;
        money(&mut tx).await;
        owed(&mut tx).await;
        tx.commit().await.unwrap();
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap_or_default();
    }
}

fn july() -> Month {
    Month::new(2026, 7).unwrap()
}

fn end() -> Moment {
    Moment::from_local((2026, 8, 3), (9, 30, 0), 0).unwrap()
}

async fn orders(tx: &mut Tx) {
    let mut deltas = Vec::new();
    for (platform, line, county, first, more) in ORDERS {
        let totals = ["kuaigou-dache", "manbang-shengsheng"].contains(&platform);
        for (after, day) in (0_i64..).zip(july().days()) {
            deltas.push(CountDelta {
                platform: PlatformId::new(platform).unwrap(),
                line: LineCode::new(line).unwrap(),
                county: CountyCode::new(county).unwrap(),
                day,
                rule: 1,
                basis: if totals { Basis::Statement } else { Basis::Stream },
                partition: 0,
                after_cut: false,
                delta: first + more * after,
            });
        }
    }
    counts::add_counts(tx, &deltas).await.unwrap();
}

/// Applied, duplicate and ignored messages by connector and feed; what is held comes on top.
async fn messages(tx: &mut Tx) {
    let rows = [
        ("meituan", "orders", 7_130_000, 69_800, 0),
        ("meituan", "roster", 21_400, 35, 0),
        ("eleme", "orders", 5_580_000, 40_122, 12_004),
        ("didi-chuxing", "orders", 4_840_210, 51_733, 803),
        ("huolala", "orders", 902_551, 3_310, 96),
        ("kuaigou-dache", "totals", 31, 2, 0),
        ("deciders", "decisions", 412, 5, 0),
        ("treasury-bank", "statements", 188, 3, 0),
        ("tax", "acks", 11, 0, 0),
    ];
    let mut sums = outcomes::Sums::default();
    for (connector, feed, applied, duplicate, ignored) in rows {
        let held = if feed == "orders" { hold(tx, connector).await } else { 0 };
        let received = applied + duplicate + held + ignored;
        let tally = Tally { received, applied, duplicate, held, ignored, handoff: 0 };
        let key = (FeedId::new(feed).unwrap(), july().first_day());
        let connector = ConnectorId::new(connector).unwrap();
        sums.add(&connector, &BTreeMap::from([(key, tally)]));
    }
    sums.write(tx).await.unwrap();
    positions::register_topic(tx, "raw.meituan", "meituan", 1).await.unwrap();
    let key = PartitionKey { topic: "raw.meituan".to_owned(), partition: 0 };
    let lease = positions::Lease { owner: "test", lease_ms: 0, process_now: end() };
    let claim = positions::claim(tx, &key, lease, 0).await.unwrap().unwrap();
    let after = positions::Claim { next_offset: 7_200_200, received_at: end(), ..claim };
    positions::advance(tx, &key, &after).await.unwrap();
}

/// Holds messages of a connector; 200 of 美团, so that its control point is a round number.
async fn hold(tx: &mut Tx, connector: &str) -> i64 {
    let county = HoldReason::CountyUnknown { found: "150199".to_owned() };
    let mut reasons = HELD.to_vec();
    reasons.push((county, if connector == "meituan" { 145 } else { 18 }));
    let (mut messages, mut number) = (Vec::new(), 0_u64);
    for (reason, count) in reasons {
        for _ in 0..count {
            number += 1;
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            messages.push(ToHold {
                digest,
                reason: reason.clone(),
                feed: FeedId::new("orders").unwrap(),
                header_digest: None,
                topic: format!("raw.{connector}"),
                partition: 0,
                offset: number,
                received_at: end(),
                manifests: 1,
                order_print: None,
                value: b"{}".to_vec(),
            });
        }
    }
    let connector = ConnectorId::new(connector).unwrap();
    let new = held::hold(tx, &connector, &messages).await.unwrap();
    i64::try_from(new.iter().filter(|new| **new).count()).unwrap()
}

/// 美团's month is issued, with one adjustment after the freeze.
async fn issued(tx: &mut Tx) {
    let period = LevyPeriod {
        platform: PlatformId::new("meituan").unwrap(),
        line: LineCode::new("instant_delivery").unwrap(),
        month: july(),
    };
    levy::set_cut(tx, &period, end(), "test").await.unwrap();
    for (revision, orders) in [(1, 3_564_900), (2, 100)] {
        let amount = Fen::new(orders * 7);
        let by_rate = BTreeMap::from([(Rate::from_li(70).unwrap(), Figure { orders, amount })]);
        let new = NewRevision {
            period: &period,
            revision,
            by_rate: &by_rate,
            cause: "t",
            caused_at: end(),
        };
        levy::add_revision(tx, &new).await.unwrap();
    }
}

async fn filed(tx: &mut Tx) {
    for (state, count) in STATES {
        for number in 0..count {
            let case = CaseId::new(&format!("NM-{}-{number}", state.code())).unwrap();
            let filing = Filing {
                platform: PlatformId::new("meituan").unwrap(),
                worker: WorkerToken(7),
                person: PersonToken(8),
                accident_at: end(),
                accident_county: CountyCode::new(150_102).unwrap(),
                order_id: None,
            };
            cases::open_file(tx, &case, &filing).await.unwrap();
            cases::set_state(tx, &case, state).await.unwrap();
        }
    }
}

async fn money(tx: &mut Tx) {
    let place = |code| Account::place(&AccountCode::new(code).unwrap()).unwrap();
    let item = |code| Account::Expense(ItemCode::new(code).unwrap());
    let moves = [
        (place("treasury"), Account::IncomeLevy, 331_456_705),
        (place("treasury"), Account::IncomeLateFee, 52_000),
        (place("fiscal"), place("treasury"), 208_052_000),
        (place("expenditure"), place("fiscal"), 65_000_000),
        (item("medical"), place("expenditure"), 18_310_455),
        (item("disability_lump_sum"), place("expenditure"), 22_400_000),
        (place("fiscal"), Account::IncomeInterest, 41_233),
        (place("treasury"), Account::SuspenseReceipts, 0),
        (Account::LevyReceivable, Account::LevyAssessed, 24_955_000),
        (Account::LevyPaid, Account::LevyReceivable, 20_000_000),
        (Account::BenefitDecided, Account::BenefitPayable, 44_100_000),
        (Account::BenefitPayable, Account::BenefitPaid, 40_710_455),
    ];
    for (number, (debit, credit, fen)) in moves.into_iter().enumerate().filter(|row| row.1.2 > 0) {
        let amount = Fen::new(fen);
        let postings =
            vec![Posting::debit(debit, amount), Posting::credit(credit, amount).unwrap()];
        let new = NewEntry {
            id: &EventId::new(&format!("test:{number}")).unwrap(),
            entry: &Entry::balanced(postings).unwrap(),
            booked_on: Day::from_ymd(2026, 7, 31).unwrap(),
            cause_event: "test",
            subject: "test",
            links: None,
            caused_at: end(),
        };
        assert!(ledger::post(tx, &new).await.unwrap());
    }
    for (number, rule) in [Rule::ReceiptWithoutTicket, Rule::PaidTwice].into_iter().enumerate() {
        let raised_by = format!("test:{number}");
        suspects::raise(tx, rule, "test", &raised_by, end()).await.unwrap();
    }
}

async fn owed(tx: &mut Tx) {
    for (destination, records) in
        [("golden-insurance", 96), ("national-platform", 341), ("tax", 11)]
    {
        let to = DestinationId::new(destination).unwrap();
        for number in 0..records {
            let id = EventId::new(&format!("{destination}:test:{number}:1")).unwrap();
            let record = Owed {
                id: id.clone(),
                destination: to.clone(),
                key: format!("key-{number}"),
                kind: "test",
                revision: 1,
                body: "{}".to_owned(),
                caused_at: end(),
            };
            outbox::owe(tx, &record).await.unwrap();
            let state = match number % 50 {
                0 if number > 0 => DeliveryState::Refused,
                1 if number > 1 => continue,
                _ => DeliveryState::Delivered,
            };
            let settled = Settled { id, state, answer: "ok".to_owned(), next_try_at: end() };
            relay::settle(tx, std::slice::from_ref(&settled), end()).await.unwrap();
            if state == DeliveryState::Delivered {
                standing::acknowledge(tx, &settled.id, None, end()).await.unwrap();
            }
        }
    }
}
