//! A second opinion on XML signatures: what our own verifier has accepted is shown to an engine that
//! shares no line with it (libxmlsec1, by way of samael), and both have to have read the same.
//!
//! The door stays [`super::signature`]. What comes here stands in a [`Verified`](super::signature::Verified)
//! already, and an [`Exhibit`] holds the octets that the signature covers and no others: neither what
//! stands around them nor the KeyInfo, which anybody may have put there.

#[cfg(feature = "second-opinion")]
mod engine;
mod exhibit;
mod reading;

#[cfg(feature = "second-opinion")]
pub use self::engine::OtherKeys;
pub use self::exhibit::Exhibit;
pub(super) use self::exhibit::exhibits;
use self::reading::{Identifier, Reading};
use super::names::{MessageId, NameId, SessionIndex};
use super::response::{Content, Response};
#[cfg(feature = "second-opinion")]
use super::signature::TrustedKeys;

/// What a message says, as far as anything is done upon it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Testimony {
    /// The local name of the message's element.
    pub(super) message: &'static str,
    /// The message's ID.
    pub(super) id: String,
    /// The ID of the assertion in it.
    pub(super) assertion_id: Option<String>,
    /// The principal, decrypted.
    pub(super) name_id: Option<NameId>,
    /// Every SessionIndex, in the order of the document.
    pub(super) session_indexes: Vec<SessionIndex>,
}

/// A verified message, ready to be shown to the second engine. Owned, so that it can be judged on
/// another thread.
#[derive(Debug, Clone)]
pub struct Case {
    exhibits: Vec<Exhibit>,
    testimony: Testimony,
}

/// How the two engines differ about a message that ours has accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Disagreement {
    /// The second engine does not verify the signature.
    #[error("the second engine does not verify the signature")]
    NotVerified,
    /// What it verified is no XML that could be read again.
    #[error("what the second engine verified cannot be read")]
    Unreadable,
    /// It verified another element.
    #[error("the second engine verified another element")]
    Element,
    /// It verified an element with another ID.
    #[error("the second engine verified an element with another ID")]
    Id,
    /// It read another NameID.
    #[error("the second engine read another NameID")]
    NameId,
    /// It read other SessionIndexes.
    #[error("the second engine read other SessionIndexes")]
    SessionIndex,
}

impl Case {
    /// Puts a case together; none if there is nothing that an XML signature covers, as over Redirect.
    pub(super) fn new(exhibits: &[Exhibit], testimony: Testimony) -> Option<Self> {
        (!exhibits.is_empty()).then(|| Self { exhibits: exhibits.to_vec(), testimony })
    }

    /// How many octets the second engine will be shown.
    #[must_use]
    pub fn size(&self) -> usize {
        self.exhibits.iter().map(|exhibit| exhibit.xml().len()).sum()
    }

    /// Shows every exhibit to libxmlsec1, with the keys that our verifier had.
    ///
    /// # Errors
    /// The first [`Disagreement`].
    #[cfg(feature = "second-opinion")]
    pub fn judge(&self, keys: &TrustedKeys) -> Result<(), Disagreement> {
        self.judge_by(|exhibit| keys.other().reduce(exhibit))
    }

    /// Shows every exhibit to an engine, which gives what the signature covers, in canonical form, or
    /// nothing if it does not verify; and compares that with what ours has read.
    ///
    /// # Errors
    /// The first [`Disagreement`].
    pub fn judge_by(&self, engine: impl Fn(&Exhibit) -> Option<String>) -> Result<(), Disagreement> {
        self.exhibits.iter().try_for_each(|exhibit| {
            let covered = engine(exhibit).ok_or(Disagreement::NotVerified)?;
            let reading = Reading::of(&covered).ok_or(Disagreement::Unreadable)?;
            self.testimony.compare(&reading)
        })
    }
}

impl Testimony {
    /// A message of which nothing but its name and ID counts.
    #[must_use]
    pub fn bare(message: &'static str, id: &MessageId) -> Self {
        let id = id.to_string();
        Self { message, id, assertion_id: None, name_id: None, session_indexes: Vec::new() }
    }

    /// What a Response with its assertion says.
    pub(super) fn of_response(response: &Response, id: &MessageId) -> Self {
        let assertion = match response.content() {
            Content::Assertion(assertion) => Some(assertion),
            Content::Encrypted(_) | Content::Nothing => None,
        };
        let statements = assertion.into_iter().flat_map(|assertion| &assertion.authn_statements);
        Self {
            assertion_id: assertion.map(|assertion| assertion.id.to_string()),
            name_id: assertion.and_then(|assertion| assertion.name_id().cloned()),
            session_indexes: statements.filter_map(|statement| statement.session_index.clone()).collect(),
            ..Self::bare("Response", id)
        }
    }

    /// Holds the other reading against ours. What is still encrypted there cannot be compared: the
    /// ciphertext is covered by the signature, and decrypting it is no business of the second engine.
    fn compare(&self, reading: &Reading) -> Result<(), Disagreement> {
        match &reading.message {
            Some(root) if root.name != self.message => return Err(Disagreement::Element),
            Some(root) if root.id.as_ref() != Some(&self.id) => return Err(Disagreement::Id),
            // The signature covers the assertion alone.
            None if self.assertion_id.is_none() => return Err(Disagreement::Element),
            Some(_) | None => {}
        }
        if reading.encrypted_assertion {
            return Ok(());
        }
        if reading.assertion_id != self.assertion_id {
            return Err(Disagreement::Id);
        }
        let same = match &reading.identifier {
            Identifier::None => self.name_id.is_none(),
            Identifier::NameId(name_id) => self.name_id.as_ref() == Some(name_id),
            Identifier::Encrypted => true,
            Identifier::Many => false,
        };
        if !same {
            return Err(Disagreement::NameId);
        }
        if reading.session_indexes.iter().eq(self.session_indexes.iter().map(SessionIndex::as_str)) {
            Ok(())
        } else {
            Err(Disagreement::SessionIndex)
        }
    }
}

#[cfg(test)]
mod tests;
