//! Rule 4: the certificate number as filed.

use std::borrow::Cow;

use crate::finding::{Code, Detail, Filed, FiledList, Suggestion};
use crate::identifier::CertificateNumber;
use crate::policy::{Disposition, SpecialEffect};

use super::line::MessageSet;
use super::{Case, Knowledge, Next};

/// Trims, puts dashes of other kinds right and letters in upper case; says whether a dash was changed.
pub(super) fn normalise(filed: &str) -> (Cow<'_, str>, bool) {
    let filed = filed.trim();
    if filed
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase())
    {
        return (Cow::Borrowed(filed), false);
    }
    let mut dash_changed = false;
    let normal = filed
        .chars()
        .map(|character| match character {
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {
                dash_changed = true;
                '-'
            }
            other => other.to_ascii_uppercase(),
        })
        .collect();
    (Cow::Owned(normal), dash_changed)
}

/// `NNN-NNN-X`: the shape that the known special codes share.
fn has_special_shape(number: &str) -> bool {
    let bytes = number.as_bytes();
    bytes.len() == 9
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            3 | 7 => *byte == b'-',
            8 => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_digit(),
        })
}

fn is_digits(number: &str, length: usize) -> bool {
    number.len() == length && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a number that is none may have been meant to be.
fn suggestion(number: &str) -> Option<Suggestion> {
    if is_digits(number, 19) {
        return number
            .parse()
            .ok()
            .and_then(CertificateNumber::from_number)
            .map(Suggestion::Dashed);
    }
    let odd = |character: &char| !matches!(character, ' '..='~');
    let (before, character) = number.chars().enumerate().find(|(_, character)| odd(character))?;
    let without: String = number.chars().filter(|character| !odd(character)).collect();
    Some(Suggestion::Odd {
        place: before + 1,
        character,
        without: Filed::new(&without),
    })
}

impl<K: Knowledge> Case<'_, K> {
    pub(super) fn number(&mut self) -> Next {
        let line = self.line;
        let filed = line.certificate_number.as_deref().unwrap_or_default();
        if self.checked.is_article_set_header {
            self.findings.add(Code::PgaDataNotAllowed, Vec::new());
        }
        if !line.further_certificate_numbers.is_empty() {
            self.several(filed);
        }
        // Nearly every line: the number stands as it should, and is none of the codes.
        if let Some(electronic) = CertificateNumber::parse(filed)
            && self.policy.special_code(filed).is_none()
        {
            self.expect_message_set(MessageSet::Or2, filed);
            return Next::Certificate(electronic);
        }
        let (number, dash_changed) = normalise(filed);
        if dash_changed {
            self.findings.add(
                Code::CertificateNumberNormalised,
                vec![
                    ("value", Filed::new(filed).into()),
                    ("number", Filed::new(&number).into()),
                ],
            );
        }
        let electronic = CertificateNumber::parse(&number);
        let value = || vec![("value", Filed::new(&number).into())];
        if number.is_empty() {
            self.findings.add(Code::CertificateNumberMissing, Vec::new());
            return Next::Registry;
        }
        // What has the shape of an electronic number has no letters: most lines need no search.
        if electronic.is_none() && number.contains("DRAFT") {
            self.findings.add(Code::CertificateNumberDraft, value());
            return Next::Registry;
        }
        if let Some(next) = self.special_code(&number) {
            return next;
        }
        if let Some(electronic) = electronic {
            self.expect_message_set(MessageSet::Or2, &number);
            return Next::Certificate(electronic);
        }
        if has_special_shape(&number) {
            self.findings.add(Code::SpecialCodeUnknown, value());
            self.expect_message_set(MessageSet::Or2, &number);
        } else if is_digits(&number, 10) {
            self.findings.add(Code::CertificateNumberIsOperationId, value());
        } else if self.checked.message_set == MessageSet::Or1 {
            self.findings.add(Code::PaperCertificate, value());
        } else {
            let mut details = value();
            details.extend(suggestion(&number).map(|suggestion| ("suggestion", suggestion.into())));
            self.findings.add(Code::CertificateNumberMalformed, details);
        }
        Next::Registry
    }

    /// Names the certificates that the line gives beside the one that is judged.
    fn several(&mut self, filed: &str) {
        let first = normalise(filed).0;
        let others = self.line.further_certificate_numbers.iter();
        let others = others.filter(|number| normalise(number).0 != first);
        let Some(others) = FiledList::of(others.map(String::as_str)) else {
            return;
        };
        let first = if first.is_empty() {
            "no number".into()
        } else {
            Filed::new(&first).into()
        };
        let details = vec![("first", first), ("others", others.into())];
        self.findings.add(Code::CertificateSeveral, details);
    }

    /// A code of the policy's table; `None` where the number is none.
    fn special_code(&mut self, number: &str) -> Option<Next> {
        let special = self.policy.special_code(number)?;
        let value = vec![("value", Filed::new(number).into())];
        let date = self.checked.entry_date;
        Some(match special.effect {
            SpecialEffect::Temporary => {
                self.findings.add(Code::TemporaryCode, value);
                self.expect_message_set(MessageSet::Or2, number);
                Next::Registry
            }
            SpecialEffect::ReturnedGoods => {
                self.findings.add(Code::SpecialCodeReturnedGoods, value);
                self.expect_message_set(MessageSet::Or2, number);
                if let (Some(country), Some(origin)) =
                    (self.checked.country_of_origin, &self.line.country_of_origin)
                    && country != *b"US"
                {
                    self.findings.add(
                        Code::ReturnedGoodsOrigin,
                        vec![("origin", Detail::Text(origin.as_str().into()))],
                    );
                }
                Next::Stop
            }
            SpecialEffect::Disposition => {
                self.findings.add(Code::SpecialCodeDisposition, value);
                self.expect_message_set(MessageSet::Or2, number);
                self.disposition();
                Next::Stop
            }
            SpecialEffect::Exempt => {
                if special.period.contains(date) {
                    self.findings.add(Code::SpecialCodeAccepted, value);
                } else {
                    let details = vec![
                        ("value", Filed::new(number).into()),
                        ("period", special.period.into()),
                        ("date", date.into()),
                    ];
                    self.findings.add(Code::SpecialCodeNotInForce, details);
                }
                self.expect_message_set(MessageSet::Or2, number);
                Next::Stop
            }
        })
    }

    fn expect_message_set(&mut self, expected: MessageSet, number: &str) {
        let found = self.checked.message_set;
        if found != expected {
            let details = vec![
                ("value", Filed::new(number).into()),
                ("expected", expected.as_str().into()),
                ("found", found.as_str().into()),
            ];
            self.findings.add(Code::WrongMessageSet, details);
        }
    }

    /// What becomes of goods that arrived without a certificate.
    fn disposition(&mut self) {
        let date = self.checked.entry_date;
        let Some(disposition) = self.checked.disposition else {
            self.findings.add(Code::DispositionMissing, Vec::new());
            return;
        };
        let rule = self.policy.disposition(disposition);
        if disposition == Disposition::Recondition && !rule.period.contains(date) {
            let until = rule.period.to.map_or_else(|| rule.period.into(), Detail::from);
            self.findings.add(
                Code::ReconditioningNotAllowed,
                vec![("date", date.into()), ("until", until)],
            );
        }
        if disposition == Disposition::Donation && rule.needs_certified_importer {
            self.donation();
        }
    }

    fn donation(&mut self) {
        let date = self.checked.entry_date;
        let importer = match self.given_importer() {
            None => "the line names no importer that is known here".into(),
            Some(_) if self.knowledge.registry().is_none() => {
                self.findings.add(Code::RegistryUnavailable, Vec::new());
                return;
            }
            Some(importer) => {
                let certified = self
                    .knowledge
                    .operation(importer)
                    .is_some_and(|timeline| timeline.is_certified_on(date));
                if certified {
                    return;
                }
                Detail::NotCertified(importer)
            }
        };
        let details = vec![("importer", importer), ("date", date.into())];
        self.findings.add(Code::DonationNeedsCertifiedImporter, details);
    }
}
