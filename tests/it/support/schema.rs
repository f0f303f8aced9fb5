//! Holds what the API answers against what its OpenAPI document promises. Stricter than JSON Schema:
//! an object has no member that the document does not name.

use serde_json::Value;

/// The OpenAPI document.
#[derive(Debug, Clone)]
pub struct Document(pub Value);

impl Document {
    /// Panics unless the answer to `method path` is one that the document describes.
    pub fn check(&self, method: &str, path: &str, status: u16, media_type: Option<&str>, body: &str) {
        let operation = self.operation(method, path);
        let Some(operation) = operation else {
            assert!(matches!(status, 404 | 405), "{method} {path} is not in the document and is {status}");
            return;
        };
        let responses = &operation["responses"];
        let own = &responses[status.to_string().as_str()];
        assert!(status >= 400 || !own.is_null(), "{method} {path}: {status} is not described");
        let response = if own.is_null() { &responses["default"] } else { own };
        let Some(content) = response.get("content").and_then(Value::as_object) else {
            assert_eq!(body, "", "{method} {path} {status} has no body");
            return;
        };
        let (kind, content) = content.iter().next().unwrap();
        let media_type = media_type.unwrap_or_default().split(';').next().unwrap();
        assert_eq!(media_type, kind, "{method} {path} {status}: {body}");
        let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        if let Err(wrong) = self.holds(&content["schema"], &body, "body") {
            panic!("{method} {path} {status}: {wrong}: {body:#}");
        }
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let path = path.split('?').next().unwrap();
        let asked: Vec<&str> = path.split('/').collect();
        let paths = self.0["paths"].as_object().unwrap();
        let (_, item) = paths.iter().find(|(template, _)| {
            let parts: Vec<&str> = template.split('/').collect();
            parts.len() == asked.len()
                && parts.iter().zip(&asked).all(|(part, asked)| part == asked || part.starts_with('{'))
        })?;
        item.get(method.to_lowercase())
    }

    /// Whether a value is what a schema says.
    pub fn holds(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.0.pointer(reference.trim_start_matches('#')).ok_or("a dangling $ref")?;
            return self.holds(target, value, at);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return self.holds(&self.merged(parts), value, at);
        }
        for word in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[word].as_array() {
                let fitting = choices.iter().any(|choice| self.holds(choice, value, at).is_ok());
                return if fitting { Ok(()) } else { Err(format!("{at} is none of {word}")) };
            }
        }
        if let Some(values) = schema["enum"].as_array()
            && !values.contains(value)
        {
            return Err(format!("{at} is not one of {values:?}"));
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => return Ok(()),
        };
        let own = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !types.contains(&own) {
            return Err(format!("{at} is {own}, not {types:?}"));
        }
        match value {
            Value::String(text) if schema["format"] == "date-time" => {
                chrono::DateTime::parse_from_rfc3339(text).map(drop).map_err(|error| format!("{at}: {error}"))
            }
            Value::Array(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| self.holds(&schema["items"], item, &format!("{at}[{index}]"))),
            Value::Object(members) => self.object_holds(schema, members, at),
            _ => Ok(()),
        }
    }

    /// One object out of several that hold together.
    fn merged(&self, parts: &[Value]) -> Value {
        let mut whole = serde_json::json!({ "type": "object", "required": [], "properties": {} });
        for part in parts {
            let part = match part["$ref"].as_str() {
                Some(reference) => self.0.pointer(reference.trim_start_matches('#')).unwrap(),
                None => part,
            };
            let required = part["required"].as_array().cloned().unwrap_or_default();
            whole["required"].as_array_mut().unwrap().extend(required);
            let properties = part["properties"].as_object().cloned().unwrap_or_default();
            whole["properties"].as_object_mut().unwrap().extend(properties);
        }
        whole
    }

    fn object_holds(
        &self,
        schema: &Value,
        members: &serde_json::Map<String, Value>,
        at: &str,
    ) -> Result<(), String> {
        for required in schema["required"].as_array().into_iter().flatten() {
            let name = required.as_str().unwrap();
            if !members.contains_key(name) {
                return Err(format!("{at}.{name} is missing"));
            }
        }
        for (name, member) in members {
            let place = format!("{at}.{name}");
            match (schema["properties"].get(name), schema.get("additionalProperties")) {
                (Some(known), _) => self.holds(known, member, &place)?,
                (None, Some(Value::Object(_))) => {
                    self.holds(&schema["additionalProperties"], member, &place)?;
                }
                (None, _) => return Err(format!("{place} is not described")),
            }
        }
        Ok(())
    }
}

#[test]
fn the_judge_of_answers_finds_what_is_wrong() {
    let document = Document(serde_json::json!({
        "components": { "schemas": { "T": {
            "type": "object",
            "required": ["a"],
            "properties": { "a": { "type": "integer" }, "b": { "type": ["string", "null"] } },
        } } },
    }));
    let schema = serde_json::json!({ "$ref": "#/components/schemas/T" });
    let holds = |value| document.holds(&schema, &value, "body").is_ok();
    assert!(holds(serde_json::json!({ "a": 1 })));
    assert!(holds(serde_json::json!({ "a": 1, "b": null })));
    for wrong in [
        serde_json::json!({}),
        serde_json::json!({ "a": "1" }),
        serde_json::json!({ "a": 1, "b": 2 }),
        serde_json::json!({ "a": 1, "c": 2 }),
        serde_json::json!([1]),
    ] {
        assert!(!holds(wrong.clone()), "{wrong}");
    }
}
