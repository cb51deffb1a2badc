//! Entry summaries.

use nopic_domain::entry::EntryLine;

use super::{AbiTransmission, AbiWriteError, Checked, OpenItem, enveloped, record, write_organic};

/// Appends one transmission of entry summaries (`A`, `B`, the entries, `Y`, `Z`) with the lines in their order.
/// Consecutive lines with the same entry number, action, importer, dates and port make one entry. Dots are taken out
/// of tariff codes.
///
/// # Errors
/// At the first line that has something ABI has no place for; `out` then holds part of a transmission.
pub fn write_abi(
    out: &mut Vec<u8>,
    transmission: &AbiTransmission<'_>,
    lines: &[EntryLine],
) -> Result<(), AbiWriteError> {
    enveloped(out, transmission, "AE", |out| {
        let mut previous: Option<&EntryLine> = None;
        let mut item = OpenItem::default();
        for line in lines {
            let before = previous.filter(|previous| same_entry(previous, line));
            if before.is_none() {
                if previous.is_some() {
                    record(out, "9000000000000", &[]);
                }
                write_entry(out, line)?;
            }
            write_line(out, line, before, &mut item)?;
            previous = Some(line);
        }
        if previous.is_some() {
            record(out, "9000000000000", &[]);
        }
        Ok(())
    })
}

fn same_entry(one: &EntryLine, other: &EntryLine) -> bool {
    one.entry_number == other.entry_number
        && one.entry_action == other.entry_action
        && one.port_of_entry == other.port_of_entry
        && one.importer_of_record == other.importer_of_record
        && one.entry_date == other.entry_date
        && one.importation_date == other.importation_date
        && one.arrival_date == other.arrival_date
}

fn same_item(one: &EntryLine, other: &EntryLine) -> bool {
    one.line_number == other.line_number
        && one.article_set == other.article_set
        && one.country_of_origin == other.country_of_origin
        && one.country_of_export == other.country_of_export
        && one.export_date == other.export_date
}

fn write_entry(out: &mut Vec<u8>, line: &EntryLine) -> Result<(), AbiWriteError> {
    let checked = Checked(line);
    let number = checked.entry_number()?;
    let action = checked.action()?;
    let port = checked.text("portOfEntry", line.port_of_entry.as_deref(), 4)?;
    record(
        out,
        "10",
        &[
            (3, action),
            (4, &number[..3]),
            (9, &number[3..]),
            (18, port),
            (34, "01"),
            (68, "Y"),
        ],
    );
    let importer = checked.text("importerOfRecord", line.importer_of_record.as_deref(), 12)?;
    let date = checked.date("entryDate", line.entry_date.as_deref())?;
    let importation = checked.date("importationDate", line.importation_date.as_deref())?;
    record(out, "11", &[(3, importer), (42, &date), (48, &importation)]);
    let arrival = checked.date("arrivalDate", line.arrival_date.as_deref())?;
    record(out, "20", &[(7, port), (11, &arrival)]);
    Ok(())
}

fn write_line(
    out: &mut Vec<u8>,
    line: &EntryLine,
    before: Option<&EntryLine>,
    item: &mut OpenItem,
) -> Result<(), AbiWriteError> {
    let checked = Checked(line);
    checked.common_fields_only()?;
    let code = checked.tariff_code()?;
    let message_set = line.message_set.as_deref().unwrap_or("NONE");
    let goes_on = before
        .filter(|before| same_item(before, line) && message_set != "NONE")
        .and_then(|_| item.goes_on_with(line));
    let description = checked.text("description", line.description.as_deref(), 70)?;
    if let Some(position) = goes_on {
        for _ in item.position + 1..position {
            record(out, "50", &[]);
        }
        item.position = position;
    } else {
        *item = OpenItem {
            position: 1,
            ..OpenItem::default()
        };
        let article_set = checked.text("articleSet", line.article_set.as_deref(), 1)?;
        let origin = checked.text("countryOfOrigin", line.country_of_origin.as_deref(), 2)?;
        let export = checked.text("countryOfExport", line.country_of_export.as_deref(), 2)?;
        let export_date = checked.date("exportDate", line.export_date.as_deref())?;
        record(
            out,
            "40",
            &[
                (5, &format!("{:03}", line.line_number)),
                (8, article_set),
                (9, origin),
                (11, export),
                (13, &export_date),
            ],
        );
    }
    if message_set == "NONE" {
        return write_plain(out, &checked, &code, description);
    }
    record(out, "50", &[(3, &code)]);
    if !description.is_empty() {
        record(out, "OI", &[(11, description)]);
    }
    write_organic(out, &checked, message_set, item)
}

/// A line without message set: a `50` and nothing of AMS under it.
fn write_plain(
    out: &mut Vec<u8>,
    checked: &Checked<'_>,
    code: &str,
    description: &str,
) -> Result<(), AbiWriteError> {
    checked.no_message_set()?;
    if !description.is_empty() {
        record(out, "44", &[(3, description)]);
    }
    let Some(units) = checked.weight()? else {
        record(out, "50", &[(3, code)]);
        return Ok(());
    };
    if units % 100 != 0 || units / 100 >= 1_000_000_000_000 {
        return checked.refuse("netWeightKg", "record 50 has ten digits and two decimals");
    }
    record(
        out,
        "50",
        &[(3, code), (36, &format!("{:012}", units / 100)), (48, "KG")],
    );
    Ok(())
}
