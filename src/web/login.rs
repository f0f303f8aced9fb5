//! Sign-in, first half: the person is sent to an identity provider.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use openssl::sha::sha256;

use crate::app::login::{self, BeginLogin, Begun, IdpChoice, LoginRefused};
use crate::app::{App, TurnedAway, Visitor};
use crate::saml::refusal::Refusal;
use crate::web::fields::{Fields, Repeated, address};
use crate::web::pages::{Choice, Choose};
use crate::web::{error, reply, routes, visitor};

/// `GET /saml/login?idp=&return_to=&force_authn=`.
pub async fn begin(State(app): State<App>, visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let wanted = match wanted(&query) {
        Ok(wanted) => wanted,
        Err(why) => return error::repeated(&app, &visitor, routes::LOGIN, query.as_bytes(), why),
    };
    let force_authn = wanted.force_authn;
    match login::begin(&app, &visitor, wanted).await {
        Ok(Begun::Choose { idps, return_to }) => {
            let choices = idps.iter().map(|idp| choice(idp, return_to.as_deref(), force_authn)).collect();
            reply::page(StatusCode::OK, &Choose { choices })
        }
        Ok(Begun::Send { outbound, correlation }) => {
            let mut response = reply::send(&app, &Method::GET, outbound);
            let cookies = visitor::cookies(&app);
            if let Some(cookie) = cookies.keep_correlation(correlation.as_str()) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(Begun::Resume { outbound }) => reply::send(&app, &Method::GET, outbound),
        Err(refused) => refusal(&app, &visitor, &query, refused),
    }
}

fn wanted(query: &str) -> Result<BeginLogin, Repeated> {
    let fields = Fields::read(query.as_bytes());
    let text = |name| Ok(fields.one(name)?.filter(|value| !value.is_empty()).map(ToOwned::to_owned));
    Ok(BeginLogin {
        idp: text("idp")?,
        return_to: text("return_to")?,
        force_authn: matches!(fields.one("force_authn")?, Some("true" | "1")),
    })
}

fn choice(idp: &IdpChoice, return_to: Option<&str>, force_authn: bool) -> Choice {
    let mut parameters = vec![("idp", idp.slug.as_str())];
    parameters.extend(return_to.map(|target| ("return_to", target)));
    parameters.extend(force_authn.then_some(("force_authn", "true")));
    Choice { href: address(routes::LOGIN, parameters), name: idp.name.clone(), slug: idp.slug.clone() }
}

fn refusal(app: &App, visitor: &Visitor, query: &str, refused: LoginRefused) -> Response {
    let (rule, text) = match refused {
        LoginRefused::NoneThere => {
            let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::NOT_FOUND);
            return reply::page(status, &Choose { choices: Vec::new() });
        }
        LoginRefused::Unavailable => {
            let text = "Signing in is not possible at the moment. Please try again in a minute.";
            return error::refused(refused.status(), text, None, None);
        }
        LoginRefused::TooMany => (
            "limit",
            "Very many people are signing in from where you are. Please try again in a few seconds.",
        ),
        LoginRefused::Unknown => {
            (Refusal::IssuerUnknown.rule(), "We do not know the identity provider that this link names.")
        }
        LoginRefused::Closed => (
            Refusal::IdpClosed.rule(),
            "Signing in through this identity provider is switched off at the moment.",
        ),
        LoginRefused::NoEndpoint => {
            ("SSO-01", "This identity provider told us no address at which to sign in.")
        }
    };
    let turned = TurnedAway {
        endpoint: routes::LOGIN,
        source: visitor.address,
        rule,
        digest: sha256(query.as_bytes()),
        why: &refused,
    };
    let mut response = error::turned_away(app, refused.status(), text, &turned);
    if refused == LoginRefused::TooMany {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_empty_parameter_is_as_good_as_none_and_a_repeated_one_is_refused() {
        let wanted_now = wanted("idp=&return_to=%2Forders&force_authn=true").unwrap();
        assert_eq!((wanted_now.idp, wanted_now.return_to.as_deref()), (None, Some("/orders")));
        assert!(wanted_now.force_authn);
        assert!(wanted("idp=a&idp=b").is_err());
    }

    #[test]
    fn a_choice_carries_the_return_target_along_as_one_parameter() {
        let idp = IdpChoice { slug: "uni".into(), name: "University".into() };
        let choice = choice(&idp, Some("/a?b=c&idp=evil"), false);
        assert_eq!(choice.href, "/saml/login?idp=uni&return_to=%2Fa%3Fb%3Dc%26idp%3Devil");
    }
}
