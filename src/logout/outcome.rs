//! What answers mean, one by one and together.

use crate::logout::hearing::Hearing;
use crate::logout::step::LegState;
use crate::saml::status::{SecondLevel, Status, TopLevel};

/// What a verified LogoutResponse says (Core 3.2.2.2, 3.7.3.2; SLO-51).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `Success`: over.
    Confirmed,
    /// `Success/PartialLogout`: over there, but not at everyone it told.
    Partial,
    /// `PartialLogout` under another top-level code, or, against the text, as the top-level code.
    PartialFailure,
    /// Anything else: it did not work.
    Failed,
}

/// What all the legs of a logout add up to, for the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every layer was seen to end.
    Complete,
    /// At least one layer is not known to have ended, and nothing is waited for.
    Incomplete,
    /// At least one layer may still answer.
    Pending,
}

impl Answer {
    /// Reads a status. An unknown nested code under `Success` is tolerated; whatever is not
    /// `Success` is never taken for it.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        let partial = status.second == Some(SecondLevel::PartialLogout);
        match &status.top {
            TopLevel::Success if partial => Self::Partial,
            TopLevel::Success => Self::Confirmed,
            TopLevel::Other(uri) if *uri == SecondLevel::PartialLogout.uri() => Self::PartialFailure,
            _ if partial => Self::PartialFailure,
            _ => Self::Failed,
        }
    }
}

impl Outcome {
    /// Adds the legs up. No leg at all is complete: our own session was the only one.
    #[must_use]
    pub fn of(legs: impl IntoIterator<Item = LegState>) -> Self {
        legs.into_iter().fold(Self::Complete, |sum, leg| match (sum, leg) {
            (Self::Pending, _) | (_, LegState::Queued | LegState::Asked) => Self::Pending,
            (sum, LegState::Confirmed) => sum,
            _ => Self::Incomplete,
        })
    }

    /// Adds the applications that count. One that reads its feed cannot say that it has heard, so it
    /// is not among them.
    #[must_use]
    pub fn and(self, counted: impl IntoIterator<Item = Hearing>) -> Self {
        counted.into_iter().fold(self, |sum, hearing| match (sum, hearing) {
            (Self::Pending, _) | (_, Hearing::Waiting) => Self::Pending,
            (sum, Hearing::Heard) => sum,
            (_, Hearing::Never | Hearing::ReadsItself) => Self::Incomplete,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slo_51_four_kinds_of_answer_are_told_apart() {
        let partial = Some(SecondLevel::PartialLogout);
        for (top, second, answer) in [
            (TopLevel::Success, None, Answer::Confirmed),
            (TopLevel::Success, Some(SecondLevel::Other("urn:x".into())), Answer::Confirmed),
            (TopLevel::Success, partial.clone(), Answer::Partial),
            (TopLevel::Responder, partial, Answer::PartialFailure),
            (TopLevel::from_uri(&SecondLevel::PartialLogout.uri()), None, Answer::PartialFailure),
            (TopLevel::Requester, None, Answer::Failed),
            (TopLevel::Responder, Some(SecondLevel::RequestDenied), Answer::Failed),
            (TopLevel::VersionMismatch, None, Answer::Failed),
            (TopLevel::Other("urn:x".into()), None, Answer::Failed),
        ] {
            assert_eq!(Answer::of(&Status::new(top.clone(), second)), answer, "{top:?}");
        }
    }

    #[test]
    fn unknown_is_not_success() {
        use LegState::{Asked, Confirmed, NoEndpoint, Partial, Unconfirmed, WaitingBrowser};
        assert_eq!(Outcome::of([]), Outcome::Complete);
        assert_eq!(Outcome::of([Confirmed, Confirmed]), Outcome::Complete);
        for other in [Partial, Unconfirmed, NoEndpoint, WaitingBrowser] {
            assert_eq!(Outcome::of([Confirmed, other]), Outcome::Incomplete, "{other:?}");
            assert_eq!(Outcome::of([other, Confirmed]), Outcome::Incomplete, "{other:?}");
        }
        assert_eq!(Outcome::of([NoEndpoint, Asked, Confirmed]), Outcome::Pending);
    }

    #[test]
    fn an_application_that_counts_has_to_have_heard() {
        use LegState::{Asked, Confirmed};
        let complete = Outcome::of([Confirmed]);
        assert_eq!(complete.and([]), Outcome::Complete);
        assert_eq!(complete.and([Hearing::Heard, Hearing::Heard]), Outcome::Complete);
        assert_eq!(complete.and([Hearing::Heard, Hearing::Waiting]), Outcome::Pending);
        assert_eq!(complete.and([Hearing::Never, Hearing::Heard]), Outcome::Incomplete);
        assert_eq!(complete.and([Hearing::ReadsItself]), Outcome::Incomplete);
        assert_eq!(Outcome::of([Asked]).and([Hearing::Heard]), Outcome::Pending);
    }
}
