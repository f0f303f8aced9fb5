//! One logout and what moves it on.
//!
//! The local sessions are dead before a logout exists (SLO-35), so nothing in here can keep one
//! alive: a step only decides whom to ask next and what is known.

use chrono::{DateTime, TimeDelta, Utc};

use crate::logout::outcome::Answer;
use crate::logout::plan::{Browser, Reach, Route};

/// How long an identity provider may take to answer before its layer counts as unconfirmed (SLO-52).
pub const ANSWER_WITHIN: TimeDelta = TimeDelta::minutes(5);
/// How long a leg can still resume when the browser comes back.
pub const RESUME_WITHIN: TimeDelta = TimeDelta::hours(24);

/// The name of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LegId(pub i64);

/// What is known of one identity provider's layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegState {
    /// To be asked through the browser, when it is there.
    WaitingBrowser,
    /// To be asked over SOAP.
    Queued,
    /// Asked through the browser; no answer yet.
    Asked,
    /// Seen to end.
    Confirmed,
    /// Over there, not everywhere.
    Partial,
    /// Only a part ended.
    PartialFailure,
    /// Said to have failed.
    Failed,
    /// No answer in time.
    Unconfirmed,
    /// No connection.
    Unreachable,
    /// Cannot be told.
    NoEndpoint,
    /// Was not to be told (SLO-47).
    NotAsked,
    /// The browser was there to sign out and came back, which proves little.
    Returned,
}

/// One identity provider that has to hear of a logout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// Its name.
    pub id: LegId,
    /// How it can be told.
    pub reach: Reach,
    /// What is known of it.
    pub state: LegState,
    /// Until when an answer counts, once asked through the browser.
    pub deadline: Option<DateTime<Utc>>,
    /// Whether it was asked again, on the browser's return. That happens once.
    pub resumed: bool,
    /// When it is too late to ask.
    pub resume_until: DateTime<Utc>,
    /// Whether it is to be asked without a browser after all, if the browser is not back in time.
    pub falls_back: bool,
}

/// The whole affair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logout {
    /// Until when answers are waited for.
    pub deadline: Option<DateTime<Utc>>,
    /// When nothing was waited for any more.
    pub finished_at: Option<DateTime<Utc>>,
    /// In the order in which they are asked.
    pub legs: Vec<Leg>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The request to that leg needs no answer, and none will come (SLO-49).
    AskedForGood {
        /// Which leg.
        leg: LegId,
    },
    /// A verified LogoutResponse to the request of that leg.
    Answered {
        /// Which leg had asked.
        leg: LegId,
        /// What it says.
        answer: Answer,
        /// Whether a browser brought it, so that the next can be asked.
        browser: bool,
    },
    /// The browser that an application was to send is there ([`Browser::Expected`]).
    BrowserCame,
    /// The browser that carries the ended session's cookie is back, as a page of its own.
    BrowserReturned,
    /// The browser came back from where that leg had sent it to sign out: it can go on.
    Returned {
        /// Which leg.
        leg: LegId,
    },
    /// Whoever that leg asks, or would ask, has itself said that its session is over, or was seen to
    /// have none any more.
    SeenGone {
        /// Which leg.
        leg: LegId,
    },
    /// Time has passed.
    Tick,
    /// The last try over SOAP failed.
    Undelivered {
        /// Which leg.
        leg: LegId,
        /// Whether the request may have arrived.
        arrived: bool,
    },
}

/// What a step came to: to be saved and obeyed.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The new state.
    pub logout: Logout,
    /// The rows that have changed.
    pub writes: Vec<Write>,
    /// What to tell whoever is there.
    pub reply: Reply,
}

/// A row to save with the new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// The leg has changed.
    Leg(LegId),
    /// The logout's deadline or end has changed.
    Progress,
}

/// What comes next for a browser, if one is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Carry a LogoutRequest to this leg's identity provider.
    Ask(LegId),
    /// Show how it went, or goes.
    Show,
    /// The event does not fit the state; nothing has changed.
    Ignored,
}

impl LegState {
    /// What a leg begins as.
    #[must_use]
    pub const fn first(route: Route) -> Self {
        match route {
            Route::Front => Self::WaitingBrowser,
            Route::Soap => Self::Queued,
            Route::None => Self::NoEndpoint,
        }
    }

    const fn is_open(self) -> bool {
        matches!(self, Self::WaitingBrowser | Self::Queued | Self::Asked)
    }

    /// Whether asking through the browser could still tell us something new.
    const fn can_resume(self) -> bool {
        matches!(self, Self::WaitingBrowser | Self::Asked | Self::Unconfirmed | Self::Unreachable)
    }
}

impl Logout {
    /// Begins a logout whose local sessions are dead. With a browser there, the reply asks the first
    /// identity provider that is reached through it.
    pub fn start(browser: Browser, legs: Vec<Leg>, now: DateTime<Utc>) -> Step {
        let deadline = legs.iter().any(|leg| leg.state.is_open()).then(|| now + ANSWER_WITHIN);
        let logout = Self { deadline, finished_at: None, legs };
        logout.go_on(browser == Browser::Present, now, vec![Write::Progress])
    }

    /// Moves on. What does not fit the state changes nothing: no layer that is known is ever
    /// unknown again, and no leg is asked more than once and once on return.
    pub fn step(mut self, event: Event, now: DateTime<Utc>) -> Step {
        let mut writes = Vec::new();
        match event {
            Event::AskedForGood { leg } => {
                let Some(leg) = self.waiting(leg) else { return self.ignored() };
                leg.state = LegState::Unconfirmed;
                leg.resumed = true;
                writes.push(Write::Leg(leg.id));
                self.go_on(false, now, writes)
            }
            Event::Answered { leg, answer, browser } => {
                let Some(leg) = self.waiting(leg) else { return self.ignored() };
                leg.state = match answer {
                    Answer::Confirmed => LegState::Confirmed,
                    Answer::Partial => LegState::Partial,
                    Answer::PartialFailure => LegState::PartialFailure,
                    Answer::Failed => LegState::Failed,
                };
                writes.push(Write::Leg(leg.id));
                self.go_on(browser, now, writes)
            }
            Event::Returned { leg } => {
                let Some(leg) = self.waiting(leg).filter(|leg| leg.state == LegState::Asked) else {
                    return self.ignored();
                };
                leg.state = LegState::Returned;
                writes.push(Write::Leg(leg.id));
                self.go_on(true, now, writes)
            }
            Event::SeenGone { leg } => {
                let known = self.legs.iter_mut().find(|known| known.id == leg);
                let Some(leg) = known.filter(|leg| leg.state != LegState::Confirmed) else {
                    return self.ignored();
                };
                leg.state = LegState::Confirmed;
                writes.push(Write::Leg(leg.id));
                self.go_on(false, now, writes)
            }
            Event::BrowserCame => self.go_on(true, now, writes),
            Event::BrowserReturned => self.resume(now),
            Event::Tick => self.tick(now),
            Event::Undelivered { leg, arrived } => {
                let Some(leg) = self.waiting(leg).filter(|leg| leg.state == LegState::Queued) else {
                    return self.ignored();
                };
                leg.state = if arrived { LegState::Unconfirmed } else { LegState::Unreachable };
                writes.push(Write::Leg(leg.id));
                self.go_on(false, now, writes)
            }
        }
    }

    /// What was asked through a browser that is late counts as unconfirmed. Whoever was to be asked by one
    /// that did not come, or can be asked without it after all, is, and has as long to answer. The rest
    /// waits for the browser's return.
    fn tick(mut self, now: DateTime<Utc>) -> Step {
        let mut writes = Vec::new();
        let over = self.finished_at.is_none() && self.deadline.is_some_and(|deadline| deadline <= now);
        for leg in &mut self.legs {
            let late = leg.state == LegState::Asked && leg.deadline.is_none_or(|deadline| deadline <= now);
            let missed = leg.state == LegState::WaitingBrowser && over;
            let over_soap = missed && leg.reach.soap && now < leg.resume_until;
            if over_soap || leg.falls_back && (late || missed) {
                leg.state = LegState::Queued;
                self.deadline = Some(now + ANSWER_WITHIN);
            } else if late {
                leg.state = LegState::Unconfirmed;
            } else {
                continue;
            }
            writes.push(Write::Leg(leg.id));
        }
        if self.deadline.is_some_and(|deadline| deadline > now) {
            writes.push(Write::Progress);
        }
        self.go_on(false, now, writes)
    }

    /// Asks the next leg if a browser is there, and notes the end when nothing is waited for.
    fn go_on(mut self, browser: bool, now: DateTime<Utc>, mut writes: Vec<Write>) -> Step {
        if browser
            && let Some(leg) = self.legs.iter_mut().find(|leg| {
                leg.state == LegState::WaitingBrowser && leg.reach.front && now < leg.resume_until
            })
        {
            let id = leg.ask(now);
            writes.push(Write::Leg(id));
            return self.asking(id, now, writes);
        }
        let over = self.deadline.is_none_or(|deadline| deadline <= now)
            || !self.legs.iter().any(|leg| leg.state.is_open());
        if over && self.finished_at.is_none() {
            self.finished_at = Some(now);
            if !writes.contains(&Write::Progress) {
                writes.push(Write::Progress);
            }
        }
        Step { logout: self, writes, reply: Reply::Show }
    }

    /// The browser is back: the first leg that may still be asked is asked, once.
    fn resume(mut self, now: DateTime<Utc>) -> Step {
        let resumable = |leg: &&mut Leg| {
            leg.state.can_resume() && leg.reach.front && !leg.resumed && now < leg.resume_until
        };
        let Some(leg) = self.legs.iter_mut().find(resumable) else { return self.ignored() };
        leg.resumed = true;
        let id = leg.ask(now);
        self.asking(id, now, vec![Write::Leg(id)])
    }

    fn asking(mut self, id: LegId, now: DateTime<Utc>, mut writes: Vec<Write>) -> Step {
        self.deadline = Some(now + ANSWER_WITHIN);
        self.finished_at = None;
        if !writes.contains(&Write::Progress) {
            writes.push(Write::Progress);
        }
        Step { logout: self, writes, reply: Reply::Ask(id) }
    }

    fn waiting(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs
            .iter_mut()
            .find(|leg| leg.id == id && matches!(leg.state, LegState::Asked | LegState::Queued))
    }

    fn ignored(self) -> Step {
        Step { logout: self, writes: Vec::new(), reply: Reply::Ignored }
    }
}

impl Leg {
    fn ask(&mut self, now: DateTime<Utc>) -> LegId {
        self.state = LegState::Asked;
        self.deadline = Some(now + ANSWER_WITHIN);
        self.id
    }
}

#[cfg(test)]
mod tests;
