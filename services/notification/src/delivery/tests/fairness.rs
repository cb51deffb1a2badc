//! Order, rate, and what one receiver's trouble costs others.

use std::collections::HashMap;

use super::*;

/// Outcomes by chance: `NOPIC_DELIVERY_SEED` names the one that is to be repeated.
fn by_chance(seed: u64, count: usize) -> Script {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut script: Script = (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            match state % 10 {
                0..=2 => passing(None),
                3 => Outcome::Refused {
                    why: "It is too large.".to_owned(),
                },
                _ => Outcome::Delivered,
            }
        })
        .collect();
    script.push(Outcome::Delivered);
    script
}

#[rstest]
#[tokio::test]
async fn in_order_means_in_order_whatever_fails_and_however_much_waits(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let seeds: Vec<u64> = match std::env::var("NOPIC_DELIVERY_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=3).collect(),
    };
    for seed in seeds {
        #[allow(clippy::print_stderr, reason = "tests print their seeds and figures")]
        {
            eprintln!("NOPIC_DELIVERY_SEED={seed} ({engine:?})");
        }
        let mut world = World::new(engine).await;
        world.receiver("erp", true, by_chance(seed, 120)).await;
        for number in 0..150 {
            let subject = format!("s{}", number * number % 7 % 4);
            world.notice(&number.to_string(), &subject).await;
        }
        let mut rounds = 0;
        while world.state("erp").await.waiting > 0 {
            world.send().await;
            world.later(TimeDelta::minutes(20));
            rounds += 1;
            assert!(rounds < 1_000, "{:?}", world.state("erp").await);
        }
        let all = world.deliveries("erp").await;
        let place: HashMap<&str, usize> = all
            .iter()
            .enumerate()
            .map(|(place, one)| (one.message_id.as_str(), place))
            .collect();
        let notices = world.subjects().await;
        // No message is tried as long as one before it about its subject may still come.
        let mut last: HashMap<&str, usize> = HashMap::new();
        for id in world.tries("erp") {
            let at = place[id.as_str()];
            let subject = notices[&all[at].notices[0]].as_str();
            let before = last.insert(subject, at).unwrap_or(0);
            assert!(
                before <= at,
                "message {at} about {subject} was tried behind {before}"
            );
        }
        assert_eq!(
            world.tries("erp").len(),
            all.iter().map(|one| one.attempts as usize).sum::<usize>()
        );
    }
}

#[rstest]
#[tokio::test]
async fn no_more_than_it_takes_in_a_minute(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    let mut world = World::new(engine).await;
    let slow = NewReceiver {
        per_minute: 10,
        ..new_receiver("slow")
    };
    let script = vec![Outcome::Delivered, passing(None), Outcome::Delivered];
    world.receiver_as(&slow, script).await;
    for number in 0..40 {
        world.notice(&number.to_string(), "x").await;
    }
    let mut minutes = Vec::new();
    for _ in 0..12 {
        let before = world.tries("slow").len();
        for _ in 0..6 {
            world.send().await;
            world.later(TimeDelta::seconds(10));
        }
        minutes.push(world.tries("slow").len() - before);
    }
    assert!(minutes.iter().all(|tries| *tries <= 10), "{minutes:?}");
    assert_eq!(world.state("slow").await.waiting, 0, "{minutes:?}");
}

#[rstest]
#[tokio::test]
async fn a_receiver_whose_row_is_broken_costs_others_nothing(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("good", false, Vec::new()).await;
    let bad = NewReceiver {
        channel: "pigeon",
        ..new_receiver("bad")
    };
    world.receiver_as(&bad, Vec::new()).await;
    for number in 0..5 {
        world.notice(&number.to_string(), "x").await;
    }
    world.send().await;
    assert_eq!(world.tries("good").len(), 5);
    let bad = world.deliveries("bad").await;
    let tried: Vec<_> = bad.iter().filter(|one| one.attempts > 0).collect();
    assert!(tried.len() <= AT_A_TIME, "{tried:?}");
    assert!(tried[0].last_result.contains("pigeon"), "{tried:?}");
    assert!(
        bad.iter().all(|one| one.state == DeliveryState::Waiting),
        "{bad:?}"
    );
}

#[rstest]
#[tokio::test]
async fn who_drains_begins_nothing_and_gives_back_what_it_holds(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("erp", false, Vec::new()).await;
    world.notice("1", "x").await;
    world.sender.draining.begin();
    world.send().await;
    assert_eq!(world.tries("erp"), Vec::<String>::new());
    let held = world
        .sender
        .store
        .hold_receivers("other", world.clock.now(), LEASE, 10)
        .await
        .unwrap();
    assert_eq!(held.len(), 1);
}

#[rstest]
#[tokio::test]
async fn one_that_refuses_everything_for_half_a_week_is_paused_and_its_owner_told(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    let refused = Outcome::Refused {
        why: "There is no such mailbox (550).".to_owned(),
    };
    world.receiver("left", false, vec![refused]).await;
    world.receiver("mail", false, Vec::new()).await;
    for hour in 0..90 {
        assert_eq!(world.state("left").await.state, ReceiverState::Active, "{hour}");
        world.notice(&hour.to_string(), "x").await;
        world.send().await;
        world.later(TimeDelta::hours(1));
        if world.state("left").await.state == ReceiverState::Paused {
            break;
        }
    }
    let left = world.state("left").await;
    assert_eq!(left.state, ReceiverState::Paused);
    assert!(left.because.contains("There is no such mailbox"), "{left:?}");
    world.send().await;
    let last = world.deliveries("mail").await.pop().unwrap();
    assert_eq!(world.subjects().await[&last.notices[0]], "left");
}

#[rstest]
#[tokio::test]
async fn what_this_deployment_is_at_fault_for_pauses_no_receiver(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    let ours = Outcome::Ours {
        why: "The mail server could not be reached.".to_owned(),
    };
    let mut script = vec![ours; 60];
    script.push(Outcome::Delivered);
    world.receiver("mail", false, script).await;
    world.notice("1", "x").await;
    for _ in 0..60 {
        world.send().await;
        world.later(TimeDelta::minutes(61));
    }
    let mail = world.state("mail").await;
    assert_eq!((mail.state, mail.failing_since), (ReceiverState::Active, None));
    assert!(mail.waiting == 1 && world.tries("mail").len() > 10, "{mail:?}");
}
