//! A client of the API that believes no answer: each is held against the OpenAPI document.

use serde_json::{Value, json};
use signoff::app::tokens::{self, WantedToken};

use super::app::TestApp;
use super::http::{HttpReply, send};
use super::schema::Document;

/// Whoever has a token.
#[derive(Debug, Clone)]
pub struct Api {
    pub authority: String,
    pub token: String,
    pub document: Document,
}

impl TestApp {
    /// A token of role operator or admin.
    pub async fn api(&self, role: &str) -> Api {
        self.api_token(role, None).await
    }

    /// An application that reads the feed, and a token of it.
    pub async fn api_of(&self, slug: &str) -> Api {
        self.add_application(slug, "pull", "pairwise").await;
        self.api_token("application", Some(slug)).await
    }

    pub async fn api_token(&self, role: &str, application: Option<&str>) -> Api {
        let wanted = WantedToken {
            name: format!("a test's {role}"),
            role: role.to_owned(),
            application: application.map(str::to_owned),
            expires_at: None,
        };
        let made = tokens::create_by_command(&self.app, &wanted).await.unwrap();
        self.api_with(&made.secret).await
    }

    /// Somebody with that token, good or not.
    pub async fn api_with(&self, token: &str) -> Api {
        let document = send(&self.authority, "GET", "/api/openapi.json", &[], None).await;
        assert_eq!(document.status, 200);
        Api {
            authority: self.authority.clone(),
            token: token.to_owned(),
            document: Document(document.json()),
        }
    }

    /// An application, as a row.
    pub async fn add_application(&self, slug: &str, form: &str, subject: &str) {
        let url = (form != "pull").then(|| "http://127.0.0.1:1/nobody".to_owned());
        sqlx::query(
            "insert into application (slug, name, form, url, origins, subject, counts_for_success, secret, created_at,
                                      updated_at)
             values ($1, $1, $2, $3, $4, $5, false, $6, $7, $7)",
        )
        .bind(slug)
        .bind(form)
        .bind(url)
        .bind(vec![format!("https://{slug}.example")])
        .bind(subject)
        .bind((form == "webhook").then(|| vec![7_u8; 32]))
        .bind(self.now())
        .execute(&self.pool)
        .await
        .unwrap();
    }
}

impl Api {
    /// The same caller at another node.
    pub fn at(&self, authority: &str) -> Self {
        Self { authority: authority.to_owned(), ..self.clone() }
    }

    /// Sends a request as it is and holds the answer against the document.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> HttpReply {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        let reply = send(&self.authority, method, path, &all, body).await;
        if method != "HEAD" {
            self.document.check(method, path, reply.status, reply.header("content-type"), &reply.body);
        }
        reply
    }

    pub async fn get(&self, path: &str) -> HttpReply {
        self.send("GET", path, &[], None).await
    }

    pub async fn delete(&self, path: &str) -> HttpReply {
        self.send("DELETE", path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> HttpReply {
        self.send_json("POST", path, &[], body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> HttpReply {
        self.send_json("PATCH", path, &[], body).await
    }

    /// A POST with an idempotency key.
    pub async fn post_once(&self, path: &str, key: &str, body: Value) -> HttpReply {
        self.send_json("POST", path, &[("Idempotency-Key", key)], body).await
    }

    async fn send_json(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> HttpReply {
        let mut all = vec![("Content-Type", "application/json")];
        all.extend_from_slice(headers);
        self.send(method, path, &all, Some(body.to_string().as_bytes())).await
    }

    /// Registers a session of the application's own; gives its public name.
    pub async fn register(&self, session: &str) -> String {
        let reply = self.post("/api/v1/sessions", json!({ "session": session })).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.json()["id"].as_str().unwrap().to_owned()
    }
}

/// The problem of an answer: its status, and the last part of its type.
pub fn problem(reply: &HttpReply) -> (u16, String) {
    let json = reply.json();
    let kind = json["type"].as_str().unwrap().rsplit('#').next().unwrap().to_owned();
    assert_eq!(json["status"], reply.status, "{}", reply.body);
    (reply.status, kind)
}
