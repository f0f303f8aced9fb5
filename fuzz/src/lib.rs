//! The decoders of the service, built for fuzzing, and what the targets share.
//!
//! Everything that reads a stranger's octets is pure, so those files are compiled here by their
//! path, not through the package: no database client, HTTP server or runtime is built and
//! instrumented. They are the same files, to the octet.

#[expect(dead_code, reason = "the settings alone say what they expect")]
#[path = "../../src/config/base_url.rs"]
mod base_url;
#[path = "../../src/web/cookies.rs"]
pub mod cookies;
#[expect(dead_code, reason = "what is recorded or listed is asked about by the store alone")]
#[path = "../../src/app/return_target.rs"]
pub mod return_target;
#[path = "../../src/logout/return_url.rs"]
pub mod return_url;
#[path = "../../src/saml/mod.rs"]
pub mod saml;

pub mod form;
pub mod judge;
pub mod known;
pub mod sealed;
pub mod second_reader;

/// As much of a logout as a return target is held against.
pub mod logout {
    pub use crate::return_url;
}

/// As much of the settings as a return target is held against.
pub mod config {
    pub use crate::base_url::BaseUrl;
}
