//! File, environment and command line, laid over one another by figment; each value
//! remembers where it came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::{ConfigError, Machine, SETTINGS, oidc};
pub(super) use tables::{Table, TableSetting};

mod tables;

/// Settings given on the command line, as they were typed.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config FILE` (or `SIGNOFF_CONFIG`).
    pub config: Option<PathBuf>,
    /// `--listen ADDRESS:PORT`.
    pub listen: Option<String>,
    /// `--base-url URL`.
    pub base_url: Option<String>,
    /// `--data-dir DIRECTORY`.
    pub data_dir: Option<String>,
}

/// One name that exists.
pub(super) struct Setting {
    pub(super) key: &'static str,
    /// Never shown, and may be read from the file that `SIGNOFF_<KEY>_FILE` names.
    secret: bool,
}

impl Setting {
    pub(super) const fn plain(key: &'static str) -> Self {
        Self { key, secret: false }
    }

    pub(super) const fn secret(key: &'static str) -> Self {
        Self { key, secret: true }
    }
}

/// All settings that were given, flat, each with its origin.
pub(super) struct Layers {
    found: BTreeMap<String, Found>,
    /// The tables of which the file may have several, by name, in the file's order.
    tables: BTreeMap<String, Vec<Table>>,
    file: Option<PathBuf>,
    /// Where relative paths in the environment and on the command line start.
    working_directory: PathBuf,
}

pub(super) struct Found {
    value: Value,
    origin: String,
    /// Where a relative path in this value starts.
    directory: PathBuf,
}

impl Layers {
    /// Reads all layers and refuses names that do not exist.
    pub(super) fn read(flags: &Flags, machine: &Machine) -> Result<Self, ConfigError> {
        let file = configuration_file(flags, machine)?;
        let mut figment = Figment::new();
        if let Some(path) = &file {
            figment = figment.merge(Toml::file_exact(path));
        }
        for entry in environment(machine)? {
            figment = figment.merge(entry);
        }
        for entry in command_line(flags) {
            figment = figment.merge(entry);
        }
        let mut layers = Self {
            found: BTreeMap::new(),
            tables: BTreeMap::new(),
            file,
            working_directory: machine.directory.clone(),
        };
        let mut data = figment.data().map_err(|error| ConfigError::Syntax {
            path: layers.file.clone().unwrap_or_default(),
            reason: one_line(&error.to_string()),
        })?;
        if let Some(dict) = data.remove(&Profile::Default) {
            layers.flatten("", dict, &figment)?;
        }
        Ok(layers)
    }

    /// The configuration file that was read.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// A path beside the configuration file, or in the working directory without one.
    pub(super) fn beside_file(&self, name: &str) -> PathBuf {
        self.file.as_deref().and_then(Path::parent).unwrap_or(&self.working_directory).join(name)
    }

    /// The tables of that name.
    pub(super) fn tables(&self, name: &str) -> &[Table] {
        self.tables.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn find(&self, key: &str) -> Option<&Found> {
        self.found.get(key)
    }

    /// The setting `key` as `parse` understands it.
    pub(super) fn parsed<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(found) = self.find(key) else {
            return Ok(None);
        };
        let parsed = scalar(&found.value).and_then(|text| parse(&text));
        parsed.map(Some).ok_or_else(|| self.wrong(key, expected))
    }

    /// The setting `key` as a list: a TOML array, or text with commas between the items.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, ConfigError> {
        let Some(found) = self.find(key) else {
            return Ok(Vec::new());
        };
        let items: Option<Vec<String>> = match &found.value {
            Value::Array(_, values) => values.iter().map(scalar).collect(),
            other => scalar(other).map(|text| items_of(&text)),
        };
        items
            .and_then(|items| items.iter().map(|item| parse(item)).collect())
            .ok_or_else(|| self.wrong(key, expected))
    }

    /// The setting `key` as an absolute path.
    pub(super) fn path(&self, key: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        const EXPECTED: &str = "a path";
        let Some(found) = self.find(key) else {
            return Ok(None);
        };
        match &found.value {
            Value::String(_, text) if !text.is_empty() && !text.contains('\0') => {
                Ok(Some(found.directory.join(text)))
            }
            _ => Err(self.wrong(key, EXPECTED)),
        }
    }

    /// The refusal of what stands at `key`.
    pub(super) fn wrong(&self, key: &str, expected: &'static str) -> ConfigError {
        let (value, origin) = self.find(key).map_or_else(
            || (String::from("(default)"), String::from("not set")),
            |found| (shown(key, &found.value), found.origin.clone()),
        );
        ConfigError::Wrong { key: key.to_owned(), value, origin, expected }
    }

    fn flatten(&mut self, prefix: &str, dict: Dict, figment: &Figment) -> Result<(), ConfigError> {
        for (name, value) in dict {
            let key = format!("{prefix}{name}");
            match value {
                Value::Dict(_, inner) if !inner.is_empty() && is_section(&key) => {
                    self.flatten(&format!("{key}."), inner, figment)?;
                }
                Value::Array(_, tables) if prefix.is_empty() && keys_of_table(&key).is_some() => {
                    let tables = tables::read(self, &key, tables, figment)?;
                    self.tables.insert(key, tables);
                }
                // An empty section says nothing.
                Value::Dict(_, inner) if inner.is_empty() && is_section(&key) => {}
                value => {
                    let metadata = figment.get_metadata(value.tag());
                    let (origin, directory) = self.origin(metadata);
                    if !SETTINGS.iter().any(|setting| setting.key == key) {
                        return Err(unknown(&key, shown(&key, &value), origin));
                    }
                    let found = Found { value, origin, directory };
                    self.found.insert(key, found);
                }
            }
        }
        Ok(())
    }

    /// Names the layer for a person, and says where its relative paths start.
    fn origin(&self, metadata: Option<&Metadata>) -> (String, PathBuf) {
        let file = metadata.and_then(|metadata| metadata.source.as_ref()?.file_path());
        match (file, metadata) {
            (Some(path), _) => {
                let directory = path.parent().unwrap_or(&self.working_directory);
                (path.display().to_string(), directory.to_path_buf())
            }
            (None, Some(metadata)) => (metadata.name.to_string(), self.working_directory.clone()),
            (None, None) => (String::from("unknown origin"), self.working_directory.clone()),
        }
    }
}

/// One value from the environment or the command line, as a layer of its own, so that an
/// error can name the very variable or option.
struct Entry {
    name: String,
    key: &'static str,
    value: String,
}

impl Provider for Entry {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        // Not figment's own reading of variables: it would take `[::1]:80` for an array.
        let value = Value::from(self.value.clone());
        let (section, name) = self.key.split_once('.').unwrap_or(("", self.key));
        let mut dict = Dict::from([(name.to_owned(), value)]);
        if !section.is_empty() {
            dict = Dict::from([(section.to_owned(), Value::from(dict))]);
        }
        Ok(Profile::Default.collect(dict))
    }
}

/// `--config`, else `./signoff.toml`, else the system's file. A file that was asked for
/// must be there; a file that was only looked for need not.
fn configuration_file(flags: &Flags, machine: &Machine) -> Result<Option<PathBuf>, ConfigError> {
    let variable = machine
        .variables
        .iter()
        .find(|(name, value)| name == "SIGNOFF_CONFIG" && !value.is_empty())
        .map(|(_, value)| PathBuf::from(value));
    let asked = match (&flags.config, variable) {
        (Some(path), _) => Some((path.clone(), "--config")),
        (None, Some(path)) => Some((path, "SIGNOFF_CONFIG")),
        (None, None) => None,
    };
    let candidates = match &asked {
        Some((path, _)) => vec![machine.directory.join(path)],
        None => vec![machine.directory.join("signoff.toml"), machine.system_file.clone()],
    };
    for path in candidates {
        match std::fs::read(&path) {
            Ok(_) => return Ok(Some(path)),
            Err(error) if asked.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(ConfigError::Unreadable {
                    key: String::from("config"),
                    path,
                    origin: asked.map_or("found", |(_, origin)| origin).to_owned(),
                    source,
                });
            }
        }
    }
    Ok(None)
}

/// `DATABASE_URL` and all `SIGNOFF_*` variables. An empty variable counts as absent, as
/// compose files cannot leave one out.
fn environment(machine: &Machine) -> Result<Vec<Entry>, ConfigError> {
    let mut entries = Vec::new();
    for (name, value) in &machine.variables {
        if value.is_empty() {
            continue;
        }
        if name == "DATABASE_URL" {
            entries.insert(0, Entry { name: name.clone(), key: "database_url", value: value.clone() });
            continue;
        }
        let Some(rest) = name.strip_prefix("SIGNOFF_") else {
            continue;
        };
        // The file was found already; the test variables speak to our tests alone.
        if rest == "CONFIG" || rest.starts_with("TEST_") {
            continue;
        }
        entries.push(variable(name, rest, value, machine)?);
    }
    Ok(entries)
}

fn variable(name: &str, rest: &str, value: &str, machine: &Machine) -> Result<Entry, ConfigError> {
    let key = rest.to_lowercase().replace("__", ".");
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) {
        return Ok(Entry { name: name.to_owned(), key: setting.key, value: value.to_owned() });
    }
    let secret = SETTINGS
        .iter()
        .filter(|setting| setting.secret)
        .find(|setting| key.strip_suffix("_file") == Some(setting.key));
    let Some(setting) = secret else {
        return Err(unknown(name, shown(&key, &Value::from(value)), String::from("environment")));
    };
    let path = machine.directory.join(value);
    match std::fs::read_to_string(&path) {
        Ok(content) => {
            Ok(Entry { name: name.to_owned(), key: setting.key, value: content.trim().to_owned() })
        }
        Err(source) => Err(ConfigError::Unreadable {
            key: name.to_owned(),
            path,
            origin: String::from("environment"),
            source,
        }),
    }
}

fn command_line(flags: &Flags) -> Vec<Entry> {
    [
        ("--listen", "listen", &flags.listen),
        ("--base-url", "base_url", &flags.base_url),
        ("--data-dir", "data_dir", &flags.data_dir),
    ]
    .into_iter()
    .filter_map(|(name, key, value)| Some(Entry { name: name.to_owned(), key, value: value.clone()? }))
    .collect()
}

/// What may stand in each table of a name of which there may be several.
fn keys_of_table(name: &str) -> Option<&'static [&'static str]> {
    (name == "oidc").then_some(oidc::KEYS)
}

fn is_section(key: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.split_once('.').is_some_and(|(section, _)| section == key))
}

fn unknown(key: &str, value: String, origin: String) -> ConfigError {
    let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
    ConfigError::Unknown { key: key.to_owned(), value, origin, expected: names.join(", ") }
}

/// The items of a list in an environment variable: `a, b`, or as in the file `["a", "b"]`.
fn items_of(text: &str) -> Vec<String> {
    let bare = text.trim();
    let bare = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(bare);
    bare.split(',')
        .map(|item| item.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

/// Text, numbers and switches all read as text; the environment knows nothing else.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Bool(_, switch) => Some(switch.to_string()),
        Value::Num(_, number) => number
            .to_i128()
            .map(|number| number.to_string())
            .or_else(|| number.to_u128().map(|number| number.to_string())),
        _ => None,
    }
}

/// A value for an error line: short, on one line, and nothing that could be a secret.
fn shown(key: &str, value: &Value) -> String {
    let hidden = ["url", "secret", "password", "token"];
    let secret = SETTINGS.iter().any(|setting| setting.secret && setting.key == key);
    let doubtful =
        !SETTINGS.iter().any(|setting| setting.key == key) && hidden.iter().any(|word| key.contains(word));
    if secret || doubtful {
        return String::from("(hidden)");
    }
    let text = match value {
        Value::Array(_, values) => {
            let items: Vec<String> = values.iter().filter_map(scalar).map(|item| quoted(&item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Dict(..) => String::from("{...}"),
        Value::String(_, text) => quoted(text),
        other => scalar(other).unwrap_or_else(|| String::from("(nothing)")),
    };
    text.chars().take(200).collect()
}

fn quoted(text: &str) -> String {
    let text = text.replace(|c: char| c.is_control(), " ");
    format!("\"{text}\"")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
