//! OpenID providers that we did not write: `oidc-provider`, a certified one, beside the whole
//! demonstration; and a simulator of Auth0. README.md says what they can and cannot show.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod action;
#[path = "../examples/demonstration.rs"]
#[expect(dead_code, reason = "the examples need more of it")]
mod demonstration;
mod provider;
mod simulator;
