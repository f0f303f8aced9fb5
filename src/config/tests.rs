//! Settings from made-up machines.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

struct Place {
    directory: tempfile::TempDir,
    machine: Machine,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::bare(directory.path());
        Self { directory, machine }
    }

    fn with_file(content: &str) -> Self {
        let place = Self::new();
        std::fs::write(place.directory.path().join("signoff.toml"), content).unwrap();
        place
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.machine.variables.push((name.into(), value.into()));
        self
    }

    fn load(&self) -> Result<Settings, ConfigError> {
        Settings::load(&Flags::default(), &self.machine)
    }

    fn refusal(&self) -> String {
        let line = self.load().unwrap_err().to_string();
        assert!(!line.contains('\n'), "one line: {line}");
        line
    }
}

#[test]
fn nothing_set_is_a_loopback_service_with_its_own_database() {
    let place = Place::new();
    let settings = place.load().unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.public_url("/saml/slo"), "http://127.0.0.1:8080/saml/slo");
    assert_eq!(settings.saml.entity_id, "http://127.0.0.1:8080/saml/metadata");
    assert_eq!(settings.data_dir, place.directory.path().join("data"));
    assert_eq!(settings.metadata_dir, place.directory.path().join("metadata"));
    assert_eq!(settings.database_url, None);
    assert_eq!(settings.session.idle, TimeDelta::hours(8));
    assert_eq!(settings.session.max, TimeDelta::hours(24));
    assert_eq!(settings.session.remember, TimeDelta::days(7));
    assert_eq!(settings.saml.skew, TimeDelta::minutes(3));
    assert_eq!(settings.saml.max_age, TimeDelta::minutes(5));
    assert!(settings.saml.soap && settings.is_loopback_http() && !settings.cookies_secure());
}

#[test]
fn a_second_opinion_is_asked_for_only_where_there_is_one() {
    let setting = |text: &str| Place::with_file(&format!("second_opinion = \"{text}\""));
    assert_eq!(setting("off").load().unwrap().second_opinion, SecondOpinion::Off);
    assert!(setting("maybe").refusal().starts_with("second_opinion = \"maybe\""));
    if cfg!(feature = "second-opinion") {
        assert_eq!(Place::new().load().unwrap().second_opinion, SecondOpinion::Audit);
        assert_eq!(setting("enforce").load().unwrap().second_opinion, SecondOpinion::Enforce);
    } else {
        assert_eq!(Place::new().load().unwrap().second_opinion, SecondOpinion::Off);
        for asked in ["audit", "enforce"] {
            assert!(setting(asked).refusal().ends_with("without the cargo feature second-opinion"));
        }
    }
}

#[test]
fn root_keeps_its_data_where_another_account_can_reach_it() {
    let mut place = Place::new();
    place.machine.root = true;
    let settings = place.load().unwrap();
    assert_eq!(settings.data_dir, PathBuf::from("/var/lib/signoff"));
}

#[test]
fn file_then_environment_then_command_line() {
    let place = Place::with_file(
        "listen = \"127.0.0.1:1\"\nbase_url = \"https://file.example\"\ndata_dir = \"file\"\n\
         [session]\nidle = \"1h\"\nmax = \"2h\"",
    )
    .variable("SIGNOFF_BASE_URL", "https://env.example")
    .variable("SIGNOFF_DATA_DIR", "env")
    .variable("SIGNOFF_SESSION__IDLE", "30m");
    let flags = Flags { data_dir: Some("flag".into()), ..Flags::default() };
    let settings = Settings::load(&flags, &place.machine).unwrap();
    assert_eq!(settings.listen.port(), 1);
    assert_eq!(settings.base_url.as_str(), "https://env.example");
    assert_eq!(settings.data_dir, place.directory.path().join("flag"));
    assert_eq!(settings.session.idle, TimeDelta::minutes(30));
    assert_eq!(settings.session.max, TimeDelta::hours(2));
}

#[test]
fn relative_paths_in_a_file_start_at_the_file() {
    let place = Place::new().variable("SIGNOFF_SAML__NEXT_SIGNING_CERTIFICATE", "here.crt");
    let etc = place.directory.path().join("etc");
    std::fs::create_dir(&etc).unwrap();
    std::fs::write(
        etc.join("s.toml"),
        "[saml]\nsigning_key = \"certs/a.key\"\nsigning_certificate = \"/abs/a.crt\"\n",
    )
    .unwrap();
    let flags = Flags { config: Some("etc/s.toml".into()), ..Flags::default() };
    let settings = Settings::load(&flags, &place.machine).unwrap();
    let signing = settings.saml.signing.unwrap();
    assert_eq!(signing.key, etc.join("certs/a.key"));
    assert_eq!(signing.certificate, PathBuf::from("/abs/a.crt"));
    assert_eq!(settings.metadata_dir, etc.join("metadata"));
    assert_eq!(settings.saml.next_signing_certificate, Some(place.directory.path().join("here.crt")));
}

#[test]
fn what_is_unknown_is_named_with_its_value_and_origin() {
    let line = Place::with_file("listne = \"127.0.0.1:1\"").refusal();
    assert!(line.contains("listne = \"127.0.0.1:1\""), "{line}");
    assert!(line.contains("signoff.toml") && line.contains("listen"), "{line}");

    let line = Place::with_file("[session]\nidel = 5").refusal();
    assert!(line.contains("session.idel = 5"), "{line}");

    let line = Place::with_file("[sessions]\nidle = \"5m\"").refusal();
    assert!(line.contains("sessions = {...}"), "{line}");

    let line = Place::new().variable("SIGNOFF_LISTNE", "x").refusal();
    assert!(line.contains("SIGNOFF_LISTNE = \"x\" (environment)"), "{line}");
}

#[test]
fn what_is_wrong_is_named_with_its_value_origin_and_what_is_expected() {
    for (file, parts) in [
        ("listen = 8080", ["listen = 8080", "ADDRESS:PORT"]),
        ("listen = [\"127.0.0.1:1\"]", ["listen = [\"127.0.0.1:1\"]", "ADDRESS:PORT"]),
        ("base_url = \"http://sp.example.com\"", ["http://sp.example.com", "http only for"]),
        ("database_connections = 0", ["database_connections = 0", "from 2"]),
        ("trusted_proxies = [\"10.0.0.0/8\", \"nine\"]", ["\"nine\"", "10.0.0.0/8"]),
        ("logout_urls = [\"https://*.com/\"]", ["https://*.com/", "at least two more"]),
        ("logout_urls = [\"http://app.example/\"]", ["http://app.example/", "loopback"]),
        ("[session]\nremember = \"1h\"", ["session.remember = \"1h\"", "24h"]),
        ("[session]\nidle = \"48h\"", ["session.idle = \"48h\"", "session.max"]),
        ("[session]\nmax = \"1h\"", ["session.max = \"1h\"", "session.idle"]),
        ("[saml]\nsoap = \"maybe\"", ["saml.soap = \"maybe\"", "true or false"]),
        ("[saml]\nskew = \"1m\"", ["saml.skew = \"1m\"", "3m to 5m"]),
        ("log_format = \"xml\"", ["log_format = \"xml\"", "text or json"]),
        ("log = \"signoff=[[\"", ["log = ", "signoff=debug"]),
    ] {
        let line = Place::with_file(file).refusal();
        assert!(line.contains("signoff.toml"), "{line}");
        for part in parts {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
    let line = Place::new().variable("SIGNOFF_LISTEN", "here").refusal();
    assert!(line.contains("listen = \"here\" (SIGNOFF_LISTEN)"), "{line}");
    let flags = Flags { base_url: Some("nowhere".into()), ..Flags::default() };
    let line = Settings::load(&flags, &Place::new().machine).unwrap_err().to_string();
    assert!(line.contains("base_url = \"nowhere\" (--base-url)"), "{line}");
}

#[test]
fn half_a_key_pair_names_the_missing_half() {
    let line = Place::with_file("[saml]\nsigning_key = \"a.key\"").refusal();
    assert!(line.contains("saml.signing_certificate is missing"), "{line}");
    let line = Place::with_file("[organization]\nname = \"Example\"").refusal();
    assert!(line.contains("organization.url is missing"), "{line}");
}

#[test]
fn a_file_that_is_not_toml_is_one_line() {
    let line = Place::with_file("listen = \n\n[").refusal();
    assert!(line.contains("signoff.toml"), "{line}");
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let place = Place::new().variable("SIGNOFF_CONFIG", "nowhere.toml");
    let line = place.refusal();
    assert!(line.contains("nowhere.toml (SIGNOFF_CONFIG)"), "{line}");
}

#[test]
fn the_database_url_is_never_shown() {
    let place = Place::new().variable("DATABASE_URL", "mysql://u:s3cret@db/x");
    let line = place.refusal();
    assert!(!line.contains("s3cret") && line.contains("(hidden) (DATABASE_URL)"), "{line}");

    let place = Place::new().variable("SIGNOFF_DATABASE__URL", "postgres://u:s3cret@db/x");
    assert!(!place.refusal().contains("s3cret"));

    let settings = Place::new().variable("DATABASE_URL", "postgres://u:s3cret@db/x").load().unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
    assert_eq!(settings.database_url.unwrap().expose(), "postgres://u:s3cret@db/x");
}

#[test]
fn the_signoff_variable_wins_over_the_plain_one_and_may_name_a_file() {
    let place = Place::new();
    std::fs::write(place.directory.path().join("url"), "postgres://file/x\n").unwrap();
    let settings = place
        .variable("SIGNOFF_DATABASE_URL_FILE", "url")
        .variable("DATABASE_URL", "postgres://plain/x")
        .load()
        .unwrap();
    assert_eq!(settings.database_url.unwrap().expose(), "postgres://file/x");

    let line = Place::new().variable("SIGNOFF_DATABASE_URL_FILE", "gone").refusal();
    assert!(line.contains("SIGNOFF_DATABASE_URL_FILE") && line.contains("gone"), "{line}");
}

#[test]
fn lists_come_as_arrays_or_with_commas() {
    let file = "trusted_proxies = [\"10.0.0.0/8\", \"127.0.0.1\"]";
    let settings = Place::with_file(file).load().unwrap();
    assert_eq!(settings.trusted_proxies.len(), 2);
    for list in
        ["https://a.example, https://b.example:8443", "[\"https://a.example\", 'https://b.example:8443',]"]
    {
        let place = Place::new().variable("SIGNOFF_RETURN_ORIGINS", list);
        let settings = place.load().unwrap();
        assert_eq!(settings.return_origins, ["https://a.example", "https://b.example:8443"], "{list}");
    }
    let settings = Place::new().variable("SIGNOFF_LISTEN", "[::1]:9000").load().unwrap();
    assert_eq!(settings.listen.to_string(), "[::1]:9000");
}

#[test]
fn sso_25_logout_urls_are_a_list_of_which_each_can_be_read() {
    let place = |list| Place::new().variable("SIGNOFF_LOGOUT_URLS", list);
    let settings = place("https://a.example/out, https://*.b.example/").load().unwrap();
    assert_eq!(settings.logout_urls.len(), 2);
    assert!(settings.logout_urls.iter().any(|url| url.address().is_none()), "the one with a star");
    // Plain http, for trying things out.
    assert_eq!(place("http://127.0.0.1:3000/").load().unwrap().logout_urls.len(), 1);
    let public = place("http://127.0.0.1:3000/").variable("SIGNOFF_BASE_URL", "https://sso.example.com");
    assert!(public.refusal().contains("logout_urls"));
}

#[test]
fn empty_variables_and_those_of_our_tests_are_ignored() {
    let settings = Place::new()
        .variable("SIGNOFF_DATABASE_URL", "")
        .variable("SIGNOFF_TEST_DATABASE_URL", "postgres:///x")
        .variable("SIGNOFFICE", "x")
        .load()
        .unwrap();
    assert_eq!(settings.database_url, None);
}

#[test]
fn the_example_file_is_valid_and_names_every_setting() {
    let example = include_str!("../../signoff.example.toml");
    Place::with_file(example).load().unwrap();
    let uncommented: String = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") && !rest.contains(": ") => format!("{rest}\n"),
            Some(_) => String::new(),
            None => format!("{line}\n"),
        })
        .collect();
    Place::with_file(&uncommented).load().unwrap();
    for setting in SETTINGS {
        let name = setting.key.rsplit('.').next().unwrap();
        let line = format!("{name} = ");
        assert!(uncommented.lines().any(|l| l.starts_with(&line)), "{}", setting.key);
    }
}

#[test]
fn sso_24_a_cookie_domain_is_ours_and_over_tls() {
    let place = |base: &str, domain: &str| {
        Place::new().variable("SIGNOFF_BASE_URL", base).variable("SIGNOFF_COOKIE_DOMAIN", domain)
    };
    let settings = place("https://sso.example.com", "example.com").load().unwrap();
    assert_eq!(settings.cookie_domain.as_deref(), Some("example.com"));
    let settings = place("https://sso.example.com:8443", ".sso.example.com").load().unwrap();
    assert_eq!(settings.cookie_domain.as_deref(), Some("sso.example.com"));
    for (base, domain) in [
        ("https://sso.example.com", "com"),
        ("https://sso.example.com", "other.com"),
        ("https://sso.example.com", "ample.com"),
        ("https://sso.example.com", "a.sso.example.com"),
        ("https://10.0.0.1", "0.0.1"),
        ("http://localhost:8080", "localhost"),
        ("http://127.0.0.1:8080", "example.com"),
    ] {
        let line = place(base, domain).refusal();
        assert!(line.contains("cookie_domain"), "{base} {domain}: {line}");
    }
}

#[test]
fn the_feed_is_kept_for_a_day_at_least() {
    assert_eq!(Place::new().load().unwrap().feed_retention, TimeDelta::days(7));
    let place = Place::with_file("[feed]\nretention = \"30d\"");
    assert_eq!(place.load().unwrap().feed_retention, TimeDelta::days(30));
    let line = Place::with_file("[feed]\nretention = \"23h\"").refusal();
    assert!(line.contains("feed.retention"), "{line}");
}
