#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use LegState::{Confirmed, Failed, NoEndpoint, Partial, PartialFailure, Queued, WaitingBrowser};

const BOTH: Reach = Reach { soap: true, front: true };
const FRONT: Reach = Reach { soap: false, front: true };
const SOAP: Reach = Reach { soap: true, front: false };

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn legs(browser: Browser, reaches: &[Reach]) -> Vec<Leg> {
    (1..)
        .zip(reaches)
        .map(|(id, reach)| Leg {
            id: LegId(id),
            reach: *reach,
            state: LegState::first(reach.route(browser)),
            deadline: None,
            resumed: false,
            resume_until: at(0) + RESUME_WITHIN,
            falls_back: false,
        })
        .collect()
}

fn person(reaches: &[Reach]) -> Step {
    Logout::start(Browser::Present, legs(Browser::Present, reaches), at(0))
}

fn answered(leg: i64, answer: Answer) -> Event {
    Event::Answered { leg: LegId(leg), answer, browser: true }
}

#[test]
fn slo_34_identity_providers_are_asked_one_after_another() {
    let first = person(&[FRONT, BOTH]);
    assert_eq!(first.reply, Reply::Ask(LegId(1)));
    let second = first.logout.step(answered(1, Answer::Failed), at(10));
    assert_eq!(second.reply, Reply::Ask(LegId(2)));
    let last = second.logout.step(answered(2, Answer::Confirmed), at(20));
    assert_eq!(last.reply, Reply::Show);
    assert_eq!(last.logout.finished_at, Some(at(20)));
}

#[test]
fn a_logout_nobody_else_must_hear_of_is_finished_at_once() {
    for reaches in [&[][..], &[Reach::NONE]] {
        let step = person(reaches);
        assert_eq!(step.reply, Reply::Show);
        assert_eq!(step.logout.finished_at, Some(at(0)));
    }
}

#[test]
fn slo_50_an_answer_counts_once_and_only_from_a_leg_that_asked() {
    let step = person(&[FRONT, FRONT]);
    assert_eq!(step.logout.clone().step(answered(2, Answer::Confirmed), at(1)).reply, Reply::Ignored);
    let after = step.logout.step(answered(1, Answer::Confirmed), at(1)).logout;
    let again = after.clone().step(answered(1, Answer::Failed), at(2));
    assert_eq!((again.reply, again.logout), (Reply::Ignored, after));
}

#[test]
fn slo_52_a_mute_identity_provider_is_unconfirmed_after_five_minutes() {
    let step = person(&[FRONT]);
    let early = step.logout.step(Event::Tick, at(299));
    assert_eq!(early.logout.legs[0].state, LegState::Asked);
    let late = early.logout.step(Event::Tick, at(300));
    assert_eq!(late.logout.legs[0].state, LegState::Unconfirmed);
    assert_eq!(late.logout.finished_at, Some(at(300)));
    assert_eq!(late.logout.step(answered(1, Answer::Confirmed), at(301)).reply, Reply::Ignored);
}

#[test]
fn slo_49_who_needs_not_answer_is_not_waited_for_and_not_asked_again() {
    let step = person(&[FRONT]).logout.step(Event::AskedForGood { leg: LegId(1) }, at(0));
    assert_eq!(step.logout.legs[0].state, LegState::Unconfirmed, "not seen to end");
    assert_eq!(step.logout.finished_at, Some(at(0)));
    assert_eq!(step.logout.clone().step(answered(1, Answer::Confirmed), at(1)).reply, Reply::Ignored);
    assert_eq!(step.logout.step(Event::BrowserReturned, at(1)).reply, Reply::Ignored);
}

#[test]
fn an_open_leg_resumes_once_and_not_too_late() {
    let open = person(&[FRONT]).logout.step(Event::Tick, at(300)).logout;
    let resumed = open.clone().step(Event::BrowserReturned, at(4000));
    assert_eq!(resumed.reply, Reply::Ask(LegId(1)));
    assert_eq!(resumed.logout.finished_at, None);
    let again = resumed.logout.clone().step(Event::BrowserReturned, at(4001));
    assert_eq!(again.reply, Reply::Ignored);
    let done = resumed.logout.step(answered(1, Answer::Confirmed), at(4002));
    assert_eq!(done.logout.legs[0].state, LegState::Confirmed);
    assert_eq!(done.logout.finished_at, Some(at(4002)));
    assert_eq!(open.step(Event::BrowserReturned, at(0) + RESUME_WITHIN).reply, Reply::Ignored);
}

#[test]
fn without_a_browser_soap_is_queued_and_the_rest_waits() {
    let reaches = [BOTH, FRONT, SOAP, Reach::NONE];
    let step = Logout::start(Browser::Absent, legs(Browser::Absent, &reaches), at(0));
    let states: Vec<_> = step.logout.legs.iter().map(|leg| leg.state).collect();
    assert_eq!(states, [Queued, WaitingBrowser, Queued, NoEndpoint]);
    assert_eq!(step.reply, Reply::Show);
    let step = step.logout.step(Event::Undelivered { leg: LegId(3), arrived: false }, at(5));
    assert_eq!(step.logout.legs[2].state, LegState::Unreachable);
    let step = step.logout.step(Event::BrowserReturned, at(6));
    assert_eq!(step.reply, Reply::Ask(LegId(2)), "a leg without a front channel cannot resume");
}

#[test]
fn a_browser_that_is_expected_is_waited_for_and_then_asks_as_if_it_had_been_there() {
    let step = Logout::start(Browser::Expected, legs(Browser::Expected, &[BOTH, FRONT, SOAP]), at(0));
    let states: Vec<_> = step.logout.legs.iter().map(|leg| leg.state).collect();
    assert_eq!(states, [WaitingBrowser, WaitingBrowser, Queued]);
    assert_eq!(step.reply, Reply::Show);
    assert_eq!(step.logout.finished_at, None);
    let step = step.logout.step(Event::BrowserCame, at(10));
    assert_eq!(step.reply, Reply::Ask(LegId(1)));
    assert!(!step.logout.legs[0].resumed, "its one return is not used up");
    let again = step.logout.step(Event::BrowserCame, at(11));
    assert_eq!(again.reply, Reply::Ask(LegId(2)), "the first was asked already");
    assert_eq!(again.logout.step(Event::BrowserCame, at(12)).reply, Reply::Show);
}

#[test]
fn slo_44_where_no_browser_came_in_time_soap_is_the_way() {
    let reaches = [BOTH, FRONT, Reach::NONE];
    let start = Logout::start(Browser::Expected, legs(Browser::Expected, &reaches), at(0)).logout;
    let early = start.clone().step(Event::Tick, at(299));
    assert_eq!(early.logout, start, "it may still come");
    let step = start.step(Event::Tick, at(300));
    let states: Vec<_> = step.logout.legs.iter().map(|leg| leg.state).collect();
    assert_eq!(states, [Queued, WaitingBrowser, NoEndpoint]);
    assert!(step.writes.contains(&Write::Leg(LegId(1))) && step.writes.contains(&Write::Progress));
    assert_eq!((step.logout.finished_at, step.logout.deadline), (None, Some(at(600))));
    // The browser comes after all: what goes by SOAP is not asked again.
    assert_eq!(step.logout.clone().step(Event::BrowserReturned, at(301)).reply, Reply::Ask(LegId(2)));
    let answer = Event::Answered { leg: LegId(1), answer: Answer::Confirmed, browser: false };
    let answered = step.logout.clone().step(answer, at(302)).logout;
    assert_eq!(answered.legs[0].state, Confirmed);
    let over = answered.step(Event::Tick, at(600)).logout;
    assert_eq!((over.finished_at, over.legs[1].state), (Some(at(600)), WaitingBrowser));
    // One that was asked in the browser, and is mute, is not asked twice.
    let asked = person(&[BOTH, BOTH]).logout.step(Event::Tick, at(300)).logout;
    assert_eq!((asked.legs[0].state, asked.legs[1].state), (LegState::Unconfirmed, Queued));
}

#[test]
fn a_browser_that_came_back_goes_on_and_proves_little() {
    let step = person(&[FRONT, BOTH]);
    assert_eq!(step.reply, Reply::Ask(LegId(1)));
    let back = step.logout.step(Event::Returned { leg: LegId(1) }, at(5));
    assert_eq!(back.logout.legs[0].state, LegState::Returned);
    assert_eq!(back.reply, Reply::Ask(LegId(2)), "one after the other");
    assert_eq!(back.logout.clone().step(Event::Returned { leg: LegId(1) }, at(6)).reply, Reply::Ignored);
    assert_eq!(
        back.logout.clone().step(Event::BrowserReturned, at(7)).reply,
        Reply::Ask(LegId(2)),
        "not asked again"
    );
    let seen = back.logout.step(Event::SeenGone { leg: LegId(1) }, at(8));
    assert_eq!(seen.logout.legs[0].state, LegState::Confirmed);
    assert_eq!(seen.logout.step(Event::SeenGone { leg: LegId(1) }, at(9)).reply, Reply::Ignored);
}

#[test]
fn what_is_seen_gone_is_over_whatever_was_known_of_it() {
    for reach in [BOTH, FRONT, SOAP, Reach::NONE] {
        let start = Logout::start(Browser::Absent, legs(Browser::Absent, &[reach]), at(0));
        let seen = start.logout.step(Event::SeenGone { leg: LegId(1) }, at(1));
        assert_eq!(seen.logout.legs[0].state, LegState::Confirmed, "{reach:?}");
        assert!(seen.logout.finished_at.is_some());
    }
    let none = person(&[FRONT]).logout.step(Event::SeenGone { leg: LegId(7) }, at(1));
    assert_eq!(none.reply, Reply::Ignored);
}

fn events() -> impl Strategy<Value = Event> {
    let answer = prop_oneof![
        Just(Answer::Confirmed),
        Just(Answer::Partial),
        Just(Answer::PartialFailure),
        Just(Answer::Failed)
    ];
    prop_oneof![
        (0..5_i64, answer, any::<bool>()).prop_map(|(leg, answer, browser)| Event::Answered {
            leg: LegId(leg),
            answer,
            browser
        }),
        Just(Event::BrowserCame),
        (0..5_i64).prop_map(|leg| Event::Returned { leg: LegId(leg) }),
        (0..5_i64).prop_map(|leg| Event::SeenGone { leg: LegId(leg) }),
        Just(Event::BrowserReturned),
        Just(Event::Tick),
        (0..5_i64).prop_map(|leg| Event::AskedForGood { leg: LegId(leg) }),
        (0..5_i64, any::<bool>()).prop_map(|(leg, arrived)| Event::Undelivered { leg: LegId(leg), arrived }),
    ]
}

proptest! {
    /// Whatever comes in whatever order: what is known stays known, nobody is asked more than
    /// twice, and once time is up the logout is over.
    #[test]
    fn any_interleaving_ends(
        browser in prop_oneof![Just(Browser::Absent), Just(Browser::Expected), Just(Browser::Present)],
        reaches in prop::collection::vec((any::<bool>(), any::<bool>()), 0..5),
        steps in prop::collection::vec((events(), 0..400_i64), 0..40),
    ) {
        let reaches: Vec<_> = reaches.into_iter().map(|(soap, front)| Reach { soap, front }).collect();
        let mut step = Logout::start(browser, legs(browser, &reaches), at(0));
        let mut asked: HashMap<i64, u32> = HashMap::new();
        let mut now = 0;
        for (event, later) in steps {
            if let Reply::Ask(LegId(leg)) = step.reply {
                *asked.entry(leg).or_default() += 1;
            }
            now += later;
            let before = step.logout.clone();
            step = step.logout.step(event, at(now));
            for (old, new) in before.legs.iter().zip(&step.logout.legs) {
                let settled = matches!(old.state, Confirmed | Failed | NoEndpoint | Partial | PartialFailure);
                // Only what is seen with one's own eyes is better than an answer.
                if settled && !(matches!(event, Event::SeenGone { .. }) && new.state == Confirmed) {
                    prop_assert_eq!(old, new);
                }
                prop_assert!(!old.resumed || new.resumed);
                if old != new {
                    prop_assert!(step.writes.contains(&Write::Leg(new.id)), "a change is written");
                }
            }
            if step.reply == Reply::Ignored {
                prop_assert_eq!(&before, &step.logout);
                prop_assert!(step.writes.is_empty());
            }
        }
        prop_assert!(asked.values().all(|times| *times <= 2));
        // Once more if somebody is asked over SOAP because no browser came.
        let over = step.logout.step(Event::Tick, at(now + 301)).logout.step(Event::Tick, at(now + 602));
        prop_assert!(over.logout.finished_at.is_some());
        prop_assert!(over.logout.legs.iter().all(|leg| leg.state != LegState::Asked));
    }
}

#[test]
fn a_leg_that_falls_back_is_asked_without_a_browser_when_that_is_late_or_never_came() {
    let mut waiting = legs(Browser::Present, &[FRONT, FRONT]);
    for leg in &mut waiting {
        leg.falls_back = true;
    }
    waiting[1].falls_back = false;
    // One was asked and is late; the other never got its turn.
    let asked = Logout::start(Browser::Present, waiting.clone(), at(0));
    let late = at(0) + ANSWER_WITHIN;
    let early = asked.logout.clone().step(Event::Tick, late - TimeDelta::seconds(1));
    assert_eq!(early.logout.legs[0].state, LegState::Asked);
    let step = asked.logout.clone().step(Event::Tick, late);
    let states: Vec<_> = step.logout.legs.iter().map(|leg| leg.state).collect();
    assert_eq!(states, [Queued, WaitingBrowser]);
    assert!(step.writes.contains(&Write::Leg(LegId(1))) && step.writes.contains(&Write::Progress));
    assert_eq!((step.logout.deadline, step.logout.finished_at), (Some(late + ANSWER_WITHIN), None));
    // Once: it is not asked through the browser any more, and the next deadline is the end.
    let back = step.logout.clone().step(Event::BrowserReturned, late);
    assert_eq!(back.reply, Reply::Ask(LegId(2)));
    let end = step.logout.step(Event::Tick, late + ANSWER_WITHIN);
    assert_eq!((end.logout.legs[0].state, end.logout.finished_at), (Queued, Some(late + ANSWER_WITHIN)));
    // A browser that was announced and never came.
    for leg in &mut waiting {
        leg.falls_back = true;
    }
    let expected = Logout::start(Browser::Expected, waiting.clone(), at(0));
    let step = expected.logout.step(Event::Tick, late);
    assert!(step.logout.legs.iter().all(|leg| leg.state == Queued));
    // Who is back in time has done what it could.
    let back = asked.logout.step(Event::Returned { leg: LegId(1) }, at(9));
    assert_eq!(back.logout.legs[0].state, LegState::Returned);
    assert_eq!(back.logout.step(Event::Tick, late).logout.legs[0].state, LegState::Returned);
}
