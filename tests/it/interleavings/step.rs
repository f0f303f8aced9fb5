//! What can happen.

use proptest::prelude::*;

use crate::support::story::Via;

/// One event. Numbers choose among what is there, and wrap around.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// A browser goes to sign in: to the identity provider and back.
    SignIn { browser: usize, idp: usize, person: usize },
    /// It is sent back there, and dawdles.
    Dawdle { browser: usize, idp: usize, person: usize },
    /// It goes there, and is not back yet.
    Begin { browser: usize, idp: usize },
    /// The identity provider has answered, and the browser dawdles.
    Issue { browser: usize, person: usize },
    /// The browser is back.
    Bring { browser: usize },
    /// The identity provider sends a browser that nobody has asked for.
    Arrive { browser: usize, idp: usize, person: usize },
    /// A Response comes once more.
    Again { response: usize, browser: usize },
    /// A person signs out.
    SignOut { browser: usize },
    /// The identity provider answers our LogoutRequest, twice at times.
    Answer { browser: usize, post: bool, success: bool, twice: bool },
    /// The identity provider says "over".
    Over { idp: usize, person: usize, which: Which, via: Via },
    /// It writes so, and the message takes its time.
    Write { idp: usize, person: usize, which: Which, via: Via },
    /// An earlier message arrives, for the first time or once more.
    Replay { request: usize },
    /// Time passes.
    Wait { seconds: i64 },
    /// A worker comes by.
    Work { node: usize },
    /// A node dies, and another is started.
    Crash { node: usize },
    /// The identity provider says "over", and the node dies somewhere on the way.
    OverCutShort { idp: usize, person: usize, which: Which, polls: usize },
    /// The same while somebody signs in.
    BringCutShort { browser: usize, polls: usize },
    /// The same while the worker works.
    WorkCutShort { node: usize, polls: usize },
}

/// Which sessions a LogoutRequest names.
#[derive(Debug, Clone, Copy)]
pub enum Which {
    All,
    /// The one that the identity provider has now.
    Current,
    /// Every one that it ever had.
    Every,
    /// One that nobody has heard of.
    Unseen,
}

pub fn step() -> impl Strategy<Value = Step> {
    let (browser, idp, person) = (0..3_usize, 0..2_usize, 0..2_usize);
    let which =
        prop::sample::select(vec![Which::All, Which::Current, Which::Current, Which::Every, Which::Unseen]);
    let via = prop::sample::select(Via::ALL.to_vec());
    let node = 0..2_usize;
    let polls = 0..40_usize;
    prop_oneof![
        8 => (browser.clone(), idp.clone(), person.clone()).prop_map(|(browser, idp, person)| Step::SignIn { browser, idp, person }),
        4 => (browser.clone(), idp.clone(), person.clone())
            .prop_map(|(browser, idp, person)| Step::Dawdle { browser, idp, person }),
        1 => (browser.clone(), idp.clone()).prop_map(|(browser, idp)| Step::Begin { browser, idp }),
        1 => (browser.clone(), person.clone()).prop_map(|(browser, person)| Step::Issue { browser, person }),
        5 => browser.clone().prop_map(|browser| Step::Bring { browser }),
        2 => (browser.clone(), idp.clone(), person.clone()).prop_map(|(browser, idp, person)| Step::Arrive { browser, idp, person }),
        1 => (0..8_usize, browser.clone()).prop_map(|(response, browser)| Step::Again { response, browser }),
        3 => browser.clone().prop_map(|browser| Step::SignOut { browser }),
        3 => (browser.clone(), any::<[bool; 3]>()).prop_map(|(browser, [post, success, twice])| Step::Answer { browser, post, success, twice }),
        5 => (idp.clone(), person.clone(), which.clone(), via.clone()).prop_map(|(idp, person, which, via)| Step::Over { idp, person, which, via }),
        2 => (idp.clone(), person.clone(), which.clone(), via).prop_map(|(idp, person, which, via)| Step::Write { idp, person, which, via }),
        4 => (0..8_usize).prop_map(|request| Step::Replay { request }),
        3 => prop::sample::select(vec![1, 1, 1, 61, 301, 479, 500, 901]).prop_map(|seconds| Step::Wait { seconds }),
        2 => node.clone().prop_map(|node| Step::Work { node }),
        1 => node.clone().prop_map(|node| Step::Crash { node }),
        2 => (idp, person, which, polls.clone()).prop_map(|(idp, person, which, polls)| Step::OverCutShort { idp, person, which, polls }),
        2 => (browser, polls.clone()).prop_map(|(browser, polls)| Step::BringCutShort { browser, polls }),
        1 => (node, polls).prop_map(|(node, polls)| Step::WorkCutShort { node, polls }),
    ]
}
