//! The identity providers of `tests/data`, and every message there that one of them signed: the
//! only ones that may ever be believed, whatever octets a fuzzer makes up.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};

use crate::judge;
use crate::saml::assertion::Assertion;
use crate::saml::binding::{Detached, Parameter, Received, post, redirect, soap};
use crate::saml::logout_request::LogoutRequest;
use crate::saml::logout_response::LogoutResponse;
use crate::saml::message::Limits;
use crate::saml::metadata::{IdpMetadata, Policy, SigningKeyDer};
use crate::saml::names::{Binding, EntityId};
use crate::saml::response::{Content, Response};
use crate::saml::signature::{SignaturePolicy, TrustedKeys};
use crate::saml::xml::normalized;

/// Noon of the day of the messages in `tests/data/refused`.
pub const NOW: DateTime<Utc> = DateTime::from_timestamp_nanos(1_795_435_200_000_000_000);

/// Wide enough that no message in `tests/data` is too old: a fuzzer should get as far as it can.
pub const LIMITS: Limits =
    Limits { skew: TimeDelta::minutes(3), max_age: TimeDelta::days(365), accept_offset_times: true };

/// One identity provider's keys.
pub struct Idp {
    /// As they are used by default.
    pub strict: TrustedKeys,
    /// With everything allowed that a setting can allow.
    pub loose: TrustedKeys,
}

/// Whom we know, and what they signed.
pub struct Known {
    idps: HashMap<EntityId, Idp>,
    /// The authentic LogoutRequests.
    pub requests: Vec<LogoutRequest>,
    /// The authentic LogoutResponses.
    pub answers: Vec<LogoutResponse>,
    /// The Responses with a signature of their own.
    pub responses: Vec<Response>,
    /// The assertions that are signed, or stand in a signed Response.
    pub assertions: Vec<Assertion>,
    /// The IDs in messages that are authentic as they stand.
    proved: HashSet<String>,
    /// The IDs in all others: many of them were signed and then spoilt, by a comment for example,
    /// and a fuzzer that takes it out again has found nothing.
    spoilt: HashSet<String>,
}

impl Known {
    /// The keys of that identity provider.
    pub fn idp(&self, entity_id: &EntityId) -> Option<&Idp> {
        self.idps.get(entity_id)
    }

    fn read() -> Self {
        let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data"));
        let mut known = Self {
            idps: idps(&files),
            requests: Vec::new(),
            answers: Vec::new(),
            responses: Vec::new(),
            assertions: Vec::new(),
            proved: HashSet::new(),
            spoilt: HashSet::new(),
        };
        for received in files.iter().filter_map(|path| received(path)) {
            known.learn(&received);
        }
        // The harness would find nothing wrong if it knew nothing.
        assert!(known.requests.len() > 20 && known.answers.len() > 10, "no seeds: tests/data is missing");
        assert!(known.assertions.len() > 20 && !known.responses.is_empty());
        known
    }

    fn learn(&mut self, received: &Received) {
        let request = judge::open_request(self, received);
        let answer = judge::open_answer(self, received);
        let signed = judge::open_response(self, received, true);
        let response = judge::open_response(self, received, false);
        let authentic = request.is_some() || answer.is_some() || response.is_some();
        let ids = if authentic { &mut self.proved } else { &mut self.spoilt };
        let texts = received.octets.split(" ID=").skip(1);
        ids.extend(texts.filter_map(|text| text.split(['"', '\'']).nth(1)).map(str::to_owned));
        self.requests.extend(request);
        self.answers.extend(answer);
        self.responses.extend(signed);
        if let Some(Content::Assertion(assertion)) = response.as_ref().map(Response::content) {
            self.assertions.push((**assertion).clone());
        }
    }

    /// Whether a message that is authentic, but is none that we learnt, can be a spoilt one put
    /// right: it bears the ID of such a one and no ID of an authentic one.
    pub fn put_right(&self, message: &impl Debug) -> bool {
        let text = format!("{message:?}");
        let bears = |ids: &HashSet<String>| ids.iter().any(|id| text.contains(&format!("MessageId({id:?})")));
        bears(&self.spoilt) && !bears(&self.proved)
    }
}

/// Whom we know; read once in a process.
pub fn known() -> &'static Known {
    thread_local! {
        static KNOWN: &'static Known = Box::leak(Box::new(Known::read()));
    }
    KNOWN.with(|known| *known)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

/// Products that were captured under one name with several keys are one identity provider here.
fn idps(files: &[PathBuf]) -> HashMap<EntityId, Idp> {
    let mut keys: HashMap<EntityId, Vec<SigningKeyDer>> = HashMap::new();
    for path in files.iter().filter(|path| path.ends_with("idp-metadata.xml")) {
        let reading =
            IdpMetadata::read(&std::fs::read(path).unwrap(), Policy { loopback_http: true }, NOW).unwrap();
        for idp in reading.idps {
            keys.entry(idp.entity_id).or_default().extend(idp.signing_keys);
        }
    }
    let trusted = |entity_id: &EntityId, keys: &[SigningKeyDer], policy| {
        TrustedKeys::new(entity_id.clone(), keys.iter().map(SigningKeyDer::as_der), policy).unwrap()
    };
    let loose = SignaturePolicy { allow_sha1: true, allow_inclusive_c14n: true };
    keys.into_iter()
        .map(|(entity_id, keys)| {
            let strict = trusted(&entity_id, &keys, SignaturePolicy::default());
            let idp = Idp { strict, loose: trusted(&entity_id, &keys, loose) };
            (entity_id, idp)
        })
        .collect()
}

/// The message in that file, as it would arrive; none if there is none or it does not decode.
fn received(path: &Path) -> Option<Received> {
    let octets = std::fs::read(path).ok()?;
    let name = path.file_name()?.to_str()?;
    let text = || std::str::from_utf8(&octets).ok();
    match (path.extension()?.to_str()?, name.split('-').next()?) {
        ("url", _) => redirect::decode(text()?.trim().split_once('?')?.1).ok(),
        ("b64", _) => {
            let parameter =
                if name.contains("LogoutRequest") { Parameter::SamlRequest } else { Parameter::SamlResponse };
            let octets = BASE64.decode(text()?.split_whitespace().collect::<String>()).ok()?;
            Some(posted(String::from_utf8(octets).ok()?, parameter))
        }
        (_, "redirect") => redirect::decode(text()?).ok(),
        (_, "form") => post::decode(&octets).ok(),
        (_, "post") => Some(posted(text()?.to_owned(), Parameter::SamlRequest)),
        (_, "answer" | "acs") => Some(posted(text()?.to_owned(), Parameter::SamlResponse)),
        (_, "soap") => soap::decode(&octets, Parameter::SamlRequest).ok(),
        ("xml", _) if name.contains("soap-request") => soap::decode(&octets, Parameter::SamlRequest).ok(),
        _ => None,
    }
}

/// That XML as if a form had brought it.
pub fn posted(octets: String, parameter: Parameter) -> Received {
    let octets = normalized(octets);
    Received { binding: Binding::Post, parameter, octets, relay_state: None, detached: Detached::Absent }
}
