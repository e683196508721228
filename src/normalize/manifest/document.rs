//! A TOML document whose every value knows its line, so that an error can name file, line, field.

use toml::de::{DeTable, DeValue};

use super::ManifestError;

/// One value of a manifest, with its place.
#[derive(Clone, Copy)]
pub(super) struct Node<'d> {
    file: &'d str,
    text: &'d str,
    value: Value<'d>,
    /// Byte offset of the value.
    at: usize,
    /// Its key.
    key: &'d str,
}

#[derive(Clone, Copy)]
enum Value<'d> {
    Table(&'d DeTable<'d>),
    Plain(&'d DeValue<'d>),
}

impl<'d> Node<'d> {
    /// The whole document.
    pub(super) fn root(file: &'d str, text: &'d str, table: &'d DeTable<'d>) -> Self {
        Self { file, text, value: Value::Table(table), at: 0, key: "manifest" }
    }

    /// An error at this value.
    pub(super) fn error(&self, detail: impl Into<String>) -> ManifestError {
        ManifestError::Field {
            file: self.file.to_owned(),
            line: line_of(self.text, self.at),
            field: self.key.to_owned(),
            detail: detail.into(),
        }
    }

    fn expected(&self, what: &str) -> ManifestError {
        let found = match self.value {
            Value::Table(_) => "a table",
            Value::Plain(value) => value.type_str(),
        };
        self.error(format!("expected {what}, found {found}"))
    }

    /// The key this value stands under.
    pub(super) fn key(&self) -> &'d str {
        self.key
    }

    /// The value under a key.
    pub(super) fn get(&self, key: &str) -> Option<Node<'d>> {
        self.entries().find(|node| node.key == key)
    }

    /// The value under a key that must be there.
    pub(super) fn need(&self, key: &str) -> Result<Node<'d>, ManifestError> {
        self.get(key).ok_or_else(|| self.error(format!("expected the key {key}, found none")))
    }

    /// The entries of a table; none of anything else.
    pub(super) fn entries(&self) -> impl Iterator<Item = Node<'d>> + use<'d> {
        let table = match self.value {
            Value::Table(table) => Some(table),
            Value::Plain(value) => value.as_table(),
        };
        let (file, text) = (self.file, self.text);
        table.into_iter().flatten().map(move |(key, value)| Node {
            file,
            text,
            value: Value::Plain(value.get_ref()),
            // The key's place: a table's own span may start at its first entry.
            at: key.span().start,
            key: key.get_ref(),
        })
    }

    /// Refuses keys that are not in the list.
    pub(super) fn only(&self, keys: &[&str]) -> Result<(), ManifestError> {
        if !self.is_table() {
            return Err(self.expected("a table"));
        }
        match self.entries().find(|entry| !keys.contains(&entry.key)) {
            Some(entry) => {
                Err(entry.error(format!("expected one of {}, found this key", keys.join(", "))))
            }
            None => Ok(()),
        }
    }

    pub(super) fn is_table(&self) -> bool {
        match self.value {
            Value::Table(_) => true,
            Value::Plain(value) => value.is_table(),
        }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.value, Value::Plain(value) if value.is_array())
    }

    /// The text.
    pub(super) fn text(&self) -> Result<&'d str, ManifestError> {
        match self.value {
            Value::Plain(DeValue::String(text)) => Ok(text),
            Value::Table(_) | Value::Plain(_) => Err(self.expected("a text")),
        }
    }

    /// The whole number.
    pub(super) fn number(&self) -> Result<u32, ManifestError> {
        let number = match self.value {
            Value::Plain(value) => value.as_integer().and_then(|n| n.as_str().parse().ok()),
            Value::Table(_) => None,
        };
        number.ok_or_else(|| self.expected("a whole number of at most 32 bits"))
    }

    /// The items of a list.
    pub(super) fn list(&self) -> Result<Vec<Node<'d>>, ManifestError> {
        let Value::Plain(DeValue::Array(items)) = self.value else {
            return Err(self.expected("a list"));
        };
        let (file, text, key) = (self.file, self.text, self.key);
        let nodes = items.iter().map(|item| {
            let (value, at) = (Value::Plain(item.get_ref()), item.span().start);
            Node { file, text, value, at, key }
        });
        Ok(nodes.collect())
    }

    /// The items of a list under a key; none where the key is absent.
    pub(super) fn list_of(&self, key: &str) -> Result<Vec<Node<'d>>, ManifestError> {
        self.get(key).map_or(Ok(Vec::new()), |node| node.list())
    }

    /// The texts of a list under a key; none where the key is absent.
    pub(super) fn texts_of(&self, key: &str) -> Result<Vec<&'d str>, ManifestError> {
        self.list_of(key)?.iter().map(Node::text).collect()
    }
}

/// The line (from 1) of a byte offset.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
