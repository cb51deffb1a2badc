//! What brokers get wrong, and how it looks on a line.

use nopic_domain::entry::Treatment;
use nopic_domain::identifier::CertificateNumber;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Entry, SampleLineInWork};
use crate::sample::certificate::{Group, World};
use crate::sample::operation::{earlier, later};
use crate::sample::places;
use crate::sample::products;
use crate::sample::random::Draw;

macro_rules! mistakes {
    ($($name:ident $words:literal $share:literal)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Mistake { $($name),* }

        impl Mistake {
            pub(super) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $words),* }
            }
        }

        /// Mistakes of a single line, with their shares of 10,000 lines.
        const OF_LINES: &[(Mistake, u32)] = &[$((Mistake::$name, $share)),*];
    };
}

mistakes! {
    // Of whole entries: their shares of entries are in `of_entry`.
    CheckDigit "wrong check digit" 0
    TooLate "certificate expired" 0
    // About the number as filed.
    Draft "draft number" 90
    OperationId "operation ID as number" 90
    MissingNumber "no number" 90
    Malformed "malformed number" 80
    Unknown "unknown number" 100
    EnDash "dashes of a word processor" 120
    Lowercase "lower case and spaces" 80
    Temporary "temporary code" 60
    UnknownCode "unknown special code" 30
    Paper "paper certificate" 40
    WrongMessageSet "wrong message set" 90
    // About the data as a whole.
    NoData "no organic data" 120
    NoClaimData "claimed without data" 40
    Disclaimed "disclaimed AM8" 80
    DisclaimerCode "wrong disclaimer code" 30
    // About what the certificate says.
    TooEarly "exported before validity" 60
    TooMuch "more than certified" 110
    OtherGoods "other goods" 80
    OtherSuffix "other tariff suffix" 60
    OtherImporter "other importer" 90
    OtherExporter "other exporter" 60
    OtherOrigin "other origin" 60
    OtherLot "unknown lot" 40
    NoWeight "no weight" 50
    // About the line itself.
    BadDate "date that does not exist" 30
    BadWeight "weight with a comma" 30
    BadCode "tariff code of seven digits" 30
    BadCountry "country in words" 20
    ReversedDates "exported after entry" 20
    // About the goods.
    Treated "prohibited treatment" 25
    Irradiated "irradiated" 15
    EmergencyAction "emergency action notice" 25
    NotFlagged "organic claim on an unflagged code" 60
}

/// The mistake of a line; mostly none.
pub(super) fn of_line(rng: &mut ChaCha8Rng) -> Option<Mistake> {
    let mut place = rng.random_range(0..10_000);
    for (mistake, share) in OF_LINES {
        if place < *share {
            return Some(*mistake);
        }
        place -= share;
    }
    None
}

/// The mistake of a whole entry; mostly none.
pub(super) fn of_entry(rng: &mut ChaCha8Rng) -> Option<Mistake> {
    match rng.random_range(0..1000) {
        0..4 => Some(Mistake::CheckDigit),
        4..12 => Some(Mistake::TooLate),
        _ => None,
    }
}

/// Makes the mistake, where the line has what it takes. A line without a certificate keeps most of what it says.
pub(super) fn apply(
    mistake: Mistake,
    world: &World,
    rng: &mut ChaCha8Rng,
    group: &Group,
    entry: &Entry,
    made: &mut SampleLineInWork,
) {
    use Mistake as M;
    let certificate = &group.certificates[made.place].certificate;
    let line = &mut made.line;
    let is_certified = line.certificate_number.as_deref() == Some(certificate.number.to_string().as_str());
    let is_of_any_line = matches!(
        mistake,
        M::CheckDigit | M::BadDate | M::BadCode | M::ReversedDates
    );
    // One date for all lines of an entry: after the latest end that a certificate of the group can have.
    let late = later(group.base, 360);
    if mistake == M::TooLate {
        line.entry_date = Some(late.to_string());
    }
    if !is_certified && !is_of_any_line {
        return;
    }
    let number = certificate.number.to_string();
    let mut set_number = |text: String| line.certificate_number = Some(text);
    match mistake {
        M::Draft => set_number(format!("{}-DRAFT", &number[..14])),
        M::OperationId => set_number(certificate.exporter_nop_id.to_string()),
        M::Malformed if rng.per_mille(500) => set_number(number.replace('-', "")),
        M::Malformed => set_number(number[..20].to_owned()),
        M::Unknown => {
            // Serials of the sample begin at 1.
            let other =
                CertificateNumber::from_parts(certificate.certifier_id, certificate.importer_nop_id, 0);
            set_number(other.map_or(number, |other| other.to_string()));
        }
        M::EnDash => set_number(number.replace('-', "\u{2013}")),
        M::Lowercase => {
            set_number(format!(" {number} "));
            line.message_set = Some("or2".to_owned());
            line.country_of_origin = line.country_of_origin.take().map(|code| code.to_lowercase());
        }
        M::Temporary => set_number("999-999-T".to_owned()),
        M::UnknownCode => set_number("444-123-K".to_owned()),
        M::Paper => {
            set_number(format!("COOP-{:06}", rng.random_range(0..1_000_000)));
            line.message_set = Some("OR1".to_owned());
        }
        M::MissingNumber => line.certificate_number = None,
        M::WrongMessageSet => line.message_set = Some("OR1".to_owned()),
        M::NoData | M::NoClaimData => {
            line.message_set = (mistake == M::NoClaimData).then(|| "NONE".to_owned());
            line.organic_claim = (mistake == M::NoClaimData).then_some(true);
            line.certificate_number = None;
            line.importer_nop_id = None;
            line.exporter_nop_id = None;
            line.lots.clear();
        }
        M::Disclaimed | M::DisclaimerCode => {
            let code = if mistake == M::Disclaimed { "A" } else { "B" };
            line.disclaimer_code = Some(code.to_owned());
            line.certificate_number = None;
        }
        M::TooEarly => {
            let from = certificate.valid_from.unwrap_or(group.base);
            line.export_date = Some(earlier(from, rng.random_range(1..40)).to_string());
        }
        M::TooLate => {
            let to = certificate.valid_to.unwrap_or(entry.date);
            line.export_date = Some(later(to, 1).min(late).to_string());
        }
        M::TooMuch => line.net_weight_kg = Some(format!("{}", certificate.total_weight_kg.units() / 9_000)),
        M::OtherGoods => {
            let code = if certificate.hts_code.as_str().starts_with("0803") {
                "0808100045"
            } else {
                "0803900025"
            };
            line.hts_code = Some(code.to_owned());
        }
        M::OtherSuffix => line.hts_code = Some(format!("{}9999", &certificate.hts_code.as_str()[..6])),
        M::OtherImporter => line.importer_nop_id = Some(world.troubled_importer(rng).to_string()),
        M::OtherExporter => line.exporter_nop_id = Some(world.any_exporter(rng).to_string()),
        M::OtherOrigin => line.country_of_origin = Some(rng.one_of(&places::FOREIGN).code.to_owned()),
        M::OtherLot => line.lots.push(format!("LOT {}", rng.random_range(1_000..10_000))),
        M::NoWeight => line.net_weight_kg = None,
        M::BadDate => line.export_date = Some("2025-02-30".to_owned()),
        M::BadWeight => line.net_weight_kg = Some(format!("{},500", rng.random_range(1..90))),
        M::BadCode => line.hts_code = Some("0901110".to_owned()),
        M::BadCountry => line.country_of_origin = Some("Mexico".to_owned()),
        M::ReversedDates => line.export_date = Some(later(entry.date, 12).to_string()),
        M::Treated | M::Irradiated | M::EmergencyAction => {
            line.treatment = Some(Treatment {
                verified: Some(mistake == M::EmergencyAction),
                prohibited_substance: Some(mistake == M::Treated),
                irradiated: Some(mistake == M::Irradiated),
                emergency_action_notice: Some(mistake == M::EmergencyAction),
            });
        }
        M::NotFlagged => {
            let (code, _) = rng.one_of(&products::UNFLAGGED);
            line.hts_code = Some(code.to_owned());
        }
        M::CheckDigit => {
            // The ten digits follow each other in a ring: the next one is always wrong.
            let last = line
                .entry_number
                .pop()
                .and_then(|digit| digit.to_digit(10))
                .unwrap_or(0);
            line.entry_number
                .push(char::from_digit((last + 1) % 10, 10).unwrap_or('0'));
        }
    }
    made.mistake = Some(mistake);
}
