//! How an application hears of the end of a session, and what is known of that.

/// The form in which an application is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A logout token (OpenID Connect Back-Channel Logout 1.0).
    LogoutToken,
    /// A webhook, signed by the Standard Webhooks scheme.
    Webhook,
    /// A security event token that says `session-revoked` (RFC 8417, RFC 8935, CAEP 1.0).
    Caep,
    /// It is told nothing, and reads its feed.
    Pull,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::LogoutToken, Self::Webhook, Self::Caep, Self::Pull];

    /// Its name, in the database and outside.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LogoutToken => "logout-token",
            Self::Webhook => "webhook",
            Self::Caep => "caep",
            Self::Pull => "pull",
        }
    }

    /// The form of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == text)
    }

    /// Whether it is a token that we sign with a key of its own.
    #[must_use]
    pub const fn is_token(self) -> bool {
        matches!(self, Self::LogoutToken | Self::Caep)
    }

    /// Whether a missing acknowledgement counts, where nobody says otherwise: the forms in which an
    /// application says that it has ended its session do.
    #[must_use]
    pub const fn counts_by_default(self) -> bool {
        self.is_token()
    }
}

/// What is known of an application that had to hear of the end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// It has acknowledged.
    Heard,
    /// It has not acknowledged yet, and is still told.
    Waiting,
    /// It has not acknowledged within the time in which it is told.
    Never,
    /// Nobody tells it: it reads its feed.
    ReadsItself,
}

impl Hearing {
    /// What a notification's `state` stands for.
    #[must_use]
    pub fn of_state(state: &str) -> Self {
        match state {
            "acknowledged" => Self::Heard,
            "pending" => Self::Waiting,
            "none" => Self::ReadsItself,
            _ => Self::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_one_name_for_the_database_and_the_outside() {
        for form in Form::ALL {
            assert_eq!(Form::parse(form.as_str()), Some(form));
            assert_eq!(serde_json::to_value(form).ok(), Some(form.as_str().into()));
        }
        assert_eq!(Form::parse("email"), None);
    }

    #[test]
    fn an_unknown_state_is_never_taken_for_heard() {
        assert_eq!(Hearing::of_state("acknowledged"), Hearing::Heard);
        for state in ["pending", "dead", "none", "", "Acknowledged"] {
            assert_ne!(Hearing::of_state(state), Hearing::Heard, "{state}");
        }
    }
}
