//! All connectors of one version: loaded from folders, packed into one blob for the database, and
//! unpacked from it, so that every instance runs the version that the database names.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::manifest::{AvroFormat, Format, Manifest, ManifestError};
use crate::domain::ids::{ConnectorId, PlatformId};
use crate::schema::text::SchemaText;

/// First bytes of a packed version: what it is, and the packing's own version.
const MAGIC: &[u8] = b"zhibao manifests 1\n";

/// The manifests of all counterparties, by name.
#[derive(Clone, Debug)]
pub struct Connectors {
    manifests: BTreeMap<String, Manifest>,
    digest: [u8; 32],
}

impl Connectors {
    /// Loads every folder of `folder` that has a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] of the first folder that cannot be used; two connectors of one platform.
    pub fn load(folder: &Path) -> Result<Self, ManifestError> {
        let read_error =
            |source| ManifestError::Read { path: folder.display().to_string(), source };
        let mut manifests = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(read_error)? {
            let path = entry.map_err(read_error)?.path();
            if path.is_dir() {
                manifests.push(Manifest::load(&path)?);
            }
        }
        Self::of(manifests)
    }

    /// Unpacks what [`Connectors::to_bytes`] packed.
    ///
    /// # Errors
    /// [`ManifestError`] where the bytes are damaged, or this program refuses a manifest in them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let damaged = |detail: &str| ManifestError::Stored { detail: detail.to_owned() };
        let mut rest =
            bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("expected packed manifests"))?;
        let mut folders: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
        while !rest.is_empty() {
            let cut = || damaged("expected a whole file, found the end");
            let path = take(&mut rest).ok_or_else(cut)?;
            let content = take(&mut rest).ok_or_else(cut)?;
            let path = std::str::from_utf8(path).ok().and_then(|path| path.split_once('/'));
            let (folder, file) = path.ok_or_else(|| damaged("expected folder/file"))?;
            let files = folders.entry(folder.to_owned()).or_default();
            files.insert(file.to_owned(), content.to_vec());
        }
        let manifests = folders.into_iter().map(|(folder, files)| {
            Manifest::from_files(&folder, &format!("{folder}/connector.toml"), files)
        });
        Self::of(manifests.collect::<Result<_, _>>()?)
    }

    fn of(manifests: Vec<Manifest>) -> Result<Self, ManifestError> {
        let mut by_name: BTreeMap<String, Manifest> = BTreeMap::new();
        for manifest in manifests {
            let twin = by_name
                .values()
                .find(|known| known.platform.is_some() && known.platform == manifest.platform);
            if let Some(twin) = twin {
                return Err(ManifestError::Field {
                    file: format!("{}/connector.toml", manifest.name),
                    line: 1,
                    field: "platform".to_owned(),
                    detail: format!("expected a platform of its own, found that of {}", twin.name),
                });
            }
            by_name.insert(manifest.name.to_string(), manifest);
        }
        let digest = Sha256::digest(pack(&by_name)).into();
        Ok(Self { manifests: by_name, digest })
    }

    /// SHA-256 over all manifests and native schemas: the same digest, the same version.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Packs all manifests and native schemas, in order of name.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        pack(&self.manifests)
    }

    /// The manifest of a connector.
    #[must_use]
    pub fn get(&self, connector: &ConnectorId) -> Option<&Manifest> {
        self.manifests.get(connector.as_str())
    }

    /// The manifest of a platform.
    #[must_use]
    pub fn of_platform(&self, platform: &PlatformId) -> Option<&Manifest> {
        self.iter().find(|manifest| manifest.platform.as_ref() == Some(platform))
    }

    /// The schemas of every feed whose values name theirs, oldest first, with its connector.
    pub fn framed(&self) -> impl Iterator<Item = (&ConnectorId, &SchemaText)> {
        self.iter().flat_map(|manifest| {
            let avro = manifest.feeds.iter().filter_map(|feed| match &feed.format {
                Format::Avro(avro) => Some(avro),
                Format::Json { .. } | Format::Csv(_) => None,
            });
            avro.flat_map(AvroFormat::framed).map(|schema| (&manifest.name, schema))
        })
    }

    /// Lets feeds know the numbers of their schemas, by the digests of the texts.
    pub fn number(&mut self, ids: &BTreeMap<[u8; 32], u32>) {
        for feed in self.manifests.values_mut().flat_map(|manifest| &mut manifest.feeds) {
            if let Format::Avro(avro) = &mut feed.format {
                for writer in avro.writers_mut() {
                    writer.number = ids.get(writer.schema.digest()).copied();
                }
            }
        }
    }

    /// All manifests, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.manifests.values()
    }
}

fn pack(manifests: &BTreeMap<String, Manifest>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for (folder, manifest) in manifests {
        for (file, content) in &manifest.files {
            put(&mut bytes, format!("{folder}/{file}").as_bytes());
            put(&mut bytes, content);
        }
    }
    bytes
}

/// A length of 8 bytes, big-endian, and the part.
fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(part);
}

fn take<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, after) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (part, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(part)
}
