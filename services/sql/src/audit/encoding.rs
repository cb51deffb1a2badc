//! What is hashed: fields in a fixed order, each with its length before it, so that no two contents look alike.

use chrono::{DateTime, Utc};
use ring::digest::{Context, SHA256};

use super::{Record, Seal};

/// Bytes of a SHA-256.
pub(crate) const HASH_BYTES: usize = 32;

/// The forms of what is hashed. A new form gets a new name.
const RECORD: &str = "nopic audit record 1";
/// With a role and what is left of rows; a record that has neither keeps the form before.
const RECORD_OF_ROWS: &str = "nopic audit record 2";
const SEAL: &str = "nopic audit seal 1";
const HEAD: &str = "nopic audit head 1";

/// Collects fields.
#[derive(Default)]
pub(super) struct Fields(Vec<u8>);

impl Fields {
    fn of(form: &str) -> Self {
        Self::default().bytes(form.as_bytes())
    }

    fn bytes(mut self, value: &[u8]) -> Self {
        // A length always fits.
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(value);
        self
    }

    fn text(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }

    fn number(self, value: i64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    fn moment(self, value: DateTime<Utc>) -> Self {
        self.number(value.timestamp())
            .number(i64::from(value.timestamp_subsec_nanos()))
    }

    fn hash(self) -> [u8; HASH_BYTES] {
        let mut context = Context::new(&SHA256);
        context.update(&self.0);
        let mut hash = [0; HASH_BYTES];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The hash of a record. Its number is not part of it: that is its place among the hashes of a seal.
pub(crate) fn record_hash(record: &Record) -> [u8; HASH_BYTES] {
    let speaks_of_rows = !record.role.is_empty() || record.row_hashes.is_some();
    let fields = Fields::of(if speaks_of_rows { RECORD_OF_ROWS } else { RECORD })
        .number(record.audit_id)
        .moment(record.recorded_at)
        .text(&record.tenant)
        .text(&record.actor)
        .text(&record.action)
        .text(&record.subject)
        .text(&record.reason)
        .text(&record.detail);
    if speaks_of_rows {
        let row_hashes = record.row_hashes.as_deref();
        fields
            .text(&record.role)
            .number(row_hashes.is_some().into())
            .bytes(row_hashes.unwrap_or_default())
            .hash()
    } else {
        fields.hash()
    }
}

/// The hash that a seal of a service must have.
pub(crate) fn seal_hash(service: &str, seal: &Seal) -> [u8; HASH_BYTES] {
    Fields::of(SEAL)
        .text(service)
        .number(seal.number)
        .number(seal.first)
        .number(seal.last)
        .number(seal.count)
        .bytes(&seal.record_hashes)
        .bytes(&seal.previous_hash)
        .moment(seal.sealed_at)
        .hash()
}

/// What the signature of a head signs.
pub(super) fn head(
    service: &str,
    seal: i64,
    records: i64,
    hash: &[u8],
    sealed_at: DateTime<Utc>,
    public_key: &[u8],
) -> Vec<u8> {
    Fields::of(HEAD)
        .text(service)
        .number(seal)
        .number(records)
        .bytes(hash)
        .moment(sealed_at)
        .bytes(public_key)
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            audit_id: 7,
            recorded_at: DateTime::from_timestamp(1_760_000_000, 250_000_000).unwrap(),
            tenant: "default".into(),
            actor: "anna".into(),
            action: "CERTIFICATE_VOIDED".into(),
            subject: "0150000001000000001".into(),
            reason: "typo".into(),
            detail: "{}".into(),
            role: String::new(),
            row_hashes: None,
        }
    }

    fn hexadecimal(hash: [u8; HASH_BYTES]) -> String {
        crate::audit::head::hexadecimal(&hash)
    }

    #[test]
    fn the_form_of_a_record_stays() {
        // Other programs may have checked it: this text only changes with the form's name.
        assert_eq!(hexadecimal(record_hash(&record())), RECORD_HASH);
    }

    const RECORD_HASH: &str = "d201c68811b919018d9f07cf945c0d582221c517a7f6cc7295e2c6de72d88b1d";

    #[test]
    fn fields_do_not_run_into_each_other() {
        let mut other = record();
        other.tenant = "defaulta".into();
        other.actor = "nna".into();
        assert_ne!(record_hash(&record()), record_hash(&other));
    }

    #[test]
    fn every_field_counts() {
        let changes: [fn(&mut Record); 10] = [
            |record| record.role.push(' '),
            |record| record.row_hashes = Some(Vec::new()),
            |record| record.audit_id += 1,
            |record| record.recorded_at += chrono::TimeDelta::nanoseconds(1),
            |record| record.tenant.push(' '),
            |record| record.actor.push(' '),
            |record| record.action.push(' '),
            |record| record.subject.push(' '),
            |record| record.reason.push(' '),
            |record| record.detail.push(' '),
        ];
        for change in changes {
            let mut other = record();
            change(&mut other);
            assert_ne!(record_hash(&record()), record_hash(&other), "{other:?}");
        }
    }
}
