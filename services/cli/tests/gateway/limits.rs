//! Redis killed while two gateways share a tenant's limit by it: nobody within the limit is refused, nobody gets much more
//! than the limit, and the limit is shared again as soon as Redis is back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nopic_proto::access::WhoAmIRequest;
use nopic_proto::access::access_service_client::AccessServiceClient;
use nopic_testing::redis::Redis;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::deployment::Deployment;

/// What each tenant may ask a second, and at once.
const LIMIT: u32 = 100;
/// What the tenant that keeps its limit asks a second at each gateway, and the one that does not.
const WITHIN: u32 = 40;
const BEYOND: u32 = 960;
/// Calls of one caller at a time: a busy machine makes fewer calls, and none of them late.
const AT_A_TIME: usize = 24;
const OUTAGE: Duration = Duration::from_secs(5);
/// Within this time the limit is shared again.
const BACK: Duration = Duration::from_secs(5);
const AFTER: Duration = Duration::from_secs(3);

/// A call: when it began, and what came of it.
type Calls = Arc<Mutex<Vec<(Instant, Code)>>>;

/// A tenant that asks steadily, at whichever of its gateways it is told.
struct Caller {
    calls: Calls,
    asking: JoinHandle<()>,
}

impl Caller {
    /// At `at` of these gateways, at a pace a second.
    fn begin(gateways: [Channel; 2], at: Arc<AtomicUsize>, key: &str, pace: u32) -> Self {
        let calls = Calls::default();
        let (noted, key) = (Arc::clone(&calls), format!("Bearer {key}"));
        let asking = tokio::spawn(async move {
            let mut pace = interval(Duration::from_secs(1) / pace);
            pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let places = Arc::new(Semaphore::new(AT_A_TIME));
            loop {
                pace.tick().await;
                let place = Arc::clone(&places).acquire_owned().await.unwrap();
                let mut client = AccessServiceClient::new(gateways[at.load(Ordering::Relaxed)].clone());
                let (noted, key) = (Arc::clone(&noted), key.clone());
                tokio::spawn(async move {
                    let _place = place;
                    let mut request = Request::new(WhoAmIRequest {});
                    request
                        .metadata_mut()
                        .insert("authorization", key.parse().unwrap());
                    let began = Instant::now();
                    let code = client
                        .who_am_i(request)
                        .await
                        .map_or_else(|status| status.code(), |_| Code::Ok);
                    noted.lock().unwrap().push((began, code));
                });
            }
        });
        Self { calls, asking }
    }

    fn count(&self, from: Instant, to: Instant, is_meant: impl Fn(Code) -> bool) -> u32 {
        let calls = self.calls.lock().unwrap();
        let found = calls
            .iter()
            .filter(|(began, code)| (from..to).contains(began) && is_meant(*code));
        u32::try_from(found.count()).unwrap()
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_while_redis_is_gone_and_are_shared_again_when_it_is_back() {
    let mut redis = Redis::start();
    let mut deployment = Deployment::prepare().await;
    deployment.environment = vec![
        ("NOPIC_REDIS_URL", redis.url()),
        ("NOPIC_REDIS_DEPLOYMENT", "limits".to_owned()),
        ("NOPIC_LIMITS_REQUESTS_PER_SECOND", LIMIT.to_string()),
        ("NOPIC_LIMITS_REQUESTS_BURST", LIMIT.to_string()),
    ];
    let keys = ["within", "beyond"].map(|tenant| {
        deployment.done(&["tenant", "create", tenant, "--all-filer-codes"]);
        deployment.done(&["person", "add", tenant, "maria", "--role", "broker"]);
        deployment
            .done(&["key", "create", tenant, "maria", "--quiet"])
            .trim()
            .to_owned()
    });
    deployment.start_gateway(0);
    deployment.start_gateway(1);
    let gateways = [deployment.channel(0), deployment.channel(1)];
    // Where the second caller of each tenant asks: at the second gateway, until it is told otherwise.
    let second = Arc::new(AtomicUsize::new(1));
    let begin = |key: &str, pace: u32| {
        [Arc::new(AtomicUsize::new(0)), Arc::clone(&second)]
            .map(|at| Caller::begin(gateways.clone(), at, key, pace))
    };
    let (within, beyond) = (begin(&keys[0], WITHIN), begin(&keys[1], BEYOND));
    // Until the burst is used up, and a while more.
    sleep(Duration::from_secs(3)).await;

    let killed = Instant::now();
    redis.kill();
    sleep(OUTAGE).await;
    let returned = Instant::now();
    redis.restart();
    sleep(BACK).await;
    // All come to one gateway, which has the whole limit only by sharing it: by itself it has half.
    second.store(0, Ordering::Relaxed);
    let shared = Instant::now();
    sleep(AFTER).await;
    let ended = Instant::now();

    let sum = |callers: &[Caller; 2], from, to, is_meant: &dyn Fn(Code) -> bool| -> u32 {
        callers
            .iter()
            .map(|caller| caller.count(from, to, is_meant))
            .sum()
    };
    let admitted = |code| code == Code::Ok;
    let all = |_| true;
    let calls = sum(&within, killed, ended, &all) + sum(&beyond, killed, ended, &all);
    let refused = sum(&within, killed, ended, &|code| code != Code::Ok);
    let failed = sum(&beyond, killed, ended, &|code| {
        code != Code::Ok && code != Code::ResourceExhausted
    });
    let quota = |from: Instant, to: Instant| f64::from(LIMIT) * (to - from).as_secs_f64();
    let without = f64::from(sum(&beyond, killed, returned, &admitted)) / quota(killed, returned);
    let after = f64::from(sum(&beyond, shared, ended, &admitted)) / quota(shared, ended);
    let rate = f64::from(calls) / (ended - killed).as_secs_f64();
    eprintln!(
        "{rate:.0} calls/s: {} of {calls} failed; admitted {without:.2} of the limit without Redis, {after:.2} at one \
         gateway {} s after its return",
        refused + failed,
        BACK.as_secs()
    );
    assert!(
        f64::from(refused + failed) <= 0.001 * f64::from(calls),
        "{refused} calls within the limit were refused, {failed} others failed, of {calls}"
    );
    assert!(without <= 1.2, "{without:.2} of the limit was admitted");
    // A machine that is busy with other things asks less than it would be given.
    let offered = f64::from(sum(&beyond, shared, ended, &all)) / quota(shared, ended);
    assert!(
        after <= 1.2 && after >= 0.8 * offered.min(1.0),
        "{after:.2} of {offered:.2}"
    );
}
