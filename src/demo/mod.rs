//! The demonstration: the service, an identity provider and two applications in one process, on a
//! private PostgreSQL, over real HTTP; and, where there is Node, an OpenID provider beside it.
//!
//! The identity provider is honest SAML: it verifies what we sign, finds its session by the exact
//! NameID and SessionIndex that we send, and answers accordingly. [`check`] drives all of it as a
//! browser would and says step by step what was seen.

mod application;
pub mod browser;
pub mod check;
mod identity_provider;
mod idp_messages;
mod openid;
mod page;
mod stage;
mod told;

pub use check::CheckError;
pub use identity_provider::IdentityProvider;
pub use openid::{Absent, OpenIdProvider};
pub use stage::{Addresses, DemoError, Membership, Stage};
pub use told::Told;
