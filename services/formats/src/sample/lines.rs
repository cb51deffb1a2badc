//! Entry lines: mostly good ones, and every kind of mistake that brokers make.

mod mistakes;

use std::collections::VecDeque;

use nopic_domain::certificate::{CertificateKind, CertificateStatus};
use nopic_domain::date::Date;
use nopic_domain::entry::EntryLine;
use nopic_domain::identifier::{EntryNumber, NopId};
use nopic_domain::weight::Weight;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::certificate::{FILERS, GROUP, Group, LAST_ENTRY_DAY, SampleCertificate, World};
use super::operation::{earlier, later};
use super::places;
use super::products;
use super::random::{Draw, Stream, generator, mixed};
use mistakes::Mistake;

/// The first entry numbers of each filer belong to draws that certificates bring with them.
const FIRST_ENTRY: u64 = 1_000_000;
/// How many entry numbers of seven digits a filer has from there on.
const ENTRIES_OF_A_FILER: u64 = 9_000_000;
/// So many entries one after the other use one group of certificates: to make a group costs more than an entry.
const ENTRIES_OF_A_RUN: u64 = 4;
/// Longest entry.
const MOST_LINES: u64 = 8;

/// An entry line, and what is wrong with it on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleLine {
    /// The line as filed.
    pub line: EntryLine,
    /// What the broker got wrong, in two or three words; absent where nothing was done to the line. (Its certificate
    /// or its importer may still be in trouble.)
    pub mistake: Option<&'static str>,
}

/// Entry lines in order, those of one entry together; see [`World::entry_lines`].
#[derive(Debug)]
pub struct EntryLines<'a> {
    world: &'a World,
    /// Lines still to come, those in `ready` not counted.
    remaining: u64,
    entry: u64,
    /// The group that the last entry used; the next one mostly uses it too.
    group: Option<(u32, Group)>,
    /// How many lines one group of certificates has to carry, generously.
    lines_of_a_group: i64,
    ready: VecDeque<SampleLine>,
}

impl World {
    /// So many entry lines, made entry by entry. The last entry is cut short where it would be too long.
    ///
    /// Lines draw on all certificates in turn; how many lines there are decides how much each takes, so that good
    /// ones fit.
    #[must_use]
    pub fn entry_lines(&self, count: u64) -> EntryLines<'_> {
        let average = count / u64::from(self.groups());
        EntryLines {
            world: self,
            remaining: count,
            entry: 0,
            group: None,
            lines_of_a_group: i64::try_from(average * 2 + 6 * MOST_LINES).unwrap_or(i64::MAX),
            ready: VecDeque::new(),
        }
    }

    fn groups(&self) -> u32 {
        self.certificate_count.div_ceil(GROUP).max(1)
    }
}

impl Iterator for EntryLines<'_> {
    type Item = SampleLine;

    fn next(&mut self) -> Option<SampleLine> {
        if self.ready.is_empty() && self.remaining > 0 {
            self.make_entry();
        }
        self.ready.pop_front()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.remaining).ok();
        let left = left.and_then(|left| left.checked_add(self.ready.len()));
        (left.unwrap_or(usize::MAX), left)
    }
}

/// What the lines of one entry have in common.
struct Entry {
    number: String,
    date: Date,
    importer_of_record: String,
    port: &'static str,
    is_replacement: bool,
    /// Whether the group's single shipments are for this entry.
    is_first_of_group: bool,
}

/// The number under which CBP knows an importer; the sample's links lead from it to the NOP ID.
pub(super) fn importer_of_record(importer: NopId) -> String {
    let number = mixed(importer.number());
    format!("{:02}-{:07}00", 10 + number % 89, number / 100 % 10_000_000)
}

impl EntryLines<'_> {
    fn make_entry(&mut self) {
        let world = self.world;
        let mut rng = generator(world.seed, Stream::Entry, self.entry);
        let groups = u64::from(world.groups());
        // A prime step goes through all groups before it comes to one again.
        let run = self.entry / ENTRIES_OF_A_RUN;
        let place = u32::try_from(run.wrapping_mul(1_000_003) % groups).unwrap_or(0);
        let round = run / groups * ENTRIES_OF_A_RUN + self.entry % ENTRIES_OF_A_RUN;
        let group = match self.group.take() {
            Some((held, group)) if held == place => group,
            _ => world.group(place),
        };
        let entry = self.entry(&mut rng, &group, round);
        let count = match rng.random_range(0..100) {
            0..55 => 1,
            55..75 => 2,
            75..88 => 3,
            88..95 => 4,
            95..98 => 6,
            _ => MOST_LINES,
        };
        let count = count.min(self.remaining);
        let entry_mistake = mistakes::of_entry(&mut rng);
        // In some entries the second line is the second PGA line of the first: two lots of one tariff line.
        let has_second_pga_line = rng.per_mille(60);
        for index in 0..count {
            let turn = u32::try_from(index + 1).unwrap_or(1);
            let mut made = self.line(&mut rng, &group, &entry, turn, round);
            if has_second_pga_line && index > 0 {
                made.line.line_number -= 1;
                made.line.pga_line_number = (index == 1).then_some(2);
            }
            match entry_mistake {
                Some(mistake) => mistakes::apply(mistake, world, &mut rng, &group, &entry, &mut made),
                None => {
                    if let Some(mistake) = mistakes::of_line(&mut rng) {
                        mistakes::apply(mistake, world, &mut rng, &group, &entry, &mut made);
                    }
                }
            }
            let SampleLineInWork { line, mistake, .. } = made;
            self.ready.push_back(SampleLine {
                line,
                mistake: mistake.map(Mistake::as_str),
            });
        }
        self.remaining -= count;
        self.entry += 1;
        self.group = Some((place, group));
    }

    fn entry(&self, rng: &mut ChaCha8Rng, group: &Group, round: u64) -> Entry {
        let filers = FILERS.len() as u64;
        let filer = FILERS[usize::try_from(self.entry % filers).unwrap_or(0)];
        let number = FIRST_ENTRY + self.entry / filers % ENTRIES_OF_A_FILER;
        let number = u32::try_from(number)
            .ok()
            .and_then(|number| EntryNumber::from_parts(filer, number));
        Entry {
            // Three characters and at most seven digits make a number.
            number: number.map_or_else(String::new, |number| number.to_string()),
            date: later(group.base, rng.random_range(35..LAST_ENTRY_DAY)),
            importer_of_record: importer_of_record(group.importer),
            port: rng.one_of(&places::PORTS),
            is_replacement: rng.per_mille(8),
            is_first_of_group: round == 0,
        }
    }

    fn line(
        &self,
        rng: &mut ChaCha8Rng,
        group: &Group,
        entry: &Entry,
        turn: u32,
        round: u64,
    ) -> SampleLineInWork {
        let place = usize::try_from((u64::from(turn) + round) % group.certificates.len() as u64).unwrap_or(0);
        // Most brokers see that a certificate cannot be used; the first of each group always can.
        let place = if is_usable(&group.certificates[place], entry) || rng.per_mille(150) {
            place
        } else {
            0
        };
        let export_date = earlier(entry.date, rng.random_range(3..32));
        let line = EntryLine {
            entry_number: entry.number.clone(),
            entry_action: entry.is_replacement.then(|| "REPLACE".to_owned()),
            line_number: turn,
            entry_date: Some(entry.date.to_string()),
            export_date: rng.per_mille(900).then(|| export_date.to_string()),
            importer_of_record: Some(entry.importer_of_record.clone()),
            port_of_entry: Some(entry.port.to_owned()),
            ..EntryLine::default()
        };
        let line = match rng.random_range(0..1000) {
            0..60 => plain(rng, line),
            60..85 => disclaimed(rng, line),
            85..95 => returned(rng, line),
            95..100 => disposed(rng, line),
            _ => self.certified(rng, line, group, place),
        };
        SampleLineInWork {
            line,
            place,
            mistake: None,
        }
    }

    /// A line of the certificate's goods under its number.
    fn certified(&self, rng: &mut ChaCha8Rng, line: EntryLine, group: &Group, place: usize) -> EntryLine {
        let certificate = &group.certificates[place].certificate;
        let code = certificate.hts_code.as_str();
        let hts_code = match rng.random_range(0..10) {
            0 => format!("{}.{}.{}", &code[..4], &code[4..6], &code[6..]),
            1 => format!("{}.{}.{}.{}", &code[..4], &code[4..6], &code[6..8], &code[8..]),
            _ => code.to_owned(),
        };
        // Three fifths of the certificate are for the lines of the sample, all together.
        let share = certificate.total_weight_kg.units() / 10 * 6 / self.lines_of_a_group;
        let units = (share / 100 * rng.random_range(30..100)).max(10_000);
        let precision = rng.one_of(&[1, 10, 100, 100, 1_000, 10_000, 10_000, 10_000]);
        let origin = certificate.countries_of_origin.first().cloned();
        EntryLine {
            importer_nop_id: rng.per_mille(930).then(|| group.importer.to_string()),
            exporter_nop_id: rng
                .per_mille(500)
                .then(|| certificate.exporter_nop_id.to_string()),
            hts_code: Some(hts_code),
            description: certificate.product.clone(),
            organic_claim: rng.per_mille(30).then_some(true),
            message_set: Some("OR2".to_owned()),
            certificate_number: Some(certificate.number.to_string()),
            net_weight_kg: Some(Weight::from_units(units / precision * precision).to_string()),
            lots: certificate
                .lots
                .iter()
                .take(rng.random_range(0..3))
                .cloned()
                .collect(),
            country_of_origin: origin.filter(|_| rng.per_mille(950)),
            country_of_export: Some(group.export_countries[place].to_owned()),
            ..line
        }
    }
}

/// A line in the making: its certificate's place in the group goes with it.
struct SampleLineInWork {
    line: EntryLine,
    place: usize,
    mistake: Option<Mistake>,
}

fn is_usable(certificate: &SampleCertificate, entry: &Entry) -> bool {
    let SampleCertificate { certificate, draws } = certificate;
    certificate.status == CertificateStatus::Issued
        && (certificate.kind != CertificateKind::SingleShipment
            || (entry.is_first_of_group && draws.is_empty()))
}

fn weight(rng: &mut ChaCha8Rng) -> Option<String> {
    Some(Weight::from_units(rng.random_range(100..900_000) * 1_000).to_string())
}

/// Conventional goods that need nothing.
fn plain(rng: &mut ChaCha8Rng, line: EntryLine) -> EntryLine {
    let is_flagged = rng.per_mille(500);
    let (code, name) = if is_flagged {
        rng.one_of(&products::AM7)
    } else {
        rng.one_of(&products::UNFLAGGED)
    };
    let country = rng.one_of(&places::FOREIGN).code;
    EntryLine {
        hts_code: Some(code.to_owned()),
        description: Some(name.to_owned()),
        organic_claim: (is_flagged || rng.per_mille(100)).then_some(false),
        message_set: rng.per_mille(700).then(|| "NONE".to_owned()),
        net_weight_kg: weight(rng),
        country_of_origin: Some(country.to_owned()),
        country_of_export: Some(country.to_owned()),
        ..line
    }
}

/// Conventional goods of a flagged line: the organic data are disclaimed.
fn disclaimed(rng: &mut ChaCha8Rng, line: EntryLine) -> EntryLine {
    let (code, name) = rng.one_of(&products::AM7);
    let country = rng.one_of(&places::FOREIGN).code;
    EntryLine {
        hts_code: Some(code.to_owned()),
        description: Some(name.to_owned()),
        message_set: Some("OR2".to_owned()),
        disclaimer_code: Some("A".to_owned()),
        net_weight_kg: weight(rng),
        country_of_origin: Some(country.to_owned()),
        country_of_export: Some(country.to_owned()),
        ..line
    }
}

/// U.S. goods that come back.
fn returned(rng: &mut ChaCha8Rng, line: EntryLine) -> EntryLine {
    EntryLine {
        hts_code: Some("0808100045".to_owned()),
        description: Some("Organic apples, returned".to_owned()),
        message_set: Some("OR2".to_owned()),
        certificate_number: Some("333-550-R".to_owned()),
        net_weight_kg: weight(rng),
        country_of_origin: Some("US".to_owned()),
        country_of_export: Some(rng.one_of(&places::FOREIGN).code.to_owned()),
        ..line
    }
}

/// Goods that were refused before.
fn disposed(rng: &mut ChaCha8Rng, line: EntryLine) -> EntryLine {
    let country = rng.one_of(&places::FOREIGN).code;
    EntryLine {
        hts_code: Some("1201900010".to_owned()),
        description: Some("Organic soybeans, refused".to_owned()),
        message_set: Some("OR2".to_owned()),
        certificate_number: Some("010-420-L".to_owned()),
        net_weight_kg: weight(rng),
        disposition: Some(rng.one_of(&["REEXPORT", "DESTRUCTION"]).to_owned()),
        country_of_origin: Some(country.to_owned()),
        country_of_export: Some(country.to_owned()),
        ..line
    }
}
