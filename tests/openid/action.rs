//! The Auth0 Action of the examples, run in Node against a running Signoff.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::provider::Scene;

/// A login at Auth0, as the Action is told of it.
fn event(scene: &Scene, sid: &str, token: &str) -> Value {
    json!({
        "secrets": { "SIGNOFF_URL": scene.0.signoff, "SIGNOFF_TOKEN": token, "SIGNOFF_ISSUER": scene.0.openid },
        "session": { "id": sid },
        "request": { "hostname": "tenant.eu.auth0.com" },
        "connection": { "name": "acme-saml", "strategy": "samlp" },
        "authentication": { "methods": [{ "name": "federated", "timestamp": now() }] },
        "user": {
            "user_id": "samlp|acme-saml|alice",
            "nameIdAttributes": {
                "value": "alice@acme.example",
                "Format": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            },
            "sessionIndex": "_7",
        },
    })
}

fn now() -> String {
    signoff::clock::Clock::system().now().to_rfc3339()
}

/// Runs the Action; what it says, and how long it took.
fn run(event: &Value) -> (String, Duration) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/auth0-action");
    let mut command = Command::new("node");
    command.arg("run.mjs").current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(event.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "a login never fails");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("the login goes on"), "{said}");
    (said, began.elapsed())
}

/// An answer of the API.
async fn api(scene: &Scene, token: &str, path: &str) -> Value {
    let url = format!("{}/api/v1{path}", scene.0.signoff);
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

/// The sid of the session at the provider on which the browser's rests.
async fn sid(scene: &Scene) -> String {
    let operator = scene.0.signoff(&["token", "create", "look", "--role", "operator"]);
    let session = api(scene, &operator, &format!("/sessions/{}", scene.0.session_id().await)).await;
    session.pointer("/openid_authentications/0/sid").unwrap().as_str().unwrap().to_owned()
}

fn token(scene: &Scene) -> String {
    scene.0.signoff(&["application", "create", "auth0", "--form", "pull"]);
    scene.0.token("auth0")
}

#[tokio::test]
async fn the_action_registers_a_session_once_and_it_ends_with_the_session_at_the_provider() {
    let scene = Scene::start();
    scene.sign_in_there().await;
    let (sid, token) = (sid(&scene).await, token(&scene));
    let login = event(&scene, &sid, &token);
    for _ in 0..2 {
        let (said, _) = run(&login);
        assert!(!said.contains("does not know"), "{said}");
    }
    // Nothing is said of a session that has no SAML behind it.
    let mut other = event(&scene, "another-sid", &token);
    other["connection"] = json!({ "name": "Username-Password-Authentication", "strategy": "auth0" });
    run(&other);
    scene.leave().await;
    let feed = api(&scene, &token, "/revocations").await;
    let lines = feed.pointer("/revocations").unwrap().as_array().unwrap();
    assert_eq!(lines.len(), 1, "{feed}");
    let line = lines.first().unwrap();
    assert_eq!(line.pointer("/session_id").unwrap(), &json!(sid), "{line}");
    let own = line.pointer("/participations").unwrap().as_array().unwrap();
    assert_eq!(own.len(), 1, "said twice, registered once: {line}");
    let own = api(&scene, &token, &format!("/sessions/{}", own.first().unwrap().as_str().unwrap())).await;
    assert_eq!(own.pointer("/application_sessions/0/connection").unwrap(), "acme-saml");
    assert_eq!(own.pointer("/active").unwrap(), false);
    // What comes after the end comes too late, and the login still goes on, at once.
    let mut late = login.clone();
    late["connection"]["name"] = json!("acme-saml-2");
    let (said, took) = run(&late);
    assert!(said.contains("HTTP 409"), "{said}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn the_action_never_keeps_a_login_waiting_for_long() {
    let scene = Scene::start();
    let token = token(&scene);
    // Whoever is refused does not try again.
    let (said, took) = run(&event(&scene, "s", "signoff_of-nobody"));
    assert!(said.contains("HTTP 401"), "{said}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    // One that takes connections and never answers.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut login = event(&scene, "s", &token);
    login["secrets"]["SIGNOFF_URL"] = json!(format!("http://{}", mute.local_addr().unwrap()));
    let (said, took) = run(&login);
    assert!(said.contains("Signoff does not know of this session"), "{said}");
    assert!(took > Duration::from_secs(3) && took < Duration::from_secs(8), "{took:?}");
    // Without a session there is nothing to be told.
    login["session"] = json!(null);
    let (said, _) = run(&login);
    assert!(!said.contains("does not know"), "{said}");
}
