//! Which module may use which. Data flows one way (ARCHITECTURE.md); an edge that is not listed
//! here is a decision, not a detail.

use crate::source::{Source, has_word};
use crate::tree::Finding;

/// Module, and the modules that it may use. Tests beside the code are held to it too.
const ALLOWED: [(&str, &[&str]); 20] = [
    ("domain", &[]),
    ("policy", &["domain"]),
    // Of schemas it takes the frame and the text that makes two of them the same.
    ("normalize", &["domain", "policy", "schema"]),
    ("levy", &["domain", "policy"]),
    ("cases", &["domain", "policy"]),
    ("ledger", &["domain", "policy"]),
    ("risk", &["domain", "policy"]),
    ("schema", &["domain"]),
    // The order book asks the log only which partition an identity hashes to.
    ("orders", &["domain", "policy", "log"]),
    // The embedded log is a SQLite file with the same sessions and checks as the state database.
    ("log", &["domain", "store"]),
    // Store writes the values of the pure modules as rows; it decides nothing.
    ("store", &["domain", "policy", "levy", "cases", "ledger"]),
    ("held", &["domain", "store"]),
    ("audit", &["domain", "store"]),
    ("recon", &["domain", "policy", "levy", "ledger", "store"]),
    (
        "apply",
        &[
            "domain",
            "policy",
            "normalize",
            "levy",
            "cases",
            "ledger",
            "risk",
            "log",
            "store",
            "orders",
            "held",
            "audit",
            // What it applies it also leaves to be published, as the schema has it.
            "schema",
        ],
    ),
    // Who may add a schema shows the token that intake takes.
    ("registry", &["domain", "schema", "store", "intake"]),
    ("intake", &["domain", "normalize", "log", "store"]),
    // Order events are published out of committed segments, which only the order book reads.
    ("forward", &["domain", "schema", "log", "store", "orders"]),
    // The page names counterparties by their manifests; it normalizes nothing.
    (
        "serve",
        &[
            "domain",
            "policy",
            "normalize",
            "levy",
            "log",
            "store",
            "orders",
            "held",
            "recon",
            "audit",
        ],
    ),
    // The generator and the simulators share only the words with the hub: they are its oracle.
    ("simulate", &["domain"]),
];

/// Edges that only tests may use: they play a counterparty.
const TEST_EDGES: [(&str, &str); 1] = [("forward", "simulate")];

/// Where everything is wired; these see every module, and no other module sees them.
const WIRING: [&str; 5] = ["lib", "main", "cli", "config", "hub"];

/// Uses of modules that the list does not allow.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let Some(module) = source.module() else { return Vec::new() };
    if WIRING.contains(&module) {
        return Vec::new();
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
        let text = format!(
            "module {module} is in no list of edges; add it to tests/tidy/edges.rs with what it \
             may use"
        );
        return vec![Finding::new(&source.path, 1, text)];
    };
    let broken = |(line, used): (usize, String)| {
        let text = format!(
            "{module} may not use {used}; pass a value in, move the code, or decide the edge in \
             tests/tidy/edges.rs"
        );
        let in_test = source.is_test() && TEST_EDGES.contains(&(module, used.as_str()));
        let is_free = used == module || allowed.contains(&used.as_str()) || in_test;
        (!is_free && is_module(&used)).then(|| Finding::new(&source.path, line, text))
    };
    uses(source).into_iter().filter_map(broken).collect()
}

fn is_module(name: &str) -> bool {
    ALLOWED.iter().any(|(module, _)| *module == name) || WIRING.contains(&name)
}

/// Line and top-level name of every path that leaves from the crate's root.
fn uses(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in source.code.lines().enumerate() {
        for (at, _) in line.match_indices("crate::") {
            let after = line.get(at + "crate::".len()..).unwrap_or_default();
            let names =
                if after.starts_with('{') { group(source, index, at) } else { first(after) };
            found.extend(names.into_iter().map(|name| (index + 1, name)));
        }
        for (name, _) in ALLOWED {
            if is_root_by_super(source, line, name) {
                found.push((index + 1, name.to_owned()));
            }
        }
    }
    found
}

fn first(path: &str) -> Vec<String> {
    let is_part = |found: &char| found.is_alphanumeric() || *found == '_';
    vec![path.chars().take_while(is_part).collect()]
}

/// The names at the first level of `crate::{a::b, c::{d, e}}`, which may span lines.
fn group(source: &Source, line: usize, at: usize) -> Vec<String> {
    let from: String = source.code.lines().skip(line).collect::<Vec<_>>().join(" ");
    let inside = from.get(at + "crate::{".len()..).unwrap_or_default();
    let mut depth = 0_u32;
    let mut names = vec![String::new()];
    for found in inside.chars() {
        match found {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            _ => {
                if let Some(name) = names.last_mut().filter(|_| depth == 0) {
                    name.push(found);
                }
            }
        }
    }
    names.iter().flat_map(|name| first(name.trim_start())).collect()
}

/// Whether `super::…::name` reaches the crate's root from this file (inline modules aside).
fn is_root_by_super(source: &Source, line: &str, name: &str) -> bool {
    let inside = source.path.trim_start_matches("src/").trim_end_matches(".rs");
    let depth = inside.split('/').filter(|part| *part != "mod").count();
    let path = format!("{}{name}::", "super::".repeat(depth));
    let deeper = format!("super::{path}");
    line.contains(&path) && !line.contains(&deeper) && has_word(line, name)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::source::Source;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Source::new(path, text)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn an_edge_outside_the_list_is_found_where_it_stands() {
        let text = "//! x\nuse crate::domain::ids::A;\nuse crate::store::Tx;\n";
        assert_eq!(lines("src/levy/line.rs", text), [3]);
        assert_eq!(lines("src/apply/order.rs", text), []);
    }

    #[test]
    fn groups_and_paths_in_code_count_as_uses() {
        let text = "use crate::{\n    domain::ids::{A, store},\n    hub::Hub,\n};\n";
        assert_eq!(lines("src/levy/line.rs", text), [1]);
        assert_eq!(lines("src/store/a.rs", "fn a() { crate::apply::b(); }\n"), [1]);
        assert_eq!(lines("src/store/a.rs", "// crate::apply\nlet x = \"crate::apply::b\";\n"), []);
    }

    #[test]
    fn a_path_upwards_counts_as_a_use_only_where_it_leaves_the_module() {
        assert_eq!(lines("src/store/a.rs", "use super::super::apply::B;\n"), [1]);
        assert_eq!(lines("src/store/mod.rs", "use super::apply::B;\n"), [1]);
        assert_eq!(lines("src/serve/a.rs", "use super::apply::B;\n"), []);
    }

    #[test]
    fn an_edge_of_tests_is_free_in_tests_only() {
        let text = "use crate::simulate::counterparties::A;\n";
        assert_eq!(lines("src/forward/tests.rs", text), []);
        assert_eq!(lines("src/forward/relay.rs", text), [1]);
    }

    #[test]
    fn a_module_that_nobody_listed_is_a_finding() {
        assert_eq!(lines("src/magic/mod.rs", ""), [1]);
        assert_eq!(lines("src/hub/mod.rs", "use crate::apply::A;\n"), []);
    }
}
