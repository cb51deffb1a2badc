//! Cargo releases.

use nopic_domain::entry::EntryLine;

use super::{AbiTransmission, AbiWriteError, Checked, OpenItem, enveloped, record, write_organic};

/// Appends one transmission of cargo releases (`A`, `B`, the entries, `Y`, `Z`) with the lines in their order.
/// Consecutive lines with the same entry number, action, importer, dates and port make one entry. Dots are taken out
/// of tariff codes.
///
/// # Errors
/// At the first line that has something a cargo release has no place for; `out` then holds part of a transmission.
pub fn write_abi_release(
    out: &mut Vec<u8>,
    transmission: &AbiTransmission<'_>,
    lines: &[EntryLine],
) -> Result<(), AbiWriteError> {
    enveloped(out, transmission, "SE", |out| {
        let mut previous: Option<&EntryLine> = None;
        let mut item = OpenItem::default();
        for line in lines {
            let before = previous.filter(|previous| same_entry(previous, line));
            if before.is_none() {
                write_entry(out, line)?;
            }
            write_line(out, line, before, &mut item)?;
            previous = Some(line);
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
        && one.arrival_date == other.arrival_date
}

fn write_entry(out: &mut Vec<u8>, line: &EntryLine) -> Result<(), AbiWriteError> {
    let checked = Checked(line);
    let number = checked.entry_number()?;
    let action = checked.action()?;
    let port = checked.text("portOfEntry", line.port_of_entry.as_deref(), 4)?;
    let importer = checked.text("importerOfRecord", line.importer_of_record.as_deref(), 12)?;
    record(
        out,
        "SE10",
        &[
            (5, action),
            (6, &number[..3]),
            (11, &number[3..]),
            (20, "01"),
            (22, "EI"),
            (25, importer),
            (50, port),
        ],
    );
    let date = checked.date("entryDate", line.entry_date.as_deref())?;
    if !date.is_empty() {
        record(out, "SE11", &[(6, &date)]);
    }
    let arrival = checked.date("arrivalDate", line.arrival_date.as_deref())?;
    if !arrival.is_empty() {
        record(out, "SE16", &[(14, &arrival)]);
    }
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
    checked.absent(
        &[
            ("importationDate", line.importation_date.is_some()),
            ("exportDate", line.export_date.is_some()),
            ("countryOfExport", line.country_of_export.is_some()),
            ("articleSet", line.article_set.is_some()),
        ],
        "a cargo release has no record for it",
    )?;
    let code = checked.tariff_code()?;
    let description = checked.text("description", line.description.as_deref(), 70)?;
    let origin = checked.text("countryOfOrigin", line.country_of_origin.as_deref(), 2)?;
    let message_set = line.message_set.as_deref().unwrap_or("NONE");
    let is_plain = message_set == "NONE";
    let goes_on = before
        .filter(|before| {
            !is_plain
                && before.line_number == line.line_number
                && before.country_of_origin == line.country_of_origin
        })
        .and_then(|_| item.goes_on_with(line));
    if let Some(position) = goes_on {
        for _ in item.position + 1..position {
            record(out, "SE60", &[]);
        }
        item.position = position;
    } else {
        *item = OpenItem {
            position: 1,
            ..OpenItem::default()
        };
        record(
            out,
            "SE40",
            &[
                (5, &format!("{:03}", line.line_number)),
                (8, origin),
                (11, if is_plain { description } else { "" }),
            ],
        );
    }
    record(out, "SE60", &[(5, &code)]);
    if is_plain {
        checked.no_message_set()?;
        return checked.absent(
            &[("netWeightKg", line.net_weight_kg.is_some())],
            "a line without message set has no record for it",
        );
    }
    if !description.is_empty() {
        record(out, "OI", &[(11, description)]);
    }
    write_organic(out, &checked, message_set, item)
}
