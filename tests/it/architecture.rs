//! Who may import whom, read from the source: the direction of the design is a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every source file of the crate: (path below `src/`, text).
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 20, "{}", found.len());
    found
}

/// Tests that are too long to stand at the end of the file they belong to.
fn is_test(path: &Path) -> bool {
    path.with_extension("").iter().any(|part| part.to_string_lossy().ends_with("_tests") || part == "tests")
}

/// The lines of code: no comments, and nothing from the tests at the end of a file.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The top-level module that a file belongs to.
fn module(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The modules of ours that a file names: `crate::x`, also in groups, and `signoff::x` in main.
fn imports(text: &str) -> BTreeSet<String> {
    let all: String = code(text).collect::<Vec<_>>().join(" ");
    let mut found = BTreeSet::new();
    for root in ["crate::", "signoff::"] {
        for (at, _) in all.match_indices(root) {
            let rest = &all[at + root.len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(group) => top_level_of_group(group),
                None => vec![rest],
            };
            for name in names {
                let name = name.trim();
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
                if !name[..end].is_empty() {
                    found.insert(name[..end].to_owned());
                }
            }
        }
    }
    found
}

/// The members of a `use` group, not those of groups inside it.
fn top_level_of_group(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                return members;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members
}

#[test]
fn modules_import_downwards_only() {
    let machine = ["config", "clock", "entropy", "telemetry", "database", "keys"];
    let allowed = |from: &str| -> Option<Vec<&'static str>> {
        let mut below: Vec<&'static str> = match from {
            "saml" => vec![],
            "logout" | "store" | "auth0" => vec!["saml", "logout"],
            // What is due is in the store; the store knows nothing of the outbox.
            "outbox" => vec!["saml", "logout", "store"],
            "app" => vec!["saml", "logout", "store", "outbox", "auth0"],
            "web" => vec!["saml", "logout", "app"],
            // Which key signs is recorded in the database and has to be known before there is an App.
            "cli" => vec!["saml", "logout", "store", "app", "web", "demo"],
            "demo" => vec!["saml", "logout", "app", "web"],
            "main" => vec!["cli"],
            "clock" => return Some(vec![]),
            "entropy" => return Some(vec!["clock"]),
            "telemetry" => return Some(vec!["config", "clock", "entropy"]),
            // What a setting means may be defined where nothing but meaning is.
            "config" => return Some(vec!["logout", "clock", "entropy"]),
            "database" | "keys" => return Some(vec!["config", "clock", "entropy", "telemetry"]),
            _ => return None,
        };
        if !matches!(from, "saml" | "logout" | "store" | "outbox" | "auth0") {
            below.extend(machine);
        }
        Some(below)
    };
    for (path, text) in sources() {
        let from = module(&path);
        if from == "lib" {
            continue;
        }
        let allowed = allowed(from).unwrap_or_else(|| panic!("{path}: a module the design does not know"));
        for to in imports(&text) {
            let own = to == from || to == "Error" || to.chars().next().is_some_and(char::is_uppercase);
            assert!(own || allowed.contains(&to.as_str()), "{path} imports {to}");
        }
    }
}

#[test]
fn saml_and_logout_know_few_crates() {
    let pure =
        ["std", "core", "serde", "chrono", "url", "quick_xml", "openssl", "base64", "flate2", "thiserror"];
    let engines = ["uppsala", "bergshamra", "samael"];
    let known = [
        "axum",
        "tokio",
        "tokio_util",
        "tower",
        "tower_http",
        "reqwest",
        "sqlx",
        "askama",
        "clap",
        "figment",
        "ipnet",
        "serde_json",
        "tracing",
        "tracing_subscriber",
        "uppsala",
        "bergshamra",
        "http_body_util",
        "hyper",
        "hyper_util",
        "samael",
        "rand",
    ];
    for (path, text) in sources() {
        let from = module(&path);
        if from != "saml" && from != "logout" {
            continue;
        }
        for line in code(&text) {
            for name in known {
                let named =
                    line.contains(&format!("{name}::")) || line.trim().starts_with(&format!("use {name}"));
                let ok = pure.contains(&name) || (from == "saml" && engines.contains(&name));
                let part = line.contains(&format!("_{name}::"));
                assert!(!named || ok || part, "{path} names {name}: {line}");
            }
        }
    }
}

#[test]
fn no_xml_type_of_others_leaves_saml() {
    for (path, text) in sources() {
        if module(&path) == "saml" {
            continue;
        }
        for line in code(&text) {
            for name in ["uppsala::", "bergshamra::", "quick_xml::", "samael::"] {
                assert!(!line.contains(name), "{path}: {line}");
            }
        }
    }
}

#[test]
fn verified_has_one_door() {
    let mut doors = Vec::new();
    for (path, text) in sources() {
        for line in code(&text) {
            let line = line.trim();
            if line.contains("Verified {") && !line.starts_with("pub struct") && !line.contains("impl") {
                doors.push(path.clone());
            }
        }
        if path == "saml/signature.rs" {
            let fields = text.split("pub struct Verified").nth(1).unwrap().split('}').next().unwrap();
            assert!(!fields.contains("pub "), "the fields of Verified are private: {fields}");
        }
    }
    doors.dedup();
    assert!(doors.iter().all(|path| path == "saml/signature.rs"), "{doors:?}");
}

#[test]
fn time_and_randomness_have_one_door_each() {
    for (path, text) in sources() {
        for line in code(&text) {
            let clock = ["Utc::now", "Local::now", "SystemTime::now"].iter().any(|call| line.contains(call));
            assert!(!clock || path == "clock.rs", "{path}: {line}");
            let random =
                ["rand_bytes", "rand_priv_bytes", "getrandom"].iter().any(|call| line.contains(call));
            assert!(!random || path == "entropy.rs", "{path}: {line}");
        }
    }
}

#[test]
fn sql_takes_its_time_from_the_caller_and_lives_in_the_store() {
    for (path, text) in sources() {
        let lower = text.to_ascii_lowercase();
        for word in ["now()", "current_timestamp", "clock_timestamp()", "localtimestamp"] {
            let call = [format!(".{word}"), format!("::{word}"), format!("fn {word}")];
            let inside =
                code(&lower).any(|line| line.contains(word) && !call.iter().any(|call| line.contains(call)));
            assert!(!inside || path.starts_with("database"), "{path}: {word}");
        }
        let queries = code(&text).any(|line| line.contains("sqlx::query"));
        let at_home = matches!(module(&path), "store" | "database");
        assert!(!queries || at_home, "{path}: SQL outside the store");
    }
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    for entry in std::fs::read_dir(migrations).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            let text = std::fs::read_to_string(&path).unwrap().to_ascii_lowercase();
            for word in ["now()", "current_timestamp", "clock_timestamp()", "localtimestamp"] {
                assert!(!text.contains(word), "{}: {word}", path.display());
            }
        }
    }
}

#[test]
fn no_drawer_for_odds_and_ends() {
    for (path, _) in sources() {
        for word in ["utils", "helpers", "common", "manager", "misc"] {
            assert!(!path.contains(word), "{path}");
        }
    }
}

#[test]
fn the_reader_of_imports_reads_them() {
    let text = "use crate::{app::App, saml::{self, xml}, web};\n// crate::comment\nlet x = crate::store::sessions::end();\n#[cfg(test)]\nmod tests { use crate::hidden; }";
    let found: Vec<_> = imports(text).into_iter().collect();
    assert_eq!(found, ["app", "saml", "store", "web"]);
}
