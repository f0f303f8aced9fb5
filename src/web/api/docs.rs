//! The documentation of the API as a page: the OpenAPI document, rendered here. It needs no script and
//! no other host.

use std::sync::LazyLock;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::{document, problem};
use crate::web::reply;

static PAGE: LazyLock<Docs> = LazyLock::new(|| {
    let document = serde_json::to_value(document::document()).unwrap_or_default();
    Docs::of(&document)
});

/// `GET /api/docs`.
pub async fn show() -> Response {
    reply::page(StatusCode::OK, &*PAGE)
}

#[derive(Debug, Template)]
#[template(path = "api_docs.html")]
struct Docs {
    about: String,
    groups: Vec<Group>,
    schemas: Vec<Schema>,
    problems: Vec<Kind>,
}

#[derive(Debug)]
struct Group {
    name: String,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    summary: String,
    description: String,
    who: String,
    parameters: Vec<Field>,
    /// The name of what the body is.
    body: Option<String>,
    answers: Vec<Answer>,
}

#[derive(Debug)]
struct Answer {
    status: String,
    description: String,
    /// The name of what it is.
    body: Option<String>,
}

#[derive(Debug)]
struct Schema {
    name: String,
    description: String,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    kind: String,
    required: bool,
    description: String,
}

#[derive(Debug)]
struct Kind {
    name: &'static str,
    title: &'static str,
    status: u16,
}

impl Docs {
    fn of(document: &Value) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (path, item) in members(document, "/paths") {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let name = text(operation, "/tags/0");
                let operation = Operation::of(path, method, operation);
                match groups.iter_mut().find(|group| group.name == name) {
                    Some(group) => group.operations.push(operation),
                    None => groups.push(Group { name, operations: vec![operation] }),
                }
            }
        }
        let schemas = members(document, "/components/schemas").map(|(name, schema)| Schema::of(name, schema));
        let problems = problem::KINDS.map(|(name, title, status)| Kind { name, title, status });
        Self {
            about: text(document, "/info/description"),
            groups,
            schemas: schemas.collect(),
            problems: problems.into(),
        }
    }
}

impl Operation {
    fn of(path: &str, method: &str, operation: &Value) -> Self {
        let parameters = operation.pointer("/parameters").and_then(Value::as_array).into_iter().flatten();
        let answers = members(operation, "/responses").map(|(status, answer)| Answer {
            status: status.clone(),
            description: text(answer, "/description"),
            body: members(answer, "/content").next().and_then(|(_, content)| reference(content)),
        });
        Self {
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(operation, "/summary"),
            description: text(operation, "/description"),
            who: text(operation, "/x-who"),
            parameters: parameters
                .map(|parameter| Field {
                    name: text(parameter, "/name"),
                    kind: parameter.pointer("/schema").map(kind).unwrap_or_default(),
                    required: parameter.pointer("/required") == Some(&Value::Bool(true)),
                    description: text(parameter, "/description"),
                })
                .collect(),
            body: operation.pointer("/requestBody/content/application~1json").and_then(reference),
            answers: answers.collect(),
        }
    }
}

impl Schema {
    fn of(name: &str, schema: &Value) -> Self {
        let required: Vec<&str> = schema
            .pointer("/required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let fields = members(schema, "/properties").map(|(name, field)| Field {
            name: name.clone(),
            kind: kind(field),
            required: required.contains(&name.as_str()),
            description: text(field, "/description"),
        });
        let mut fields: Vec<_> = fields.collect();
        if fields.is_empty() {
            fields.extend(schema.pointer("/enum").and_then(Value::as_array).into_iter().flatten().map(
                |value| Field {
                    name: value.as_str().unwrap_or_default().to_owned(),
                    kind: String::from("value"),
                    required: false,
                    description: String::new(),
                },
            ));
        }
        Self { name: name.to_owned(), description: text(schema, "/description"), fields }
    }
}

/// A type in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema.pointer("/$ref").and_then(Value::as_str) {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(one_of) = schema.pointer("/oneOf").and_then(Value::as_array) {
        return one_of.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let names = match schema.pointer("/type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => vec!["any"],
    };
    let format = schema.pointer("/format").and_then(Value::as_str);
    let items = schema.pointer("/items").map(|items| format!(" of {}", kind(items)));
    let format = format.filter(|format| !format.starts_with("int")).map(|format| format!(" ({format})"));
    format!("{}{}{}", names.join(" or "), items.unwrap_or_default(), format.unwrap_or_default())
}

fn reference(content: &Value) -> Option<String> {
    let name = content.pointer("/schema/$ref")?.as_str()?;
    Some(name.rsplit('/').next().unwrap_or_default().to_owned())
}

fn members<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_page_tells_of_every_route_and_needs_nobody_else() {
        let html = PAGE.render().unwrap();
        for route in super::super::table() {
            assert!(html.contains(&format!("/api{}", route.path)), "{}", route.path);
        }
        for (name, _, _) in problem::KINDS {
            assert!(html.contains(&format!("id=\"{name}\"")), "{name}");
        }
        assert!(!html.contains("<script"));
        for leading in ["href=\"http", "src=\"http", "href=\"//", "src=\"//"] {
            assert!(!html.contains(leading), "{leading}");
        }
    }
}
