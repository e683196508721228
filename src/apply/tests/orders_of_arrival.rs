//! Whatever the order in which facts arrive, the books end equal, and equal to what a reader of the
//! whole set works out. The oracle below shares no code with the hub: it looks at the set once, at
//! the end, with plain integers.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::bench::{
    Bench, Held, applied, balances, bank, benefit, confirmation, filed, open_suspects, payment,
    receipt, states,
};
use crate::domain::event::{BankOutcome, Fact};

const TICKETS: [&str; 2] = ["E1", "E2"];
const CASES: [&str; 2] = ["C1", "C2"];
const INSTRUCTIONS: [&str; 3] = ["PI1", "PI2", "PI3"];
/// Few amounts, so that facts meet by chance; principal and late fee, and items by version.
const TAX: [(i64, i64); 3] = [(100, 5), (105, 0), (200, 0)];
const ITEMS: [&[(&str, i64)]; 3] =
    [&[("medical", 300)], &[("medical", 100), ("nursing", 200)], &[("funeral", 500)]];

/// A fact as the generator picks it: indices into the tables above.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pick {
    Payment {
        ticket: usize,
        parts: usize,
    },
    Receipt {
        ticket: Option<usize>,
        amount: i64,
    },
    Filed {
        case: usize,
    },
    Applied {
        case: usize,
    },
    Confirmed {
        case: usize,
        yes: bool,
    },
    /// A case's decision; version and instruction go together, so that no two decisions clash.
    Benefit {
        case: usize,
        version: u32,
        items: usize,
    },
    Bank {
        instruction: usize,
        case: usize,
        amount: i64,
        paid: bool,
    },
}

/// Versions 1 and 2 of the first case name the same instruction, its third and the other case's
/// decisions have their own.
fn instruction(case: usize, version: u32) -> &'static str {
    match (case, version) {
        (0, 1 | 2) => INSTRUCTIONS[0],
        (0, _) => INSTRUCTIONS[1],
        _ => INSTRUCTIONS[2],
    }
}

fn fact(place: usize, pick: &Pick) -> Fact {
    match *pick {
        Pick::Payment { ticket, parts } => payment(TICKETS[ticket], TAX[parts].0, TAX[parts].1),
        Pick::Receipt { ticket, amount } => {
            receipt(&format!("R{place}"), ticket.map(|ticket| TICKETS[ticket]), amount)
        }
        Pick::Filed { case } => filed(CASES[case]),
        Pick::Applied { case } => applied(CASES[case]),
        Pick::Confirmed { case, yes } => confirmation(CASES[case], 1, yes),
        Pick::Benefit { case, version, items } => {
            benefit(CASES[case], version, instruction(case, version), ITEMS[items])
        }
        Pick::Bank { instruction, case, amount, paid } => {
            let outcome = if paid { BankOutcome::Paid } else { BankOutcome::Returned };
            let what = (INSTRUCTIONS[instruction], CASES[case]);
            bank(&format!("B{place}"), outcome, what, amount)
        }
    }
}

fn pick() -> impl Strategy<Value = Pick> {
    let amount = prop_oneof![Just(105_i64), Just(200), Just(300)];
    let paid = prop_oneof![Just(300_i64), Just(500)];
    prop_oneof![
        3 => (0..2_usize, 0..3_usize).prop_map(|(ticket, parts)| Pick::Payment { ticket, parts }),
        4 => (prop::option::weighted(0.9, 0..2_usize), amount)
            .prop_map(|(ticket, amount)| Pick::Receipt { ticket, amount }),
        8 => (0..3_usize, 0..2_usize, paid, prop::bool::weighted(0.65)).prop_map(
            |(instruction, case, amount, paid)| Pick::Bank { instruction, case, amount, paid }
        ),
    ]
}

/// Facts of money at will, and for each case at most one of each event of its course.
fn picks() -> impl Strategy<Value = Vec<Pick>> {
    let course = |case: usize| {
        let yes = prop::bool::weighted(0.9);
        let steps = (prop::bool::weighted(0.9), prop::bool::weighted(0.9), yes);
        (steps, prop::collection::vec(prop::option::of(0..3_usize), 3)).prop_map(
            move |((was_filed, was_applied, yes), items)| {
                let mut facts = vec![Pick::Confirmed { case, yes }];
                facts.extend(was_filed.then_some(Pick::Filed { case }));
                facts.extend(was_applied.then_some(Pick::Applied { case }));
                let versions = (1..).zip(items).filter_map(|(version, items)| {
                    items.map(|items| Pick::Benefit { case, version, items })
                });
                facts.extend(versions);
                facts
            },
        )
    };
    (prop::collection::vec(pick(), 0..14), course(0), course(1)).prop_map(|(money, one, two)| {
        let mut all = [money, one, two].concat();
        // The same payment twice is a duplicate; receipts and bank results are told by vouchers.
        let mut seen = Vec::new();
        all.retain(|pick| {
            let again = matches!(pick, Pick::Payment { .. }) && seen.contains(pick);
            seen.push(pick.clone());
            !again
        });
        all
    })
}

/// The end of the cash book and of the memo book, worked out from the whole set.
fn oracle(picks: &[Pick]) -> Vec<(String, i64)> {
    let mut books: BTreeMap<String, i64> = BTreeMap::new();
    let mut add = |account: &str, fen: i64| *books.entry(account.to_owned()).or_default() += fen;
    let mut unexplained: Vec<(usize, i64)> = Vec::new();
    for pick in picks {
        if let Pick::Receipt { ticket, amount } = *pick {
            add("treasury", amount);
            add("suspense_receipts", -amount);
            unexplained.extend(ticket.map(|ticket| (ticket, amount)));
        }
    }
    let mut payments: Vec<&Pick> =
        picks.iter().filter(|pick| matches!(pick, Pick::Payment { .. })).collect();
    payments.sort_unstable();
    for pick in payments {
        let Pick::Payment { ticket, parts } = *pick else { continue };
        let (principal, late_fee) = TAX[parts];
        add("memo.levy_paid", principal);
        add("memo.levy_receivable", -principal);
        let wanted = (ticket, principal + late_fee);
        if let Some(at) = unexplained.iter().position(|found| *found == wanted) {
            unexplained.remove(at);
            add("suspense_receipts", principal + late_fee);
            add("income.levy", -principal);
            add("income.late_fee", -late_fee);
        }
    }
    let has = |pick: Pick| picks.contains(&pick);
    for (number, name) in INSTRUCTIONS.iter().enumerate() {
        for case in 0..2 {
            let open = has(Pick::Filed { case })
                && has(Pick::Applied { case })
                && has(Pick::Confirmed { case, yes: true });
            let mut decision = None;
            for version in 1..=3 {
                let named = instruction(case, version) == *name;
                for (items, amounts) in ITEMS.iter().enumerate() {
                    if open && named && has(Pick::Benefit { case, version, items }) {
                        decision = Some(*amounts);
                    }
                }
            }
            let total = decision.map(|items| items.iter().map(|(_, fen)| fen).sum::<i64>());
            add("memo.benefit_decided", total.unwrap_or(0));
            add("memo.benefit_payable", -total.unwrap_or(0));
            for amount in [300, 500] {
                let times = |paid: bool| {
                    let same = Pick::Bank { instruction: number, case, amount, paid };
                    i64::try_from(picks.iter().filter(|pick| **pick == same).count()).unwrap()
                };
                let kept = times(true) - times(false);
                add("expenditure", -kept * amount);
                let mut rest = kept;
                if kept > 0 && total == Some(amount) {
                    rest -= 1;
                    for (item, fen) in decision.unwrap() {
                        add(&format!("expense.{item}"), *fen);
                    }
                    add("memo.benefit_payable", amount);
                    add("memo.benefit_paid", -amount);
                }
                let side = if rest > 0 { "suspense_payments" } else { "suspense_receipts" };
                add(side, rest * amount);
            }
        }
    }
    books.into_iter().filter(|(_, fen)| *fen != 0).collect()
}

type End = (Vec<(String, i64)>, Vec<(String, String)>, usize);

/// Delivers the facts in this order, every third one twice, and takes everything back.
async fn run(bench: &Bench, facts: &[Fact]) -> End {
    let mut tx = bench.tx().await;
    let mut held = Held::default();
    for (place, fact) in facts.iter().enumerate() {
        bench.rules.deliver(&mut tx, fact.clone(), &mut held).await;
        if place % 3 == 0 {
            bench.rules.deliver(&mut tx, fact.clone(), &mut held).await;
        }
    }
    let end = (balances(&mut tx).await, states(&mut tx).await, open_suspects(&mut tx).await.len());
    tx.rollback().await.unwrap();
    end
}

#[test]
fn every_order_of_arrival_ends_in_the_oracles_books() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::new());
    let orders = picks().prop_flat_map(|picks| {
        let facts: Vec<Fact> =
            picks.iter().enumerate().map(|(place, pick)| fact(place, pick)).collect();
        (Just(picks), Just(facts.clone()).prop_shuffle(), Just(facts).prop_shuffle())
    });
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&orders, |(picks, one, other)| {
            let first = runtime.block_on(run(&bench, &one));
            let second = runtime.block_on(run(&bench, &other));
            prop_assert_eq!(&first.0, &oracle(&picks), "books after one order");
            prop_assert_eq!(&first, &second, "after one order and another");
            Ok(())
        })
        .unwrap();
    runtime.block_on(bench.close());
}
