//! What must be true, told without any of the code that makes it so.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

type Instant = DateTime<Utc>;

/// The oldest that a message may be, with the tolerated difference of clocks.
const OLDEST: TimeDelta = TimeDelta::minutes(8);
/// How long a logout binds assertions that come later.
const BARRED: TimeDelta = TimeDelta::minutes(15);
/// How long a sign-in may take.
const SIGN_IN: TimeDelta = TimeDelta::hours(1);

/// An identity provider and a person there.
pub type Principal = (usize, usize);

/// One identity provider's part in a session.
#[derive(Debug, Clone)]
pub struct Part {
    pub person: usize,
    pub indexes: BTreeSet<String>,
    pub authn_instant: Instant,
}

/// A session of ours, under its public name in [`Model::sessions`].
#[derive(Debug, Clone, Default)]
pub struct Session {
    pub parts: BTreeMap<usize, Part>,
    pub ended: bool,
}

/// What an assertion says.
#[derive(Debug, Clone)]
pub struct Assertion {
    pub principal: Principal,
    pub index: String,
    pub authn_instant: Instant,
    pub issued: Instant,
}

/// A logout that binds assertions which come later.
#[derive(Debug, Clone)]
struct Bar {
    principal: Principal,
    /// None binds every assertion that was issued before.
    indexes: Option<BTreeSet<String>>,
    instant: Instant,
    until: Instant,
}

/// What an assertion may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May {
    SignIn,
    Not,
    /// A logout of our own covers it, as long as it is not over; how long that is depends on
    /// answers and workers.
    Either,
}

/// The whole.
#[derive(Debug, Default)]
pub struct Model {
    pub sessions: BTreeMap<String, Session>,
    bars: Vec<Bar>,
    /// What our own logouts bind while they last.
    own: Vec<(Principal, BTreeSet<String>, Instant)>,
    /// Whoever was ever signed in.
    known: BTreeSet<Principal>,
    pub ended: u32,
}

impl Model {
    /// The public names of all that must be alive.
    pub fn alive(&self) -> BTreeSet<String> {
        let alive = self.sessions.iter().filter(|(_, session)| !session.ended);
        alive.map(|(id, _)| id.clone()).collect()
    }

    pub fn is_alive(&self, id: Option<&String>) -> bool {
        id.and_then(|id| self.sessions.get(id)).is_some_and(|session| !session.ended)
    }

    /// Whether an assertion signs somebody in; `asked` is when the request that it answers was made.
    pub fn may(&self, assertion: &Assertion, asked: Option<Instant>, now: Instant) -> May {
        let old = now - assertion.issued >= OLDEST || asked.is_some_and(|asked| now - asked >= SIGN_IN);
        let has = |indexes: &BTreeSet<String>| indexes.contains(&assertion.index);
        let barred = self.bars.iter().any(|bar| {
            bar.principal == assertion.principal
                && bar.until > now
                && match &bar.indexes {
                    None => assertion.issued <= bar.instant,
                    Some(indexes) => has(indexes) && assertion.authn_instant <= bar.instant,
                }
        });
        let own = self.own.iter().any(|(principal, indexes, instant)| {
            *principal == assertion.principal && has(indexes) && assertion.authn_instant <= *instant
        });
        match (old || barred, own) {
            (true, _) => May::Not,
            (false, true) => May::Either,
            (false, false) => May::SignIn,
        }
    }

    /// Somebody was signed in, with a browser whose request had recorded a session. The name is that
    /// of the session now; says whether it had to be another than the recorded one.
    pub fn sign_in(
        &mut self,
        assertion: &Assertion,
        recorded: Option<&String>,
        id: &str,
    ) -> Result<(), String> {
        let (idp, person) = assertion.principal;
        let kept = recorded.filter(|id| self.is_alive(Some(id))).cloned();
        let part = kept.as_ref().and_then(|id| self.sessions[id].parts.get(&idp));
        let replaced = part.is_some_and(|part| part.person != person);
        match (&kept, replaced) {
            (Some(kept), false) if kept != id => {
                return Err(format!("{id} is not the recorded session {kept}"));
            }
            (None, _) | (Some(_), true) if self.sessions.contains_key(id) => {
                return Err(format!("{id} is no new session"));
            }
            _ => {}
        }
        if let (Some(kept), true) = (&kept, replaced) {
            self.end_one(&kept.clone());
        }
        let session = self.sessions.entry(id.to_owned()).or_default();
        let part = session.parts.entry(idp).or_insert_with(|| Part {
            person,
            indexes: BTreeSet::new(),
            authn_instant: assertion.authn_instant,
        });
        part.indexes.insert(assertion.index.clone());
        part.authn_instant = assertion.authn_instant;
        self.known.insert(assertion.principal);
        Ok(())
    }

    /// The session of a browser ends by its own hand.
    pub fn sign_out(&mut self, id: &str) {
        self.bind_own(id, None);
        self.end_one(id);
    }

    /// A LogoutRequest is executed; gives the status that it must be answered with.
    pub fn over(
        &mut self,
        principal: Principal,
        indexes: &BTreeSet<String>,
        issued: Instant,
        now: Instant,
    ) -> &'static str {
        let named = self.named(principal, indexes);
        for id in &named {
            self.bind_own(id, Some(principal.0));
            self.end_one(id);
        }
        self.bars.push(Bar {
            principal,
            indexes: (!indexes.is_empty()).then(|| indexes.clone()),
            instant: issued,
            until: now + BARRED,
        });
        if self.known.contains(&principal) { "Success" } else { "Requester/UnknownPrincipal" }
    }

    /// The living sessions that a LogoutRequest names.
    pub fn named(&self, principal: Principal, indexes: &BTreeSet<String>) -> Vec<String> {
        let named = |session: &Session| {
            !session.ended
                && session.parts.get(&principal.0).is_some_and(|part| {
                    part.person == principal.1 && (indexes.is_empty() || !part.indexes.is_disjoint(indexes))
                })
        };
        self.sessions.iter().filter(|(_, session)| named(session)).map(|(id, _)| id.clone()).collect()
    }

    /// Whether a message of that instant is still taken.
    pub fn is_fresh(issued: Instant, now: Instant) -> bool {
        now - issued <= OLDEST
    }

    /// The other parts of a session have to hear of its end, and bind assertions until then.
    fn bind_own(&mut self, id: &str, but: Option<usize>) {
        let Some(session) = self.sessions.get(id) else { return };
        let parts = session.parts.iter().filter(|(idp, _)| Some(**idp) != but);
        self.own
            .extend(parts.map(|(idp, part)| ((*idp, part.person), part.indexes.clone(), part.authn_instant)));
    }

    fn end_one(&mut self, id: &str) {
        if let Some(session) = self.sessions.get_mut(id)
            && !session.ended
        {
            session.ended = true;
            self.ended += 1;
        }
    }
}
