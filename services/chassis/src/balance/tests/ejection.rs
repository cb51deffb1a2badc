//! Replicas that fail, that are frozen or gone, and that come back.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tonic::Code;

use super::replica::{Manner, Replica, call, call_until, connected, over, request};
use crate::balance::{BalanceMetrics, Idempotent};
use crate::metrics::Metrics;

/// A replica that came back is asked within this.
const BACK: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_replica_that_answers_errors_is_left_alone_until_it_does_not() {
    let (failing, good) = (Replica::start(), Replica::start());
    // At the body's end, where the head looks well.
    failing.behave(Manner::Ends(Code::Internal));
    let balancer = over(&[&failing, &good]);
    connected(&balancer, 2).await;
    let states = || balancer.shared.states();
    let failed = call_until(&balancer, request, || states().ejected == 1).await;
    assert!((5..=8).contains(&failed), "{failed}");
    assert_eq!(balancer.shared.counts.ejections.get(), 1);
    // Of what follows, one call at most fails for each pause.
    let mut failed = 0;
    for _ in 0..200 {
        failed += u32::from(call(&balancer).await != Code::Ok);
    }
    assert!(failed <= 2, "{failed}");
    failing.behave(Manner::Ends(Code::Ok));
    let began = Instant::now();
    let failed = call_until(&balancer, request, || states().ejected == 0).await;
    assert_eq!(failed, 0);
    let before = failing.calls();
    call_until(&balancer, request, || failing.calls() > before + 20).await;
    assert!(began.elapsed() < BACK);
}

/// Who tries it out is a caller of what may be called twice, and hears nothing of it.
#[tokio::test]
async fn trying_a_replica_out_costs_no_caller_anything() {
    let (failing, good) = (Replica::start(), Replica::start());
    failing.behave(Manner::Refuses(Code::Internal));
    let balancer = over(&[&failing, &good]);
    connected(&balancer, 2).await;
    let idempotent = || {
        let mut request = request();
        request.extensions_mut().insert(Idempotent);
        request
    };
    call_until(&balancer, idempotent, || balancer.shared.states().ejected == 1).await;
    let before = failing.calls();
    let failed = call_until(&balancer, idempotent, || failing.calls() > before + 1).await;
    assert_eq!(failed, 0);
    // Tried out in vain, and more than once, it comes back all the same.
    failing.behave(Manner::Ends(Code::Ok));
    let began = Instant::now();
    call_until(&balancer, idempotent, || balancer.shared.states().ejected == 0).await;
    assert!(began.elapsed() < BACK);
}

#[tokio::test]
async fn a_frozen_replica_is_left_alone_until_it_lives() {
    let (frozen, good) = (Replica::start(), Replica::start());
    let balancer = over(&[&frozen, &good]);
    connected(&balancer, 2).await;
    let thaw = frozen.freeze();
    let states = || balancer.shared.states();
    let timed = || {
        let mut request = request();
        // Far more than a replica that lives takes on a busy machine.
        request
            .headers_mut()
            .insert("grpc-timeout", "1S".parse().unwrap());
        request
    };
    let failed = call_until(&balancer, timed, || states().ejected == 1).await;
    assert!(failed <= 10, "{failed}");
    // No call tries it out: the balancer itself does, until it was frozen for longer than the longest pause.
    let began = Instant::now();
    let failed = call_until(&balancer, timed, || began.elapsed() > Duration::from_secs(6)).await;
    assert_eq!(failed, 0);
    assert_eq!(states().ejected, 1);
    drop(thaw);
    let began = Instant::now();
    let before = frozen.calls();
    let failed = call_until(&balancer, timed, || frozen.calls() > before + 20).await;
    assert_eq!(failed, 0);
    assert!(began.elapsed() < BACK);
}

/// Who answers all the time is at no fault where its caller has set an end to it.
#[tokio::test]
async fn a_replica_whose_streams_end_with_their_time_is_asked_on() {
    let (one, other) = (Replica::start(), Replica::start());
    for replica in [&one, &other] {
        replica.behave(Manner::EndsAfter(
            Duration::from_millis(150),
            Code::DeadlineExceeded,
        ));
    }
    let balancer = over(&[&one, &other]);
    connected(&balancer, 2).await;
    let ended = futures::future::join_all((0..40).map(|_| call(&balancer))).await;
    assert!(
        ended.iter().all(|code| *code == Code::DeadlineExceeded),
        "{ended:?}"
    );
    assert_eq!(balancer.shared.states().ejected, 0);
}

/// Also calls that have all the time of the world.
#[tokio::test]
async fn a_call_to_a_frozen_replica_comes_to_an_end() {
    let frozen = Replica::start();
    let balancer = over(&[&frozen]);
    assert_eq!(call(&balancer).await, Code::Ok);
    let thaw = frozen.freeze();
    let ended = timeout(Duration::from_secs(15), call(&balancer)).await;
    assert_eq!(ended, Ok(Code::Unknown), "it may have been done");
    drop(thaw);
    // The connection that is there now is another one.
    assert_eq!(call(&balancer).await, Code::Ok);
}

#[tokio::test]
async fn a_replica_that_was_killed_is_asked_again_when_it_is_back() {
    let (killed, good) = (Replica::start(), Replica::start());
    let balancer = over(&[&killed, &good]);
    connected(&balancer, 2).await;
    let address = killed.address;
    killed.kill();
    // Nothing was under way, and the end of the connection is known.
    connected(&balancer, 1).await;
    for _ in 0..100 {
        assert_eq!(call(&balancer).await, Code::Ok);
    }
    let back = Replica::start_at(address);
    let began = Instant::now();
    let failed = call_until(&balancer, request, || back.calls() > 20).await;
    assert_eq!(failed, 0);
    assert!(began.elapsed() < BACK);
}

#[tokio::test]
async fn where_all_would_be_out_all_are_asked() {
    let (first, second) = (Replica::start(), Replica::start());
    for replica in [&first, &second] {
        replica.behave(Manner::Refuses(Code::Unavailable));
    }
    let balancer = over(&[&first, &second]);
    connected(&balancer, 2).await;
    for _ in 0..100 {
        assert_eq!(call(&balancer).await, Code::Unavailable);
    }
    assert_eq!(balancer.shared.states().ejected, 1, "one of two");
    // Whichever is in goes away: the other is better than none.
    let (first_calls, second_calls) = (first.calls(), second.calls());
    let (gone, left) = if first_calls > second_calls {
        (first, second)
    } else {
        (second, first)
    };
    left.behave(Manner::Ends(Code::Ok));
    gone.kill();
    connected(&balancer, 0).await;
    assert_eq!(call(&balancer).await, Code::Ok);
}

#[tokio::test]
async fn endpoints_ejections_and_retries_are_counted() {
    let metrics = Metrics::default();
    let counted = BalanceMetrics::new(&metrics);
    let (failing, good) = (Replica::start(), Replica::start());
    failing.behave(Manner::Ends(Code::Unknown));
    let balancer = over(&[&failing, &good]);
    balancer.count_in(&counted, "registry");
    balancer.clone().count_in(&counted, "registry");
    connected(&balancer, 2).await;
    call_until(&balancer, request, || balancer.shared.states().ejected == 1).await;
    let text = metrics.text();
    for line in [
        "client_endpoints{target=\"registry\",state=\"connected\"} 1",
        "client_endpoints{target=\"registry\",state=\"connecting\"} 0",
        "client_endpoints{target=\"registry\",state=\"ejected\"} 1",
        "client_ejections_total{target=\"registry\"} 1",
        "client_retries_total{target=\"registry\",reason=\"not_taken\"} 0",
        "client_retries_total{target=\"registry\",reason=\"over_budget\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    drop(balancer);
}
