//! Certificates made from a seed.

use nopic_domain::certificate::{Certificate, CertificateKind, CertificateStatus, Draw};
use nopic_domain::date::parse_iso;
use nopic_domain::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use nopic_domain::weight::Weight;

/// SplitMix64: the same numbers on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(bound.into())).unwrap()
    }
}

pub(crate) fn number(serial: u32) -> CertificateNumber {
    // Certifiers from 000 to 999: also numbers past the middle of 64 bits.
    let certifier = CertifierId::from_number(u16::try_from(serial * 37 % 1_000).unwrap()).unwrap();
    let operation = NopId::from_number(u64::from(certifier.number()) * 10_000_000 + 7).unwrap();
    CertificateNumber::from_parts(certifier, operation, serial).unwrap()
}

pub(crate) fn entry(number: u32) -> EntryNumber {
    EntryNumber::from_parts("B76", number).unwrap()
}

pub(crate) fn certificate(serial: u32, random: &mut Random) -> Certificate {
    let number = number(serial);
    let status = CertificateStatus::ALL[usize::try_from(random.below(7)).unwrap()];
    let dates = !status.is_before_issue() || random.below(2) == 0;
    Certificate {
        number,
        status,
        superseded_by: (status == CertificateStatus::Superseded).then(|| self::number(serial + 1)),
        certifier_id: number.certifier(),
        exporter_nop_id: number.operation(),
        importer_nop_id: NopId::from_number(random.below(50) * 10_000_019).unwrap(),
        final_handler_nop_id: (random.below(2) == 0)
            .then(|| NopId::from_number(random.below(10_000_000_000)).unwrap()),
        product: Some(format!("Nuts, \"raw\" \u{2116} {}", random.below(100))),
        hts_code: ["080221", "08022100", "0802210000"][usize::try_from(random.below(3)).unwrap()]
            .parse()
            .unwrap(),
        kind: CertificateKind::ALL[usize::try_from(random.below(3)).unwrap()],
        issued_on: (!status.is_before_issue())
            .then(|| parse_iso("2025-01-15"))
            .flatten(),
        valid_from: dates.then(|| parse_iso("2025-01-20")).flatten(),
        valid_to: dates.then(|| parse_iso("2025-07-20")).flatten(),
        total_weight_kg: Weight::from_units(1 + i64::from(random.small(200_000))),
        countries_of_origin: ["TR", "GE", "PE"][..usize::try_from(random.below(4)).unwrap()]
            .iter()
            .map(ToString::to_string)
            .collect(),
        lots: (0..random.below(3)).map(|lot| format!("LOT {lot}")).collect(),
    }
}

/// Up to `most` draws, on few entries.
pub(crate) fn draws(most: u64, random: &mut Random) -> Vec<Draw> {
    let entries = 1 + random.below(3);
    (0..random.below(most + 1))
        .map(|line| Draw {
            entry_number: entry(u32::try_from(random.below(entries)).unwrap()),
            line_number: 1 + u32::try_from(line).unwrap(),
            pga_line_number: 1 + random.small(2),
            weight_kg: Weight::from_units(random.small(60_000).into()),
        })
        .collect()
}
