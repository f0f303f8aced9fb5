//! An OpenID provider on loopback, written from the specifications alone: it shares no code with what
//! it is to judge, and is wrong on demand.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use openssl::bn::BigNumContext;
use openssl::pkey::Id;
use serde_json::{Value, json};
use signoff::clock::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::app::{TestApp, noon};
use super::browser::{Browser, From, form_body, path_of};
use super::dsig::{self, ECDSA_SHA256, Key, RSA_SHA256};
use super::http::{HttpReply, send};

pub const CALLBACK: &str = "/auth0/callback";
pub const LOGGED_OUT: &str = "/auth0/logged-out";
const MANAGEMENT_SECRET: &str = "management & secret";
const AUDIENCE: &str = "https://canonical.example/api/v2/";
pub const BACKCHANNEL: &str = "/auth0/backchannel-logout";
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// One provider. Dropping it leaves it running until the test's runtime ends.
pub struct Op {
    /// Its name in our settings.
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    state: Arc<State>,
}

struct State {
    issuer: String,
    client_id: String,
    secret: String,
    clock: OnceLock<Clock>,
    /// Key IDs and keys, the one that signs first.
    keys: Mutex<Vec<(String, &'static Key)>>,
    codes: Mutex<BTreeMap<String, Grant>>,
    asked: Mutex<Vec<String>>,
    counter: Mutex<u64>,
    down: AtomicBool,
    /// Changes to the description.
    description: Mutex<Value>,
    /// What the token endpoint says instead.
    token_answer: Mutex<Option<(u16, String)>>,
    /// Whether it is a tenant of Auth0 with a Management API.
    auth0: bool,
    /// What the next asks for the end of a session are answered with; then they are accepted.
    revocations: Mutex<Vec<Revocation>>,
    /// How often a session that was accepted to end is still found.
    lag: AtomicU64,
    /// The access tokens that are taken.
    access: Mutex<Vec<String>>,
    /// In how many seconds to come again, once, for whoever wants an access token.
    access_busy: AtomicU64,
    ending: Mutex<Vec<String>>,
}

/// How an ask for the end of a session is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// Any status, with these seconds in `Retry-After`.
    Status(u16, Option<u32>),
    /// The connection is closed without an answer, but the ask has arrived.
    Lost,
    /// No answer for a minute.
    Hangs,
}

/// What a code stands for.
struct Grant {
    claims: Value,
    challenge: String,
    redirect_uri: String,
}

/// A person at the provider, in one session there.
#[derive(Debug, Clone)]
pub struct At {
    pub sub: String,
    pub sid: Option<String>,
}

pub fn at(sub: &str, sid: &str) -> At {
    At { sub: sub.to_owned(), sid: Some(sid.to_owned()) }
}

impl Op {
    pub async fn start(name: &str, key: &'static Key) -> Self {
        Self::start_as(name, key, false).await
    }

    /// A tenant of Auth0 that can be asked to end sessions.
    pub async fn start_auth0(name: &str, key: &'static Key) -> Self {
        Self::start_as(name, key, true).await
    }

    async fn start_as(name: &str, key: &'static Key, auth0: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // As Auth0 has it: with a slash at the end.
        let issuer = format!("http://{}/", listener.local_addr().unwrap());
        let client_id = format!("client-of-{name}");
        let state = Arc::new(State {
            issuer: issuer.clone(),
            client_id: client_id.clone(),
            secret: format!("secret of {name}: a+b/c"),
            clock: OnceLock::new(),
            keys: Mutex::new(vec![("k1".to_owned(), key)]),
            codes: Mutex::default(),
            asked: Mutex::default(),
            counter: Mutex::default(),
            down: AtomicBool::new(false),
            description: Mutex::new(json!({})),
            token_answer: Mutex::default(),
            auth0,
            revocations: Mutex::default(),
            lag: AtomicU64::new(0),
            access: Mutex::default(),
            access_busy: AtomicU64::new(0),
            ending: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = Arc::clone(&serving);
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        Self { name: name.to_owned(), issuer, client_id, state }
    }

    /// From now on time passes here as it does there.
    pub fn follow(&self, clock: &Clock) {
        let _ = self.state.clock.set(clock.clone());
    }

    pub fn set_down(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }

    /// Another key signs from now on; the old one is forgotten.
    pub fn rotate(&self, kid: &str, key: &'static Key) {
        *self.state.keys.lock().unwrap() = vec![(kid.to_owned(), key)];
    }

    /// Changes its description; null takes a member out.
    pub fn describe(&self, name: &str, value: Value) {
        self.state.description.lock().unwrap()[name] = value;
    }

    pub fn answer_tokens(&self, answer: Option<(u16, &str)>) {
        *self.state.token_answer.lock().unwrap() = answer.map(|(status, text)| (status, text.to_owned()));
    }

    /// Answers the next ask for the end of a session otherwise.
    pub fn answer_revocation(&self, revocation: Revocation) {
        self.state.revocations.lock().unwrap().push(revocation);
    }

    /// From now on a session that was accepted to end is still found that often.
    pub fn set_lag(&self, reads: u64) {
        self.state.lag.store(reads, Ordering::SeqCst);
    }

    /// Sends who next wants an access token away for so many seconds.
    pub fn keep_access_busy(&self, seconds: u64) {
        self.state.access_busy.store(seconds, Ordering::SeqCst);
    }

    /// The access tokens that were given out are not taken any more.
    pub fn forget_access(&self) {
        self.state.access.lock().unwrap().clear();
    }

    /// How often it was asked to end a session.
    pub fn revocations(&self) -> usize {
        self.asked().iter().filter(|path| path.ends_with("/revoke")).count()
    }

    /// How often a session was read.
    pub fn reads(&self) -> usize {
        self.asked()
            .iter()
            .filter(|path| path.starts_with("/api/v2/sessions/") && !path.ends_with("/revoke"))
            .count()
    }

    /// What a person who signs out at this address of the provider is sent back to.
    pub fn ends_session(&self, location: &str) -> String {
        assert!(!location.contains("federated"), "two logouts would race at the identity provider");
        self.sends_back(location)
    }

    /// The same where Auth0 is the service provider, and is to sign the person out where it had sent
    /// them; the session is gone then.
    pub fn ends_session_there_too(&self, location: &str, sid: &str) -> String {
        assert!(location.ends_with("&federated"), "once, and without a value: {location}");
        self.state.ending.lock().unwrap().push(sid.to_owned());
        self.sends_back(location)
    }

    fn sends_back(&self, location: &str) -> String {
        let url = Url::parse(location).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert!(location.starts_with(&self.issuer), "{location}");
        assert_eq!(query["client_id"], self.client_id);
        if url.path() == "/v2/logout" {
            assert!(query["returnTo"].ends_with(LOGGED_OUT), "one fixed address: {location}");
            return LOGGED_OUT.to_owned();
        }
        assert!(query["post_logout_redirect_uri"].ends_with(LOGGED_OUT), "one fixed address: {location}");
        assert!(query.contains_key("logout_hint") != query.contains_key("id_token_hint"));
        format!("{LOGGED_OUT}?{}", form_body(&[("state", &query["state"])]))
    }

    /// The paths that were asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }

    pub fn iat(&self) -> i64 {
        self.state.iat()
    }

    /// What a person who proves who they are does to the browser at this address of the provider: the
    /// path and query of ours at which it comes back.
    pub fn authorize(&self, location: &str, at: &At, change: impl FnOnce(&mut Value)) -> String {
        let url = Url::parse(location).unwrap();
        assert!(location.starts_with(&format!("{}authorize?", self.issuer)), "{location}");
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["client_id"], self.client_id);
        assert_eq!(query["code_challenge_method"], "S256");
        assert!(query["scope"].split(' ').any(|scope| scope == "openid"));
        assert!(query["redirect_uri"].ends_with(CALLBACK));
        assert!(query["state"].len() >= 43 && query["nonce"].len() >= 43);
        let mut claims = json!({
            "iss": self.issuer, "aud": self.client_id, "sub": at.sub, "nonce": query["nonce"],
            "iat": self.iat(), "exp": self.iat() + 36_000, "auth_time": self.iat(),
        });
        if let Some(sid) = &at.sid {
            claims["sid"] = json!(sid);
        }
        change(&mut claims);
        let code = format!("code-{}-{}", self.name, self.state.count());
        let grant = Grant {
            claims,
            challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
        };
        self.state.codes.lock().unwrap().insert(code.clone(), grant);
        format!("{CALLBACK}?{}", form_body(&[("code", &code), ("state", &query["state"])]))
    }

    /// Signs in a browser: the answer at our callback.
    pub async fn arrive(&self, browser: &Browser, at: &At) -> HttpReply {
        self.arrive_with(browser, at, |_| {}).await
    }

    pub async fn arrive_with(
        &self,
        browser: &Browser,
        at: &At,
        change: impl FnOnce(&mut Value),
    ) -> HttpReply {
        let back = self.begin(browser, at, change).await;
        browser.get_from_elsewhere(&back).await
    }

    /// The first half of a sign-in: where the browser comes back.
    pub async fn begin(&self, browser: &Browser, at: &At, change: impl FnOnce(&mut Value)) -> String {
        let reply = browser.get(&format!("/auth0/login?provider={}", self.name)).await;
        assert_eq!(reply.status, 302, "{}", reply.body);
        self.authorize(reply.location(), at, change)
    }

    /// The whole sign-in; panics if it fails.
    pub async fn sign_in(&self, browser: &Browser, at: &At) {
        let reply = self.arrive(browser, at).await;
        assert_eq!((reply.status, reply.location()), (302, "/"), "{}", reply.body);
        assert!(browser.is_signed_in().await);
    }

    /// The claims of a right logout token.
    pub fn logout_claims(&self, at: &At) -> Value {
        let iat = self.iat();
        let mut claims = json!({
            "iss": self.issuer, "aud": self.client_id, "iat": iat, "exp": iat + 120, "sub": at.sub,
            "jti": format!("jti-{}", self.state.count()), "events": {EVENT: {}}, "trace_id": "t",
        });
        if let Some(sid) = &at.sid {
            claims["sid"] = json!(sid);
        }
        claims
    }

    /// A token over these claims, signed as the provider signs.
    pub fn signed(&self, claims: &Value) -> String {
        self.state.signed(&json!({"typ": "JWT"}), claims)
    }

    /// The same with more in its header.
    pub fn signed_with(&self, header: &Value, claims: &Value) -> String {
        self.state.signed(header, claims)
    }

    /// Sends a right logout token.
    pub async fn says_over(&self, authority: &str, at: &At) -> HttpReply {
        post_token(authority, &self.signed(&self.logout_claims(at))).await
    }
}

/// A logout token in a form, without any cookie.
pub async fn post_token(authority: &str, token: &str) -> HttpReply {
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = form_body(&[("logout_token", token)]);
    send(authority, "POST", BACKCHANNEL, &kind, Some(body.as_bytes())).await
}

/// Our service with these providers in its settings, and further variables.
pub async fn start(ops: &[&Op]) -> TestApp {
    let app = TestApp::start_with(&[("SIGNOFF_CONFIG", &configuration(ops).display().to_string())]).await;
    for op in ops {
        op.follow(&app.clock);
    }
    app
}

/// Settings with these providers, in a directory of their own.
pub fn configuration(ops: &[&Op]) -> PathBuf {
    let directory = tempfile::Builder::new().prefix("signoff-oidc").tempdir().unwrap().keep();
    let mut text = String::new();
    for op in ops {
        let Op { name, issuer, client_id, state } = op;
        std::fs::write(directory.join(name), format!("{}\n", state.secret)).unwrap();
        let alg = state.algorithm();
        text += &format!(
            "[[oidc]]\nname = \"{name}\"\nissuer = \"{issuer}\"\nclient_id = \"{client_id}\"\n\
             client_secret_file = \"{name}\"\nid_token_alg = \"{alg}\"\n"
        );
        if state.auth0 {
            std::fs::write(directory.join(format!("{name}-m2m")), MANAGEMENT_SECRET).unwrap();
            text += &format!(
                "kind = \"auth0\"\nmanagement_url = \"{issuer}api/v2\"\nmanagement_audience = \"{AUDIENCE}\"\n\
                 management_client_id = \"m2m\"\nmanagement_client_secret_file = \"{name}-m2m\"\n"
            );
        }
        text += "\n";
    }
    let path = directory.join("signoff.toml");
    std::fs::write(&path, text).unwrap();
    path
}

impl State {
    fn iat(&self) -> i64 {
        self.clock.get().map_or_else(noon, Clock::now).timestamp()
    }

    fn count(&self) -> u64 {
        let mut counter = self.counter.lock().unwrap();
        *counter += 1;
        *counter
    }

    fn algorithm(&self) -> &'static str {
        if self.keys.lock().unwrap()[0].1.private.id() == Id::RSA { "RS256" } else { "ES256" }
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let (kid, key) = self.keys.lock().unwrap()[0].clone();
        let mut whole = json!({"alg": self.algorithm(), "kid": kid});
        for (name, value) in header.as_object().unwrap() {
            whole[name] = value.clone();
        }
        jws(&whole, claims, key)
    }

    async fn serve(&self, mut stream: TcpStream) {
        let Some((head, body)) = request(&mut stream).await else { return };
        let mut first = head.split([' ', '\r']);
        let (method, path) = (first.next().unwrap(), path_of(first.next().unwrap()).to_owned());
        self.asked.lock().unwrap().push(path.clone());
        if self.down.load(Ordering::SeqCst) {
            return;
        }
        let (status, text) = match (method, path.as_str()) {
            ("GET", "/.well-known/openid-configuration") => (200, self.describes_itself().to_string()),
            ("GET", "/jwks") => (200, json!({"keys": self.published()}).to_string()),
            ("POST", "/token") => self.token(&head, &body),
            ("POST", "/oauth/token") if self.auth0 => match self.access_busy.swap(0, Ordering::SeqCst) {
                0 => self.access_token(&body),
                seconds => (429, seconds.to_string()),
            },
            (_, path) if path.starts_with("/api/v2/") && self.auth0 => {
                match self.manage(method, &head, path).await {
                    Some(answer) => answer,
                    None => return,
                }
            }
            _ => (404, String::new()),
        };
        let more = if status == 429 { format!("Retry-After: {text}\r\n") } else { String::new() };
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }

    fn access_token(&self, body: &str) -> (u16, String) {
        let fields: BTreeMap<String, String> =
            url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let right = [
            ("grant_type", "client_credentials"),
            ("client_id", "m2m"),
            ("client_secret", MANAGEMENT_SECRET),
            ("audience", AUDIENCE),
        ];
        if right.iter().any(|(name, value)| fields.get(*name).map(String::as_str) != Some(value)) {
            return (401, json!({"error": "access_denied"}).to_string());
        }
        let token = format!("access-{}", self.count());
        self.access.lock().unwrap().push(token.clone());
        (200, json!({"access_token": token, "expires_in": 86_400, "token_type": "Bearer"}).to_string())
    }

    /// The Management API, as far as sessions go. None: no answer.
    async fn manage(&self, method: &str, head: &str, path: &str) -> Option<(u16, String)> {
        let taken = {
            let access = self.access.lock().unwrap();
            access
                .iter()
                .any(|token| head.to_ascii_lowercase().contains(&format!("authorization: bearer {token}")))
        };
        if !taken {
            return Some((401, String::new()));
        }
        if let Some(rest) = path.strip_prefix("/api/v2/users/") {
            return self.manage_person(method, rest);
        }
        let rest = path.strip_prefix("/api/v2/sessions/")?;
        if method == "DELETE" {
            self.ending.lock().unwrap().push(rest.to_owned());
            return Some((202, String::new()));
        }
        if method == "POST" {
            let sid = rest.strip_suffix("/revoke")?.to_owned();
            let next = {
                let mut queue = self.revocations.lock().unwrap();
                if queue.is_empty() { Revocation::Status(202, None) } else { queue.remove(0) }
            };
            return match next {
                Revocation::Status(202, _) => {
                    self.ending.lock().unwrap().push(sid);
                    Some((202, String::new()))
                }
                Revocation::Status(status, wait) => {
                    Some((status, wait.map(|wait| wait.to_string()).unwrap_or_default()))
                }
                Revocation::Lost => {
                    self.ending.lock().unwrap().push(sid);
                    None
                }
                Revocation::Hangs => {
                    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
                    None
                }
            };
        }
        let ending = self.ending.lock().unwrap().iter().any(|sid| sid == rest);
        let still =
            self.lag.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |lag| lag.checked_sub(1)).is_ok();
        Some(if ending && !still { (404, String::new()) } else { (200, json!({"id": rest}).to_string()) })
    }

    /// All that a person has there.
    fn manage_person(&self, method: &str, rest: &str) -> Option<(u16, String)> {
        let (person, what) = rest.split_once('/')?;
        match (method, what) {
            ("POST", "revoke-access") | ("DELETE", "sessions") => {
                let mut queue = self.revocations.lock().unwrap();
                let next = if queue.is_empty() { Revocation::Status(202, None) } else { queue.remove(0) };
                let Revocation::Status(status, wait) = next else { return None };
                if status == 202 {
                    self.ending.lock().unwrap().push(format!("of {person}"));
                }
                Some((status, wait.map(|wait| wait.to_string()).unwrap_or_default()))
            }
            ("GET", "sessions") => {
                let ending = self.ending.lock().unwrap().iter().any(|known| *known == format!("of {person}"));
                let still = self
                    .lag
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |lag| lag.checked_sub(1))
                    .is_ok();
                let left = if ending && !still { json!([]) } else { json!([{"id": "s-9"}]) };
                Some((200, json!({"sessions": left}).to_string()))
            }
            _ => Some((404, String::new())),
        }
    }

    fn describes_itself(&self) -> Value {
        let issuer = &self.issuer;
        let mut whole = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}authorize"),
            "token_endpoint": format!("{issuer}token"),
            "jwks_uri": format!("{issuer}jwks"),
            "code_challenge_methods_supported": ["S256"],
        });
        for (name, value) in self.description.lock().unwrap().as_object().unwrap() {
            if value.is_null() {
                whole.as_object_mut().unwrap().remove(name);
            } else {
                whole[name] = value.clone();
            }
        }
        whole
    }

    fn published(&self) -> Vec<Value> {
        let keys = self.keys.lock().unwrap();
        let mut all: Vec<_> = keys.iter().map(|(kid, key)| jwk(kid, key)).collect();
        // What a provider may publish and nobody has to understand.
        all.push(json!({"kty": "oct", "kid": "k1", "k": "AAAA"}));
        all
    }

    /// Core 3.1.3, RFC 6749 2.3.1, RFC 7636 4.6.
    fn token(&self, head: &str, body: &str) -> (u16, String) {
        let refused = |error: &str| (400, json!({"error": error}).to_string());
        if let Some(answer) = self.token_answer.lock().unwrap().clone() {
            return answer;
        }
        let fields: BTreeMap<String, String> =
            url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let methods = self.describes_itself()["token_endpoint_auth_methods_supported"].clone();
        let by_post = methods == json!(["client_secret_post"]);
        let proved = if by_post {
            fields.get("client_id") == Some(&self.client_id)
                && fields.get("client_secret") == Some(&self.secret)
        } else {
            let encoded =
                |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encoded(&self.client_id), encoded(&self.secret));
            let expected = format!("basic {}", BASE64.encode(pair)).to_ascii_lowercase();
            !fields.contains_key("client_secret")
                && head.to_ascii_lowercase().contains(&format!("authorization: {expected}"))
        };
        if !proved {
            return (401, json!({"error": "invalid_client"}).to_string());
        }
        let Some(grant) = fields.get("code").and_then(|code| self.codes.lock().unwrap().remove(code)) else {
            return refused("invalid_grant");
        };
        let verifier = fields.get("code_verifier").map(String::as_str).unwrap_or_default();
        let challenge = BASE64URL.encode(openssl::sha::sha256(verifier.as_bytes()));
        let right = fields.get("grant_type").map(String::as_str) == Some("authorization_code")
            && fields.get("redirect_uri") == Some(&grant.redirect_uri)
            && challenge == grant.challenge
            && verifier.len() >= 43;
        if !right {
            return refused("invalid_grant");
        }
        let id_token = self.signed(&json!({"typ": "JWT"}), &grant.claims);
        let answer = json!({"access_token": "a", "token_type": "Bearer", "id_token": id_token});
        (200, answer.to_string())
    }
}

/// A JWS of any header and claims, by any key.
pub fn jws(header: &Value, claims: &Value, key: &Key) -> String {
    let signed = format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims.to_string()));
    let algorithm = if key.private.id() == Id::RSA { RSA_SHA256 } else { ECDSA_SHA256 };
    let signature = dsig::sign(key, algorithm, signed.as_bytes(), false, None);
    format!("{signed}.{}", BASE64URL.encode(signature))
}

fn jwk(kid: &str, key: &Key) -> Value {
    if let Ok(rsa) = key.private.rsa() {
        let (n, e) = (BASE64URL.encode(rsa.n().to_vec()), BASE64URL.encode(rsa.e().to_vec()));
        return json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": n, "e": e});
    }
    let ec = key.private.ec_key().unwrap();
    let mut context = BigNumContext::new().unwrap();
    let form = openssl::ec::PointConversionForm::UNCOMPRESSED;
    let point = ec.public_key().to_bytes(ec.group(), form, &mut context).unwrap();
    let (x, y) = (BASE64URL.encode(&point[1..33]), BASE64URL.encode(&point[33..]));
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y})
}

/// One request: head and body.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut octets = Vec::new();
    let mut buffer = [0_u8; 8192];
    loop {
        let count = stream.read(&mut buffer).await.ok()?;
        octets.extend_from_slice(&buffer[..count]);
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&octets[..end]).into_owned();
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse::<usize>().unwrap());
            if octets.len() >= end + 4 + length {
                return Some((head, String::from_utf8_lossy(&octets[end + 4..]).into_owned()));
            }
        }
        if count == 0 {
            return None;
        }
    }
}

/// What our callback says to a browser with any query, as if a provider had sent it back with it.
pub async fn come_back(browser: &Browser, fields: &[(&str, &str)]) -> HttpReply {
    let target = format!("{CALLBACK}?{}", form_body(fields));
    browser.request("GET", &target, &[], None, From::Elsewhere).await
}
