//! Random sequences of draws and imports, held against a list of draws from which everything is added up anew.

use nopic_domain::certificate::{Certificate, CertificateKind, Draw};
use nopic_domain::ledger::mark_excess;
use nopic_domain::weight::Weight;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::line_draw::Mode;
use nopic_proto::certificate::line_draw_result::Outcome;
use nopic_sql::testing::Engine;
use rstest::rstest;

use crate::support::database::{Database, Ledger};
use crate::support::ledger::{issued, outcomes, request, set};
use crate::support::sample::{Random, entry, number};
use crate::support::{Deployment, file_of};

const CERTIFICATES: u32 = 3;
const STEPS: u32 = 60;
/// Who imports comes first.
const TENANTS: [&str; 2] = ["default", "theirs"];

fn seeds() -> std::ops::Range<u64> {
    if std::env::var_os("NOPIC_TESTS_FULL").is_some() {
        0..200
    } else {
        0..3
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Standing {
    tenant: usize,
    entry: u32,
    line: u32,
    serial: u32,
    units: i64,
    excess: i64,
    filed: bool,
}

#[derive(Debug, Clone)]
struct Stated {
    certificate: Certificate,
    version: u32,
    limit: i64,
}

impl Stated {
    fn total(&self) -> i64 {
        self.certificate.total_weight_kg.units()
    }
}

#[derive(Debug, Default)]
struct Model {
    certificates: Vec<Stated>,
    draws: Vec<Standing>,
}

impl Model {
    fn stated(&mut self, serial: u32) -> &mut Stated {
        &mut self.certificates[serial as usize - 1]
    }

    fn drawn(&self, serial: u32) -> i64 {
        let of = self.draws.iter().filter(|draw| draw.serial == serial);
        of.map(|draw| draw.units).sum()
    }

    /// Every tenant and entry that drew.
    fn drawn_by(&self, serial: u32) -> Vec<(usize, u32)> {
        let of = self.draws.iter().filter(|draw| draw.serial == serial);
        let mut drawn_by: Vec<_> = of.map(|draw| (draw.tenant, draw.entry)).collect();
        drawn_by.sort_unstable();
        drawn_by.dedup();
        drawn_by
    }

    fn set(
        &mut self,
        tenant: usize,
        entry: u32,
        keep: bool,
        lines: &[wire::LineDraw],
    ) -> Vec<(Outcome, i64)> {
        let used: Vec<bool> = (1..=CERTIFICATES)
            .map(|serial| {
                self.drawn_by(serial)
                    .iter()
                    .any(|drawer| *drawer != (tenant, entry))
            })
            .collect();
        let ends = |draw: &Standing| {
            (draw.tenant, draw.entry) == (tenant, entry)
                && !keep
                && !lines.iter().any(|line| line.line_number == draw.line)
        };
        let replaced: Vec<i64> = (1..=CERTIFICATES)
            .map(|serial| {
                let of = self
                    .draws
                    .iter()
                    .filter(|draw| draw.serial == serial && ends(draw));
                of.map(|draw| draw.units).sum()
            })
            .collect();
        self.draws.retain(|draw| {
            (draw.tenant, draw.entry) != (tenant, entry)
                || (keep && !lines.iter().any(|line| line.line_number == draw.line))
        });
        let mut counted = [0; CERTIFICATES as usize];
        lines
            .iter()
            .map(|line| {
                if line.mode() == Mode::Nothing {
                    return (Outcome::Nothing, 0);
                }
                let serial = serial_of(line.number);
                let place = serial as usize - 1;
                let drawn = self.drawn(serial);
                let stated = &self.certificates[place];
                let single = stated.certificate.kind == CertificateKind::SingleShipment;
                let beside = if line.beside_replaced { replaced[place] } else { 0 };
                let refused = if single && used[place] && !line.may_reuse {
                    Some(Outcome::AlreadyUsed)
                } else if drawn + counted[place] + beside + line.weight_units > stated.limit
                    && !line.may_exceed
                {
                    Some(Outcome::Exceeded)
                } else {
                    None
                };
                match (line.mode(), refused) {
                    (Mode::Draw, Some(refused)) => (refused, 0),
                    (Mode::Draw, None) => {
                        let excess = (drawn + line.weight_units - stated.limit).clamp(0, line.weight_units);
                        self.draws.push(Standing {
                            tenant,
                            entry,
                            line: line.line_number,
                            serial,
                            units: line.weight_units,
                            excess,
                            filed: true,
                        });
                        (Outcome::Drawn, excess)
                    }
                    (_, refused) => {
                        if refused.is_none() {
                            counted[place] += line.weight_units;
                        }
                        (Outcome::Nothing, 0)
                    }
                }
            })
            .collect()
    }

    fn import(&mut self, certificate: &Certificate, serial: u32, draws: Option<&[Draw]>) {
        let is_imported = |draw: &Standing| draw.serial == serial && !draw.filed;
        let before: Vec<Standing> = self
            .draws
            .iter()
            .filter(|draw| is_imported(draw))
            .cloned()
            .collect();
        let filed: Vec<&Standing> = self
            .draws
            .iter()
            .filter(|draw| draw.serial == serial && draw.filed)
            .collect();
        let mut now = before.clone();
        if let Some(draws) = draws {
            let stated: Vec<Standing> = draws
                .iter()
                .map(|draw| Standing {
                    tenant: 0,
                    entry: (0..9).find(|number| entry(*number) == draw.entry_number).unwrap(),
                    line: draw.line_number,
                    serial,
                    units: draw.weight_kg.units(),
                    excess: 0,
                    filed: false,
                })
                .filter(|draw| {
                    !filed
                        .iter()
                        .any(|filed| (filed.tenant, filed.entry, filed.line) == (0, draw.entry, draw.line))
                })
                .collect();
            let sorted = |draws: &[Standing]| {
                let mut keys: Vec<_> = draws
                    .iter()
                    .map(|draw| (draw.entry, draw.line, draw.units))
                    .collect();
                keys.sort_unstable();
                keys
            };
            if sorted(&stated) != sorted(&before) {
                now = stated;
            }
        }
        let differs = self.certificates[serial as usize - 1].certificate != *certificate;
        if !differs && now == before {
            return;
        }
        let weights: Vec<Weight> = now.iter().map(|draw| Weight::from_units(draw.units)).collect();
        let filed_units = Weight::from_units(filed.iter().map(|draw| draw.units).sum());
        for (draw, excess) in
            now.iter_mut()
                .zip(mark_excess(certificate.total_weight_kg, filed_units, &weights))
        {
            draw.excess = excess.units();
        }
        self.draws.retain(|draw| !is_imported(draw));
        self.draws.extend(now);
        let stated = self.stated(serial);
        stated.version += u32::from(differs);
        stated.certificate = certificate.clone();
        stated.limit = stated.total();
    }

    /// What the row of a certificate should hold.
    fn row(&self, serial: u32) -> Ledger {
        let stated = &self.certificates[serial as usize - 1];
        let draws = || self.draws.iter().filter(|draw| draw.serial == serial);
        let drawn = self.drawn(serial);
        let marked: i64 = draws().map(|draw| draw.excess).sum();
        let entries = || draws().map(|draw| entry(draw.entry).to_string());
        (
            stated.limit,
            drawn,
            marked.max(drawn - stated.limit).max(0),
            marked,
            i64::try_from(draws().count()).unwrap(),
            entries().min(),
            entries().max(),
        )
    }
}

fn serial_of(certificate: u64) -> u32 {
    (1..=CERTIFICATES)
        .find(|serial| number(*serial).number() == certificate)
        .unwrap()
}

fn units(random: &mut Random, bound: u64) -> i64 {
    i64::try_from(random.below(bound)).unwrap() * 10
}

fn below(random: &mut Random, bound: u32) -> u32 {
    u32::try_from(random.below(bound.into())).unwrap()
}

fn random_certificate(serial: u32, random: &mut Random) -> Certificate {
    let kind = [CertificateKind::SingleShipment, CertificateKind::TimeFrame][usize::from(serial > 1)];
    issued(serial, kind, 10 + units(random, 20))
}

fn random_lines(random: &mut Random) -> Vec<wire::LineDraw> {
    (1..6)
        .filter_map(|line_number| {
            let mode = [Mode::Nothing, Mode::Count, Mode::Draw, Mode::Draw][below(random, 4) as usize];
            let line = wire::LineDraw {
                line_number,
                pga_line_number: 1,
                mode: mode.into(),
                number: number(1 + below(random, CERTIFICATES)).number(),
                weight_units: units(random, 10),
                may_exceed: random.below(5) == 0,
                may_reuse: random.below(3) == 0,
                beside_replaced: random.below(3) == 0,
            };
            (random.below(2) == 0).then_some(line)
        })
        .collect()
}

async fn set_step(deployment: &Deployment, model: &mut Model, random: &mut Random, step: u32) {
    let tenant = below(random, 2) as usize;
    let mut entries: Vec<wire::EntryDraws> = Vec::new();
    let mut asked: Vec<u32> = (0..4).filter(|_| random.below(2) == 0).collect();
    if random.below(2) == 0 {
        asked.reverse();
    }
    for number in &asked {
        entries.push(wire::EntryDraws {
            entry_number: entry(*number).to_string(),
            entry_version: step + 1,
            keep_other_lines: random.below(2) == 0,
            lines: random_lines(random),
        });
    }
    let certificates: Vec<_> = (1..=CERTIFICATES)
        .filter(|serial| {
            let number = number(*serial).number();
            entries
                .iter()
                .any(|entry| entry.lines.iter().any(|line| line.number == number))
        })
        .map(|serial| {
            let tolerance_units = units(random, 3);
            let stated = model.stated(serial);
            stated.limit = stated.total() + tolerance_units;
            wire::JudgedCertificate {
                number: number(serial).number(),
                version: stated.version,
                tolerance_units,
            }
        })
        .collect();
    let mut client = deployment.ledger(TENANTS[tenant]);
    let asked_request = request(&step.to_string(), &certificates, &entries);
    let answer = set(&mut client, asked_request.clone()).await;
    assert_eq!(set(&mut client, asked_request).await, answer);
    let mut expected = Vec::new();
    for ((number, entry), result) in asked.iter().zip(&entries).zip(&answer.entries) {
        for state in &result.states {
            check_state(model, tenant, *number, state);
        }
        expected.extend(model.set(tenant, *number, entry.keep_other_lines, &entry.lines));
    }
    assert_eq!(outcomes(&answer), expected);
}

fn check_state(model: &Model, tenant: usize, number: u32, state: &wire::LedgerState) {
    let serial = serial_of(state.number);
    assert_eq!(state.drawn_units, model.drawn(serial));
    let (only, others) = match model.drawn_by(serial)[..] {
        [] => (String::new(), false),
        [(drawer, number)] if drawer == tenant => (entry(number).to_string(), false),
        _ => (String::new(), true),
    };
    assert_eq!((&state.only_drawer, state.drawn_by_others), (&only, others));
    let own = model
        .draws
        .iter()
        .filter(|draw| (draw.serial, draw.tenant, draw.entry) == (serial, tenant, number));
    let mut own: Vec<_> = own.map(|draw| (draw.line, draw.units)).collect();
    own.sort_unstable();
    let told: Vec<_> = state
        .own_draws
        .iter()
        .map(|draw| (draw.line_number, draw.weight_units))
        .collect();
    assert_eq!(told, own);
}

async fn import_step(deployment: &Deployment, model: &mut Model, random: &mut Random) {
    let serial = 1 + below(random, CERTIFICATES);
    let certificate = if random.below(2) == 0 {
        random_certificate(serial, random)
    } else {
        model.stated(serial).certificate.clone()
    };
    let draws: Option<Vec<Draw>> = (random.below(4) > 0).then(|| {
        let mut draws = Vec::new();
        for entry_serial in 0..4 {
            for line_number in 1..4 {
                if random.below(6) == 0 {
                    draws.push(Draw {
                        entry_number: entry(entry_serial),
                        line_number,
                        pga_line_number: 1,
                        weight_kg: Weight::from_units(units(random, 10)),
                    });
                }
            }
        }
        draws
    });
    deployment
        .import(&file_of(&[(certificate.clone(), draws.clone())]))
        .await;
    model.import(&certificate, serial, draws.as_deref());
}

#[rstest]
#[tokio::test]
async fn random_sequences_keep_the_ledger(#[values(Engine::Sqlite, Engine::Postgres)] engine: Engine) {
    for seed in seeds() {
        println!("seed {seed}");
        let mut random = Random(seed);
        let deployment = Deployment::new(engine).await;
        let database = Database::open(&deployment.database.location).await;
        let mut model = Model::default();
        for serial in 1..=CERTIFICATES {
            let certificate = random_certificate(serial, &mut random);
            deployment.import(&file_of(&[(certificate.clone(), None)])).await;
            model.certificates.push(Stated {
                limit: certificate.total_weight_kg.units(),
                certificate,
                version: 1,
            });
        }
        for step in 0..STEPS {
            println!("step {step}");
            if random.below(5) == 0 {
                import_step(&deployment, &mut model, &mut random).await;
            } else {
                set_step(&deployment, &mut model, &mut random, step).await;
            }
            let expected: Vec<Ledger> = (1..=CERTIFICATES).map(|serial| model.row(serial)).collect();
            assert!(
                expected
                    .iter()
                    .all(|(limit, drawn, excess, ..)| *drawn <= limit + excess)
            );
            assert_eq!(database.ledgers().await, expected);
        }
        for serial in 1..=CERTIFICATES {
            let summed = deployment.balance_at(serial, "2030-01-01T00:00:00Z").await;
            let row = deployment.balance(serial).await;
            assert_eq!(
                (summed.drawn_kg, summed.own_drawn_kg, summed.draw_count),
                (row.drawn_kg, row.own_drawn_kg, row.draw_count)
            );
        }
    }
}
