//! libxmlsec1, by way of samael, beside our own verifier: what ours accepts it has to accept, and to
//! have read the same.

mod corpus;
mod generated;
mod service;

use std::process::{Command, Stdio};

use chrono::{DateTime, TimeDelta, Utc};
use signoff::saml::binding::Received;
use signoff::saml::logout_request::LogoutRequest;
use signoff::saml::logout_response::LogoutResponse;
use signoff::saml::message::Limits;
use signoff::saml::names::Location;
use signoff::saml::open::Unopened;
use signoff::saml::refusal::Refusal;
use signoff::saml::response::Response;
use signoff::saml::second_opinion::Case;
use signoff::saml::signature::TrustedKeys;

const LIMITS: Limits =
    Limits { skew: TimeDelta::minutes(3), max_age: TimeDelta::minutes(5), accept_offset_times: false };

/// libxmlsec1 writes to stderr what it does not like, past every capture. A test that shows it bad
/// messages runs in a process of its own, whose stderr nobody reads: this is its standard output, or
/// none in that process itself.
fn in_a_quiet_process(test: &str) -> Option<String> {
    const CHILD: &str = "SIGNOFF_TEST_QUIET_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return None;
    }
    let name = format!("second_opinion::{test}");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", &name, "--nocapture", "--test-threads=1"]).env(CHILD, "1").stderr(Stdio::null());
    let output = child.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && printed.contains("1 passed"), "{test}: {printed}");
    Some(printed)
}

/// Opens a message as the service does; gives what the second engine is asked about.
fn open(
    kind: &str,
    received: &Received,
    keys: &TrustedKeys,
    me: &Location,
    now: DateTime<Utc>,
) -> Result<Option<Case>, Refusal> {
    match kind {
        "LogoutRequest" => {
            let opened = Unopened::<LogoutRequest>::read(received)?.open(keys, me, &LIMITS, now);
            Ok(opened.map_err(|refused| refused.refusal)?.case())
        }
        "LogoutResponse" => {
            Ok(Unopened::<LogoutResponse>::read(received)?.open(keys, Some(me), &LIMITS, now)?.case())
        }
        "Response" => Ok(Unopened::<Response>::read(received)?.open(keys, me, false, &LIMITS, now)?.case()),
        other => panic!("{other}: no message of ours"),
    }
}
