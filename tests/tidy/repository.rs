//! Dependencies, migrations, connectors and decisions.

use crate::tree::{Finding, Tree};

/// The headings of every connector's README, in this order.
const HEADINGS: [&str; 5] = ["Delivery", "Ordering", "Keys", "Units", "Known limits"];

/// Every dependency of Cargo.toml stands below a comment of its own.
pub(crate) fn check_dependencies(tree: &Tree) -> Vec<Finding> {
    let (mut found, mut inside, mut before) = (Vec::new(), false, "");
    for (index, line) in tree.get("Cargo.toml").unwrap_or_default().lines().enumerate() {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
        } else if inside && is_dependency(line) && !before.starts_with('#') {
            let text = "expected a comment above that says why; add one";
            found.push(Finding::new("Cargo.toml", index + 1, text));
        }
        before = line;
    }
    found
}

fn is_dependency(line: &str) -> bool {
    line.contains(" = ") && !line.starts_with('#')
}

/// `migrations/<engine>/NNNN_name.sql` from 0001 without gaps or doubles.
pub(crate) fn check_migrations(tree: &Tree) -> Vec<Finding> {
    let engines = tree.folders("migrations/");
    let of_engine = |engine: &String| numbered(tree, &format!("migrations/{engine}/"), '_', ".sql");
    engines.iter().flat_map(of_engine).collect()
}

/// `docs/adr/NNNN-title.md` without gaps, and every `ADR NNNN` that is named.
pub(crate) fn check_decisions(tree: &Tree) -> Vec<Finding> {
    let mut found = numbered(tree, "docs/adr/", '-', ".md");
    let known = |number: &str| {
        tree.files().any(|(path, _)| path.starts_with(&format!("docs/adr/{number}-")))
    };
    for (path, text) in tree.files().filter(|(path, _)| !path.starts_with("tests/tidy/")) {
        for (index, line) in text.lines().enumerate() {
            for (at, _) in line.match_indices("ADR ") {
                let number = line.get(at + 4..at + 8).unwrap_or_default();
                let is_number = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
                if is_number && !known(number) {
                    let text = format!("ADR {number} does not exist; write docs/adr/{number}-….md");
                    found.push(Finding::new(path, index + 1, text));
                }
            }
        }
    }
    found
}

/// Paths that the documents name in backticks exist (`src/log/`, `docs/adr`); patterns aside.
pub(crate) fn check_paths(tree: &Tree) -> Vec<Finding> {
    let roots = ["src/", "tests/", "schemas/", "policy/", "migrations/", "scripts/"];
    let exists = |name: &str| {
        let folder = format!("{}/", name.trim_end_matches('/'));
        tree.get(name).is_some() || tree.files().any(|(path, _)| path.starts_with(&folder))
    };
    let mut found = Vec::new();
    let documents = tree.files().filter(|(path, _)| path.ends_with(".md") && !path.contains('/'));
    for (path, text) in documents {
        for (index, line) in text.lines().enumerate() {
            for name in line.split('`').skip(1).step_by(2) {
                let is_path = roots.iter().any(|root| name.starts_with(root));
                let is_pattern = name.contains(['<', '*', ' ']);
                if is_path && !is_pattern && !exists(name) {
                    let text = format!("{name} does not exist; name what is there");
                    found.push(Finding::new(path, index + 1, text));
                }
            }
        }
    }
    found
}

/// A connector's folder has a manifest, samples and a README with the five headings.
pub(crate) fn check_connectors(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for name in tree.folders("connectors/") {
        let folder = format!("connectors/{name}");
        let manifest = format!("{folder}/connector.toml");
        if tree.get(&manifest).is_none() {
            found.push(Finding::new(&manifest, 1, "expected a manifest, found none; write it"));
        }
        let samples = format!("{folder}/samples/accept/");
        if !has_folder(&samples) && !tree.files().any(|(path, _)| path.starts_with(&samples)) {
            found.push(Finding::new(&samples, 1, "expected samples, found none; add some"));
        }
        let readme = format!("{folder}/README.md");
        let text = tree.get(&readme).unwrap_or_default();
        let headings: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("## ")).collect();
        if headings != HEADINGS {
            let text = format!("expected the headings {HEADINGS:?}, found {headings:?}");
            found.push(Finding::new(&readme, 1, text));
        }
    }
    found
}

/// Samples in other encodings are no text, so the tree does not have them.
fn has_folder(path: &str) -> bool {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_dir()
}

fn numbered(tree: &Tree, folder: &str, after: char, end: &str) -> Vec<Finding> {
    let (mut found, mut expected) = (Vec::new(), 1);
    for (path, _) in tree.files() {
        let Some(name) = path.strip_prefix(folder).filter(|name| name.ends_with(end)) else {
            continue;
        };
        let number = name.split_once(after).map_or("", |(number, _)| number);
        if number.len() != 4 || number.parse() != Ok(expected) {
            let text = format!("expected number {expected:04}, found {number:?}; renumber it");
            found.push(Finding::new(path, 1, text));
        }
        expected += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{
        check_connectors, check_decisions, check_dependencies, check_migrations, check_paths,
    };
    use crate::tree::{Finding, Tree};

    fn places(found: &[Finding]) -> Vec<String> {
        found.iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
    }

    #[test]
    fn a_dependency_without_its_own_comment_is_found() {
        let text = "[package]\nname = \"x\"\n[dependencies]\n# why\na = \"1\"\nb = \"1\"\n\
                    [dev-dependencies]\nc = { version = \"1\" }\n[profile.dev]\nopt-level = 1\n";
        let found = check_dependencies(&Tree::of(&[("Cargo.toml", text)]));
        assert_eq!(places(&found), ["Cargo.toml:6", "Cargo.toml:8"]);
    }

    #[test]
    fn gaps_and_doubles_among_migrations_are_found() {
        let names = ["0001_a.sql", "0002_b.sql", "0002_c.sql", "0004_d.sql", "5_e.sql"];
        let paths = names.map(|name| format!("migrations/sqlite/{name}"));
        let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
        let found = check_migrations(&Tree::of(&files));
        assert_eq!(
            places(&found),
            ["migrations/sqlite/0002_c.sql:1", "migrations/sqlite/5_e.sql:1"],
            "0004 stands fourth, so only the double and the short number are wrong"
        );
        let gap = [("migrations/sqlite/0002_b.sql", "")];
        assert_eq!(check_migrations(&Tree::of(&gap)).len(), 1);
    }

    #[test]
    fn a_decision_that_does_not_exist_is_found_where_it_is_named() {
        let files = [("docs/adr/0001-a.md", ""), ("src/x.rs", "// ADR 0001\n// ADR 0009\n")];
        assert_eq!(places(&check_decisions(&Tree::of(&files))), ["src/x.rs:2"]);
    }

    #[test]
    fn a_path_that_does_not_exist_is_found_where_a_document_names_it() {
        let text = "`src/a.rs` and `src/a/`\n`src/<name>/x` src/none.rs `cargo src`\n`src/b.rs`\n";
        let files = [("README.md", text), ("src/a.rs", ""), ("src/a/c.rs", "")];
        assert_eq!(places(&check_paths(&Tree::of(&files))), ["README.md:3"]);
    }

    #[test]
    fn a_connector_without_its_parts_is_found() {
        let readme = "# X\n## Delivery\n## Ordering\n## Keys\n## Units\n## Known limits\n";
        let whole = [
            ("connectors/x/README.md", readme),
            ("connectors/x/connector.toml", ""),
            ("connectors/x/samples/accept/a.json", ""),
        ];
        assert_eq!(check_connectors(&Tree::of(&whole)), []);
        let broken = [("connectors/x/README.md", "## Keys\n")];
        assert_eq!(check_connectors(&Tree::of(&broken)).len(), 3);
    }
}
