use nopic_domain::weight::Weight;

use super::*;

const GOOD: &str = r#"{"number":"304-3049499569-000002","status":"ISSUED","certifierId":"304","exporterNopId":"3049499569","importerNopId":"8025959654","product":" Tea ","htsCode":"0902.10.1015","kind":"TIME_FRAME","issuedOn":"2025-01-29","validFrom":"2025-02-02","validTo":"2025-03-04","totalWeightKg":"50760.4405","countriesOfOrigin":["pe"],"lots":[" L-1 ",""],"draws":[{"entryNumber":"b76-0324527-8","lineNumber":1,"weightKg":"0"}]}"#;

fn read(text: &str) -> Result<CertificateRecord, Reject> {
    match read_certificates(text.as_bytes()).unwrap().remove(0) {
        CertificateEvent::Certificate(record) => Ok(record),
        CertificateEvent::Reject(reject) => Err(reject),
    }
}

#[test]
fn a_certificate_is_read_normalised() {
    let record = read(GOOD).unwrap();
    assert_eq!(record.certificate.product.as_deref(), Some("Tea"));
    assert_eq!(record.certificate.countries_of_origin, ["PE"]);
    assert_eq!(record.certificate.lots, ["L-1"]);
    let draws = record.draws.unwrap();
    assert_eq!(draws[0].entry_number.as_str(), "B7603245278");
    assert_eq!((draws[0].pga_line_number, draws[0].weight_kg), (1, Weight::ZERO));
    let snake = GOOD
        .replace("certifierId", "certifier_id")
        .replace("exporterNopId", "exporter_nop_id")
        .replace("lineNumber", "line_number");
    assert!(read(&snake).is_ok());
}

#[test]
fn what_was_written_reads_back() {
    let record = read(GOOD).unwrap();
    let mut out = Vec::new();
    write_certificate(&mut out, &record.certificate, record.draws.as_deref());
    assert_eq!(read(std::str::from_utf8(&out).unwrap()), Ok(record));
}

#[test]
fn every_refusal_names_its_field() {
    for (from, to, field) in [
        ("304-3049499569-000002", "304-3049499569-00002", "number"),
        ("ISSUED", "issued", "status"),
        ("ISSUED", "DRAFT", "issuedOn"),
        (r#""issuedOn":"2025-01-29","#, "", "issuedOn"),
        (r#""validTo":"2025-03-04","#, "", "validTo"),
        ("2025-03-04", "2025-02-01", "validTo"),
        ("2025-03-04", "2025-02-30", "validTo"),
        (r#""50760.4405""#, "50760.4405", "totalWeightKg"),
        ("50760.4405", "0", "totalWeightKg"),
        ("50760.4405", "1000000000000.1", "totalWeightKg"),
        (r#""product":" Tea ""#, r#""product":" ""#, "product"),
        (
            r#""lots""#,
            r#""supersededBy":"304-3049499569-000003","lots""#,
            "supersededBy",
        ),
        (
            r#""status":"ISSUED""#,
            r#""status":"SUPERSEDED","supersededBy":"304-3049499569-000002""#,
            "supersededBy",
        ),
        (r#""lots""#, r#""lot""#, "lot"),
        (r#"[" L-1 ",""]"#, r#"[" L-1 ",7]"#, "lots[1]"),
        (r#""kind""#, r#""hts_code":"090210","kind""#, "hts_code"),
        ("b76-0324527-8", "b76-0324527-9", "draws[0].entryNumber"),
        (r#""lineNumber":1"#, r#""lineNumber":"1""#, "draws[0].lineNumber"),
        (r#""weightKg":"0""#, r#""weight":"0""#, "draws[0].weight"),
        (
            r#""draws":["#,
            r#""draws":[{"entryNumber":"B7603245278","lineNumber":1,"pgaLineNumber":1,"weightKg":"2"},"#,
            "draws[1].entryNumber",
        ),
        (r#"["pe"]"#, r#"["Peru"]"#, "countriesOfOrigin"),
    ] {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        let reject = read(&text).unwrap_err();
        assert_eq!(reject.field.as_deref(), Some(field), "{reject}");
        assert!(reject.key.is_some());
    }
}

#[test]
fn an_array_of_all_is_told_from_a_csv() {
    for array in [format!("[{GOOD}]"), format!("[\n{GOOD},\n{GOOD}\n]")] {
        let error = read_certificates(array.as_bytes()).unwrap_err();
        assert_eq!(error, CertificateFileError::JsonArray);
        assert!(error.to_string().contains("one JSON object a line"), "{error}");
    }
}

#[test]
fn a_file_of_something_else_is_refused_whole() {
    assert_eq!(read_certificates(b" \n"), Err(CertificateFileError::Empty));
    assert!(read_certificates(b"<html>").is_err());
    assert!(read_certificates(b"PK\x03\x04").is_err());
}

/// The same certificate as a row of a table.
const ROW: &str = "number,status,certifierId,exporterNopId,importerNopId,product,htsCode,kind,issuedOn,validFrom,validTo,totalWeightKg,countriesOfOrigin,lots\n304-3049499569-000002,ISSUED,304,3049499569,8025959654,Tea,0902.10.1015,TIME_FRAME,1/29/2025,2/2/2025,2025-03-04,50760.4405,pe;EC,L-1;\n";

#[test]
fn a_table_of_certificates_is_read() {
    let record = read(ROW).unwrap();
    assert_eq!((record.record, record.draws), (2, None));
    assert_eq!(record.certificate.countries_of_origin, ["PE", "EC"]);
    assert_eq!(record.certificate.lots, ["L-1"]);
    assert_eq!(
        record
            .certificate
            .issued_on
            .map(|date| date.to_string())
            .as_deref(),
        Some("2025-01-29")
    );
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(ROW.replace(',', "\t").encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let events = read_certificates(&utf16).unwrap();
    assert!(
        matches!(&events[..], [CertificateEvent::Certificate(_)]),
        "{events:?}"
    );
    // A zero that a spreadsheet took is named, and nothing is completed.
    for code in ["902101015", "902101015.0"] {
        let reject = read(&ROW.replace("0902.10.1015", code)).unwrap_err();
        assert_eq!(reject.field.as_deref(), Some("htsCode"));
        assert_eq!(reject.key.as_deref(), Some("304-3049499569-000002"));
        assert!(reject.reason.contains("0902101015"), "{reject}");
    }
    let error = |text: String| read_certificates(text.as_bytes()).unwrap_err().to_string();
    assert!(error(ROW.replacen("lots", "draws", 1)).contains("unknown column \"draws\""));
    assert!(error(ROW.replacen("status", "Status of it", 1)).contains("totalWeightKg"));
    assert!(error(ROW.replacen("kind,", ",", 1)).contains("kind is missing"));
    assert!(error(format!("Our certificates\n{ROW}")).contains("row 2 looks like the header"));
    // A line that is none costs itself alone where the others are JSON.
    let events = read_certificates(format!("garbage\n{GOOD}\n").as_bytes()).unwrap();
    assert!(matches!(
        &events[..],
        [CertificateEvent::Reject(_), CertificateEvent::Certificate(_)]
    ));
}
