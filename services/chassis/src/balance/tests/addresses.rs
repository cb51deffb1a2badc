//! Addresses that come and go.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tonic::Code;

use super::replica::{Replica, balancer, call};
use crate::balance::{Balancer, Target, TargetError};

#[tokio::test]
async fn addresses_that_change_under_calls_fail_none() {
    let (first, second, third) = (Replica::start(), Replica::start(), Replica::start());
    let addresses = Arc::new(Mutex::new(vec![first.address]));
    let balancer = balancer(&addresses);
    let is_over = Arc::new(AtomicBool::new(false));
    let answered: [Arc<AtomicUsize>; 4] = Default::default();
    let callers: Vec<_> = answered
        .iter()
        .map(|answered| {
            let (balancer, is_over) = (balancer.clone(), Arc::clone(&is_over));
            let answered = Arc::clone(answered);
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    assert_eq!(call(&balancer).await, Code::Ok);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let become_ = |replicas: &[&Replica]| {
        *addresses.lock().unwrap() = replicas.iter().map(|replica| replica.address).collect();
        balancer.shared.look.notify_one();
    };
    first.called(0).await;
    become_(&[&first, &second]);
    second.called(0).await;
    // All others at once, as when a deployment is rolled over.
    become_(&[&third]);
    third.called(0).await;
    let states = || balancer.shared.states();
    while states().connected != 1 {
        third.called(third.calls()).await;
    }
    // Each has had its answer to what it asked before: nobody waits for those that go.
    for answered in &answered {
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) == before {
            third.called(third.calls()).await;
        }
    }
    first.kill();
    second.kill();
    third.called(third.calls()).await;
    is_over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_address_or_no_name_is_told() {
    for (authority, name) in [
        ("registry", "registry"),
        (":1", "registry"),
        ("registry:http", "registry"),
        ("regi stry:1", "registry"),
        ("registry:1", "regi stry"),
    ] {
        let target = Target {
            authority: authority.to_owned(),
            name: name.to_owned(),
            tls: None,
        };
        let refused = Balancer::new(target).unwrap_err();
        assert_eq!(
            matches!(refused, TargetError::Name(..)),
            name != "registry",
            "{refused}"
        );
    }
}
