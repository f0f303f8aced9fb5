//! What the web layer refuses before any story begins: it goes into the audit like every other
//! refusal.

use std::fmt;
use std::net::IpAddr;

use crate::app::App;
use crate::app::refusals::Refused;
use crate::store::audit::Verdict;

/// A request that was turned away.
#[derive(Clone, Copy)]
pub struct TurnedAway<'a> {
    /// The path at which it arrived, as our table of routes has it.
    pub endpoint: &'static str,
    /// The client's address.
    pub source: IpAddr,
    /// The rule that was broken.
    pub rule: &'static str,
    /// The SHA-256 of what came; of nothing, where the request has no body that was read.
    pub digest: [u8; 32],
    /// The reason, for operators.
    pub why: &'a dyn fmt::Display,
}

impl App {
    /// Counts a request that was turned away; gives the name under which the log has it.
    pub(crate) fn turn_away(&self, turned: &TurnedAway<'_>) -> String {
        self.refuse(&Refused {
            endpoint: turned.endpoint,
            binding: None,
            issuer: None,
            message_id: None,
            digest: turned.digest,
            verdict: Verdict::Refused,
            rule: turned.rule,
            source: Some(turned.source),
            detail: turned.why.to_string(),
        })
    }
}
