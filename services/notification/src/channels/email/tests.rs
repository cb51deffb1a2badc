use serde_json::json;

use super::*;

fn problems(settings: &Value) -> String {
    match addresses(settings) {
        Ok(_) => String::new(),
        Err(problems) => in_words(&problems),
    }
}

#[test]
fn addresses_are_one_to_twenty_and_none_of_them_twice_or_wrong() {
    assert_eq!(problems(&json!({"addresses": ["anna@example.com"]})), "");
    let twenty: Vec<String> = (0..20).map(|number| format!("a{number}@example.com")).collect();
    assert_eq!(problems(&json!({"addresses": twenty})), "");
    let more: Vec<String> = (0..21).map(|number| format!("a{number}@example.com")).collect();
    for (settings, word) in [
        (json!({"addresses": more}), "1 to 20"),
        (json!({"addresses": []}), "1 to 20"),
        (json!({"addresses": "anna@example.com"}), "a list of texts"),
        (json!({}), "addresses: it is missing"),
        (
            json!({"addresses": ["anna@example.com", "Anna@example.com"]}),
            "twice",
        ),
        (
            json!({"addresses": ["anna@example.com"], "cc": []}),
            "cc: there is no such field",
        ),
    ] {
        let problems = problems(&settings);
        assert!(problems.contains(word), "{settings}: {problems}");
    }
    for wrong in [
        "anna",
        "@example.com",
        "anna@",
        "Anna <anna@example.com>",
        "anna@example.com, bert@example.com",
        "anna@example.com\r\nBcc: bert@example.com",
        "anna@example.com\u{0}",
        "\"a b\"@example.com",
        "<anna@example.com>",
        "anna@[127.0.0.1]",
        "ännä@example.com",
    ] {
        let problems = problems(&json!({"addresses": [wrong]}));
        assert!(
            problems.contains("is no address such as"),
            "{wrong:?}: {problems}"
        );
        assert!(!problems.contains('\n'), "{wrong:?}");
    }
}
