//! Reading objects.

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) type Labels = BTreeMap<String, String>;

/// A text at a path such as `/metadata/name`; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// A list at a path; empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value
        .pointer(path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

pub(crate) fn kind(object: &Value) -> &str {
    text(object, "/kind")
}

pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// As people speak of it.
pub(crate) fn called(object: &Value) -> String {
    format!("{} {}", kind(object), name(object))
}

pub(crate) fn of_kind<'a>(objects: &'a [Value], wanted: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| kind(object) == wanted)
}

pub(crate) fn find<'a>(objects: &'a [Value], wanted: &str, named: &str) -> Option<&'a Value> {
    objects
        .iter()
        .find(|object| kind(object) == wanted && name(object) == named)
}

pub(crate) fn labels(value: &Value, path: &str) -> Labels {
    let map = value.pointer(path).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// Whether a selector (`matchLabels`, `matchExpressions` with In) takes these labels; an empty one takes all.
pub(crate) fn selects(selector: &Value, labels_of: &Labels) -> bool {
    let map = selector.as_object();
    for key in map.into_iter().flatten().map(|(key, _)| key) {
        assert!(
            ["matchLabels", "matchExpressions"].contains(&key.as_str()),
            "a selector has {key}, which this does not read"
        );
    }
    labels(selector, "/matchLabels")
        .iter()
        .all(|(key, value)| labels_of.get(key) == Some(value))
        && list(selector, "/matchExpressions").iter().all(|expression| {
            assert_eq!(text(expression, "/operator"), "In");
            let value = labels_of
                .get(text(expression, "/key"))
                .cloned()
                .unwrap_or_default();
            list(expression, "/values").contains(&Value::String(value))
        })
}

/// Pods that an object makes.
pub(crate) struct Pods<'a> {
    pub(crate) object: &'a Value,
    pub(crate) labels: Labels,
    pub(crate) spec: &'a Value,
}

impl<'a> Pods<'a> {
    /// Those of every object that makes some.
    pub(crate) fn of(objects: &'a [Value]) -> Vec<Self> {
        objects
            .iter()
            .filter_map(|object| {
                let path = match kind(object) {
                    "Pod" => "",
                    "Deployment" | "StatefulSet" | "Job" => "/spec/template",
                    "CronJob" => "/spec/jobTemplate/spec/template",
                    _ => return None,
                };
                let template = object.pointer(path)?;
                Some(Self {
                    object,
                    labels: labels(template, "/metadata/labels"),
                    spec: template.pointer("/spec")?,
                })
            })
            .collect()
    }

    pub(crate) fn called(&self) -> String {
        called(self.object)
    }

    /// Those that prepare, and those that stay.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        list(self.spec, "/initContainers")
            .iter()
            .chain(list(self.spec, "/containers"))
    }

    pub(crate) fn volume(&self, named: &str) -> Option<&'a Value> {
        let mut volumes = list(self.spec, "/volumes").iter();
        volumes.find(|volume| text(volume, "/name") == named)
    }

    /// The number of a port, by its name or by itself.
    pub(crate) fn port(&self, port: &Value) -> Option<u64> {
        if let Some(number) = port.as_u64() {
            return Some(number);
        }
        self.containers()
            .flat_map(|container| list(container, "/ports"))
            .find(|own| own.pointer("/name") == Some(port))?
            .pointer("/containerPort")?
            .as_u64()
    }
}

/// Whether the program is in this container.
pub(crate) fn is_ours(container: &Value) -> bool {
    let image = text(container, "/image");
    image
        .rsplit('/')
        .next()
        .is_some_and(|last| last.starts_with("nopic:"))
}

pub(crate) fn arguments(container: &Value) -> Vec<&str> {
    list(container, "/args")
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

/// The part that pods serve, if they serve one.
pub(crate) fn served<'a>(pods: &Pods<'a>) -> Option<&'a str> {
    let container = list(pods.spec, "/containers").first()?;
    match arguments(container).as_slice() {
        ["serve", part, ..] if is_ours(container) => Some(*part),
        _ => None,
    }
}
