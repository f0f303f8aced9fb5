//! The OpenAPI document: made from the handlers and their types, so that it says what they do.

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::response::Response;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, PathItem, Ref, RefOr, Required, ResponseBuilder, Type};
use utoipa::{Modify, OpenApi};

use super::problem::Problem;
use super::{
    BASE, Who, applications, deliveries, identity_providers, logouts, revocations, sessions, table, tokens,
};
use crate::web::reply;

static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(Document::openapi);

/// The document.
pub fn document() -> &'static utoipa::openapi::OpenApi {
    &DOCUMENT
}

/// `GET /api/openapi.json`.
pub async fn show() -> Response {
    reply::json(StatusCode::OK, document())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Signoff",
        description = "Who is signed in, and the end of it. Every request carries a bearer token, made with \
                       \"signoff token create\". A token of role application is one application's and sees the \
                       sessions in which it takes part; operator sees and ends every session; admin may do \
                       everything. What a token may not see is 404. Problems are application/problem+json \
                       (RFC 9457). A POST may carry an Idempotency-Key: repeated within 24 hours with the same \
                       body it is done once and answered alike.",
    ),
    paths(
        sessions::list, sessions::register, sessions::show, sessions::end,
        logouts::list, logouts::start, logouts::show,
        identity_providers::list, identity_providers::import, identity_providers::show,
        identity_providers::change, identity_providers::remove,
        applications::list, applications::create, applications::show, applications::change,
        applications::remove,
        deliveries::list, deliveries::show, deliveries::retry,
        revocations::read,
        tokens::list, tokens::create, tokens::revoke,
    ),
    components(schemas(Problem)),
    modifiers(&Everywhere)
)]
struct Document;

/// What holds for every operation.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("signoff_…");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
        for route in table() {
            let path = document.paths.paths.get_mut(&format!("{BASE}{}", route.path));
            let Some(operation) = path.and_then(|item| operation(item, route.method.as_str())) else {
                continue;
            };
            operation.security = Some(vec![SecurityRequirement::new::<_, _, String>("token", [])]);
            operation.responses.responses.insert(String::from("default"), RefOr::T(problem()));
            let who = match route.who {
                Who::Any => "application, operator, admin",
                Who::Operator => "operator, admin",
                Who::Admin => "admin",
            };
            operation.extensions = Some(Extensions::builder().add("x-who", who).build());
            if route.method == "POST" {
                operation.parameters.get_or_insert_default().push(RefOr::T(idempotency_key()));
            }
        }
    }
}

fn operation<'a>(item: &'a mut PathItem, method: &str) -> Option<&'a mut Operation> {
    match method {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

fn problem() -> utoipa::openapi::Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new()
        .description("It was not done, and why")
        .content("application/problem+json", content)
        .build()
}

fn idempotency_key() -> utoipa::openapi::path::Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "A name of your choice for this one request, 1 to 255 printable ASCII characters. The same name with \
             another body is 422; while the first is being worked on, 409.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .build()
}
