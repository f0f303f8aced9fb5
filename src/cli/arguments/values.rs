//! The values that arguments take.

use chrono::TimeDelta;
use clap::ValueEnum;

use crate::app::applications::{Subject, TokenType};
use crate::keys::{KeyKind, Purpose};
use crate::logout::hearing::Form;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum FormArgument {
    /// An OpenID Connect back-channel logout token.
    LogoutToken,
    /// A webhook signed by the Standard Webhooks scheme.
    Webhook,
    /// A CAEP session-revoked event.
    Caep,
    /// None: it reads its feed.
    Pull,
}

impl From<FormArgument> for Form {
    fn from(form: FormArgument) -> Self {
        match form {
            FormArgument::LogoutToken => Self::LogoutToken,
            FormArgument::Webhook => Self::Webhook,
            FormArgument::Caep => Self::Caep,
            FormArgument::Pull => Self::Pull,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum TokenTypeArgument {
    #[value(name = "logout+jwt")]
    LogoutJwt,
    #[value(name = "JWT")]
    Jwt,
}

impl From<TokenTypeArgument> for TokenType {
    fn from(kind: TokenTypeArgument) -> Self {
        match kind {
            TokenTypeArgument::LogoutJwt => Self::LogoutJwt,
            TokenTypeArgument::Jwt => Self::Jwt,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum SubjectArgument {
    Pairwise,
    NameId,
}

impl From<SubjectArgument> for Subject {
    fn from(subject: SubjectArgument) -> Self {
        match subject {
            SubjectArgument::Pairwise => Self::Pairwise,
            SubjectArgument::NameId => Self::NameId,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RoleArgument {
    /// The sessions in which one application takes part.
    Application,
    /// Every session and logout.
    Operator,
    /// Everything.
    Admin,
}

impl std::fmt::Display for RoleArgument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Application => "application",
            Self::Operator => "operator",
            Self::Admin => "admin",
        })
    }
}

pub(super) fn life(text: &str) -> Result<TimeDelta, String> {
    crate::config::duration(text).ok_or_else(|| format!("expected {}", crate::config::DURATION))
}

pub(super) fn switch(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(String::from("expected NAME=true or NAME=false")),
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum KindArgument {
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "rsa-3072")]
    Rsa3072,
    #[value(name = "p-256")]
    P256,
}

impl From<KindArgument> for KeyKind {
    fn from(kind: KindArgument) -> Self {
        match kind {
            KindArgument::Rsa2048 => Self::Rsa2048,
            KindArgument::Rsa3072 => Self::Rsa3072,
            KindArgument::P256 => Self::P256,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum PurposeArgument {
    Signing,
    Encryption,
    Tokens,
}

impl From<PurposeArgument> for Purpose {
    fn from(purpose: PurposeArgument) -> Self {
        match purpose {
            PurposeArgument::Encryption => Self::Encryption,
            PurposeArgument::Signing => Self::Signing,
            PurposeArgument::Tokens => Self::Tokens,
        }
    }
}
