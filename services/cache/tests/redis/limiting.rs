//! The limiter over real servers: no more than the rate whoever asks, and calls go on while Redis is gone.

use std::time::Duration;

use nopic_cache::limiter::{Account, Answer, Block, Blocks as _, Rate, SharedLimiter, Taken};
use nopic_cache::redis::RedisBlocks;
use rstest::rstest;
use tokio::time::Instant;

use super::world::*;

/// An account that no other test uses.
fn account(of: &str) -> Account {
    Account::new("requests", &format!("{of}-{}", std::process::id()))
}

async fn allowed(limiter: &SharedLimiter<RedisBlocks>, account: &Account, rate: Rate, times: u32) -> u32 {
    let mut allowed = 0;
    for _ in 0..times {
        if matches!(limiter.take(account, rate, 1).await, Taken::Allowed { .. }) {
            allowed += 1;
        }
    }
    allowed
}

#[rstest]
#[tokio::test]
async fn several_processes_share_one_rate(#[values(Servers::Single, Servers::Cluster)] servers: Servers) {
    let options = options(servers);
    let rate = Rate::new(100, 300).unwrap();
    let account = account("shared");
    let limiters: Vec<_> = (0..3)
        .map(|_| SharedLimiter::new(RedisBlocks::new(options.clone()).unwrap()))
        .collect();
    let began = Instant::now();
    let mut given = 0;
    for limiter in limiters.iter().cycle().take(30) {
        given += allowed(limiter, &account, rate, 50).await;
    }
    let brought = began.elapsed().as_secs_f64() * 100.0;
    assert!(
        given >= 270,
        "{given} of a burst of 300, some of which lie in blocks"
    );
    assert!(
        f64::from(given) <= 301.0 + brought,
        "{given} were given, {brought} came back"
    );
}

#[tokio::test]
async fn redis_decides_as_the_limiter_of_a_process_does() {
    let options = options(Servers::Single);
    let blocks = RedisBlocks::new(options).unwrap();
    let account = account("alike");
    // One unit an hour: no time passes that counts.
    let rate = Rate::new(1, 4_000).unwrap();
    let block = Block::Given {
        units: 0,
        left: 4_000,
    };
    let asked = blocks.take(&account, rate, 0, 0).await;
    assert_eq!(
        asked,
        Some(Answer { block, sharers: 0 }),
        "who only looks shares nothing"
    );
    let given = |units, left| {
        let block = Block::Given { units, left };
        Some(Answer { block, sharers: 1 })
    };
    assert_eq!(blocks.take(&account, rate, 1_000, 500).await, given(1_500, 2_500));
    let answer = blocks.take(&account, rate, 0, 0).await.unwrap();
    assert!(
        matches!(answer.block, Block::Given { units: 0, .. }),
        "nothing was asked for"
    );
    let answer = blocks.take(&account, rate, 3_000, 0).await.unwrap();
    let Block::Refused { retry_after } = answer.block else {
        panic!("it does not fit")
    };
    assert!(retry_after <= Duration::from_secs(500) && retry_after > Duration::from_secs(450));
    // More than a burst never fits, and would wait for ever: it goes into debt once a whole burst is there.
    let fresh = self::account("debt");
    assert_eq!(blocks.take(&fresh, rate, 9_000, 100).await, given(9_000, 0));
    let answer = blocks.take(&fresh, rate, 1, 0).await.unwrap();
    assert!(matches!(answer.block, Block::Refused { .. }));
}

#[tokio::test]
async fn while_redis_is_gone_the_processes_share_the_rate_and_afterwards_the_account() {
    let mut server = server();
    let mut options = patient(mode(&server));
    options.probe_every = Duration::from_millis(50);
    let limiter = SharedLimiter::new(RedisBlocks::new(options.clone()).unwrap());
    let other = SharedLimiter::new(RedisBlocks::new(options).unwrap());
    let rate = Rate::new(1, 100).unwrap();
    let account = account("gone");
    assert_eq!(allowed(&other, &account, rate, 1).await, 1);
    assert_eq!(allowed(&limiter, &account, rate, 40).await, 40);
    server.kill();
    // When it asked last, two processes took of the account, and 59 were left.
    let alone = allowed(&limiter, &account, rate, 500).await;
    assert!((29..=31).contains(&alone), "{alone} by its half of what was left");
    server.restart();
    // A new server knows of nothing: whoever comes to it takes of the same burst.
    let both = async {
        let mut given = 0;
        while given < 100 {
            given += allowed(&limiter, &account, rate, 1).await + allowed(&other, &account, rate, 1).await;
            tokio::task::yield_now().await;
        }
        given
    };
    let given = tokio::time::timeout(Duration::from_secs(5), both).await.unwrap();
    // A call of each may have been counted apart before Redis was found again, and time brings one a second.
    let given = given + allowed(&other, &account, rate, 50).await;
    assert!(given <= 106, "{given}");
}
