//! The feed of ended sessions, for applications that ask instead of being told.
//!
//! A line gets its position only after the transaction that wrote it has committed, from whoever
//! seals at that time, without gaps. So a cursor that has gone past a position has gone past
//! everything that will ever stand before it, however late a transaction commits.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::places::Place;
use crate::app::{App, DATABASE_PATIENCE};
pub use crate::store::ApplicationId;
use crate::store::StoreError;
use crate::store::feed::{self, Line};

/// The longest that a request may wait for a line.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The most lines of one page.
pub const LONGEST_PAGE: u32 = 1000;

/// How many lines one transaction seals or removes at most.
const BATCH: i64 = 1000;

/// How far somebody has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Nothing yet: begins with the oldest line that is kept.
    Oldest,
    /// Up to a position.
    Through(i64),
}

/// A session is over in which the application took part.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Revocation {
    /// The same as the number of its delivery, if it is delivered as well.
    pub id: i64,
    /// The application that it is for; only said to those who read all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The session's public name.
    pub session_id: String,
    /// The public names of the application's own sessions that were over with it.
    pub participations: Vec<String>,
    /// What ended it: `person`, `idp`, `admin`, `expired`, `replaced`, `application`, `operator`, `oidc`.
    pub reason: String,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How far one has read with this line.
    #[serde(skip)]
    pub cursor: Cursor,
}

/// A part of the feed.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RevocationPage)]
pub struct Page {
    /// What is over, the first first.
    pub revocations: Vec<Revocation>,
    /// Where to go on.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub cursor: Cursor,
    /// Whether there is more at once.
    pub more: bool,
}

/// Why there is no part of the feed.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// What comes after the cursor is no longer there, or the cursor is of another feed: whoever has
    /// it must look at its sessions one by one, and go on without a cursor.
    #[error("the feed does not go back that far any more")]
    Gone,
    /// Too many wait already.
    #[error("too many readers wait")]
    Full,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody who reads the feed, line after line.
pub struct Reader {
    app: App,
    application: Option<ApplicationId>,
    through: Cursor,
    limit: u32,
    /// How far the feed went when it was last looked at.
    head: i64,
    _place: Place,
}

/// What stands after a cursor: of one application, or of all. Without a line there, waits for one, up
/// to [`LONGEST_WAIT`], holding no connection to the database.
///
/// # Errors
/// [`FeedError`].
pub async fn read(
    app: &App,
    application: Option<ApplicationId>,
    after: Cursor,
    limit: u32,
    wait: Duration,
) -> Result<Page, FeedError> {
    let (page, head) = look(app, application, after, limit).await?;
    if !page.revocations.is_empty() || wait.is_zero() {
        return Ok(page);
    }
    let mut reader = Reader::waiting(app, application, page.cursor, limit, head)?;
    let found = tokio::select! {
        found = reader.next() => Some(found?),
        () = tokio::time::sleep(wait.min(LONGEST_WAIT)) => None,
        () = app.waiting_is_over() => None,
    };
    Ok(found.unwrap_or_else(|| reader.nothing()))
}

/// Gives positions to all that has committed; says how many. If somebody else is at it, there is
/// nothing to do.
///
/// # Errors
/// [`StoreError`].
pub async fn seal(app: &App) -> Result<u64, StoreError> {
    let mut conn = app.connection().await?;
    if !feed::has_unsealed(&mut conn).await? {
        return Ok(0);
    }
    drop(conn);
    let mut all = 0;
    loop {
        let mut tx = app.begin().await?;
        let Some(last) = feed::lock(&mut tx).await? else { return Ok(all) };
        let sealed = feed::seal(&mut tx, last, BATCH).await?;
        tx.commit().await?;
        app.0.lookout.feed_at(last + i64::try_from(sealed).unwrap_or(0));
        all += sealed;
        if sealed < BATCH.unsigned_abs() {
            return Ok(all);
        }
    }
}

/// Takes away what is older than the feed is kept; says how many lines.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn tidy(app: &App) -> Result<u64, StoreError> {
    let before = app.now() - app.0.settings.feed_retention;
    let mut all = 0;
    loop {
        let mut tx = app.begin().await?;
        if feed::lock(&mut tx).await?.is_none() {
            return Ok(all);
        }
        let removed = feed::remove(&mut tx, before, BATCH).await?;
        tx.commit().await?;
        all += removed;
        if removed < BATCH.unsigned_abs() {
            return Ok(all);
        }
    }
}

/// A part of the feed, and how far the feed goes.
async fn look(
    app: &App,
    application: Option<ApplicationId>,
    after: Cursor,
    limit: u32,
) -> Result<(Page, i64), FeedError> {
    let looking = async {
        seal(app).await?;
        let mut conn = app.connection().await?;
        // First how far it goes, then the lines, then what is gone: each later look may see more, and
        // then neither skips a line nor takes a hole for the end.
        let head = feed::head(&mut conn).await?;
        let through = if let Cursor::Through(position) = after { position } else { 0 };
        let lines = feed::after(&mut conn, application, through, i64::from(limit)).await?;
        let removed = feed::removed_through(&mut conn, application).await?;
        if after != Cursor::Oldest && (through < removed || through > head) {
            return Err(FeedError::Gone);
        }
        Ok((page(lines, through, head, limit, application.is_none()), head))
    };
    tokio::time::timeout(DATABASE_PATIENCE, looking).await.unwrap_or(Err(StoreError::Late.into()))
}

fn page(lines: Vec<Line>, through: i64, head: i64, limit: u32, all: bool) -> Page {
    let more = u32::try_from(lines.len()).is_ok_and(|count| count >= limit);
    let last = lines.last().map_or(through, |line| line.position);
    let revocations = lines.into_iter().map(|line| Revocation {
        id: line.id,
        application: line.application.filter(|_| all),
        session_id: line.sid,
        participations: line.participations,
        reason: line.reason,
        ended_at: line.ended_at,
        cursor: Cursor::Through(line.position),
    });
    Page {
        revocations: revocations.collect(),
        // What stands between is others'.
        cursor: Cursor::Through(if more { last } else { last.max(head) }),
        more,
    }
}

impl Reader {
    /// Begins to read after a cursor.
    ///
    /// # Errors
    /// [`FeedError`].
    pub async fn open(
        app: &App,
        application: Option<ApplicationId>,
        after: Cursor,
        limit: u32,
    ) -> Result<(Self, Page), FeedError> {
        let (page, head) = look(app, application, after, limit).await?;
        let head = if page.more { i64::MIN } else { head };
        Ok((Self::waiting(app, application, page.cursor, limit, head)?, page))
    }

    fn waiting(
        app: &App,
        application: Option<ApplicationId>,
        through: Cursor,
        limit: u32,
        head: i64,
    ) -> Result<Self, FeedError> {
        let place = app.0.lookout.readers.take(application.map_or(0, |application| application.0));
        let place = place.ok_or(FeedError::Full)?;
        Ok(Self { app: app.clone(), application, through, limit, head, _place: place })
    }

    /// The next lines, at least one, as soon as there are any. What has been waited for is not lost if
    /// this is given up before.
    ///
    /// # Errors
    /// [`FeedError`].
    pub async fn next(&mut self) -> Result<Page, FeedError> {
        loop {
            self.app.feed_beyond(self.head).await;
            let (page, head) = look(&self.app, self.application, self.through, self.limit).await?;
            self.through = page.cursor;
            self.head = if page.more { i64::MIN } else { head };
            if !page.revocations.is_empty() {
                return Ok(page);
            }
        }
    }

    /// How far it has read.
    #[must_use]
    pub fn through(&self) -> Cursor {
        self.through
    }

    fn nothing(&self) -> Page {
        Page { revocations: Vec::new(), cursor: self.through, more: false }
    }
}

impl Cursor {
    /// Reads what [`Cursor`] writes; anything else is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let octets: [u8; 9] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let [b'f', position @ ..] = octets else { return None };
        let position = i64::from_be_bytes(position);
        (position >= 0).then_some(Self::Through(position))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = if let Self::Through(position) = self { *position } else { 0 };
        let mut octets = [b'f'; 9];
        for (octet, value) in octets.iter_mut().skip(1).zip(position.to_be_bytes()) {
            *octet = value;
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(octets))
    }
}

fn as_text<S: serde::Serializer>(cursor: &Cursor, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        for position in [0, 1, 7, 1 << 40, i64::MAX] {
            let cursor = Cursor::Through(position);
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        let negative = URL_SAFE_NO_PAD.encode([b'f', 255, 255, 255, 255, 255, 255, 255, 255]);
        for text in ["", "0", "17", "AAAA", "Zg", &negative, &format!("{}A", Cursor::Through(1))] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }

    fn line(position: i64) -> Line {
        Line {
            position,
            id: position * 10,
            application: Some("wiki".to_owned()),
            sid: "s".to_owned(),
            participations: Vec::new(),
            reason: "idp".to_owned(),
            ended_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_page_that_is_not_full_goes_on_behind_what_is_others() {
        let page = page(vec![line(3), line(5)], 1, 9, 10, false);
        assert_eq!((page.cursor, page.more), (Cursor::Through(9), false));
        assert!(page.revocations.iter().all(|line| line.application.is_none()));
    }

    #[test]
    fn a_full_page_goes_on_behind_its_last_line() {
        let page = page(vec![line(3), line(5)], 1, 9, 2, true);
        assert_eq!((page.cursor, page.more), (Cursor::Through(5), true));
        // Sealed while we looked: later than the head that we knew.
        let page = super::page(vec![line(12)], 1, 9, 2, true);
        assert_eq!(page.cursor, Cursor::Through(12));
    }

    #[test]
    fn an_empty_page_never_goes_back() {
        assert_eq!(page(Vec::new(), 0, 0, 10, false).cursor, Cursor::Through(0));
        assert_eq!(page(Vec::new(), 4, 9, 10, false).cursor, Cursor::Through(9));
    }
}
