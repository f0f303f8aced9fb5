//! The service on two nodes, two identity providers, and the people of one story at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use signoff::app::{CorrelationToken, Visitor, acs, slo, worker};

use super::model::{Assertion, May, Model, Principal};
use super::step::{Step, Which};
use crate::support::app::{Node, TestApp};
use crate::support::browser::{Browser, form_body, forms, path_of};
use crate::support::dsig::EC_256;
use crate::support::http::HttpReply;
use crate::support::idp::{FromUs, Idp};
use crate::support::messages::{Name, envelope, instant};
use crate::support::story::{Via, send_raw};

const BROWSERS: usize = 3;
const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// What stays from story to story.
pub struct World {
    app: TestApp,
    nodes: Vec<Node>,
    idps: Vec<Idp>,
    stories: u32,
    nodes_ever: u64,
    ended: u32,
}

/// A LogoutRequest, delivered or on its way.
struct Sent {
    principal: Principal,
    indexes: BTreeSet<String>,
    issued: DateTime<Utc>,
    id: String,
    via: Via,
    raw: String,
    /// What it was answered with when it was executed.
    status: Option<&'static str>,
}

/// A Response on its way.
struct Held {
    xml: String,
    assertion_id: String,
    assertion: Assertion,
    relay_state: Option<String>,
    recorded: Option<String>,
    asked: Option<DateTime<Utc>>,
}

/// An AuthnRequest of ours.
struct Pending {
    idp: usize,
    request: FromUs,
    recorded: Option<String>,
    asked: DateTime<Utc>,
}

struct Person {
    browser: Browser,
    pending: Option<Pending>,
    held: Option<Held>,
    /// A LogoutRequest of ours, to be answered.
    asked: Option<FromUs>,
}

/// One story.
struct Story<'w> {
    world: &'w mut World,
    model: Model,
    people: Vec<Person>,
    sent: Vec<Sent>,
    /// Responses that have been used or refused.
    delivered: Vec<(String, Option<String>)>,
    /// What each identity provider has for each person: index and AuthnInstant.
    idp_sessions: BTreeMap<Principal, (String, DateTime<Utc>)>,
    indexes_ever: BTreeMap<Principal, BTreeSet<String>>,
    /// The session of every cookie that is good for one, and every cookie that there ever was.
    cookies: BTreeMap<String, String>,
    cookies_ever: BTreeSet<String>,
    answered: BTreeSet<String>,
    /// Sessions up to this row belong to other stories.
    since: i64,
    turn: usize,
}

impl World {
    pub async fn new() -> Self {
        let app = TestApp::start().await;
        let idps = vec![app.idp_with_soap("idp-a", &EC_256).await, app.idp("idp-b", &EC_256).await];
        let nodes = vec![app.node(100, 3).await, app.node(101, 3).await];
        Self { app, nodes, idps, stories: 0, nodes_ever: 102, ended: 0 }
    }

    /// How many sessions were ended in all stories.
    pub fn seen(&self) -> u32 {
        self.ended
    }

    pub async fn done(self) {
        self.app.done().await;
    }

    pub async fn story(&mut self, steps: &[Step]) {
        self.stories += 1;
        let since = self.app.count("select coalesce(max(id), 0) from session").await;
        let people = (0..BROWSERS).map(|_| Person {
            browser: self.app.browser(),
            pending: None,
            held: None,
            asked: None,
        });
        let people = people.collect();
        let mut story = Story {
            world: self,
            model: Model::default(),
            people,
            sent: Vec::new(),
            delivered: Vec::new(),
            idp_sessions: BTreeMap::new(),
            indexes_ever: BTreeMap::new(),
            cookies: BTreeMap::new(),
            cookies_ever: BTreeSet::new(),
            answered: BTreeSet::new(),
            since,
            turn: 0,
        };
        for step in steps {
            Box::pin(story.tell(*step)).await;
            story.check(step).await;
        }
        story.check_every_cookie().await;
        let ended = story.model.ended;
        self.ended += ended;
    }

    async fn replace(&mut self, node: usize) {
        let fresh = self.app.node(self.nodes_ever, 3).await;
        self.nodes_ever += 1;
        std::mem::replace(&mut self.nodes[node], fresh).kill(&self.app.database).await;
    }
}

impl Story<'_> {
    async fn tell(&mut self, step: Step) {
        self.turn += 1;
        let node = self.turn % 2;
        // Each event meets one of the nodes; the browsers do not care which.
        for person in &mut self.people {
            person.browser = person.browser.at(&self.world.nodes[node].authority);
        }
        match step {
            Step::SignIn { browser, idp, person } => {
                self.begin(browser, idp).await;
                self.issue(browser, person);
                self.bring(browser).await;
            }
            Step::Dawdle { browser, idp, person } => {
                self.begin(browser, idp).await;
                self.issue(browser, person);
            }
            Step::Begin { browser, idp } => self.begin(browser, idp).await,
            Step::Issue { browser, person } => self.issue(browser, person),
            Step::Bring { browser } => self.bring(browser).await,
            Step::Arrive { browser, idp, person } => {
                self.people[browser].held = Some(self.make(idp, person, None));
                self.bring(browser).await;
            }
            Step::Again { response, browser } => {
                let Some((xml, relay)) = pick(&self.delivered, response).cloned() else { return };
                let reply = self.people[browser].browser.bring(&xml, relay.as_deref()).await;
                assert_eq!(reply.status, 400, "a Response is good for one use: {}", reply.body);
            }
            Step::SignOut { browser } => self.sign_out(browser).await,
            Step::Answer { browser, post, success, twice } => {
                self.answer(browser, post, success, twice).await;
            }
            Step::Over { idp, person, which, via } => {
                let at = self.write((idp, person), which, via);
                self.deliver(at).await;
            }
            Step::Write { idp, person, which, via } => {
                self.write((idp, person), which, via);
            }
            Step::Replay { request } => {
                if !self.sent.is_empty() {
                    self.deliver(request % self.sent.len()).await;
                }
            }
            Step::Wait { seconds } => self.world.app.advance(TimeDelta::seconds(seconds)),
            Step::Work { node } => self.world.nodes[node].work().await,
            Step::Crash { node } => self.world.replace(node).await,
            Step::OverCutShort { idp, person, which, polls } => {
                Box::pin(self.over_cut_short((idp, person), which, polls)).await;
            }
            Step::BringCutShort { browser, polls } => Box::pin(self.bring_cut_short(browser, polls)).await,
            Step::WorkCutShort { node, polls } => {
                if cut_short(worker::run_once(&self.world.nodes[node].app), polls).await.is_none() {
                    self.world.replace(node).await;
                }
            }
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.world.app.now()
    }

    fn name(&self, person: usize) -> Name {
        Name::email(&format!("p-{}-{person}@example.org", self.world.stories))
    }

    /// The session of this browser's cookie.
    fn session_of(&self, browser: usize) -> Option<String> {
        let cookie = self.people[browser].browser.cookie("signoff")?;
        self.cookies.get(&cookie.value).cloned()
    }

    async fn begin(&mut self, browser: usize, idp: usize) {
        let recorded = self.session_of(browser).filter(|id| self.model.is_alive(Some(id)));
        let asked = self.now();
        let who = &self.world.idps[idp];
        let reply = self.people[browser].browser.get(&format!("/saml/login?idp={}", who.slug)).await;
        let request = who.sp.read_front(&reply);
        let person = &mut self.people[browser];
        if request.message.local == "AuthnRequest" {
            person.held = None;
            person.pending = Some(Pending { idp, request, recorded, asked });
        } else {
            // An open leg of an earlier logout goes first.
            person.asked = Some(request);
        }
    }

    fn issue(&mut self, browser: usize, person: usize) {
        if let Some(pending) = self.people[browser].pending.take() {
            let held = self.make(pending.idp, person, Some(pending));
            self.people[browser].held = Some(held);
        }
    }

    /// The identity provider knows the person still, or asks for the password.
    fn make(&mut self, idp: usize, person: usize, pending: Option<Pending>) -> Held {
        let (now, principal) = (self.now(), (idp, person));
        let ever = self.indexes_ever.entry(principal).or_default();
        let next = (ever.len() + 1).to_string();
        let (index, authn_instant) = self.idp_sessions.entry(principal).or_insert((next, now)).clone();
        ever.insert(index.clone());
        let name = self.name(person);
        let request = pending.as_ref().map(|pending| pending.request.id());
        let mut response = self.world.idps[idp].response(request, &name, &index);
        response.assertion.statements[0].authn_instant = instant(authn_instant);
        Held {
            xml: response.signed(&EC_256),
            assertion_id: response.assertion.id.clone(),
            assertion: Assertion { principal, index, authn_instant, issued: now },
            relay_state: pending.as_ref().and_then(|pending| pending.request.relay_state.clone()),
            recorded: pending.as_ref().and_then(|pending| pending.recorded.clone()),
            asked: pending.map(|pending| pending.asked),
        }
    }

    async fn bring(&mut self, browser: usize) {
        let Some(held) = self.people[browser].held.take() else { return };
        let may = self.model.may(&held.assertion, held.asked, self.now());
        let reply = self.people[browser].browser.bring(&held.xml, held.relay_state.as_deref()).await;
        match reply.status {
            303 => {
                assert_ne!(may, May::Not, "{:?} signs in", held.assertion);
                let session = self.people[browser].browser.session().await;
                let id = session["session_id"].as_str().unwrap().to_owned();
                self.signed_in(&held, &id);
                let cookie = self.people[browser].browser.cookie("signoff").unwrap().value;
                self.cookies_ever.insert(cookie.clone());
                self.cookies.insert(cookie, id);
            }
            400 => assert_ne!(may, May::SignIn, "{:?} is refused: {}", held.assertion, reply.body),
            other => panic!("{other}: {}", reply.body),
        }
        self.delivered.push((held.xml, held.relay_state));
    }

    /// The model follows; whatever cookie the session had is good for nothing any more (SSO-24).
    fn signed_in(&mut self, held: &Held, id: &str) {
        let signed_in = self.model.sign_in(&held.assertion, held.recorded.as_ref(), id);
        signed_in.unwrap_or_else(|error| panic!("{error}: {:?}", held.assertion));
        self.cookies.retain(|_, session| session != id);
    }

    /// The answer is lost, with or without what it would have told.
    async fn bring_cut_short(&mut self, browser: usize, polls: usize) {
        let Some(held) = self.people[browser].held.take() else { return };
        let may = self.model.may(&held.assertion, held.asked, self.now());
        let value = BASE64.encode(&held.xml);
        let mut fields = vec![("SAMLResponse", value.as_str())];
        fields.extend(held.relay_state.as_deref().map(|relay| ("RelayState", relay)));
        let correlation = self.people[browser].browser.cookie("signoff_login");
        let visitor = Visitor {
            session: None,
            correlation: correlation.and_then(|cookie| CorrelationToken::parse(&cookie.value)),
            address: ADDRESS,
            top_level: true,
        };
        let node = self.turn % 2;
        let body = form_body(&fields);
        let arrival = acs::receive(&self.world.nodes[node].app, &visitor, body.as_bytes());
        if cut_short(arrival, polls).await.is_none() {
            self.world.replace(node).await;
        }
        let session = "select s.public_id from authentication a join session s on s.id = a.session_id where a.assertion_id = $1";
        let pool = &self.world.app.pool;
        let session: Option<String> =
            sqlx::query_scalar(session).bind(&held.assertion_id).fetch_optional(pool).await.unwrap();
        let used = "select count(*) from seen_assertion where assertion_id = $1";
        let used: i64 = sqlx::query_scalar(used).bind(&held.assertion_id).fetch_one(pool).await.unwrap();
        match (session, used) {
            (Some(id), 1) => {
                assert_ne!(may, May::Not, "{:?} signs in", held.assertion);
                self.signed_in(&held, &id);
                self.delivered.push((held.xml, held.relay_state));
            }
            (None, 1) => {
                assert_ne!(may, May::SignIn, "{:?} is refused", held.assertion);
                self.delivered.push((held.xml, held.relay_state));
            }
            // Nothing has happened: the person reloads the page.
            (None, 0) => self.people[browser].held = Some(held),
            other => panic!("half a sign-in: {other:?}"),
        }
    }

    async fn sign_out(&mut self, browser: usize) {
        let session = self.session_of(browser).filter(|id| self.model.is_alive(Some(id)));
        let asking = self.people[browser].browser.get("/logout").await;
        if let Some(request) = self.of_ours(&asking) {
            self.people[browser].asked = Some(request);
            return;
        }
        let form = forms(&asking.body).into_iter().find(|form| form.field("csrf").is_some());
        assert_eq!(form.is_some(), session.is_some(), "{}", asking.body);
        let (Some(form), Some(session)) = (form, session) else { return };
        let reply = self.people[browser].browser.submit(path_of(&form.action), &form.with(&[])).await;
        assert!(reply.status < 400, "{}", reply.body);
        self.model.sign_out(&session);
        if let Some(request) = self.of_ours(&reply) {
            self.people[browser].asked = Some(request);
        }
    }

    /// A LogoutRequest of ours in an answer to a browser.
    fn of_ours(&self, reply: &HttpReply) -> Option<FromUs> {
        let request = self.world.idps[0].sp.try_front(reply)?;
        assert_eq!(request.message.local, "LogoutRequest");
        Some(request)
    }

    async fn answer(&mut self, browser: usize, post: bool, success: bool, twice: bool) {
        let Some(request) = self.people[browser].asked.take() else { return };
        let idp = self.world.idps.iter().position(|idp| request.url.starts_with(&idp.origin)).unwrap();
        let status: &[&str] = if success { &["Success"] } else { &["Responder"] };
        if success {
            let name = request.name();
            let person = (0..2).find(|person| self.name(*person) == name).unwrap();
            self.idp_sessions.remove(&(idp, person));
        }
        for again in [false, true] {
            let answer = self.world.idps[idp].logout_response(&request, status);
            let (own, relay) = (&self.people[browser].browser, request.relay_state.as_deref());
            let reply = if post {
                own.bring_answer_by_post(&self.world.idps[idp], &answer, relay).await
            } else {
                own.bring_answer(&self.world.idps[idp], &answer, relay).await
            };
            let taken = reply.status < 400;
            assert!(taken || reply.status == 400, "{}: {}", reply.status, reply.body);
            if taken {
                assert!(!again, "an answer after the first is taken");
                assert!(self.answered.insert(request.id().to_owned()), "answered twice: {}", request.id());
                self.people[browser].asked = self.of_ours(&reply);
            }
            if !twice {
                break;
            }
        }
    }

    /// The identity provider writes a LogoutRequest; says where it lies.
    fn write(&mut self, principal: Principal, which: Which, via: Via) -> usize {
        let (idp, person) = principal;
        let ever = self.indexes_ever.get(&principal).cloned().unwrap_or_default();
        let current = self.idp_sessions.get(&principal).map(|(index, _)| index.clone());
        let indexes: BTreeSet<String> = match which {
            Which::All => BTreeSet::new(),
            Which::Current => [current.unwrap_or_else(|| "none".to_owned())].into(),
            Which::Every if !ever.is_empty() => ever,
            Which::Every | Which::Unseen => ["unseen".to_owned()].into(),
        };
        if !matches!(which, Which::Unseen) {
            self.idp_sessions.remove(&principal);
        }
        let who = &self.world.idps[idp];
        let listed: Vec<&str> = indexes.iter().map(String::as_str).collect();
        let mut request = who.logout_request(&self.name(person), &listed);
        let raw = match via {
            Via::Redirect => who.redirect("SAMLRequest", &request.xml(), None),
            Via::Post => request.signed(&EC_256),
            Via::Soap => {
                request.destination = Some(who.sp.soap.clone());
                request.signed(&EC_256)
            }
        };
        let (id, issued) = (request.id().to_owned(), self.now());
        self.sent.push(Sent { principal, indexes, issued, id, via, raw, status: None });
        self.sent.len() - 1
    }

    /// A LogoutRequest arrives: it is executed once, and answered in one way as often as it comes.
    async fn deliver(&mut self, at: usize) {
        let now = self.now();
        let Sent { principal, via, .. } = self.sent[at];
        let authority = &self.world.nodes[self.turn % 2].authority;
        let sp = &self.world.idps[principal.0].sp;
        let answer = send_raw(authority, sp, via, &self.sent[at].raw).await;
        assert_eq!(answer.saml().in_response_to(), Some(self.sent[at].id.as_str()));
        let first = self.sent[at].status.is_none();
        let expected = self.expected(at, now);
        assert_eq!(answer.status(), expected, "{} over {via:?}", self.sent[at].id);
        if first && expected == "Success" {
            self.assert_named_are_dead(at).await;
        }
    }

    /// What the model says that a message must be answered with, which it thereby executes.
    fn expected(&mut self, at: usize, now: DateTime<Utc>) -> &'static str {
        let Self { model, sent, .. } = self;
        let sent = &mut sent[at];
        if !Model::is_fresh(sent.issued, now) {
            return "Requester";
        }
        sent.status.get_or_insert_with(|| model.over(sent.principal, &sent.indexes, sent.issued, now))
    }

    /// The promise itself, asked of the rows: no session that the request names outlives Success. What
    /// began after it was executed is not meant, so a repetition proves nothing here.
    async fn assert_named_are_dead(&self, at: usize) {
        let sent = &self.sent[at];
        let slug = &self.world.idps[sent.principal.0].slug;
        let indexes: Vec<&String> = sent.indexes.iter().collect();
        let living: i64 = sqlx::query_scalar(
            "select count(*) from session s join authentication a on a.session_id = s.id
               join identity_provider i on i.id = a.idp_id
              where s.ended_at is null and i.slug = $1 and a.name_id = $2
                and (cardinality($3::text[]) = 0 or a.session_indexes && $3::text[])",
        )
        .bind(slug)
        .bind(self.name(sent.principal.1).value)
        .bind(indexes)
        .fetch_one(&self.world.app.pool)
        .await
        .unwrap();
        assert_eq!(living, 0, "a session outlives {}", sent.id);
    }

    async fn over_cut_short(&mut self, principal: Principal, which: Which, polls: usize) {
        let at = self.write(principal, which, Via::Soap);
        let node = self.turn % 2;
        let body = envelope(&self.sent[at].raw);
        let arrival = slo::receive_soap(&self.world.nodes[node].app, ADDRESS, body.as_bytes());
        if cut_short(arrival, polls).await.is_none() {
            self.world.replace(node).await;
        }
        let executed = "select count(*) from logout where message_id = $1";
        let pool = &self.world.app.pool;
        let executed: i64 =
            sqlx::query_scalar(executed).bind(&self.sent[at].id).fetch_one(pool).await.unwrap();
        if executed == 1 {
            self.expected(at, self.now());
        }
    }

    /// After each step: the rows and the model agree on what is alive, and one browser is asked.
    async fn check(&mut self, step: &Step) {
        let rows = "select public_id, ended_at is null from session where id > $1";
        let rows: Vec<(String, bool)> =
            sqlx::query_as(rows).bind(self.since).fetch_all(&self.world.app.pool).await.unwrap();
        let alive: BTreeSet<_> = rows.into_iter().filter(|(_, alive)| *alive).map(|(id, _)| id).collect();
        assert_eq!(alive, self.model.alive(), "after {step:?}");
        let browser = self.turn % BROWSERS;
        let Some(cookie) = self.people[browser].browser.cookie("signoff") else { return };
        self.check_cookie(&cookie.value).await;
    }

    async fn check_every_cookie(&self) {
        for cookie in &self.cookies_ever {
            self.check_cookie(cookie).await;
        }
    }

    /// A cookie is good for the session that it was given for, until that ends; never after.
    async fn check_cookie(&self, cookie: &str) {
        let browser = Browser::new(&self.world.nodes[0].authority);
        browser.plant("signoff", cookie);
        let reply = browser.get("/session").await;
        let session = self.cookies.get(cookie).filter(|id| self.model.is_alive(Some(id)));
        match session {
            Some(id) => {
                assert_eq!(reply.status, 200, "{id} is alive in the rows and not for its cookie");
                assert_eq!(reply.json()["session_id"], id.as_str());
            }
            None => assert_eq!(reply.status, 401, "ended, and alive for its cookie: {}", reply.body),
        }
    }
}

fn pick<T>(all: &[T], at: usize) -> Option<&T> {
    if all.is_empty() { None } else { all.get(at % all.len()) }
}

/// Runs a future until it has been woken so often, and drops it: the process dies there. If it was done
/// before, what it gave, which is lost.
async fn cut_short<F: Future>(work: F, polls: usize) -> Option<F::Output> {
    struct Cut<'a, F> {
        work: Pin<&'a mut F>,
        left: usize,
    }
    impl<F: Future> Future for Cut<'_, F> {
        type Output = Option<F::Output>;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            self.left -= 1;
            self.work.as_mut().poll(context).map(Some)
        }
    }
    let work = pin!(work);
    Cut { work, left: polls }.await
}
