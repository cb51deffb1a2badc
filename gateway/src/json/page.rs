//! The page at `/docs`: every path with its comment, its parameters and an example. It needs nothing but itself: no script,
//! no other origin.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use prost_reflect::{FieldDescriptor, Kind};
use sha2::{Digest as _, Sha256};
use tonic::body::Body;
use tonic::codegen::http::HeaderValue;
use tonic::codegen::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use super::comments::{Comments, summary};
use super::contract::{Binding, Contract, Holds, Method};
use super::openapi::{ABOUT, path, queried, tag};
use super::scalar;
use crate::Response;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}\
code,pre{font:14px/1.4 ui-monospace,monospace}pre{overflow-x:auto;padding:.75rem;border:1px solid #8888}\
summary{cursor:pointer;padding:.25rem 0}summary b{display:inline-block;min-width:4.5rem}\
table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0}\
:root{color-scheme:light dark}";

/// The page as an answer.
pub(crate) fn response() -> Response {
    static PAGE: LazyLock<(Bytes, HeaderValue)> = LazyLock::new(|| {
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            BASE64_STANDARD.encode(Sha256::digest(STYLE))
        );
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        (html(Contract::get()).into(), policy)
    });
    let (page, policy) = &*PAGE;
    let mut response = Response::new(Body::new(Full::new(page.clone())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    response
}

fn html(contract: &'static Contract) -> String {
    let comments = Comments::read(&contract.pool);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>nopic: paths</title><style>{STYLE}</style></head><body>\n<h1>nopic</h1>\n\
         <p>{}</p>\n<p>The same for programs: <a href=\"/openapi.json\">/openapi.json</a>.</p>\n",
        escaped(ABOUT)
    );
    let mut last = String::new();
    for method in &contract.methods {
        let Some(binding) = &method.binding else { continue };
        let tag = tag(method);
        if tag != last {
            let service = method.descriptor.parent_service();
            let text = comments.of(&service.parent_file(), service.path());
            // Writing to a text does not fail, here and below.
            let _ = writeln!(page, "<h2>{}</h2>\n<p>{}</p>", escaped(&tag), escaped(text));
            last = tag;
        }
        operation(&mut page, method, binding, &comments);
    }
    page.push_str("</body></html>\n");
    page
}

fn operation(page: &mut String, method: &Method, binding: &Binding, comments: &Comments) {
    let text = comments.of(&method.descriptor.parent_file(), method.descriptor.path());
    let name = method.descriptor.name();
    let _ = writeln!(
        page,
        "<details id=\"{name}\"><summary><b>{}</b> <code>{}</code> {}</summary>\n<p>{}</p>\n<p>gRPC and Connect: \
         <code>{}</code></p>",
        binding.verb,
        escaped(&path(method, binding)),
        escaped(summary(text)),
        escaped(text),
        escaped(&method.path)
    );
    let mut rows: Vec<(String, &str, FieldDescriptor)> = Vec::new();
    let in_path: Vec<_> = binding.template.fields().collect();
    rows.extend(in_path.iter().filter_map(|name| {
        let field = method.input.get_field_by_name(name)?;
        Some((field.json_name().to_owned(), "path", field))
    }));
    rows.extend(
        queried(method, binding)
            .into_iter()
            .map(|parameter| (parameter.name, "query", parameter.field)),
    );
    if matches!(binding.body, Holds::Fields) {
        let fields = method
            .input
            .fields()
            .filter(|field| !in_path.contains(&field.name()));
        rows.extend(fields.map(|field| (field.json_name().to_owned(), "body", field)));
    }
    if !rows.is_empty() {
        page.push_str("<table><tr><th>name</th><th>in</th><th>value</th><th></th></tr>\n");
        for (name, place, field) in rows {
            let list = if field.is_list() { "list of " } else { "" };
            let _ = writeln!(
                page,
                "<tr><td><code>{}</code></td><td>{place}</td><td>{list}{}</td><td>{}</td></tr>",
                escaped(&name),
                escaped(&scalar::wanted(&field.kind())),
                escaped(comments.of(&field.parent_file(), field.path()))
            );
        }
        page.push_str("</table>\n");
    }
    let _ = writeln!(
        page,
        "<pre>{}</pre></details>",
        escaped(&example(method, binding))
    );
}

/// A call that can be pasted into a shell, once what stands in capitals is filled in.
fn example(method: &Method, binding: &Binding) -> String {
    let mut path = binding.template.text().to_owned();
    for name in binding.template.fields() {
        path = path.replace(&format!("{{{name}}}"), &name.to_uppercase());
    }
    let verb = match binding.verb.as_str() {
        "GET" | "POST" => String::new(),
        verb => format!(" -X {verb}"),
    };
    let body = match &binding.body {
        Holds::Nothing => String::new(),
        Holds::File(_) => " \\\n  --data-binary @FILE -H 'content-type: application/octet-stream'".to_owned(),
        Holds::Fields => {
            let mut fields = method
                .input
                .fields()
                .filter(|field| !binding.template.fields().any(|name| name == field.name()));
            let first = fields.next();
            // What changes something is named, so that it can be sent again.
            let shown: Vec<String> = first
                .into_iter()
                .chain(fields.filter(|field| field.name() == "request_id"))
                .map(|field| format!("\"{}\": {}", field.json_name(), sample(&field)))
                .collect();
            format!(
                " \\\n  -H 'content-type: application/json' -d '{{{}}}'",
                shown.join(", ")
            )
        }
    };
    format!("curl{verb} \"$NOPIC{path}\" -H \"authorization: Bearer $NOPIC_KEY\"{body}")
}

fn sample(field: &FieldDescriptor) -> String {
    match field.kind() {
        _ if field.is_list() => "[]".to_owned(),
        Kind::Message(_) => "{}".to_owned(),
        Kind::Bool => "false".to_owned(),
        Kind::String | Kind::Bytes | Kind::Enum(_) => format!("\"{}\"", field.name().to_uppercase()),
        _ => "0".to_owned(),
    }
}

/// As text in a page.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_path_and_asks_nobody_else() {
        let page = html(Contract::get());
        for method in &Contract::get().methods {
            let Some(binding) = &method.binding else { continue };
            assert!(
                page.contains(&format!("<code>{}</code>", path(method, binding))),
                "{}",
                method.path
            );
        }
        for word in ["http:", "https:", "//", "<script", "style=", " src=", "onclick"] {
            assert!(!page.contains(word), "{word}");
        }
        let policy = response().headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
            "{policy}"
        );
    }
}
