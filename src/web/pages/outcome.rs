//! What a logout has come to, in words for the person (SLO-51).
//!
//! Unknown is never told as done: only a signed Success, an application's acknowledgement, or our own
//! database, makes a line good.

use super::{Layer, LogoutResult, Tone};
use crate::app::logout::{self, LayerState, LogoutView};

/// The page for what is known of a logout.
#[must_use]
pub fn result(view: &LogoutView) -> LogoutResult {
    let (heading, summary) = sum(view);
    LogoutResult {
        heading,
        summary,
        layers: view.layers.iter().map(layer).collect(),
        finished: view.finished,
        return_to: view.return_to.as_ref().map(|target| target.as_str().to_owned()),
        // Without ForceAuthn the identity provider's own session might silently sign in again.
        sign_in_again: view.sign_in_again.then(|| String::from("/saml/login?force_authn=true")),
    }
}

fn layer(view: &logout::LayerView) -> Layer {
    let (tone, what) = told(view.state);
    let name = match &view.layer {
        logout::Layer::ThisSite => String::from("This site"),
        logout::Layer::OpenIdProvider { host } => host.clone(),
        logout::Layer::Behind { host } => format!("Where {host} sent you to sign in"),
        logout::Layer::IdentityProvider { name } | logout::Layer::Application { name } => name.clone(),
    };
    Layer { name, tone, what }
}

const fn told(state: LayerState) -> (Tone, &'static str) {
    match state {
        LayerState::Ended => (Tone::Good, "Your session here has ended."),
        LayerState::Confirmed => (Tone::Good, "It has confirmed that it ended your session."),
        LayerState::Partial => (
            Tone::Warn,
            "It ended your session, but could not sign you out of every other service that you reached through it.",
        ),
        LayerState::PartialFailure => (
            Tone::Warn,
            "It told us that it could end only a part. Your session there may be among what is left.",
        ),
        LayerState::Failed => {
            (Tone::Warn, "It told us that it could not end your session. You may still be signed in there.")
        }
        LayerState::Asked => {
            (Tone::Wait, "We have asked it to end your session and are waiting for its answer.")
        }
        LayerState::Unconfirmed => {
            (Tone::Warn, "We asked it, but it did not answer in time. You may still be signed in there.")
        }
        LayerState::Unreachable => (Tone::Warn, "We could not reach it. You may still be signed in there."),
        LayerState::WaitingForBrowser => (
            Tone::Wait,
            "It can only be told through your browser: that happens when you next open our sign-in or sign-out page.",
        ),
        LayerState::NoEndpoint => {
            (Tone::Warn, "It offers no way to be signed out from here. You may still be signed in there.")
        }
        LayerState::NotAsked => (Tone::Plain, "Left as it is, as you chose."),
        LayerState::Returned => (
            Tone::Wait,
            "Your browser was there to sign you out and came back. It has not confirmed that otherwise.",
        ),
        LayerState::PassedOn => (
            Tone::Wait,
            "Your browser was sent to have you signed out there as well. Nobody tells us whether that was done.",
        ),
        LayerState::WithoutBrowser => (
            Tone::Warn,
            "Only your browser could have signed you out there, and it was not at hand. You may still be signed in there.",
        ),
        LayerState::Heard => (Tone::Good, "It was told, and has confirmed that."),
        LayerState::NotYetHeard => {
            (Tone::Wait, "It is being told that your session is over. It has not confirmed that yet.")
        }
        LayerState::NeverHeard => {
            (Tone::Warn, "It could not be told that your session is over. You may still be signed in there.")
        }
        LayerState::Gated => (Tone::Good, "It lets nobody in without asking us, so it is closed to you now."),
        LayerState::LooksItself => {
            (Tone::Wait, "It looks for itself whether your session lives; when it does, it finds it over.")
        }
    }
}

/// Heading and summary: the worst line decides.
fn sum(view: &LogoutView) -> (&'static str, &'static str) {
    let any = |tone: Tone| view.layers.iter().any(|layer| told(layer.state).0 == tone);
    if any(Tone::Warn) {
        (
            "You are signed out here, but perhaps not everywhere",
            "Close all windows of your browser to be safe, above all on a computer that others use too.",
        )
    } else if any(Tone::Wait) || !view.finished {
        ("You are signed out here", "Not everything has been confirmed yet.")
    } else if any(Tone::Plain) {
        ("You are signed out here", "Only your session with this service has ended.")
    } else {
        ("You are signed out", "Every session that we knew of has ended.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const STATES: [LayerState; 19] = [
        LayerState::Ended,
        LayerState::Confirmed,
        LayerState::Partial,
        LayerState::PartialFailure,
        LayerState::Failed,
        LayerState::Asked,
        LayerState::Unconfirmed,
        LayerState::Unreachable,
        LayerState::WaitingForBrowser,
        LayerState::NoEndpoint,
        LayerState::NotAsked,
        LayerState::Returned,
        LayerState::PassedOn,
        LayerState::WithoutBrowser,
        LayerState::Heard,
        LayerState::NotYetHeard,
        LayerState::NeverHeard,
        LayerState::Gated,
        LayerState::LooksItself,
    ];

    fn view(states: &[LayerState], finished: bool) -> LogoutView {
        let layers = states
            .iter()
            .map(|&state| logout::LayerView {
                layer: logout::Layer::IdentityProvider { name: "idp".into() },
                state,
            })
            .collect();
        LogoutView { layers, finished, return_to: None, sign_in_again: false }
    }

    #[test]
    fn slo_51_every_state_has_a_text_of_its_own() {
        let texts: HashSet<&str> = STATES.iter().map(|&state| told(state).1).collect();
        assert_eq!(texts.len(), STATES.len());
    }

    #[test]
    fn only_what_was_seen_to_end_is_told_as_ended() {
        for state in STATES {
            let seen = matches!(
                state,
                LayerState::Ended | LayerState::Confirmed | LayerState::Heard | LayerState::Gated
            );
            assert_eq!(told(state).0 == Tone::Good, seen, "{state:?}");
            let (heading, _) = sum(&view(&[LayerState::Ended, state], true));
            assert_eq!(heading == "You are signed out", seen, "{state:?}");
        }
    }

    #[test]
    fn the_worst_line_decides_the_heading() {
        let (heading, _) = sum(&view(&[LayerState::Asked, LayerState::Failed], false));
        assert!(heading.contains("perhaps not everywhere"));
        let (heading, _) = sum(&view(&[LayerState::Ended, LayerState::Asked], false));
        assert_eq!(heading, "You are signed out here");
    }
}
