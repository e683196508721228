//! What pure modules may not touch, where the clock may be read, and where floats may not stand.

use crate::source::{Source, has_word};
use crate::tree::Finding;

/// Time, policy and randomness come in as arguments here; nothing goes out but values.
const PURE: [&str; 9] =
    ["domain", "policy", "normalize", "orders", "levy", "cases", "ledger", "risk", "schema"];

/// What a pure module may not name, and why.
const IMPURE: [(&str, &str); 15] = [
    ("tokio", "wait outside"),
    ("async", "wait outside"),
    ("await", "wait outside"),
    ("sqlx", "SQL belongs to store"),
    ("reqwest", "the network belongs to forward"),
    ("axum", "the network belongs to intake and serve"),
    ("tracing", "return an error or an outcome; it is logged where it is handled"),
    ("println", "return an error or an outcome; it is shown where it is handled"),
    ("rand", "take what is random as an argument"),
    ("SystemTime", "take the time as an argument"),
    ("Instant", "take the time as an argument"),
    ("thread", "share nothing; run outside"),
    ("std::fs", "read files in a loader listed in tests/tidy/purity.rs"),
    ("std::net", "the network belongs to the edges"),
    ("std::env", "settings come in as arguments"),
];

/// Files of pure modules that read folders of rules, manifests or schemas at the start.
const LOADERS: [&str; 6] = [
    "src/policy/bundle.rs",
    "src/normalize/manifest/mod.rs",
    "src/normalize/connectors.rs",
    "src/normalize/samples.rs",
    "src/normalize/check.rs",
    "src/schema/gate.rs",
];

/// Reading the wall clock decides when something runs, never its result.
const CLOCK_FILES: [&str; 2] = ["src/hub/clock.rs", "src/main.rs"];

/// Modules and files that may measure how long something takes, to wait or to report.
const STOPWATCHES: [&str; 9] = [
    "src/hub",
    "src/cli",
    "src/main.rs",
    "src/forward/",
    "src/intake/",
    // Brokers have so long to answer, and no longer.
    "src/log/kafka/",
    "src/serve/",
    "benches/",
    "tests/",
];

/// Modules where every amount is an integer.
const MONEY: [&str; 11] = [
    "domain",
    "policy",
    "normalize",
    "levy",
    "cases",
    "ledger",
    "apply",
    "orders",
    "recon",
    "schema",
    "store",
];

/// Impure words in pure modules; their tests may read files.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let pure = source.module().is_some_and(|module| PURE.contains(&module));
    if !pure || source.is_test() {
        return Vec::new();
    }
    let is_loader = LOADERS.contains(&source.path.as_str());
    let banned = |word: &str| !(is_loader && word == "std::fs");
    find(source, IMPURE.iter().copied().filter(|(word, _)| banned(word)), |word, instead| {
        format!("a pure module may not use {word}: {instead}")
    })
}

/// Clocks outside the named files.
pub(crate) fn check_clock(source: &Source) -> Vec<Finding> {
    if CLOCK_FILES.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let wall = ["SystemTime::now", "Timestamp::now", "Zoned::now", "Utc::now", "Local::now"];
    let instead = "take the append time or an argument; the wall clock is read in src/hub/clock.rs";
    let mut found = find(source, wall.map(|word| (word, instead)), |word, instead| {
        format!("{word} is not for here: {instead}")
    });
    if !STOPWATCHES.iter().any(|allowed| source.path.starts_with(allowed)) {
        let words = [("Instant::now", "results do not depend on how long something takes")];
        found.extend(find(source, words, |word, why| format!("{word} is not for here: {why}")));
    }
    found
}

/// Floats where amounts are.
pub(crate) fn check_floats(source: &Source) -> Vec<Finding> {
    if !source.module().is_some_and(|module| MONEY.contains(&module)) {
        return Vec::new();
    }
    let instead = "use Fen, Rate or rust_decimal";
    find(source, [("f32", instead), ("f64", instead)], |word, instead| {
        format!("no {word} where amounts are: {instead}")
    })
}

fn find<'a>(
    source: &Source,
    words: impl IntoIterator<Item = (&'a str, &'a str)>,
    say: impl Fn(&str, &str) -> String,
) -> Vec<Finding> {
    let words: Vec<_> = words.into_iter().collect();
    let in_line = |(line, code): (usize, &str)| -> Vec<Finding> {
        let hits = words.iter().filter(|(word, _)| has_word(code, word));
        hits.map(|(word, why)| Finding::new(&source.path, line, say(word, why))).collect()
    };
    source.code_lines().flat_map(in_line).collect()
}

#[cfg(test)]
mod tests {
    use super::{check, check_clock, check_floats};
    use crate::source::Source;
    use crate::tree::Finding;

    fn lines(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
        rule(&Source::new(path, text)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_pure_module_that_waits_or_asks_the_database_is_found() {
        let text = "use sqlx::Row;\nasync fn a() {}\n// tokio\nlet tokio_like = \"tracing\";\n";
        assert_eq!(lines(check, "src/levy/line.rs", text), [1, 2]);
        assert_eq!(lines(check, "src/apply/line.rs", text), []);
    }

    #[test]
    fn only_named_loaders_of_pure_modules_read_files() {
        let text = "let a = std::fs::read(b);\n";
        assert_eq!(lines(check, "src/policy/bundle.rs", text), []);
        assert_eq!(lines(check, "src/policy/rate.rs", text), [1]);
        assert_eq!(lines(check, "src/policy/tests.rs", text), []);
        assert_eq!(lines(check, "src/policy/bundle.rs", "std::env::var(x);\n"), [1]);
    }

    #[test]
    fn clocks_are_found_outside_their_files() {
        let text = "let a = SystemTime::now();\nlet b = std::time::Instant::now();\n";
        assert_eq!(lines(check_clock, "src/apply/batch.rs", text), [1, 2]);
        assert_eq!(lines(check_clock, "src/forward/relay.rs", text), [1]);
        assert_eq!(lines(check_clock, "src/hub/clock.rs", text), []);
    }

    #[test]
    fn floats_are_found_where_amounts_are() {
        let text = "fn share(a: f64) {}\nfn f64_like() {}\n";
        assert_eq!(lines(check_floats, "src/ledger/entry.rs", text), [1]);
        assert_eq!(lines(check_floats, "src/serve/page.rs", text), []);
    }
}
