//! Telling identity providers without a browser: [`retry`] says when, [`deliver`] does it.

pub mod deliver;
pub mod retry;
