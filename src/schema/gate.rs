//! The gate that keeps released schemas readable: `schemas/<Name>.avsc` against every version in
//! `schemas/released/<Name>/`.
//!
//! Backward and transitive: the schema of this version reads what any released version wrote. Above
//! that, a released field keeps its meaning and, without a default, stays (see `shape`), since the
//! readers of our topics change later than we do.

use std::fmt;
use std::path::{Path, PathBuf};

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};

use super::shape::Shape;

/// Why the schemas could not be compared at all.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A file or folder cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which one.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is no schema.
    #[error("{path}: expected an Avro schema: {source}")]
    Invalid {
        /// Which one.
        path: String,
        /// The cause.
        source: Box<apache_avro::Error>,
    },
    /// Released versions without a schema of today.
    #[error("{path}: expected the schema of a released record, found none")]
    Gone {
        /// Where it should be.
        path: String,
    },
    /// A released file that is not named `v<number>.avsc`, or a gap before it.
    #[error("{path}: expected released versions v1.avsc, v2.avsc … without gaps")]
    Numbering {
        /// The first that does not fit.
        path: String,
    },
}

/// What was compared, and what would break.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Each schema with the number of released versions that it was held against, by name.
    pub checked: Vec<(String, u32)>,
    /// What would break; empty where all is well.
    pub breaks: Vec<Break>,
}

/// A released version that the schema of today does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The schema of today.
    pub file: PathBuf,
    /// The released version.
    pub released: PathBuf,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, versions) in &self.checked {
            writeln!(f, "{name}: held against {versions} released")?;
        }
        for Break { file, released, reason } in &self.breaks {
            writeln!(f, "{} breaks {}: {reason}", file.display(), released.display())?;
        }
        Ok(())
    }
}

/// Holds every schema of a folder against its released versions.
///
/// # Errors
/// [`SchemaError`] where a file cannot be read or compared; a schema that breaks a released version
/// is no error but stands in the report.
pub fn check_compatibility(folder: &Path) -> Result<Report, SchemaError> {
    let mut report = Report::default();
    for file in list(folder)?.into_iter().filter(|path| is_schema(path)) {
        let name = stem(&file);
        let today = load(&file)?;
        let versions = released_versions(&folder.join("released").join(&name))?;
        for released in &versions {
            let earlier = load(released)?;
            let found = breaks(&earlier, &today).into_iter().map(|reason| Break {
                file: file.clone(),
                released: released.clone(),
                reason,
            });
            report.breaks.extend(found);
        }
        report.checked.push((name, u32::try_from(versions.len()).unwrap_or(u32::MAX)));
    }
    for released in list(&folder.join("released"))? {
        let name = stem(&released);
        if !report.checked.iter().any(|(checked, _)| *checked == name) {
            let path = folder.join(format!("{name}.avsc")).display().to_string();
            return Err(SchemaError::Gone { path });
        }
    }
    Ok(report)
}

struct Loaded {
    schema: Schema,
    shape: Shape,
}

fn load(path: &Path) -> Result<Loaded, SchemaError> {
    let text = std::fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
    let schema = Schema::parse_str(&text).map_err(|error| SchemaError::Invalid {
        path: path.display().to_string(),
        source: Box::new(error),
    })?;
    let json = serde_json::from_str(&text).unwrap_or_default();
    Ok(Loaded { schema, shape: Shape::of(&json) })
}

fn breaks(earlier: &Loaded, today: &Loaded) -> Vec<String> {
    let mut reasons = today.shape.breaks_of(&earlier.shape);
    match SchemaCompatibility::can_read(&earlier.schema, &today.schema) {
        Ok(Compatibility::Full) => {}
        Ok(Compatibility::Partial) => {
            reasons.push("only some values of the released version can be read".to_owned());
        }
        Err(error) => reasons.push(error.to_string()),
    }
    reasons
}

/// `v1.avsc`, `v2.avsc` … in order; none where the record was never released.
fn released_versions(folder: &Path) -> Result<Vec<PathBuf>, SchemaError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let found = list(folder)?;
    let expected: Vec<PathBuf> =
        (1..=found.len()).map(|number| folder.join(format!("v{number}.avsc"))).collect();
    match found.iter().find(|path| !expected.contains(path)) {
        Some(path) => Err(SchemaError::Numbering { path: path.display().to_string() }),
        None => Ok(expected),
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, SchemaError> {
    let entries = std::fs::read_dir(folder).map_err(|source| unreadable(folder, source))?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(|source| unreadable(folder, source))?;
    paths.sort();
    Ok(paths)
}

fn is_schema(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "avsc")
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn unreadable(path: &Path, source: std::io::Error) -> SchemaError {
    SchemaError::Unreadable { path: path.display().to_string(), source }
}
