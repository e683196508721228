//! Micro-benchmarks of the hot path. `cargo bench --bench hot` times each step with criterion;
//! `hot --once STEP ROUNDS` runs one of them so many times, for a tool that counts instructions
//! (scripts/instructions).

mod steps;

use criterion::{Criterion, Throughput};

use self::steps::{ORDERS, Prepared, STEPS};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let prepared = Prepared::new();
    if let [once, name, rounds] = &arguments[..]
        && once == "--once"
    {
        let rounds: u32 = rounds.parse().expect("a number of rounds");
        let step = STEPS.iter().find(|(step, _)| step == name).expect("a step");
        let mut sum = 0_usize;
        for _ in 0..rounds {
            sum = sum.wrapping_add((step.1)(&prepared));
        }
        assert!(rounds == 0 || sum > 0, "{name} did nothing");
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("messages");
    for (name, step) in STEPS {
        let messages = if name.starts_with("segment") { ORDERS } else { 2 * ORDERS };
        group.throughput(Throughput::Elements(u64::from(messages)));
        group.bench_function(name, |bencher| bencher.iter(|| step(&prepared)));
    }
    group.finish();
    criterion.final_summary();
}
