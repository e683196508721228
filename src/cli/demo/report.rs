//! What happened, as text for a person.
#![expect(clippy::print_stdout, reason = "the command line prints its results")]

use serde_json::Value;

use super::run::Outcome;
use super::summary;
use crate::domain::money::Fen;
use crate::serve::text::{self, yuan};

pub(super) fn print(outcome: &Outcome) {
    println!("== 订单与测算 orders and shadow levy");
    for (platform, lines) in summary::platforms(&outcome.books).as_object().into_iter().flatten() {
        for (line, figures) in lines.as_object().into_iter().flatten() {
            let figure = |name: &str| figures.get(name).and_then(Value::as_i64).unwrap_or(0);
            let (orders, levy) = (figure("orders"), Fen::new(figure("shadow_levy_fen")));
            println!("{platform:<20} {line:<20} {orders:>12} orders {:>16} yuan", yuan(levy));
        }
    }
    println!("{}", text::render(&outcome.status));
    let published: Vec<_> = outcome.published.iter().map(|(to, n)| format!("{to} {n}")).collect();
    let seconds = outcome.publish_seconds;
    println!("== 规范事件 canonical events: {} (in {seconds:.1} s)", published.join(", "));
    if let Some(states) = outcome.books.get("cases_by_state").and_then(Value::as_object) {
        let states: Vec<_> = states.iter().map(|(state, n)| format!("{state} {n}")).collect();
        println!("== 案件 cases: {}", states.join(", "));
    }
    println!(
        "== {} messages in {:.1} s ({} a second), {:.1} bytes an order, peak memory {} MB",
        outcome.messages,
        outcome.seconds,
        summary::per_second(outcome),
        outcome.bytes_per_order,
        outcome.peak_rss_mb
    );
    if outcome.differences.is_empty() {
        println!("== 与真值一致: everything equals the truth");
    } else {
        println!("== 与真值不一致: the books differ from the truth");
        outcome.differences.iter().for_each(|difference| println!("   {difference}"));
    }
}
