//! SLO-01 to SLO-33: the session participant receives a LogoutRequest.

mod answer;
mod content;
mod names;
mod sessions;
mod time;

use chrono::TimeDelta;

use crate::support::app::TestApp;
use crate::support::browser::Browser;
use crate::support::dsig::{EC_256, RSA_A, RSA_B};
use crate::support::http::send;
use crate::support::idp::Idp;
use crate::support::messages::{LogoutRequest, Name, PERSISTENT, UNSPECIFIED, instant};
use crate::support::story::{INDEX, SLO, Scene, Via, get_query, send_request};

async fn status_of(app: &TestApp, idp: &Idp, request: &LogoutRequest) -> String {
    send_request(&app.authority, idp, Via::Redirect, request, None).await.status()
}
