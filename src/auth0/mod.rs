//! OpenID Connect as one more session layer, Auth0 first of all. Pure: octets and instants in, values
//! or one of a closed list of refusals out.
//!
//! [`discovery`] reads what a provider says of itself, [`jwt`] is the door from untrusted to trusted,
//! [`id_token`] and [`logout_token`] judge what came through it. [`end_session`] says where a browser
//! signs out, [`management`] how a session is ended without one.

pub mod discovery;
pub mod end_session;
pub mod id_token;
pub mod jwt;
pub mod logout_token;
pub mod management;

/// What we know of a provider beforehand, from the settings: against this every token is judged.
#[derive(Debug, Clone, Copy)]
pub struct Registered<'a> {
    /// Its issuer, octet by octet.
    pub issuer: &'a str,
    /// Our client ID there.
    pub client_id: &'a str,
    /// The one algorithm that its tokens are signed with, as RFC 7518 spells it.
    pub algorithm: &'a str,
    /// How far its clock and ours may differ.
    pub skew: chrono::TimeDelta,
}
