//! The paths of the contract.

use std::collections::{BTreeSet, HashSet};

use prost_reflect::Kind;
use tonic::codegen::http::Method as Verb;

use crate::json::contract::{Binding, Contract, Found, Holds};

/// What services ask each other; nobody else calls it by a path of its own.
const INTERNAL: &[&str] = &[
    "SetDraws",
    "BatchGetForValidation",
    "GetStatusManifest",
    "GetStatusShards",
    "ReadAllEvents",
];

#[test]
fn every_unary_method_has_a_path_but_internal_ones() {
    for method in &Contract::get().methods {
        let name = method.descriptor.name();
        if method.is_unary() {
            assert_eq!(method.binding.is_none(), INTERNAL.contains(&name), "{name}");
        }
        assert!(Contract::get().method(&method.path).is_some());
    }
}

#[test]
fn the_fields_of_a_path_are_fields_of_the_request() {
    for method in &Contract::get().methods {
        for field in method
            .binding
            .iter()
            .flat_map(|binding| binding.template.fields())
        {
            let field = method.input.get_field_by_name(field).expect(field);
            assert!(!field.is_list() && !matches!(field.kind(), Kind::Message(_) | Kind::Bytes));
        }
    }
}

#[test]
fn no_path_is_that_of_two_methods() {
    let bindings: Vec<_> = Contract::get()
        .methods
        .iter()
        .filter_map(|method| method.binding.as_ref())
        .collect();
    for (at, one) in bindings.iter().enumerate() {
        for two in &bindings[at + 1..] {
            assert!(
                one.verb != two.verb || !one.template.overlaps(&two.template),
                "{} and {}",
                one.template.text(),
                two.template.text()
            );
        }
    }
}

#[test]
fn paths_are_written_alike() {
    for method in &Contract::get().methods {
        let Some(binding) = &method.binding else { continue };
        let path = binding.template.text();
        assert!(path.starts_with("/v1/"), "{path}");
        let is_read = ["Get", "List", "Read", "Search", "Explain", "Watch", "WhoAmI"]
            .iter()
            .any(|word| method.descriptor.name().starts_with(word));
        let is_get = binding.verb == Verb::GET;
        assert_eq!(is_read, is_get, "{path}");
        assert_eq!(
            matches!(binding.body, Holds::Nothing),
            is_get || binding.verb == Verb::DELETE,
            "{path}"
        );
        assert_eq!(
            matches!(binding.body, Holds::File(_)),
            method.descriptor.is_client_streaming(),
            "{path}"
        );
        // Without the fields: words in camelCase.
        let words = path.split(['/', ':']).filter(|word| !word.starts_with('{'));
        assert!(
            words
                .flat_map(str::chars)
                .all(|letter| letter.is_ascii_alphanumeric()),
            "{path}"
        );
    }
}

#[test]
fn no_two_parts_of_an_upload_have_a_parameter_of_one_name() {
    for method in &Contract::get().methods {
        let Some(Binding {
            body: Holds::File(parts),
            ..
        }) = &method.binding
        else {
            continue;
        };
        assert!(
            !parts.before.is_empty() && parts.after.len() == 1,
            "{}",
            method.path
        );
        let mut names = HashSet::new();
        for field in &parts.before {
            let Kind::Message(part) = field.kind() else {
                panic!("{}", field.full_name())
            };
            for field in part.fields() {
                assert!(
                    names.insert(field.json_name().to_owned()),
                    "{}",
                    field.full_name()
                );
            }
        }
    }
}

#[test]
fn names_of_methods_are_their_own() {
    let names: BTreeSet<_> = Contract::get()
        .methods
        .iter()
        .map(|method| method.descriptor.name().to_owned())
        .collect();
    assert_eq!(names.len(), Contract::get().methods.len());
}

#[test]
fn a_path_leads_to_its_method() {
    let contract = Contract::get();
    for (verb, path, expected) in [
        (Verb::GET, "/v1/operations/1234567890", "GetOperation 1234567890"),
        (Verb::HEAD, "/v1/operations/1234567890", "GetOperation 1234567890"),
        (Verb::GET, "/v1/operations", "SearchOperations"),
        (Verb::GET, "/v1/operations:watch", "WatchChanges"),
        (Verb::POST, "/v1/entries:validate", "ValidateEntry"),
        (
            Verb::POST,
            "/v1/entries/B76-0324527-8:cancel",
            "CancelEntry B76-0324527-8",
        ),
        (Verb::GET, "/v1/entries/B7603245278/trail", "GetTrail B7603245278"),
        (Verb::POST, "/v1/entries:validateDocument", "ValidateDocument"),
        (
            Verb::DELETE,
            "/v1/importerLinks/12-3456789",
            "UnlinkImporter 12-3456789",
        ),
        (Verb::PUT, "/v1/importerLinks/12-3456789", "[DELETE]"),
        (Verb::PUT, "/v1/entries/B7603245278/trail", "[POST, GET]"),
        (Verb::GET, "/v1/entries:nothing", "-"),
        (Verb::GET, "/v1/entries/a/b", "-"),
        (Verb::GET, "/", "-"),
    ] {
        let found = match contract.find(&verb, path) {
            Found::Method(method, values) => {
                let words = [method.descriptor.name().to_owned()].into_iter().chain(values);
                words.collect::<Vec<_>>().join(" ")
            }
            Found::OtherVerbs(verbs) => format!("{verbs:?}"),
            Found::Nothing => "-".to_owned(),
        };
        assert_eq!(found, expected, "{verb} {path}");
    }
}
