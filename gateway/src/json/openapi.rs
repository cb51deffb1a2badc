//! What there is over plain HTTP, as OpenAPI 3.1: made of the contract and its comments.

use std::sync::LazyLock;

use bytes::Bytes;
use http_body_util::Full;
use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Map, Value, json};
use tonic::body::Body;
use tonic::codegen::http::HeaderValue;
use tonic::codegen::http::header::CONTENT_TYPE;

use super::comments::{Comments, summary};
use super::contract::{Binding, Contract, Holds, Method};
use super::query::{Parameter, parameters};
use super::schema::Schemas;
use super::{lines, problem};
use crate::Response;

/// What stands in front of all.
pub(crate) const ABOUT: &str = "Can this entry line be filed as organic, and if not, why, and who must act? JSON is ProtoJSON: fields with their \
default value are left out of answers, unknown fields are refused, numbers of 64 bits are texts, bytes are base64. Every \
method, also those without a path here, is called as POST /package.Service/Method by clients of the Connect protocol (in \
JSON or protobuf), and by gRPC and gRPC-Web on the same port. A file is sent as it is, and answered in JSON lines while it \
is sent: read them meanwhile, as curl does, else a long file comes to a halt. A refusal is a problem (RFC 9457) with the gRPC code.";

/// Refusals that every path may give, with what they mean here.
const REFUSALS: &[(&str, &str)] = &[
    (
        "400",
        "What was sent is wrong, or not possible in the present state.",
    ),
    ("401", "The call shows no credential that is known."),
    (
        "403",
        "The caller's role may not call this, or not for these data.",
    ),
    ("404", "There is nothing of this name."),
    ("409", "It is there already, or was changed meanwhile."),
    ("429", "A limit is reached: see Retry-After."),
    ("503", "Try again."),
    ("504", "The time that the caller gave is over."),
];

/// The document as an answer.
pub(crate) fn response() -> Response {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document(Contract::get()).to_string().into());
    let mut response = Response::new(Body::new(Full::new(DOCUMENT.clone())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// The whole document.
pub(crate) fn document(contract: &'static Contract) -> Value {
    let comments = Comments::read(&contract.pool);
    let mut schemas = Schemas::new(&comments);
    let mut paths: Map<String, Value> = Map::new();
    let mut tags = Vec::new();
    for method in &contract.methods {
        let Some(binding) = &method.binding else { continue };
        let tag = tag(method);
        if !tags.iter().any(|known: &Value| known["name"] == tag) {
            let service = method.descriptor.parent_service();
            tags.push(
                json!({ "name": tag, "description": comments.of(&service.parent_file(), service.path()) }),
            );
        }
        let operation = operation(method, binding, &comments, &mut schemas);
        let path = paths.entry(path(method, binding)).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(binding.verb.as_str().to_lowercase(), operation);
        }
    }
    let mut all = schemas.into_value();
    all.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": { "title": "nopic", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT },
        "tags": tags,
        "paths": paths,
        "security": [{ "bearer": [] }],
        "components": {
            "schemas": all,
            "responses": { "Problem": refusal("The call is refused.") },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, or a token of an identity provider that is configured."
                }
            }
        }
    })
}

/// The service, without what all have in their names.
pub(crate) fn tag(method: &Method) -> String {
    let service = method.descriptor.parent_service();
    service
        .name()
        .strip_suffix("Service")
        .unwrap_or(service.name())
        .to_owned()
}

/// The path with the names that fields have in JSON.
pub(crate) fn path(method: &Method, binding: &Binding) -> String {
    let mut path = binding.template.text().to_owned();
    for name in binding.template.fields() {
        if let Some(field) = method.input.get_field_by_name(name) {
            path = path.replace(&format!("{{{name}}}"), &format!("{{{}}}", field.json_name()));
        }
    }
    path
}

/// The parameters of a query.
pub(crate) fn queried(method: &Method, binding: &Binding) -> Vec<Parameter> {
    let in_path: Vec<_> = binding.template.fields().collect();
    match &binding.body {
        Holds::Nothing => parameters(&method.input, &in_path),
        Holds::Fields => Vec::new(),
        Holds::File(parts) => {
            let part = |field: &FieldDescriptor| match field.kind() {
                Kind::Message(part) => parameters(&part, &[]),
                _ => Vec::new(),
            };
            parts.before.iter().flat_map(part).collect()
        }
    }
}

fn operation(method: &Method, binding: &Binding, comments: &Comments, schemas: &mut Schemas<'_>) -> Value {
    let text = comments.of(&method.descriptor.parent_file(), method.descriptor.path());
    let in_path: Vec<_> = binding.template.fields().collect();
    let mut parameters: Vec<Value> = in_path
        .iter()
        .filter_map(|name| method.input.get_field_by_name(name))
        .map(|field| {
            json!({ "name": field.json_name(), "in": "path", "required": true, "schema": schemas.field(&field) })
        })
        .collect();
    for parameter in queried(method, binding) {
        let schema = schemas.field(&parameter.field);
        let description = comments.of(&parameter.field.parent_file(), parameter.field.path());
        parameters.push(
            json!({ "name": parameter.name, "in": "query", "description": description, "schema": schema }),
        );
    }
    let mut responses: Map<String, Value> = Map::new();
    responses.insert("200".to_owned(), answered(method, binding, schemas));
    for (status, text) in REFUSALS {
        responses.insert((*status).to_owned(), refusal(text));
    }
    if !matches!(binding.body, Holds::Nothing) {
        responses.insert("408".to_owned(), refusal("The body took too long to come."));
        responses.insert("413".to_owned(), refusal("The body is too long."));
        responses.insert(
            "415".to_owned(),
            refusal("The body is of another form than is taken."),
        );
    }
    responses.insert(
        "default".to_owned(),
        json!({ "$ref": "#/components/responses/Problem" }),
    );
    let mut operation = json!({
        "operationId": method.descriptor.name(),
        "summary": summary(text),
        "description": format!("{text} gRPC: {}.", method.path.trim_start_matches('/')),
        "tags": [tag(method)],
        "parameters": parameters,
        "responses": responses,
    });
    let body = match &binding.body {
        Holds::Nothing => return operation,
        Holds::Fields => {
            let schema = schemas.message_without(&method.input, &in_path);
            json!({ "required": true, "content": { "application/json": { "schema": schema } } })
        }
        Holds::File(_) => json!({
            "required": true,
            "description": "The file as it is, whatever its content type. Answers come while it is sent: read them meanwhile.",
            "content": { "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } }
        }),
    };
    operation["requestBody"] = body;
    operation
}

fn answered(method: &Method, binding: &Binding, schemas: &mut Schemas<'_>) -> Value {
    if !method.descriptor.is_server_streaming() {
        let schema = schemas.message(&method.output);
        return json!({ "description": "The answer.", "content": { "application/json": { "schema": schema } } });
    }
    let mut kinds = Vec::new();
    let mut description = "JSON lines, as they come.".to_owned();
    if let Some(lines) = &binding.lines {
        if let Kind::Message(element) = lines.kind() {
            kinds.push(schemas.message(&element));
        }
        description = format!(
            "{description} The elements of `{}` are a line each; what else is told stands in lines by its name.",
            lines.json_name()
        );
    }
    kinds.push(schemas.message(&method.output));
    kinds.push(json!({
        "type": "object",
        "properties": { "error": { "$ref": "#/components/schemas/Problem" } },
        "required": ["error"],
        "description": "The last line, where the call fails after it began to answer."
    }));
    json!({ "description": description, "content": { (lines::CONTENT): { "schema": { "anyOf": kinds } } } })
}

fn refusal(text: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": text, "content": { (problem::CONTENT): { "schema": schema } } })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "Problem details (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer", "description": "The status of HTTP." },
            "detail": { "type": "string", "description": "What is wrong, and what to do." },
            "instance": { "type": "string", "description": "The id of the call, as the header x-request-id has it." },
            "code": { "type": "string", "description": "The gRPC code by its name, such as INVALID_ARGUMENT." },
            "details": {
                "type": "array",
                "items": { "type": "object", "properties": { "@type": { "type": "string" } } },
                "description": "Details of google.rpc, each with its type."
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_told_and_every_reference_leads_somewhere() {
        let document = document(Contract::get());
        let paths = document["paths"].as_object().unwrap();
        let told: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
        let there = Contract::get()
            .methods
            .iter()
            .filter(|method| method.binding.is_some())
            .count();
        assert_eq!(told, there);
        let operation = &document["paths"]["/v1/operations/{nopId}"]["get"];
        assert_eq!(
            operation["summary"],
            "One operation: its row, its history, its items"
        );
        assert_eq!(operation["parameters"][0]["name"], "nopId");
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > 100);
        for reference in references {
            let at = document.pointer(reference.trim_start_matches('#'));
            assert!(at.is_some_and(Value::is_object), "{reference}");
        }
    }

    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }

    /// Clients are told what things are by the comments alone.
    #[test]
    fn every_path_has_a_comment() {
        let comments = Comments::read(&Contract::get().pool);
        let without: Vec<_> = Contract::get()
            .methods
            .iter()
            .filter(|method| method.binding.is_some())
            .filter(|method| {
                comments
                    .of(&method.descriptor.parent_file(), method.descriptor.path())
                    .is_empty()
            })
            .map(|method| method.path.clone())
            .collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
