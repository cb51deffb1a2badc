//! Receivers on both engines.

use nopic_sql::audit::{Audit, Heads};

use super::*;

#[rstest]
#[tokio::test]
async fn receivers_are_paused_rotated_and_removed(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut world = World::new(engine).await;
    world.receiver("a", false).await;
    world.subscribe("one", "a", Rhythm::AtOnce).await;
    world.take(&[("1", "x")]).await;
    let act = world.act();
    let paused = world
        .store
        .set_state(&act, "a", ReceiverState::Paused, "why")
        .await
        .unwrap();
    assert_eq!(
        (paused.state, paused.because.as_str()),
        (ReceiverState::Paused, "why")
    );
    assert!(world.hold("p").await.is_empty());
    let act = world.act();
    let notice = world.notice("test");
    assert!(world.store.test_receiver(&act, "a", &notice).await.is_err());
    let act = world.act();
    world
        .store
        .set_state(&act, "a", ReceiverState::Active, "")
        .await
        .unwrap();
    let act = world.act();
    let until = world.now + chrono::TimeDelta::hours(1);
    world
        .store
        .rotate_secret(&act, "a", "whsec_2", until)
        .await
        .unwrap();
    let held = world.hold("p").await;
    let begun = world.begin(held[0], "p").await.unwrap();
    let secrets: Vec<_> = begun
        .receiver
        .secrets
        .iter()
        .map(|kept| (kept.secret.as_str(), kept.until))
        .collect();
    assert_eq!(secrets, [("whsec_1", Some(until)), ("whsec_2", None)]);
    let act = world.act();
    let test = world.store.test_receiver(&act, "a", &notice).await.unwrap();
    assert_eq!(world.store.test_receiver(&act, "a", &notice).await.unwrap(), test);
    let act = world.act();
    world.store.remove_receiver(&act, "a").await.unwrap();
    assert_eq!(world.store.receivers("default").await.unwrap(), []);
    assert_eq!(world.store.subscriptions("default").await.unwrap(), []);
    assert!(
        world
            .states()
            .await
            .iter()
            .all(|state| state.1 == DeliveryState::Dead)
    );
    // The name is free again.
    world.receiver("a", false).await;
    // The log answers for the rows as they are, also for the one that is gone.
    let heads = Heads::in_data_folder(world.database.folder.path());
    let verified = Audit::new(world.store.journal().audit, heads)
        .verify(Vec::new())
        .await
        .unwrap();
    assert_eq!(verified.findings, []);
    let act = world.act();
    let missing = world.store.remove_receiver(&act, "b").await.unwrap_err();
    assert!(missing.to_string().contains("ListReceivers"), "{missing}");
}
