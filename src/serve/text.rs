//! The status as text for a terminal: tables whose columns line up, amounts in yuan.

use std::fmt::Write as _;

use super::status::Status;
use crate::domain::money::Fen;
use crate::store::outcomes::Tally;
use crate::store::pauses::Pause;

/// The status as `zhibao status` prints it.
#[must_use]
pub fn render(status: &Status) -> String {
    let mut text = String::new();
    section(&mut text, "messages", &message_rows(status));
    let held = |(reason, count): (&String, &u64)| vec![reason.clone(), grouped_count(*count)];
    section(&mut text, "held", &status.held_by_reason.iter().map(held).collect::<Vec<_>>());
    section(&mut text, "balances (yuan, debit positive)", &balance_rows(status));
    let suspect =
        |row: &crate::store::suspects::Suspect| vec![row.rule.clone(), row.subject.clone()];
    section(&mut text, "open suspects", &status.suspects.iter().map(suspect).collect::<Vec<_>>());
    section(&mut text, "counterparties", &standing_rows(status));
    section(&mut text, "not published yet", &unpublished_rows(status));
    // Said only where there is something to do.
    let alarms = alarm_rows(status);
    if !alarms.is_empty() {
        section(&mut text, "alarms", &alarms);
    }
    let end = if status.closes() { "everything closes" } else { "NOT CLOSED" };
    text + end + "\n"
}

/// Yuan with two places and thousands separators: `-1,234.05`.
#[must_use]
pub fn yuan(amount: Fen) -> String {
    let plain = amount.to_string();
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("-", rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "00"));
    format!("{sign}{}.{part}", grouped(whole))
}

fn grouped_count(count: u64) -> String {
    grouped(&count.to_string())
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn message_rows(status: &Status) -> Vec<Vec<String>> {
    let heads = ["connector", "feed", "received", "applied", "duplicate", "held", "ignored"];
    let mut rows = vec![heads.into_iter().chain(["handoff", ""]).map(str::to_owned).collect()];
    for point in &status.control_points {
        rows.push(message_row(&point.connector, &point.feed, &point.tally));
    }
    rows.push(message_row("all", "", &status.total()));
    rows
}

fn message_row(connector: &str, feed: &str, tally: &Tally) -> Vec<String> {
    let Tally { received, applied, duplicate, held, ignored, handoff } = *tally;
    let mut row = vec![connector.to_owned(), feed.to_owned()];
    for term in [received, applied, duplicate, held, ignored, handoff] {
        let sign = if term < 0 { "-" } else { "" };
        row.push(format!("{sign}{}", grouped_count(term.unsigned_abs())));
    }
    row.push(if tally.closes() { "closes" } else { "DOES NOT CLOSE" }.to_owned());
    row
}

fn balance_rows(status: &Status) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for book in &status.books {
        let own = status.balances.iter().filter(|row| row.book == book.book);
        rows.extend(own.map(|row| vec![row.account.clone(), yuan(row.amount)]));
        let end = if book.balances() { "balances" } else { "DOES NOT BALANCE" };
        rows.push(vec![format!("{} book: debits", book.book), yuan(book.debits)]);
        let credits = format!("{} book: credits", book.book);
        rows.push(vec![credits, yuan(book.credits), end.to_owned()]);
    }
    rows
}

fn standing_rows(status: &Status) -> Vec<Vec<String>> {
    if status.standings.is_empty() {
        return Vec::new();
    }
    let heads = ["destination", "owed", "delivered", "refused", "unknown", "acked", "ack refused"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for standing in &status.standings {
        let figures = [
            standing.owed,
            standing.delivered,
            standing.refused,
            standing.unknown,
            standing.acknowledged,
            standing.acknowledged_refused,
        ];
        let mut row = vec![standing.destination.to_string()];
        row.extend(figures.map(grouped_count));
        rows.push(row);
    }
    rows
}

fn unpublished_rows(status: &Status) -> Vec<Vec<String>> {
    let orders = status.unpublished_orders.iter().map(|behind| {
        let connector = behind.topic.strip_prefix("raw.").unwrap_or(&behind.topic);
        let since = behind.since.map_or_else(String::new, |since| format!("since {since}"));
        vec![connector.to_owned(), grouped_count(behind.events), "order events".to_owned(), since]
    });
    let others = status.unpublished_others.iter().map(|(topic, events)| {
        vec![topic.clone(), grouped_count(*events), "events".to_owned(), String::new()]
    });
    orders.chain(others).collect()
}

fn alarm_rows(status: &Status) -> Vec<Vec<String>> {
    let paused = status.pauses.iter().map(|pause| {
        let Pause { connector, reason, held, messages, since } = pause;
        let told = format!("{held} of {messages} messages held for {reason} by {since}");
        let next = format!(
            "look at them, mend the manifest, restart what applies, then: zhibao resume {connector}"
        );
        vec![connector.clone(), "PAUSED".to_owned(), told, next]
    });
    let crashed = status.crashes.iter().map(|(key, crash)| {
        let place = format!("{} partition {} at {}", key.topic, key.partition, crash.at);
        let told = format!("crashed {} times: {}", crash.crashes, crash.detail);
        vec![place, "CRASHED".to_owned(), told, "the record is looked for; report it".to_owned()]
    });
    let growing = status.growing.iter().map(|(topic, to)| {
        let connector = topic.strip_prefix("raw.").unwrap_or(topic);
        let told = format!("to {to} partitions; nothing of it is applied meanwhile");
        let next = format!("unless the command runs: zhibao topic grow {connector} {to}");
        vec![connector.to_owned(), "GROWING".to_owned(), told, next]
    });
    paused.chain(growing).chain(crashed).collect()
}

fn section(text: &mut String, title: &str, rows: &[Vec<String>]) {
    // Writing to a String cannot fail.
    writeln!(text, "{title}").unwrap_or_default();
    if rows.is_empty() {
        text.push_str("  none\n");
    }
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0)
    };
    // Columns of figures stand right, with their heads; columns of names left.
    let is_figure = |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let has_figures = |column: usize| rows.iter().filter_map(|row| row.get(column)).any(is_figure);
    let shapes: Vec<(usize, bool)> =
        (0..columns).map(|column| (width(column), has_figures(column))).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, (width, right)) in row.iter().zip(&shapes) {
            let cell = if *right { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
            write!(line, "  {cell}").unwrap_or_default();
        }
        writeln!(text, "{}", line.trim_end()).unwrap_or_default();
    }
    text.push('\n');
}
