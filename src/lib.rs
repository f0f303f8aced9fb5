//! Signoff: a SAML 2.0 service provider whose job is the end of sessions.
//!
//! The modules in reading order:
//! 1. [`saml`]: SAML 2.0 in its own words; knows no web, database, clock or randomness.
//! 2. [`logout`]: the Single Logout profile as a state machine; just as pure.
//! 3. [`store`]: every SQL statement. [`outbox`]: telling identity providers without a browser.
//!    [`auth0`]: OpenID Connect as one more session layer; pure.
//! 4. [`app`]: load, decide, save, in one transaction; one file per story.
//! 5. [`web`]: HTTP; the only module that knows axum. [`cli`]: the commands. [`demo`]: the
//!    demonstration.
//! 6. [`config`], [`clock`], [`entropy`], [`telemetry`], [`database`], [`keys`]: the only places
//!    that ask the machine for settings, time, randomness, a subscriber, a cluster, keys.

pub mod app;
pub mod auth0;
pub mod cli;
pub mod clock;
pub mod config;
pub mod database;
pub mod demo;
pub mod entropy;
pub mod keys;
pub mod logout;
pub mod outbox;
pub mod saml;
pub mod store;
pub mod telemetry;
pub mod web;
