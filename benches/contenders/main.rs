//! Contenders of `make bench` that are written in Rust: the bare loop, which is the ceiling, and
//! plain SQL; and the load at a steady pace. They share nothing with the hub but the libraries for
//! Kafka, JSON and PostgreSQL. And a copy of the messages with every key wrong.
//!
//! usage: contenders ceiling BROKERS PREFIX OUT THREADS
//!        contenders plain-sql BROKERS PREFIX OUT DATABASE
//!        contenders misplace BROKERS FROM_PREFIX TO_PREFIX PARTITIONS
//!        contenders pace BROKERS PREFIX DATABASE ORDERS_A_SECOND SECONDS OUT

mod ceiling;
mod counts;
mod input;
mod misplace;
mod orders;
mod pace;
mod plain_sql;

use std::path::Path;
use std::process::ExitCode;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn run(arguments: &[&str]) -> Result<u64, Failure> {
    match arguments {
        ["ceiling", brokers, prefix, out, threads] => {
            ceiling::run(brokers, prefix, Path::new(out), threads.parse()?)
        }
        ["plain-sql", brokers, prefix, out, database] => {
            plain_sql::run(brokers, prefix, Path::new(out), database)
        }
        ["misplace", brokers, from, to, partitions] => {
            misplace::run(brokers, (from, to), partitions.parse()?)
        }
        ["pace", brokers, prefix, database, orders_a_second, seconds, out] => {
            let pace =
                pace::Pace { orders_a_second: orders_a_second.parse()?, seconds: seconds.parse()? };
            pace::run((brokers, prefix, database), pace, Path::new(out))
        }
        _ => Err(format!(
            "expected ceiling, plain-sql, misplace or pace and what it needs, found {arguments:?}"
        )
        .into()),
    }
}

fn main() -> ExitCode {
    // `cargo bench` adds an argument of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(messages) => {
            eprintln!("{messages} messages");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("contenders: {failure}");
            ExitCode::FAILURE
        }
    }
}
