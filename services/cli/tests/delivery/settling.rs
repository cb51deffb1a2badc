//! Processes that are killed while there is something to do, and the end of it.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::plan::{Chance, Plan};
use crate::source::Source;
use crate::tenants::Tenants;
use crate::workers::Workers;

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Kills whom chance names at the moments of the plan.
pub(crate) async fn killed(plan: &Plan, workers: &mut Workers, chance: &mut Chance) {
    let began = Instant::now();
    for moment in &plan.kills {
        sleep_until(began + *moment).await;
        let number = chance.below(workers.count());
        // It waits until the new one serves.
        tokio::task::block_in_place(|| workers.kill(number));
    }
}

/// Waits until every event was read, and no receiver has anything that waits.
pub(crate) async fn settled(plan: &Plan, source: &Source, tenants: &Tenants) {
    let mut waiting: Vec<usize> = (0..plan.receivers).collect();
    let settling = async {
        while !source.is_read() {
            sleep(LOOK_EVERY).await;
        }
        while let Some(receiver) = waiting.last() {
            if tenants.receiver(*receiver).await.waiting == 0 {
                waiting.pop();
            } else {
                sleep(LOOK_EVERY).await;
            }
        }
    };
    if timeout(plan.patience, settling).await.is_err() {
        let mut named = Vec::new();
        for receiver in waiting.iter().take(10) {
            named.push((plan.manners[*receiver], tenants.receiver(*receiver).await));
        }
        panic!(
            "{} receivers have not settled within {:?}, among them {named:#?}",
            waiting.len(),
            plan.patience
        );
    }
}
