//! Which endpoint a call goes to, whatever happens before.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct Door(Arc<AtomicBool>);

impl Door {
    fn open() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Way for Door {
    fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

const ADDRESS: &str = "127.0.0.1:1";

fn members(count: usize) -> (Members<Door>, Vec<Id>) {
    let mut members = Members::new(Random::seeded(7));
    let ids = (0..count)
        .map(|_| {
            let id = members.insert(ADDRESS.parse().unwrap());
            members.connected(id, Door::open());
            id
        })
        .collect();
    (members, ids)
}

/// Who gets so many calls that end so at once.
fn spread(
    members: &mut Members<Door>,
    calls: u32,
    now: Instant,
    mut end: impl FnMut(Id) -> (Outcome, u64),
) -> HashMap<Id, u32> {
    let mut spread = HashMap::new();
    for _ in 0..calls {
        let (ticket, _) = members.choose(&[], true, now).unwrap();
        *spread.entry(ticket.member).or_default() += 1;
        let (outcome, millis) = end(ticket.member);
        members.answered(ticket, Duration::from_millis(millis), now);
        members.ended(ticket, outcome, now);
    }
    spread
}

#[test]
fn equals_share_the_calls_and_the_slow_get_fewer() {
    let now = Instant::now();
    let (mut all, ids) = members(4);
    let even = spread(&mut all, 4_000, now, |_| (Outcome::Answered, 5));
    assert!(ids.iter().all(|id| (800..1_200).contains(&even[id])), "{even:?}");
    let slow = ids[0];
    let uneven = spread(&mut all, 4_000, now, |id| {
        (Outcome::Answered, if id == slow { 50 } else { 5 })
    });
    assert!(uneven[&slow] < 50, "{uneven:?}");
}

#[test]
fn who_has_calls_in_flight_gets_fewer() {
    let now = Instant::now();
    let (mut all, _) = members(2);
    let tickets: Vec<_> = (0..10).map(|_| all.choose(&[], true, now).unwrap().0).collect();
    let of_one = tickets
        .iter()
        .filter(|ticket| ticket.member == tickets[0].member)
        .count();
    assert_eq!(of_one, 5);
}

#[test]
fn a_refusal_does_not_attract_calls() {
    let now = Instant::now();
    let (mut all, ids) = members(3);
    let refusing = ids[1];
    let spread = spread(&mut all, 3_000, now, |id| match id == refusing {
        true => (Outcome::Refused, 0),
        false => (Outcome::Answered, 20),
    });
    assert!(spread[&refusing] < 10, "{spread:?}");
    assert_eq!(all.states().ejected, 0, "it lives");
}

#[test]
fn at_most_half_are_out_and_they_are_asked_where_nobody_else_can_be() {
    let now = Instant::now();
    let (mut all, ids) = members(3);
    spread(&mut all, 300, now, |_| (Outcome::Failed, 0));
    assert_eq!(all.states().ejected, 1);
    let out = all
        .members
        .iter()
        .find(|member| !member.health.is_in())
        .unwrap()
        .id;
    for id in ids.iter().filter(|id| **id != out) {
        all.disconnected(*id);
    }
    assert_eq!(all.choose(&[], true, now).unwrap().0.member, out);
    for id in ids.iter().filter(|id| **id != out) {
        all.remove(*id);
    }
    assert_eq!(all.states().ejected, 0, "one alone is never out");
}

/// Where no call that may be made twice comes, one that may not must try an endpoint out, but not before.
#[test]
fn who_may_not_be_called_twice_tries_nothing_out_if_others_may() {
    let start = Instant::now();
    let (mut all, ids) = members(2);
    let out = ids[0];
    assert!(all.is_silent(out, start));
    let tried = |all: &mut Members<Door>, may_be_made_twice, now| {
        let (ticket, _) = all.choose(&[], may_be_made_twice, now).unwrap();
        all.ended(ticket, Outcome::Unknown, now);
        ticket.is_trial
    };
    let mut now = start + Duration::from_secs(10);
    all.lives(out, now);
    for _ in 0..100 {
        assert!(!tried(&mut all, false, now));
    }
    assert!(tried(&mut all, true, now));
    // Nothing was heard of that: a second later another one is to try it, and some time after that any.
    now += Duration::from_secs(2);
    assert!(!tried(&mut all, false, now));
    now += Duration::from_secs(1);
    assert!(tried(&mut all, false, now));
}

#[test]
fn a_call_that_is_made_again_goes_elsewhere() {
    let now = Instant::now();
    let (mut all, ids) = members(3);
    for _ in 0..100 {
        let (first, _) = all.choose(&[], true, now).unwrap();
        let (second, _) = all.choose(&[first.member], true, now).unwrap();
        assert_ne!(first.member, second.member);
        all.ended(first, Outcome::Unknown, now);
        all.ended(second, Outcome::Unknown, now);
    }
    assert!(
        all.choose(&ids, true, now).is_some(),
        "to the same rather than to none"
    );
}

/// One that is frozen is put out by callers that give up, and one that answers somebody meanwhile is not.
#[test]
fn calls_that_are_given_up_tell_of_who_answers_nobody() {
    let start = Instant::now();
    for (waited, answers, expected) in [
        (Duration::from_millis(200), false, 1),
        (Duration::from_millis(200), true, 0),
        (Duration::from_millis(50), false, 0),
    ] {
        let (mut all, ids) = members(2);
        all.disconnected(ids[1]);
        for _ in 0..20 {
            let (ticket, _) = all.choose(&[], true, start).unwrap();
            if answers {
                let (other, _) = all.choose(&[], true, start).unwrap();
                all.answered(other, waited, start + waited);
                all.ended(other, Outcome::Unknown, start + waited);
            }
            all.given_up(ticket, start + waited);
        }
        assert_eq!(all.states().ejected, expected, "{waited:?} {answers}");
    }
}

#[test]
fn no_way_is_known_when_each_was_tried() {
    let start = Instant::now();
    let (mut all, ids) = members(2);
    let down = |began| Down {
        began,
        why: "refused".into(),
    };
    let later = start + Duration::from_millis(1);
    all.unreachable(ids[0], down(later));
    assert!(all.unreachable_since(start).is_none());
    all.unreachable(ids[1], down(start));
    assert!(all.unreachable_since(start).is_some() && all.unreachable_since(later).is_none());
    all.connected(ids[0], Door::open());
    assert!(all.unreachable_since(start).is_none());
}

#[derive(Debug, Clone)]
enum Step {
    Insert,
    Remove(usize),
    Connect(usize),
    Close(usize),
    Choose,
    End(usize, Outcome),
    GiveUp(usize),
    Lives(usize),
    Silent(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        1 => Just(Outcome::Answered),
        1 => Just(Outcome::Refused),
        4 => Just(Outcome::Failed),
        1 => Just(Outcome::Late),
        1 => Just(Outcome::Silent),
        1 => Just(Outcome::Unknown),
    ];
    prop_oneof![
        2 => Just(Step::Insert),
        1 => any::<usize>().prop_map(Step::Remove),
        3 => any::<usize>().prop_map(Step::Connect),
        1 => any::<usize>().prop_map(Step::Close),
        12 => Just(Step::Choose),
        8 => (any::<usize>(), outcome).prop_map(|(place, outcome)| Step::End(place, outcome)),
        1 => any::<usize>().prop_map(Step::GiveUp),
        2 => any::<usize>().prop_map(Step::Lives),
        1 => any::<usize>().prop_map(Step::Silent),
        3 => (0_u64..3_000).prop_map(Step::Wait),
    ]
}

fn one<T: Copy>(all: &[T], place: usize) -> Option<T> {
    (!all.is_empty()).then(|| all[place % all.len()])
}

proptest! {
    #[test]
    fn whatever_happens_calls_go_where_they_may(
        seed in any::<u64>(),
        steps in prop::collection::vec(steps(), 1..300),
    ) {
        let mut all: Members<Door> = Members::new(Random::seeded(seed));
        let (mut ids, mut doors, mut tickets) = (Vec::new(), HashMap::new(), Vec::<Ticket>::new());
        let mut now = Instant::now();
        for step in steps {
            match step {
                Step::Insert => ids.push(all.insert(ADDRESS.parse().unwrap())),
                Step::Remove(place) => if let Some(id) = one(&ids, place) {
                    ids.retain(|known| *known != id);
                    doors.remove(&id);
                    all.remove(id);
                },
                Step::Connect(place) => if let Some(id) = one(&ids, place) {
                    doors.insert(id, Door::open());
                    all.connected(id, doors[&id].clone());
                },
                Step::Close(place) => if let Some(door) = one(&ids, place).and_then(|id| doors.get(&id)) {
                    door.0.store(false, Ordering::Relaxed);
                },
                Step::Choose => {
                    let is_any_open = doors.values().any(Way::is_open);
                    let may_be_tried = |member: &Member<Door>| member.health.is_to_be_tried(true, now);
                    let (good, on_trial): (Vec<_>, Vec<_>) = (
                        all.members.iter().filter(|one| one.is_open() && one.health.is_in()).map(|one| one.id).collect(),
                        all.members.iter().filter(|one| one.is_open() && may_be_tried(one)).map(|one| one.id).collect(),
                    );
                    let chosen = all.choose(&[], true, now);
                    prop_assert_eq!(chosen.is_some(), is_any_open);
                    if let Some((ticket, door)) = chosen {
                        prop_assert!(door.is_open());
                        match &*on_trial {
                            [] => prop_assert!(good.is_empty() || good.contains(&ticket.member)),
                            some => prop_assert!(some.contains(&ticket.member)),
                        }
                        tickets.push(ticket);
                    }
                }
                Step::End(place, outcome) => if let Some(ticket) = one(&tickets, place) {
                    tickets.retain(|other| (other.member, other.began) != (ticket.member, ticket.began));
                    all.answered(ticket, now - ticket.began, now);
                    all.ended(ticket, outcome, now);
                },
                Step::GiveUp(place) => if !tickets.is_empty() {
                    let ticket = tickets.swap_remove(place % tickets.len());
                    all.given_up(ticket, now);
                },
                Step::Lives(place) => if let Some(id) = one(&ids, place) {
                    all.lives(id, now);
                },
                Step::Silent(place) => if let Some(id) = one(&ids, place) {
                    all.is_silent(id, now);
                },
                Step::Wait(millis) => now += Duration::from_millis(millis),
            }
            let states = all.states();
            prop_assert_eq!(states.connected + states.connecting + states.ejected, i64::try_from(ids.len()).unwrap());
            prop_assert!(states.ejected * 2 <= i64::try_from(ids.len()).unwrap(), "at most half are out");
        }
        // Whoever answers again comes back.
        for id in &ids {
            all.connected(*id, Door::open());
        }
        for _ in 0..ids.len() {
            now += Duration::from_secs(5);
            for id in &ids {
                all.lives(*id, now);
            }
            if let Some((ticket, _)) = all.choose(&[], true, now) {
                all.ended(ticket, Outcome::Answered, now);
            }
        }
        prop_assert_eq!(all.states().ejected, 0);
    }
}
