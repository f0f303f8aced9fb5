//! What our own verifier has accepted is shown to a second engine before anything is done upon it.
//!
//! `audit` writes down a disagreement and goes on; `enforce` refuses the message. Whoever gets this far
//! holds an identity provider's signature, so this is work that no stranger can order.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::app::App;
use crate::app::refusals::Refused;
use crate::app::registry::KnownIdp;
use crate::config::SecondOpinion;
use crate::saml::names::MessageId;
use crate::saml::refusal::Refusal;
use crate::saml::second_opinion::{Case, Disagreement};
use crate::store::audit::Verdict;

/// Up to so many octets are judged on the spot, in less time than the detour would cost.
const SMALL: usize = 16 * 1024;
/// How long a larger message may take, waiting included.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many larger messages are judged at the same time.
const LARGE_AT_ONCE: usize = 2;

/// The places for larger messages. A judgement keeps its place until it has really ended.
#[derive(Debug)]
pub(super) struct LargeCases(Arc<Semaphore>);

impl Default for LargeCases {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_AT_ONCE)))
    }
}

/// Where a message came from, for the log and the audit.
#[derive(Clone, Copy)]
pub(super) struct Whence<'a> {
    pub(super) endpoint: &'static str,
    pub(super) binding: &'static str,
    pub(super) message_id: &'a MessageId,
    pub(super) digest: [u8; 32],
    pub(super) source: Option<IpAddr>,
}

/// Why a message is not confirmed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Doubt {
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    #[error("the second engine gave no answer in time")]
    Late,
}

impl App {
    /// Asks the second engine about a message that our own has verified.
    ///
    /// # Errors
    /// [`Refusal::NotConfirmedTwice`] if it disagrees and its word counts.
    pub(super) async fn second_opinion(
        &self,
        idp: &Arc<KnownIdp>,
        case: Option<Case>,
        whence: Whence<'_>,
    ) -> Result<(), Refusal> {
        let mode = self.0.settings.second_opinion;
        let Some(case) = case.filter(|_| mode != SecondOpinion::Off) else { return Ok(()) };
        let Err(doubt) = self.judge(idp, case).await else { return Ok(()) };
        let incident = self.incident();
        tracing::warn!(
            security.event = "second-opinion",
            incident,
            endpoint = whence.endpoint,
            binding = whence.binding,
            idp = idp.slug,
            message.id = %whence.message_id,
            enforced = mode == SecondOpinion::Enforce,
            "our verifier accepts a message that the second engine does not confirm: {doubt}"
        );
        if mode == SecondOpinion::Enforce {
            return Err(Refusal::NotConfirmedTwice);
        }
        let noted = Refused {
            endpoint: whence.endpoint,
            binding: Some(whence.binding),
            issuer: Some(idp.entity_id.as_str()),
            message_id: Some(whence.message_id.as_str()),
            digest: whence.digest,
            verdict: Verdict::Doubted,
            rule: Refusal::NotConfirmedTwice.rule(),
            source: whence.source,
            detail: doubt.to_string(),
        };
        self.0.refusals.note(&noted, self.now());
        Ok(())
    }

    async fn judge(&self, idp: &Arc<KnownIdp>, case: Case) -> Result<(), Doubt> {
        if case.size() <= SMALL {
            return Ok(judge(&case, idp)?);
        }
        let places = Arc::clone(&self.0.large_cases.0);
        let idp = Arc::clone(idp);
        let judged = async move {
            let place = places.acquire_owned().await.map_err(|_| Doubt::Late)?;
            let work = move || {
                let _place = place;
                judge(&case, &idp)
            };
            let done = tokio::task::spawn_blocking(work).await;
            done.map_or(Err(Doubt::Late), |judged| judged.map_err(Doubt::from))
        };
        tokio::time::timeout(PATIENCE, judged).await.unwrap_or(Err(Doubt::Late))
    }
}

#[cfg(feature = "second-opinion")]
fn judge(case: &Case, idp: &KnownIdp) -> Result<(), Disagreement> {
    case.judge(&idp.keys)
}

/// A build without the engine makes no cases, and its settings allow nothing but `off`.
#[cfg(not(feature = "second-opinion"))]
fn judge(_: &Case, _: &KnownIdp) -> Result<(), Disagreement> {
    Err(Disagreement::NotVerified)
}
