//! The start page: who is signed in.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::session::{self, AuthenticationView, OidcAuthenticationView};
use crate::app::{App, Visitor};
use crate::web::pages::{Home, SignIn};
use crate::web::{error, reply};

/// `GET /`.
pub async fn show(State(app): State<App>, visitor: Visitor) -> Response {
    let view = match &visitor.session {
        Some(token) => session::show(&app, token).await,
        None => Ok(None),
    };
    match view {
        Ok(view) => {
            let expires =
                view.as_ref().map(|view| view.expires_at.format("%-d %B %Y at %H:%M UTC").to_string());
            let home = Home {
                sign_ins: view.map(|view| {
                    let saml = view.authentications.into_iter().map(sign_in);
                    saml.chain(view.oidc.into_iter().map(oidc_sign_in)).collect()
                }),
                expires: expires.unwrap_or_default(),
            };
            reply::page(StatusCode::OK, &home)
        }
        Err(failure) => error::ours(&app, &failure),
    }
}

fn sign_in(view: AuthenticationView) -> SignIn {
    let name_id =
        view.name_id.map_or_else(|| String::from("Somebody it did not name"), |name_id| name_id.value);
    SignIn { idp: view.idp_name, name_id }
}

fn oidc_sign_in(view: OidcAuthenticationView) -> SignIn {
    SignIn { idp: view.host(), name_id: view.sub }
}
