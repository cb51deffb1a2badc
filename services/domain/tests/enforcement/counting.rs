//! What counts.

use nopic_domain::enforcement::{COUNTED_CODES, CountedFinding, FiledLine, Origin, Reach, Recorded, count};
use nopic_domain::finding::{Code, Severity};
use nopic_domain::policy::Policy;

use crate::support::{day, found, importer, line_of};

fn line(findings: &[CountedFinding]) -> FiledLine<'_> {
    FiledLine {
        line_number: 3,
        pga_line_number: 2,
        importer: Some(importer()),
        phase: "STRICT",
        recorded: Recorded::Filed { on: day(0) },
        findings,
    }
}

#[test]
fn seven_codes_count_as_warning_or_reject() {
    let policy = Policy::shipped();
    let counted: Vec<&str> = Code::ALL
        .into_iter()
        .filter(|code| {
            let severities = Severity::ALL.map(|severity| {
                let findings = [found(*code, severity)];
                count(&line(&findings), &policy).is_some()
            });
            // Information and what is not known never count.
            assert!(
                severities == [false, true, false, true] || severities == [false; 4],
                "{code}"
            );
            severities[1]
        })
        .map(Code::as_str)
        .collect();
    assert_eq!(
        counted,
        [
            "PGA_DATA_MISSING",
            "CERTIFICATE_NUMBER_MISSING",
            "TEMPORARY_CODE",
            "CERTIFICATE_NOT_FOUND",
            "CERTIFICATE_VOIDED",
            "IMPORTER_NOT_LISTED",
            "IMPORTER_NOT_CERTIFIED",
        ]
    );
    assert_eq!(COUNTED_CODES.map(Code::as_str).as_slice(), counted);
}

#[test]
fn only_a_line_of_a_known_importer_counts() {
    let findings = [found(Code::PgaDataMissing, Severity::Reject)];
    let unknown = FiledLine {
        importer: None,
        ..line(&findings)
    };
    assert_eq!(count(&unknown, &Policy::shipped()), None);
}

#[test]
fn of_a_line_that_counts_other_findings_are_left_out() {
    let findings = [
        found(Code::PgaDataMissing, Severity::Reject),
        found(Code::RegistryStale, Severity::Warning),
        found(Code::CertificateNotFound, Severity::Indeterminate),
    ];
    let (of, counted) = count(&line(&findings), &Policy::shipped()).unwrap();
    assert_eq!(of, importer());
    assert_eq!(counted.findings(), &findings[..1]);
    assert_eq!((counted.line_number(), counted.pga_line_number()), (3, 2));
}

#[test]
fn a_line_counts_on_its_day_in_new_york_or_on_the_day_that_history_gives() {
    let day_of = |recorded| {
        line_of("STRICT", &[Code::PgaDataMissing], recorded)
            .recorded_on()
            .to_string()
    };
    let filed = |moment: &str| day_of(Recorded::filed_at(moment.parse().unwrap()));
    assert_eq!(filed("2028-02-29T04:59:59Z"), "2028-02-28");
    assert_eq!(filed("2028-02-29T05:00:00Z"), "2028-02-29");
    // Summer time: midnight is at four.
    assert_eq!(filed("2026-03-09T03:59:59Z"), "2026-03-08");
    assert_eq!(filed("2026-03-09T04:00:00Z"), "2026-03-09");
    // The clocks went back that morning.
    assert_eq!(filed("2026-11-02T04:59:59Z"), "2026-11-01");
    let history = line_of(
        "STRICT",
        &[Code::PgaDataMissing],
        Recorded::Imported { on: day(-400) },
    );
    assert_eq!(
        (history.recorded_on(), history.origin()),
        (day(-400), Origin::Imported)
    );
}

#[test]
fn the_temporary_code_or_a_voided_certificate_of_an_uncertified_importer_leads_to_the_notice_at_once() {
    let reach = |phase, codes: &[Code]| line_of(phase, codes, Recorded::Filed { on: day(0) }).reach();
    let both = [Code::CertificateVoided, Code::ImporterNotCertified];
    for codes in [&[Code::TemporaryCode][..], &both] {
        assert_eq!(reach("STRICT", codes), Reach::AtOnce);
        assert_eq!(reach("MANDATORY", codes), Reach::WarningLetters);
        assert_eq!(reach("VOLUNTARY", codes), Reach::WarningLetters);
    }
    for code in [both[0], both[1], Code::ImporterNotListed] {
        assert_eq!(reach("STRICT", &[code]), Reach::WholeLadder);
    }
}
