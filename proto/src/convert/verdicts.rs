//! Verdicts of pre-checks as they travel, written straight from what was judged: what all of them share is encoded once,
//! and nothing is made that an answer does not carry.

use bytes::Bytes;
use nopic_domain::decision::Evidence;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::finding::Finding;
use nopic_domain::policy::{Policy, Remedy};
use nopic_domain::rules::Judgement;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::entry_validation::code_number;
use crate::answers::WithVerdicts;
use crate::entry_validation as wire;
use wire::finding::Severity;
use wire::verdict::{Declaration, Outcome, Remedy as WireRemedy};

/// How much is said of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// All of it.
    Full,
    /// Code, severity and field.
    Codes,
}

impl From<wire::FindingDetail> for Detail {
    fn from(detail: wire::FindingDetail) -> Self {
        match detail {
            wire::FindingDetail::Unspecified | wire::FindingDetail::Full => Self::Full,
            wire::FindingDetail::Codes => Self::Codes,
        }
    }
}

/// Number of the field of verdicts in every answer that brings some, for which it is the first.
const VERDICTS: u32 = 1;

/// Verdicts, encoded one behind the other as the field of an answer.
#[derive(Debug, Default)]
pub struct Verdicts {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Verdicts {
    /// All of them in one answer.
    #[must_use]
    pub fn into_answer<M: Default>(self) -> WithVerdicts<M> {
        WithVerdicts::new(self.bytes.into())
    }

    /// In answers of at most so many verdicts and of at most so many bytes, but for a verdict that alone has more.
    pub fn into_answers<M: Default>(
        self,
        most: usize,
        most_bytes: usize,
    ) -> impl Iterator<Item = WithVerdicts<M>> + Send {
        let bytes = Bytes::from(self.bytes);
        let mut ends = self.ends.into_iter().peekable();
        let mut start = 0;
        std::iter::from_fn(move || {
            let mut end = ends.next()?;
            for _ in 1..most {
                let Some(next) = ends.next_if(|next| next - start <= most_bytes) else {
                    break;
                };
                end = next;
            }
            let verdicts = bytes.slice(start..end);
            start = end;
            Some(WithVerdicts::new(verdicts))
        })
    }
}

/// Writes the verdicts of one batch.
#[derive(Debug)]
pub struct VerdictWriter<'a> {
    detail: Detail,
    policy: &'a Policy,
    /// The fields of evidence that are the same for every line.
    shared_evidence: Vec<u8>,
    verdicts: Verdicts,
    /// The verdict and the sentence that are being written; kept, so that a line allocates nothing.
    verdict: Vec<u8>,
    sentence: String,
}

impl<'a> VerdictWriter<'a> {
    /// For about so many lines, which were judged by this policy and rest on this.
    #[must_use]
    pub fn new(detail: Detail, policy: &'a Policy, evidence: &Evidence, lines: usize) -> Self {
        let shared_evidence = wire::Evidence::from(evidence).encode_to_vec();
        // Entry and numbers of a line, its phase and a finding.
        let about = shared_evidence.len() + 64;
        Self {
            detail,
            policy,
            verdicts: Verdicts {
                bytes: Vec::with_capacity(lines * about),
                ends: Vec::with_capacity(lines),
            },
            shared_evidence,
            verdict: Vec::new(),
            sentence: String::new(),
        }
    }

    /// The verdict on the next line, as [`wire::Verdict`] is encoded.
    pub fn write(&mut self, line: &NormalisedLine, judgement: &Judgement) {
        self.verdict.clear();
        text(1, &line.entry_number, &mut self.verdict);
        number(2, line.line_number.into(), &mut self.verdict);
        number(3, line.pga_line_number().into(), &mut self.verdict);
        enumerated(4, Outcome::from(judgement.outcome).into(), &mut self.verdict);
        for finding in &judgement.findings {
            self.finding(finding);
        }
        remedies(&judgement.remedies, &mut self.verdict);
        self.evidence(judgement);
        enumerated(8, Declaration::from(line.declaration()).into(), &mut self.verdict);
        number(9, line.takes_back().into(), &mut self.verdict);

        let bytes = &mut self.verdicts.bytes;
        begin(VERDICTS, self.verdict.len(), bytes);
        bytes.extend_from_slice(&self.verdict);
        self.verdicts.ends.push(bytes.len());
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Verdicts {
        self.verdicts
    }

    fn finding(&mut self, finding: &Finding) {
        let field = self.policy.field(finding);
        self.sentence.clear();
        let citation = match self.detail {
            Detail::Full => {
                self.policy.write_message(finding, &mut self.sentence);
                self.policy.code(finding.code).citation.as_str()
            }
            Detail::Codes => "",
        };
        let code = code_number(finding.code);
        let severity = Severity::from(finding.severity).into();
        let texts = [(3, field), (4, self.sentence.as_str()), (5, citation)];
        let of_texts: usize = texts.iter().map(|(_, text)| length_of_text(text)).sum();
        let of_numbers = [code, severity].map(length_of_enumerated).iter().sum::<usize>();
        begin(5, of_numbers + of_texts, &mut self.verdict);
        enumerated(1, code, &mut self.verdict);
        enumerated(2, severity, &mut self.verdict);
        for (tag, words) in texts {
            text(tag, words, &mut self.verdict);
        }
    }

    fn evidence(&mut self, judgement: &Judgement) {
        let phase = self.policy.phase(judgement.phase).name.as_str();
        let certificate = judgement.certificate_version.map(u64::from);
        let of_certificate = certificate.map_or(0, |version| 1 + encoded_len_varint(version));
        let length = length_of_text(phase) + self.shared_evidence.len() + of_certificate;
        begin(7, length, &mut self.verdict);
        text(1, phase, &mut self.verdict);
        self.verdict.extend_from_slice(&self.shared_evidence);
        if let Some(version) = certificate {
            encode_key(7, WireType::Varint, &mut self.verdict);
            encode_varint(version, &mut self.verdict);
        }
    }
}

/// Key and length of a field that has one.
fn begin(tag: u32, length: usize, buffer: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, buffer);
    encode_varint(length as u64, buffer);
}

/// The wire writes absence as an empty text, and an empty text not at all.
fn text(tag: u32, text: &str, buffer: &mut Vec<u8>) {
    if !text.is_empty() {
        begin(tag, text.len(), buffer);
        buffer.extend_from_slice(text.as_bytes());
    }
}

/// What [`text`] writes under a number below 16.
fn length_of_text(text: &str) -> usize {
    match text.len() {
        0 => 0,
        length => 1 + encoded_len_varint(length as u64) + length,
    }
}

/// Zero is not written.
fn number(tag: u32, number: u64, buffer: &mut Vec<u8>) {
    if number > 0 {
        encode_key(tag, WireType::Varint, buffer);
        encode_varint(number, buffer);
    }
}

/// Values of enumerations of ours are never negative.
fn enumerated(tag: u32, value: i32, buffer: &mut Vec<u8>) {
    number(tag, value.unsigned_abs().into(), buffer);
}

/// What [`enumerated`] writes under a number below 16.
fn length_of_enumerated(value: i32) -> usize {
    match value.unsigned_abs().into() {
        0 => 0,
        value => 1 + encoded_len_varint(value),
    }
}

fn remedies(remedies: &[Remedy], buffer: &mut Vec<u8>) {
    if remedies.is_empty() {
        return;
    }
    let values = || remedies.iter().map(|remedy| WireRemedy::from(*remedy) as i32);
    let values = || values().map(|value| u64::from(value.unsigned_abs()));
    begin(6, values().map(encoded_len_varint).sum(), buffer);
    values().for_each(|value| encode_varint(value, buffer));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verdicts of so many bytes each.
    fn verdicts(sizes: &[usize]) -> Verdicts {
        let mut verdicts = Verdicts::default();
        for size in sizes {
            verdicts.bytes.resize(verdicts.bytes.len() + size, 0);
            verdicts.ends.push(verdicts.bytes.len());
        }
        verdicts
    }

    #[test]
    fn answers_are_bounded_by_verdicts_and_by_bytes() {
        let sizes = |of: &[usize], most| -> Vec<usize> {
            verdicts(of)
                .into_answers::<wire::ValidateStreamResponse>(most, 100)
                .map(|answer| answer.encoded_len())
                .collect()
        };
        assert!(sizes(&[], 3).is_empty());
        assert_eq!(sizes(&[1; 7], 3), [3, 3, 1]);
        assert_eq!(sizes(&[50, 50, 200, 1, 99, 1], 9), [100, 200, 100, 1]);
    }
}
