//! Every object of Kubernetes' own kinds is read into its type and written again, and has lost nothing on the way: a field
//! that the type does not know, or has otherwise, would be gone.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::serde::Serialize;
use k8s_openapi::serde::de::DeserializeOwned;
use serde_json::Value;

use crate::objects::{called, kind, text};
use crate::rendered::{OVERLAYS, objects};
use crate::schemas::with_what_is_optional;

/// Whether it is of somebody else's kind: of Kubernetes' own groups only this one has dots in its name.
fn is_custom(object: &Value) -> bool {
    let group = text(object, "/apiVersion").split('/').next().unwrap();
    group.contains('.') && group != "networking.k8s.io"
}

/// An object as its type has it.
fn through<T: DeserializeOwned + Serialize>(object: &Value) -> Result<Value, String> {
    let typed: T = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
    serde_json::to_value(typed).map_err(|error| error.to_string())
}

fn typed(object: &Value) -> Result<Value, String> {
    match (text(object, "/apiVersion"), kind(object)) {
        ("apps/v1", "Deployment") => through::<Deployment>(object),
        ("apps/v1", "StatefulSet") => through::<StatefulSet>(object),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => through::<HorizontalPodAutoscaler>(object),
        ("batch/v1", "CronJob") => through::<CronJob>(object),
        ("batch/v1", "Job") => through::<Job>(object),
        ("networking.k8s.io/v1", "NetworkPolicy") => through::<NetworkPolicy>(object),
        ("policy/v1", "PodDisruptionBudget") => through::<PodDisruptionBudget>(object),
        ("v1", "ConfigMap") => through::<ConfigMap>(object),
        ("v1", "Namespace") => through::<Namespace>(object),
        ("v1", "Pod") => through::<Pod>(object),
        ("v1", "PersistentVolumeClaim") => through::<PersistentVolumeClaim>(object),
        ("v1", "Secret") => through::<Secret>(object),
        ("v1", "Service") => through::<Service>(object),
        ("v1", "ServiceAccount") => through::<ServiceAccount>(object),
        (version, kind) => Err(format!("no type is named for {version} {kind}")),
    }
}

/// Adds the places of what `written` has otherwise than it was.
fn lost(was: &Value, written: &Value, place: &str, lost_at: &mut Vec<String>) {
    match (was, written) {
        (Value::Object(was), Value::Object(written)) => {
            for (key, value) in was {
                let place = format!("{place}/{key}");
                match written.get(key) {
                    Some(written) => lost(value, written, &place, lost_at),
                    // Nothing, or an empty list, is as good as no field.
                    None if value.is_null() || value.as_array().is_some_and(Vec::is_empty) => {}
                    None => lost_at.push(place),
                }
            }
        }
        (Value::Array(was), Value::Array(written)) if was.len() == written.len() => {
            for (number, (was, written)) in was.iter().zip(written).enumerate() {
                lost(was, written, &format!("{place}/{number}"), lost_at);
            }
        }
        (was, written) if was == written => {}
        (was, written) => lost_at.push(format!("{place}: {was} became {written}")),
    }
}

/// A Secret's values as one line each, as a cluster takes them, too: kustomize breaks long ones.
fn unbroken(object: &Value) -> Value {
    let mut object = object.clone();
    if kind(&object) == "Secret" {
        for value in object["data"]
            .as_object_mut()
            .into_iter()
            .flatten()
            .map(|(_, value)| value)
        {
            *value = Value::from(value.as_str().unwrap_or_default().replace('\n', ""));
        }
    }
    object
}

fn problems(object: &Value) -> Vec<String> {
    let object = &unbroken(object);
    match typed(object) {
        Err(why) => vec![why],
        Ok(written) => {
            let mut lost_at = Vec::new();
            lost(object, &written, "", &mut lost_at);
            lost_at
        }
    }
}

#[test]
fn no_object_loses_anything_in_its_type() {
    let whole = with_what_is_optional();
    for overlay in OVERLAYS.into_iter().chain(whole.path().to_str()) {
        for object in objects(overlay).iter().filter(|object| !is_custom(object)) {
            let problems = problems(object);
            assert!(
                problems.is_empty(),
                "{overlay}, {}: {problems:#?}",
                called(object)
            );
        }
    }
}

#[test]
fn what_a_type_does_not_know_is_lost_and_what_it_cannot_read_is_said() {
    let objects = objects("dev");
    let deployment = objects
        .iter()
        .find(|object| kind(object) == "Deployment")
        .unwrap();
    for (place, value, expected) in [
        ("/spec", Value::from(1), "/spec/minReadySecond"),
        (
            "/spec/template/spec/containers/0",
            Value::from(1),
            "/0/minReadySecond",
        ),
        ("/metadata", Value::from("x"), "/metadata/minReadySecond"),
    ] {
        let mut wrong = deployment.clone();
        wrong.pointer_mut(place).unwrap()["minReadySecond"] = value;
        let said = problems(&wrong);
        assert!(said.len() == 1 && said[0].ends_with(expected), "{said:?}");
    }
    let mut wrong = deployment.clone();
    wrong["spec"]["replicas"] = Value::from("many");
    assert_eq!(problems(&wrong).len(), 1);
    wrong["kind"] = Value::from("Deploiment");
    assert!(problems(&wrong)[0].starts_with("no type is named"));
}
