//! How long the rules alone need for a line, beside a floor: the same comparisons on values that are already parsed,
//! written straight down for this one kind of line. Target: at most 400 ns a line.
#![allow(clippy::unwrap_used, reason = "a benchmark may fail where it stands")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nopic_domain::certificate::{CertificateKind, CertificateStatus};
use nopic_domain::date::Date;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::flags::Flag;
use nopic_domain::hts::HtsCode;
use nopic_domain::identifier::{CertificateNumber, EntryNumber, NopId};
use nopic_domain::registry::{Scope, Status};
use nopic_domain::rules::{Judgement, Outcome, judge_entry};
use nopic_domain::weight::Weight;

use support::{CERTIFICATES, World, day, entry_line, published_on, sound_line};

/// A sound line as the floor sees it: nothing is a text but the lots.
struct Parsed {
    entry_number: EntryNumber,
    entry_date: Date,
    export_date: Date,
    importer: NopId,
    exporter: NopId,
    hts_code: HtsCode,
    number: CertificateNumber,
    weight: Weight,
    country: &'static str,
    lots: Vec<String>,
}

fn parsed(line: &NormalisedLine) -> Parsed {
    let text = |text: &Option<String>| text.clone().unwrap();
    Parsed {
        entry_number: line.entry_number.parse().unwrap(),
        entry_date: day(&text(&line.entry_date)),
        export_date: day(&text(&line.export_date)),
        importer: text(&line.importer_nop_id).parse().unwrap(),
        exporter: text(&line.exporter_nop_id).parse().unwrap(),
        hts_code: text(&line.hts_code).parse().unwrap(),
        number: text(&line.certificate_number).parse().unwrap(),
        weight: text(&line.net_weight_kg).parse().unwrap(),
        country: "MX",
        lots: line.lots.clone(),
    }
}

/// Whether a line is sound: every comparison that the rules make of an accepted line, with nothing around it.
fn is_sound(line: &Parsed, world: &World) -> bool {
    let Some(view) = world.certificates.get(&line.number) else {
        return false;
    };
    let certificate = &*view.certificate;
    let left = certificate.total_weight_kg.saturating_sub(view.drawn);
    let (Some(importer), Some(exporter)) = (
        world.operations.get(&line.importer),
        world.operations.get(&line.exporter),
    ) else {
        return false;
    };
    certificate.status == CertificateStatus::Issued
        && line.number.certifier() == certificate.certifier_id
        && line.number.operation() == certificate.exporter_nop_id
        && certificate.valid_from.is_none_or(|from| line.export_date >= from)
        && certificate.valid_to.is_none_or(|to| line.export_date <= to)
        && certificate
            .issued_on
            .is_none_or(|issued| issued <= line.export_date)
        && !certificate.hts_code.differs_in_common_digits(&line.hts_code)
        && line.importer == certificate.importer_nop_id
        && line.exporter == certificate.exporter_nop_id
        && certificate
            .countries_of_origin
            .iter()
            .any(|country| country == line.country)
        && line.lots.iter().all(|lot| {
            certificate
                .lots
                .iter()
                .any(|listed| listed.eq_ignore_ascii_case(lot))
        })
        && (certificate.kind != CertificateKind::SingleShipment
            || !view.drawn_by.include_other_than(&line.entry_number))
        && line.weight <= left
        && importer.is_certified_on(line.entry_date)
        && importer.scope_on(Scope::Handling, line.entry_date) == Some(&Status::Certified)
        && exporter.is_certified_on(line.export_date)
        && (line.entry_date - published_on()).num_days() <= 35
        && world.flags.flag_on(&line.hts_code, line.entry_date) == Some(Flag::Am8)
}

fn bench_lines(
    criterion: &mut Criterion,
    world: &World,
    name: &str,
    lines: &[NormalisedLine],
    outcome: Outcome,
) {
    let mut group = criterion.benchmark_group("rules");
    group.throughput(Throughput::Elements(u64::try_from(lines.len()).unwrap()));
    let mut judgements: Vec<Judgement> = Vec::with_capacity(lines.len());
    let judge = |judgements: &mut Vec<Judgement>| {
        judgements.clear();
        for entry in lines.chunk_by(|one, next| one.entry_number == next.entry_number) {
            judge_entry(black_box(entry), &world.policy, &world.flags, world, judgements);
        }
    };
    judge(&mut judgements);
    assert!(
        judgements.iter().all(|judgement| judgement.outcome == outcome),
        "{name}"
    );
    group.bench_function(name, |bencher| bencher.iter(|| judge(&mut judgements)));
    group.finish();
}

fn rules(criterion: &mut Criterion) {
    let world = World::new();
    let sound: Vec<_> = (0..CERTIFICATES).map(sound_line).collect();
    let parsed: Vec<_> = sound.iter().map(parsed).collect();
    let mut group = criterion.benchmark_group("rules");
    group.throughput(Throughput::Elements(u64::from(CERTIFICATES)));
    assert!(parsed.iter().all(|line| is_sound(line, &world)));
    group.bench_function("floor: the same comparisons bare", |bencher| {
        bencher.iter(|| {
            parsed
                .iter()
                .filter(|line| is_sound(black_box(line), &world))
                .count()
        });
    });
    group.finish();

    bench_lines(criterion, &world, "accepted", &sound, Outcome::Accept);

    // Four lines an entry, which must be counted together.
    let of_four: Vec<_> = (0..CERTIFICATES)
        .map(|number| {
            let mut line = entry_line(number);
            line.entry_number
                .clone_from(&sound[(number / 4 * 4) as usize].entry_number);
            line.line_number = number % 4 + 1;
            line.normalise()
        })
        .collect();
    bench_lines(
        criterion,
        &world,
        "accepted, four lines an entry",
        &of_four,
        Outcome::Accept,
    );

    let rejected: Vec<_> = (0..CERTIFICATES)
        .map(|number| {
            let mut line = entry_line(number);
            line.net_weight_kg = Some("60000".to_owned());
            line.lots.push("L-9".to_owned());
            line.normalise()
        })
        .collect();
    bench_lines(
        criterion,
        &world,
        "rejected, two findings",
        &rejected,
        Outcome::Reject,
    );

    let without_number: Vec<_> = (0..CERTIFICATES)
        .map(|number| {
            let mut line = entry_line(number);
            line.certificate_number = None;
            line.normalise()
        })
        .collect();
    bench_lines(
        criterion,
        &world,
        "rejected, no number",
        &without_number,
        Outcome::Reject,
    );
}

criterion_group!(benches, rules);
criterion_main!(benches);
