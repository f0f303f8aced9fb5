//! SAML 2.0 in its own words. Pure: what comes in are octets, keys and instants; what goes out
//! are values. No web, no database, no clock, no randomness.
//!
//! In reading order: [`names`] and [`instant`]; [`xml`], the reader; one file for each message that
//! is received ([`logout_request`], [`logout_response`], [`response`] with its [`assertion`]);
//! [`binding`]; [`signature`], the door, [`open`], the way to it, and [`second_opinion`], another engine's word on it; [`encryption`], for what is not
//! for every eye; [`sign_in`], what a Response lets a person do. What is sent: [`outbound`], written by [`write`], signed by [`signing`]. Who
//! is who: [`metadata`], read and written. For people with a message in hand: [`inspect`].

pub mod assertion;
pub mod binding;
pub mod encryption;
pub mod inspect;
pub mod instant;
pub mod logout_request;
pub mod logout_response;
pub mod message;
pub mod metadata;
pub mod names;
pub mod open;
pub mod outbound;
pub mod refusal;
pub mod response;
pub mod second_opinion;
pub mod sign_in;
pub mod signature;
pub mod signing;
pub mod status;
pub mod write;
pub mod xml;

#[cfg(test)]
mod inspect_tests;
#[cfg(test)]
mod open_answer_tests;
#[cfg(test)]
mod open_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod sign_in_tests;
#[cfg(test)]
pub(crate) mod test_keys;
#[cfg(test)]
pub(crate) mod test_messages;
