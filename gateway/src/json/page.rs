//! The page at `/docs`: every path with its comment, its parameters and an example, and the messages that stand in them. It
//! needs nothing but itself: no script, no other origin.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
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

/// Where examples call: where a server listens that is told nothing else.
const ADDRESS: &str = "http://127.0.0.1:50051";
/// What the comment of a field begins with that a request must bring.
const REQUIRED: &str = "Required";

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
    page.push_str("<h2>Messages</h2>\n<p>What stands in requests and answers, by name.</p>\n");
    for message in messages(contract) {
        let text = comments.of(&message.parent_file(), message.path());
        let _ = writeln!(
            page,
            // A browser opens what holds the place that a link leads to, and not the place itself.
            "<details><summary><code>{0}</code> {1}</summary>\n<p id=\"{0}\">{2}</p>",
            escaped(message.full_name()),
            escaped(summary(text)),
            escaped(text)
        );
        let rows = message.fields().map(|field| Row {
            name: field.json_name().to_owned(),
            place: None,
            field,
        });
        table(&mut page, rows.collect(), &comments);
        page.push_str("</details>\n");
    }
    page.push_str("</body></html>\n");
    page
}

/// The messages that a path takes or answers with, each with those in it, by their names.
fn messages(contract: &Contract) -> Vec<MessageDescriptor> {
    let mut found = BTreeMap::new();
    let bound = contract.methods.iter().filter(|method| method.binding.is_some());
    let mut rest: Vec<_> = bound
        .flat_map(|method| [method.input.clone(), method.descriptor.output()])
        .collect();
    while let Some(message) = rest.pop() {
        let inner = message.fields().filter_map(|field| match field.kind() {
            Kind::Message(inner) => Some(inner),
            _ => None,
        });
        let inner: Vec<_> = inner.collect();
        if found.insert(message.full_name().to_owned(), message).is_none() {
            rest.extend(inner);
        }
    }
    found.into_values().collect()
}

/// A field in a table.
struct Row {
    name: String,
    /// Where a request has it; absent: in a message.
    place: Option<&'static str>,
    field: FieldDescriptor,
}

impl Row {
    fn is_required(&self, comments: &Comments) -> bool {
        self.place == Some("path") || is_required(&self.field, comments)
    }
}

fn is_required(field: &FieldDescriptor, comments: &Comments) -> bool {
    comments
        .of(&field.parent_file(), field.path())
        .starts_with(REQUIRED)
}

fn table(page: &mut String, rows: Vec<Row>, comments: &Comments) {
    if rows.is_empty() {
        return;
    }
    page.push_str("<table><tr><th>name</th><th>in</th><th>value</th><th></th></tr>\n");
    for row in rows {
        let field = &row.field;
        let text = comments.of(&field.parent_file(), field.path());
        let mark = if row.is_required(comments) && !text.starts_with(REQUIRED) {
            "Required. "
        } else {
            ""
        };
        let _ = writeln!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{mark}{}</td></tr>",
            escaped(&row.name),
            row.place.unwrap_or_default(),
            value(field),
            escaped(text)
        );
    }
    page.push_str("</table>\n");
}

/// What a field takes, with the way to its message.
fn value(field: &FieldDescriptor) -> String {
    let list = if field.is_list() { "list of " } else { "" };
    match field.kind() {
        Kind::Message(message) => {
            let name = escaped(message.full_name());
            format!("{list}<a href=\"#{name}\">{}</a>", escaped(message.name()))
        }
        kind => format!("{list}{}", escaped(&scalar::wanted(&kind))),
    }
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
    let in_path: Vec<_> = binding.template.fields().collect();
    let mut rows: Vec<Row> = in_path
        .iter()
        .filter_map(|name| method.input.get_field_by_name(name))
        .map(|field| Row {
            name: field.json_name().to_owned(),
            place: Some("path"),
            field,
        })
        .collect();
    rows.extend(queried(method, binding).into_iter().map(|parameter| Row {
        name: parameter.name,
        place: Some("query"),
        field: parameter.field,
    }));
    if matches!(binding.body, Holds::Fields) {
        let fields = method
            .input
            .fields()
            .filter(|field| !in_path.contains(&field.name()));
        rows.extend(fields.map(|field| Row {
            name: field.json_name().to_owned(),
            place: Some("body"),
            field,
        }));
    }
    let example = example(binding, &rows, comments);
    table(page, rows, comments);
    let answer = method.descriptor.output();
    let _ = writeln!(
        page,
        "<p>Answer: <a href=\"#{}\">{}</a></p>\n<pre>{}</pre></details>",
        escaped(answer.full_name()),
        escaped(answer.name()),
        escaped(&example)
    );
}

/// A call that can be pasted into a shell, once what stands in capitals is filled in.
fn example(binding: &Binding, rows: &[Row], comments: &Comments) -> String {
    let mut path = binding.template.text().to_owned();
    for name in binding.template.fields() {
        path = path.replace(&format!("{{{name}}}"), &name.to_uppercase());
    }
    let required = |place| {
        rows.iter()
            .filter(move |row| row.place == Some(place) && row.is_required(comments))
    };
    let query: Vec<String> = required("query")
        .map(|row| format!("{}={}", row.name, row.field.name().to_uppercase()))
        .collect();
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    let verb = match binding.verb.as_str() {
        "GET" | "POST" => String::new(),
        verb => format!(" -X {verb}"),
    };
    let body = match &binding.body {
        Holds::Nothing => String::new(),
        Holds::File(_) => " \\\n  --data-binary @FILE -H 'content-type: application/octet-stream'".to_owned(),
        Holds::Fields => {
            let mut shown: Vec<String> = required("body").map(|row| pair(&row.field, comments)).collect();
            // Something is to be asked for where nothing must be given.
            let mut any = rows.iter().filter(|row| row.place == Some("body"));
            if shown.is_empty()
                && let Some(row) = any.next()
            {
                shown.push(pair(&row.field, comments));
            }
            format!(
                " \\\n  -H 'content-type: application/json' -d '{{{}}}'",
                shown.join(", ")
            )
        }
    };
    format!("curl{verb} \"{ADDRESS}{path}\" -H \"authorization: Bearer $NOPIC_API_KEY\"{body}")
}

/// A field with a value for it.
fn pair(field: &FieldDescriptor, comments: &Comments) -> String {
    let value = match field.kind() {
        Kind::Message(message) => {
            let mut shown: Vec<_> = message
                .fields()
                .filter(|field| is_required(field, comments))
                .collect();
            if shown.is_empty() {
                shown.extend(message.fields().next());
            }
            // No message needs itself: where one did, no request could be made.
            let pairs: Vec<_> = shown.iter().map(|field| pair(field, comments)).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Kind::Bool => "false".to_owned(),
        Kind::String | Kind::Bytes | Kind::Enum(_) => format!("\"{}\"", field.name().to_uppercase()),
        // Most count from 1.
        _ => "1".to_owned(),
    };
    match field.is_list() {
        true => format!("\"{}\": [{value}]", field.json_name()),
        false => format!("\"{}\": {value}", field.json_name()),
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
        let page = page.replace(ADDRESS, "");
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

    #[test]
    fn what_a_request_must_bring_is_marked_and_stands_in_its_example() {
        let page = html(Contract::get());
        let of = |name: &str| {
            let behind = page.split(&format!("<details id=\"{name}\">")).nth(1).unwrap();
            behind.split("</details>").next().unwrap().to_owned()
        };
        let file = of("FileEntries");
        let example = "{&quot;requestId&quot;: &quot;REQUEST_ID&quot;, &quot;lines&quot;: [{&quot;entryNumber&quot;: \
                       &quot;ENTRY_NUMBER&quot;}]}";
        assert!(file.contains(example), "{file}");
        assert!(
            file.contains("curl &quot;http://127.0.0.1:50051/v1/entries:file&quot;")
                && file.contains("Bearer $NOPIC_API_KEY"),
            "{file}"
        );
        let flag = of("GetFlag");
        assert!(flag.contains("/v1/flags/HTS_CODE?on=ON"), "{flag}");
        assert!(
            flag.contains("<td>path</td><td>text</td><td>Required. "),
            "{flag}"
        );
    }

    #[test]
    fn messages_are_reached_from_where_they_stand() {
        let page = html(Contract::get());
        let mut links = 0;
        for link in page.split("<a href=\"#").skip(1) {
            let name = link.split('"').next().unwrap();
            assert!(page.contains(&format!("<p id=\"{name}\">")), "{name}");
            links += 1;
        }
        assert!(links > 100, "{links}");
        let line = page
            .split("<p id=\"nopic.entry_validation.v1.EntryLine\">")
            .nth(1)
            .unwrap();
        let line = line.split("</details>").next().unwrap();
        assert!(line.contains("<code>certificateNumber</code>"), "{line}");
    }
}
