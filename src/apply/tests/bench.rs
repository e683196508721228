//! What the tests of this folder share: a hub of cases and money, and short ways to say facts.

use std::path::Path;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Row};

use crate::apply::event::apply_event;
use crate::apply::{Outcome, Scope};
use crate::domain::event::{
    AssessmentStage, BankOutcome, BankResult, CaseEvent, CaseFact, Decision, Enrolment, Envelope,
    Event, Fact, Filing, Payment, Receipt,
};
use crate::domain::ids::{
    AccountCode, BodyCode, CaseId, ConnectorId, CountyCode, DocumentNo, EventId, FeedId, ItemCode,
    LineCode, PersonToken, PlatformId, WorkerToken,
};
use crate::domain::message::Source;
use crate::domain::money::Fen;
use crate::domain::personal::Personal;
use crate::domain::time::{Day, Moment, Month};
use crate::policy::Policy;
use crate::store::cipher::{FieldCipher, KeyId};
use crate::store::scratch::Scratch;
use crate::store::{Database, Engine, Tx, cases, ledger, suspects};

pub(super) struct Bench {
    pub(super) database: Database,
    pub(super) rules: Rules,
    _scratch: Scratch,
}

/// What applying looks at besides the database.
pub(super) struct Rules {
    policy: Policy,
    cipher: FieldCipher,
}

/// Held facts with the key that they wait for, in order of arrival.
#[derive(Default)]
pub(super) struct Held(pub(super) Vec<(Fact, Option<String>)>);

impl Bench {
    pub(super) async fn new() -> Self {
        let scratch = Scratch::open().await;
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy");
        let rules = Rules {
            policy: Policy::load(&policy).unwrap(),
            cipher: FieldCipher::new([(KeyId(7), [7; 32])]).unwrap(),
        };
        Self { database: scratch.database.clone(), rules, _scratch: scratch }
    }

    /// Applies a fact in a committed transaction of its own.
    pub(super) async fn say(&self, fact: Fact) -> Outcome {
        let mut tx = self.database.begin().await.unwrap();
        let outcome = self.rules.apply(&mut tx, fact).await;
        tx.commit().await.unwrap();
        outcome
    }

    /// Applies facts that are each expected to be applied.
    pub(super) async fn say_all(&self, facts: impl IntoIterator<Item = Fact>) {
        for fact in facts {
            let text = format!("{fact:?}");
            let outcome = self.say(fact).await;
            assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}: {text}");
        }
    }

    pub(super) async fn tx(&self) -> Tx {
        self.database.begin().await.unwrap()
    }

    pub(super) async fn close(self) {
        self.database.close().await;
    }
}

impl Rules {
    pub(super) async fn apply(&self, tx: &mut Tx, fact: Fact) -> Outcome {
        let scope = Scope { policy: &self.policy, cipher: &self.cipher };
        let event = Event { envelope: envelope(&fact), fact };
        apply_event(tx, scope, &event).await.unwrap()
    }

    /// Applies a fact as the hub does: held ones wait, and are looked at again when released.
    pub(super) async fn deliver(&self, tx: &mut Tx, fact: Fact, held: &mut Held) {
        let mut queue = vec![fact];
        while let Some(fact) = queue.pop() {
            match self.apply(tx, fact.clone()).await {
                Outcome::Applied { releases } => {
                    let waits = |(_, key): &mut (Fact, Option<String>)| {
                        key.as_ref().is_some_and(|key| releases.contains(key))
                    };
                    let mut released: Vec<Fact> =
                        held.0.extract_if(.., waits).map(|(fact, _)| fact).collect();
                    released.reverse();
                    queue.extend(released);
                }
                Outcome::Duplicate => {}
                Outcome::Held(reason) => {
                    if !held.0.iter().any(|(known, _)| *known == fact) {
                        held.0.push((fact, reason.waits_for()));
                    }
                }
            }
        }
    }
}

/// Balances that are not zero, in fen, by account.
pub(super) async fn balances(tx: &mut Tx) -> Vec<(String, i64)> {
    let rows = ledger::balances(tx).await.unwrap();
    let all = rows.into_iter().map(|row| (row.account, row.amount.get()));
    let mut all: Vec<(String, i64)> = all.filter(|(_, amount)| *amount != 0).collect();
    all.sort_unstable();
    all
}

pub(super) async fn states(tx: &mut Tx) -> Vec<(String, String)> {
    cases::states(tx).await.unwrap()
}

/// Open suspects: rule and subject.
pub(super) async fn open_suspects(tx: &mut Tx) -> Vec<(String, String)> {
    let open = suspects::open(tx).await.unwrap();
    open.into_iter().map(|suspect| (suspect.rule, suspect.subject)).collect()
}

/// All entries of the cash book as text, in order of posting.
pub(super) async fn cash_text(tx: &mut Tx) -> String {
    let place = written_order(tx);
    let rows = sqlx::query(AssertSqlSafe(format!(
        "select e.id, e.links, p.account, p.amount_fen from entry e \
         join posting p on p.entry_id = e.id where e.book = 'cash' order by e.{place}, p.line_no",
    )))
    .fetch_all(&mut **tx)
    .await
    .unwrap();
    let (mut text, mut last) = (String::new(), String::new());
    for row in rows {
        let id: String = row.get("id");
        if id != last {
            let links: Option<String> = row.get("links");
            let links = links.map(|links| format!(" clears {links}")).unwrap_or_default();
            text.push_str(&format!("{id}{links}\n"));
            last = id;
        }
        let amount: i64 = row.get("amount_fen");
        let account: String = row.get("account");
        text.push_str(&format!("  {account} {}\n", Fen::new(amount)));
    }
    text
}

/// The column that has rows that were never changed in the order in which they were written.
fn written_order(tx: &Tx) -> &'static str {
    match Engine::of(tx) {
        Engine::Sqlite => "rowid",
        Engine::Postgres => "ctid",
    }
}

pub(super) async fn owed(tx: &mut Tx) -> Vec<String> {
    let sql = format!("select id from outbox order by {}", written_order(tx));
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut **tx).await;
    rows.unwrap().iter().map(|row| row.get("id")).collect()
}

fn envelope(fact: &Fact) -> Envelope {
    let connector = match fact {
        Fact::Enrolment(_) => "meituan",
        Fact::Case(_) => "deciders",
        Fact::Declaration(_) | Fact::Payment(_) | Fact::Refund(_) => "tax",
        Fact::Statement(_)
        | Fact::Registration(_)
        | Fact::Ack(_)
        | Fact::Receipt(_)
        | Fact::Transfer(_)
        | Fact::Interest(_)
        | Fact::BankResult(_) => "treasury-bank",
    };
    Envelope {
        event_id: EventId::new(&format!("{connector}:event")).unwrap(),
        connector: ConnectorId::new(connector).unwrap(),
        feed: FeedId::new("feed").unwrap(),
        source: Source { topic: Arc::from("raw.test"), partition: 0, offset: 0 },
        occurred_at: day("2026-09-01").start(),
        received_at: day("2026-09-02").start(),
    }
}

pub(super) fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

pub(super) fn number(text: &str) -> DocumentNo {
    DocumentNo::new(text).unwrap()
}

pub(super) fn case(id: &str, fact: CaseFact) -> Fact {
    Fact::Case(CaseEvent { case: CaseId::new(id).unwrap(), fact })
}

pub(super) fn filed(id: &str) -> Fact {
    let filing = Filing {
        platform: PlatformId::new("meituan").unwrap(),
        worker: WorkerToken(u64::MAX),
        person: PersonToken(u64::MAX - 1),
        accident_at: Moment::from_ms(1_782_900_000_000),
        accident_county: CountyCode::new(150_102).unwrap(),
        order_id: None,
    };
    case(id, CaseFact::Filed(filing))
}

pub(super) fn applied(id: &str) -> Fact {
    case(id, CaseFact::Applied { applicant: "platform".to_owned() })
}

pub(super) fn decision(body: &str, version: u32) -> Decision {
    Decision {
        body: BodyCode::new(body).unwrap(),
        document_no: Some(number(&format!("{body}〔2026〕{version}号"))),
        decided_on: day("2026-08-01"),
        version,
    }
}

pub(super) fn confirmation(id: &str, version: u32, confirmed: bool) -> Fact {
    let situation = confirmed.then(|| "BF-2025-24:1".to_owned());
    let decision = decision("hr-150102", version);
    case(id, CaseFact::Confirmation { decision, confirmed, situation })
}

pub(super) fn assessment(id: &str, version: u32, grade: u8) -> Fact {
    let (decision, stage) = (decision("lac-150100", version), AssessmentStage::Initial);
    case(id, CaseFact::Assessment { decision, stage, grade })
}

/// A benefit decision with items in fen.
pub(super) fn benefit(id: &str, version: u32, instruction: &str, items: &[(&str, i64)]) -> Fact {
    let item = |(code, fen): &(&str, i64)| (ItemCode::new(code).unwrap(), Fen::new(*fen));
    let fact = CaseFact::BenefitDecision {
        decision: decision("ssa-150100", version),
        items: items.iter().map(item).collect(),
        instruction: number(instruction),
    };
    case(id, fact)
}

pub(super) fn bank(
    voucher: &str,
    outcome: BankOutcome,
    (instruction, id): (&str, &str),
    fen: i64,
) -> Fact {
    Fact::BankResult(BankResult {
        instruction: number(instruction),
        case: CaseId::new(id).unwrap(),
        account: AccountCode::new("expenditure").unwrap(),
        amount: Fen::new(fen),
        outcome,
        booked_on: day("2026-08-20"),
        voucher_no: number(voucher),
    })
}

pub(super) fn receipt(voucher: &str, ticket: Option<&str>, fen: i64) -> Fact {
    Fact::Receipt(Receipt {
        account: AccountCode::new("treasury").unwrap(),
        amount: Fen::new(fen),
        booked_on: day("2026-08-15"),
        voucher_no: number(voucher),
        e_ticket: ticket.map(number),
        item: None,
    })
}

pub(super) fn payment(ticket: &str, principal: i64, late_fee: i64) -> Fact {
    Fact::Payment(Payment {
        platform: PlatformId::new("meituan").unwrap(),
        line: LineCode::new("instant_delivery").unwrap(),
        period: Month::parse("2026-07").unwrap(),
        principal: Fen::new(principal),
        late_fee: Fen::new(late_fee),
        paid_on: day("2026-08-14"),
        treasury_on: day("2026-08-15"),
        e_ticket: number(ticket),
    })
}

pub(super) fn enrolment(platform: &str, worker: u64, person: u64) -> Fact {
    Fact::Enrolment(Enrolment {
        platform: PlatformId::new(platform).unwrap(),
        worker: WorkerToken(worker),
        person: PersonToken(person),
        rider: Personal::new("R1001".to_owned()),
        name: Personal::new("张三".to_owned()),
        identity_no: Personal::new("150102199001010011".to_owned()),
        from: day("2026-06-01"),
    })
}
