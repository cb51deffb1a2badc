use super::*;
use proptest::prelude::*;

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        6 => Just(Status::Certified),
        1 => Just(Status::Unlisted),
        2 => "[A-Za-z ]{1,12}x".prop_map(Status::Other),
    ]
}

fn segments() -> impl Strategy<Value = Vec<Segment>> {
    proptest::collection::btree_map(700_000i32..740_000, status(), 0..4).prop_map(|days| {
        days.into_iter()
            .map(|(day, status)| Segment {
                from: Date::from_num_days_from_ce_opt(day).unwrap(),
                status,
            })
            .collect()
    })
}

fn timeline() -> impl Strategy<Value = Timeline> {
    (segments(), [segments(), segments(), segments(), segments()])
        .prop_map(|(status, scopes)| Timeline { status, scopes })
}

fn shard_seven() -> impl Strategy<Value = Shard> {
    proptest::collection::vec((0u64..10_000_000_000, timeline()), 0..40).prop_map(|entries| {
        Shard::new(
            entries
                .into_iter()
                // Most random ids belong to another shard: go on to the next that belongs here.
                .map(|(number, timeline)| {
                    let id = (number..)
                        .map(|number| NopId::from_number(number % 10_000_000_000).unwrap())
                        .find(|id| shard_of(*id) == 7);
                    (id.unwrap(), timeline)
                }),
        )
    })
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(shard in shard_seven()) {
        let encoded = shard.encode(7);
        let decoded = Shard::decode(7, &encoded).unwrap();
        prop_assert_eq!(&decoded, &shard);
        prop_assert_eq!(decoded.encode(7), encoded);
    }

    #[test]
    fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Shard::decode(7, &bytes).is_err());
    }

    #[test]
    fn garbage_with_a_right_checksum_never_panics(bytes in proptest::collection::vec(0u8..40, 0..300)) {
        let mut encoded = b"NOPS\x01\x07".to_vec();
        encoded.extend_from_slice(&bytes);
        let checksum = crc32fast::hash(&encoded);
        encoded.extend_from_slice(&checksum.to_le_bytes());
        if let Ok(shard) = Shard::decode(7, &encoded) {
            for (id, _) in shard.iter() {
                prop_assert_eq!(shard_of(id), 7);
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_found(shard in shard_seven(), bit in any::<prop::sample::Index>()) {
        let mut encoded = shard.encode(7).to_vec();
        let bit = bit.index(encoded.len() * 8);
        encoded[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Shard::decode(7, &encoded).is_err());
    }
}

#[test]
fn ids_in_sequence_are_spread_evenly() {
    let mut counts = [0u32; SHARD_COUNT];
    for number in 0..76_000u64 {
        let id = NopId::from_number(1_500_000_000 + number).unwrap();
        counts[usize::from(shard_of(id))] += 1;
    }
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(*least > 150 && *most < 450, "{least} to {most}");
}

#[test]
fn the_shard_of_an_id_never_changes() {
    let shard = |number| shard_of(NopId::from_number(number).unwrap());
    assert_eq!(
        [shard(0), shard(1), shard(150_000_001), shard(9_999_999_999)],
        [0, 158, 238, 225]
    );
}

#[test]
fn of_two_entries_with_one_id_the_later_counts() {
    let id = NopId::from_number(5).unwrap();
    let later = Timeline {
        status: vec![Segment {
            from: Date::from_ymd_opt(2024, 1, 1).unwrap(),
            status: Status::Certified,
        }],
        ..Timeline::default()
    };
    let shard = Shard::new([(id, Timeline::default()), (id, later.clone())]);
    assert_eq!(shard.len(), 1);
    assert_eq!(shard.get(id), Some(&later));
}
