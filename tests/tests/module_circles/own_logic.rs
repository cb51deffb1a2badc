//! The check sees what it must see, and nothing else.

use std::path::Path;

use crate::circles::{Circle, circles};
use crate::modules::Modules;

fn circles_in(source: &str) -> Vec<Circle> {
    let mut modules = Modules::default();
    let items = syn::parse_file(source).unwrap().items;
    modules.add(Vec::new(), items, Path::new("."), Path::new("."));
    circles(&modules)
}

/// The circles of a source, as `within: members`.
fn found(source: &str) -> Vec<String> {
    circles_in(source)
        .iter()
        .map(|circle| format!("{}: {}", circle.within, circle.modules.join(" ")))
        .collect()
}

#[test]
fn a_circle_is_found_and_shown() {
    let circles =
        circles_in("mod a { use crate::b::Y; pub struct X; } mod b { use crate::a::X; pub struct Y; }");
    assert_eq!(circles.len(), 1);
    assert_eq!(circles[0].modules, ["a", "b"]);
    assert_eq!(
        circles[0].uses,
        ["crate::a uses crate::b::Y", "crate::b uses crate::a::X"]
    );
}

#[test]
fn one_way_is_no_circle() {
    assert!(
        found("mod a { use crate::b::Y; } mod b { pub struct Y; } mod c { use crate::{a, b::Y}; }")
            .is_empty()
    );
}

#[test]
fn a_circle_through_a_third_is_found_once() {
    let source = "mod a { use crate::b::Y; } mod b { use crate::c::Z; } mod c { use crate::a::X; } mod d { use crate::a; }";
    assert_eq!(found(source), [": a b c"]);
}

#[test]
fn grouped_imports_and_super_count() {
    let source = "mod a { use crate::{c::Z, b::{Y, self}}; } mod b { use super::a::X; } mod c {}";
    assert_eq!(found(source), [": a b"]);
}

#[test]
fn paths_in_code_types_and_macros_count() {
    let code = "mod a { fn f() { crate::b::g() } } mod b { struct S(super::a::X); }";
    assert_eq!(found(code), [": a b"]);
    let in_macro = "mod a { fn f() { vec![super::b::g()] } } mod b { use crate::a::X; }";
    assert_eq!(found(in_macro), [": a b"]);
}

#[test]
fn circles_are_found_at_every_level_and_lifted_to_siblings() {
    let source = "mod a { mod x { use super::y::Y; use crate::b::Z; } mod y { use super::x::X; } } mod b { use crate::a::x::X; }";
    assert_eq!(found(source), [": a b", "a: x y"]);
}

#[test]
fn a_parent_and_its_child_are_no_circle() {
    assert!(found("mod a { mod x { use super::A; } use x::X; struct A; } use a::A; struct R; mod b { use crate::R; }").is_empty());
}

#[test]
fn what_a_parent_passes_on_counts_as_its_source() {
    let named = "mod a { use super::Y; } mod b { use crate::a::X; pub struct Y; } use b::Y;";
    assert_eq!(found(named), [": a b"]);
    let all = "mod a { use super::Y; } mod b { use crate::a::X; pub struct Y; } pub use b::*;";
    assert_eq!(found(all), [": a b"]);
    let renamed = "mod a { use super::Other; } mod b { use crate::a::X; pub struct Y; } use b::Y as Other;";
    assert_eq!(found(renamed), [": a b"]);
}

#[test]
fn test_code_does_not_count() {
    assert!(
        found("mod a { #[cfg(test)] mod tests { use crate::b::Y; } } mod b { use crate::a::X; }").is_empty()
    );
    assert!(found("mod a { #[cfg(test)] use crate::b::Y; } mod b { use crate::a::X; }").is_empty());
    let within =
        "mod a { impl X { #[cfg(test)] fn f() -> u8 { crate::b::g() } } } mod b { use crate::a::X; }";
    assert!(found(within).is_empty());
}

#[test]
fn comments_and_texts_do_not_count() {
    let source = r#"
        mod a {
            /// See [`crate::b::Y`].
            // use crate::b::Y;
            fn f() -> &'static str { "crate::b::Y" }
        }
        mod b { use crate::a::X; }
    "#;
    assert!(found(source).is_empty());
}

#[test]
fn other_crates_do_not_count() {
    assert!(found("mod a { use b::Y; fn f() { ::b::g() } } mod b { use crate::a::X; }").is_empty());
}
