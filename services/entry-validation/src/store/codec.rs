//! What is kept by value, as bytes: the messages of the wire, of which the database says so. The one place that writes
//! and reads them.

use nopic_domain::decision::{EntryAnswer, Inputs, Verdict};
use nopic_domain::entry::{EntryLine, NormalisedLine};
use nopic_domain::trail::Item;
use nopic_proto::certificate::SetDrawsResponse;
use nopic_proto::convert::entry_validation::{encode_line, encode_lines, verdict_on};
use nopic_proto::entry_validation as wire;
use nopic_sql::Error;
use prost::Message;

use crate::convert::{answer_from_wire, answer_to_wire, around_lines, inputs_from_wire};

/// Number of the field of lines in [`wire::FilingInputs`].
const LINES: u32 = 6;

pub(crate) fn write_inputs(inputs: &Inputs) -> Vec<u8> {
    let [before, behind] = around_lines(inputs);
    let mut bytes = before.encode_to_vec();
    encode_lines(LINES, inputs.lines.iter().map(|line| &**line), &mut bytes);
    bytes.extend(behind.encode_to_vec());
    bytes
}

pub(crate) fn read_inputs(bytes: &[u8]) -> Result<Inputs, Error> {
    inputs_from_wire(read("filing.inputs", bytes)?).map_err(|error| Error::corrupt("filing.inputs", error))
}

pub(crate) fn write_answers(answers: &[EntryAnswer]) -> Vec<u8> {
    let message = SetDrawsResponse {
        changed: Vec::new(),
        entries: answers.iter().map(answer_to_wire).collect(),
    };
    message.encode_to_vec()
}

pub(crate) fn read_answers(bytes: &[u8]) -> Result<Vec<EntryAnswer>, Error> {
    read::<SetDrawsResponse>("filing.ledger", bytes)?
        .entries
        .into_iter()
        .map(|answer| answer_from_wire(answer).map_err(|error| Error::corrupt("filing.ledger", error)))
        .collect()
}

pub(crate) fn write_verdict(verdict: &Verdict) -> Vec<u8> {
    wire::Verdict::from(verdict.clone()).encode_to_vec()
}

pub(crate) fn read_verdict(bytes: &[u8], line: &NormalisedLine) -> Result<Verdict, Error> {
    let verdict = read("decision.verdict", bytes)?;
    verdict_on(line, verdict).map_err(|error| Error::corrupt("decision.verdict", error))
}

pub(crate) fn write_line(line: &EntryLine) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_line(line, &mut bytes);
    bytes
}

pub(crate) fn read_line(bytes: &[u8]) -> Result<NormalisedLine, Error> {
    let line = read::<wire::EntryLine>("decision.line", bytes)?;
    Ok(EntryLine::from(line).normalise())
}

pub(crate) fn write_item(item: &Item) -> Vec<u8> {
    wire::TrailItem::from(item).encode_to_vec()
}

pub(crate) fn read_item(bytes: &[u8]) -> Result<Item, Error> {
    read::<wire::TrailItem>("trail_record.content", bytes)?
        .try_into()
        .map_err(|error| Error::corrupt("trail_record.content", error))
}

pub(crate) fn write_record_ids(record_ids: &[u64]) -> Vec<u8> {
    let message = wire::RecordTrailResponse {
        record_ids: record_ids.to_vec(),
    };
    message.encode_to_vec()
}

pub(crate) fn read_record_ids(bytes: &[u8]) -> Result<Vec<u64>, Error> {
    read::<wire::RecordTrailResponse>("request.answer", bytes).map(|answer| answer.record_ids)
}

fn read<T: Message + Default>(what: &'static str, bytes: &[u8]) -> Result<T, Error> {
    T::decode(bytes).map_err(|error| Error::corrupt(what, error))
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, Executor as _, SqliteConnection};

    use super::*;

    #[tokio::test]
    async fn what_is_read_is_written_as_it_was() {
        let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        // Tables stand in the file in the order of their names.
        database.execute("PRAGMA foreign_keys = OFF").await.unwrap();
        let stored = sqlx::raw_sql(include_str!("../../tests/data/entries.sql"));
        database.execute(stored).await.unwrap();
        let filings: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as("SELECT inputs, ledger FROM filing")
            .fetch_all(&mut database)
            .await
            .unwrap();
        assert_eq!(filings.len(), 5);
        for (inputs, ledger) in filings {
            assert_eq!(write_inputs(&read_inputs(&inputs).unwrap()), inputs);
            assert_eq!(write_answers(&read_answers(&ledger).unwrap()), ledger);
        }
        let decisions: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as("SELECT verdict, line FROM decision")
            .fetch_all(&mut database)
            .await
            .unwrap();
        assert_eq!(decisions.len(), 35);
        for (verdict, line) in decisions {
            let read = read_line(&line).unwrap();
            assert_eq!(write_line(&read), line);
            let read = read_verdict(&verdict, &read).unwrap();
            let mut written = wire::Verdict::decode(&*write_verdict(&read)).unwrap();
            // It was not kept.
            written.set_declaration(wire::verdict::Declaration::Unspecified);
            assert_eq!(written.encode_to_vec(), verdict);
        }
        let items: Vec<Vec<u8>> = sqlx::query_scalar("SELECT content FROM trail_record")
            .fetch_all(&mut database)
            .await
            .unwrap();
        assert_eq!(items.len(), 6);
        for item in items {
            assert_eq!(write_item(&read_item(&item).unwrap()), item);
        }
    }

    #[test]
    fn bytes_that_cannot_be_read_are_a_corrupt_row() {
        // What no program writes, and a step and an item of kinds that only a newer one might.
        let inputs = [&b"\xff"[..], b""].map(|bytes| ("filing.inputs", read_inputs(bytes).err()));
        let items = [&b"\xff"[..], b"", b"\x0a\x05\x0a\x03NEW", b"\x2a\x00"]
            .map(|bytes| ("trail_record.content", read_item(bytes).err()));
        for (expected, error) in inputs.into_iter().chain(items) {
            let error = error.unwrap();
            assert!(!error.is_transient());
            assert!(
                matches!(error, Error::Corrupt { what, .. } if what == expected),
                "{error:?}"
            );
        }
    }
}
