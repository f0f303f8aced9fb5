//! Tables of which the configuration file may have several, such as `[[oidc]]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use figment::Figment;
use figment::value::Value;

use super::{Found, Layers, keys_of_table, quoted, scalar, shown};
use crate::config::ConfigError;

/// A key of such a table.
pub(in crate::config) type TableSetting = &'static str;

/// One table.
pub(in crate::config) struct Table {
    /// How errors name it: `oidc[0]`.
    name: String,
    found: BTreeMap<String, Found>,
    /// Where it stands, for what is missing.
    origin: String,
}

/// Reads the tables of one name and refuses keys that do not exist.
pub(super) fn read(
    layers: &Layers,
    name: &str,
    tables: Vec<Value>,
    figment: &Figment,
) -> Result<Vec<Table>, ConfigError> {
    let known = keys_of_table(name).unwrap_or_default();
    let numbered = tables.into_iter().enumerate();
    numbered
        .map(|(index, table)| {
            let key = format!("{name}[{index}]");
            let (origin, _) = layers.origin(figment.get_metadata(table.tag()));
            let Value::Dict(_, dict) = table else {
                return Err(ConfigError::Wrong {
                    value: shown(&key, &table),
                    key,
                    origin,
                    expected: "a table, written as [[oidc]] with a line for each of its keys",
                });
            };
            let mut found = BTreeMap::new();
            for (own, value) in dict {
                let (origin, directory) = layers.origin(figment.get_metadata(value.tag()));
                if !known.contains(&own.as_str()) {
                    let key = format!("{key}.{own}");
                    let value = shown(&key, &value);
                    return Err(ConfigError::Unknown { key, value, origin, expected: known.join(", ") });
                }
                found.insert(own, Found { value, origin, directory });
            }
            Ok(Table { name: key, found, origin })
        })
        .collect()
}

impl Table {
    pub(in crate::config) fn has(&self, key: TableSetting) -> bool {
        self.found.contains_key(key)
    }

    /// The setting `key` as `parse` understands it, if it is there.
    pub(in crate::config) fn parsed<T>(
        &self,
        key: TableSetting,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(found) = self.found.get(key) else { return Ok(None) };
        let parsed = scalar(&found.value).and_then(|text| parse(&text));
        parsed.map(Some).ok_or_else(|| self.wrong(key, expected))
    }

    /// The setting `key`, which has to be there.
    pub(in crate::config) fn required<T>(
        &self,
        key: TableSetting,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        self.parsed(key, expected, parse)?.ok_or_else(|| self.wrong(key, expected))
    }

    /// The content of the file that `key` names; a relative path starts beside the configuration.
    pub(in crate::config) fn file(
        &self,
        key: TableSetting,
        expected: &'static str,
    ) -> Result<String, ConfigError> {
        let Some(found) = self.found.get(key) else { return Err(self.wrong(key, expected)) };
        let named = match &found.value {
            Value::String(_, text) if !text.is_empty() && !text.contains('\0') => text,
            _ => return Err(self.wrong(key, expected)),
        };
        let path: PathBuf = found.directory.join(named);
        std::fs::read_to_string(&path).map_err(|source| ConfigError::Unreadable {
            key: format!("{}.{key}", self.name),
            path,
            origin: found.origin.clone(),
            source,
        })
    }

    /// The refusal of what stands at `key`, or of its absence. No value in such a table is a secret:
    /// those stand in files of their own, and of them only the name is shown.
    pub(in crate::config) fn wrong(&self, key: TableSetting, expected: &'static str) -> ConfigError {
        let found = self.found.get(key);
        ConfigError::Wrong {
            key: format!("{}.{key}", self.name),
            value: found.map_or_else(
                || String::from("(nothing)"),
                |found| {
                    let text =
                        scalar(&found.value).map_or_else(|| String::from("{...}"), |text| quoted(&text));
                    text.chars().take(200).collect()
                },
            ),
            origin: found.map_or_else(|| self.origin.clone(), |found| found.origin.clone()),
            expected,
        }
    }
}
