//! Applications that take part in sessions.

use signoff::app::feed::{self, ApplicationId, Cursor, FeedError, Page};

use super::app::TestApp;
use super::browser::Browser;
use super::http::{HttpReply, send};

impl TestApp {
    /// Registers an application that reads the feed, at one origin.
    pub async fn pulling(&self, slug: &str, origin: &str) -> ApplicationId {
        let id = sqlx::query_scalar(
            "insert into application (slug, name, form, origins, counts_for_success, created_at, updated_at)
             values ($1, $1, 'pull', array[$2], false, $3, $3) returning id",
        )
        .bind(slug)
        .bind(origin)
        .bind(self.now())
        .fetch_one(&self.pool)
        .await
        .unwrap();
        ApplicationId(id)
    }

    /// What an application reads without waiting.
    pub async fn read(&self, application: ApplicationId, after: Cursor) -> Page {
        self.try_read(application, after).await.unwrap()
    }

    pub async fn try_read(&self, application: ApplicationId, after: Cursor) -> Result<Page, FeedError> {
        feed::read(&self.app, Some(application), after, 100, std::time::Duration::ZERO).await
    }
}

impl Browser {
    /// A proxy asks for this browser's request to an application.
    pub async fn through_proxy(&self, original: &str) -> HttpReply {
        self.through_proxy_with(original, "/forward-auth", &[]).await
    }

    pub async fn through_proxy_with(&self, original: &str, target: &str, more: &[(&str, &str)]) -> HttpReply {
        let mut headers = vec![("X-Original-URL", original)];
        headers.extend(more);
        self.request("GET", target, &headers, None, super::browser::From::Here).await
    }
}

/// The same without any cookie.
pub async fn stranger_through_proxy(app: &TestApp, headers: &[(&str, &str)], target: &str) -> HttpReply {
    send(&app.authority, "GET", target, headers, None).await
}

/// The public names of the sessions on a page.
pub fn sessions(page: &Page) -> Vec<&str> {
    page.revocations.iter().map(|line| line.session_id.as_str()).collect()
}
