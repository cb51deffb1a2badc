//! Between the wire and what is kept.

use chrono::{DateTime, Utc};
use nopic_chassis::requests::{at_most, given, moment, moment_text};
use nopic_domain::principal::{FilerCodes, Role};
use nopic_proto::access as wire;

use super::error::Error;
use super::key;
use super::record::{Key, Person, Subject, Tenant};
use crate::authenticate::KEY_PREFIX;

/// Characters of a tenant's name.
const MAX_TENANT: usize = 64;
/// Characters of the name of a person or job, and of names in certificates.
const MAX_NAME: usize = 100;
/// Characters of issuers and subjects of tokens.
const MAX_TOKEN_NAME: usize = 255;
/// Filer codes and NOP IDs of a tenant.
const MAX_CODES: usize = 1_000;

/// The name of a tenant.
pub(super) fn tenant_name(field: &str, text: &str) -> Result<String, Error> {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_name = text.len() <= MAX_TENANT
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || b".-_".contains(&byte));
    if is_name {
        return Ok(text.to_owned());
    }
    Err(Error::invalid(
        field,
        format_args!(
            "{text:?} is no name of 1 to {MAX_TENANT} small letters, digits, dots, hyphens and underscores, the first of \
             them a letter or digit"
        ),
    ))
}

/// A name in words, without spaces around it.
fn name(field: &str, text: &str, limit: usize) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > limit || text.chars().any(char::is_control) {
        return Err(Error::invalid(
            field,
            format_args!("{text:?} is no name of 1 to {limit} characters"),
        ));
    }
    Ok(text.to_owned())
}

/// The name of a person or job.
pub(super) fn person_name(field: &str, text: &str) -> Result<String, Error> {
    name(field, text, MAX_NAME)
}

/// The tenant that is asked for.
pub(super) fn tenant(wire: Option<wire::Tenant>, now: DateTime<Utc>) -> Result<Tenant, Error> {
    let wire = wire.ok_or_else(|| Error::invalid("tenant", "not given"))?;
    at_most("tenant.filer_codes", wire.filer_codes.len(), MAX_CODES)?;
    at_most("tenant.nop_ids", wire.nop_ids.len(), MAX_CODES)?;
    let filer_codes = match (wire.all_filer_codes, wire.filer_codes.is_empty()) {
        (true, true) => FilerCodes::All,
        (true, false) => {
            return Err(Error::invalid(
                "tenant.filer_codes",
                "given beside all_filer_codes: leave one out",
            ));
        }
        (false, _) => FilerCodes::Listed(
            wire.filer_codes
                .iter()
                .enumerate()
                .map(|(place, code)| filer_code(place, code))
                .collect::<Result<_, _>>()?,
        ),
    };
    let certifier_id = given(&wire.certifier_id)
        .map(|id| id.parse())
        .transpose()
        .map_err(|error| Error::invalid("tenant.certifier_id", error))?;
    let nop_ids = wire
        .nop_ids
        .iter()
        .enumerate()
        .map(|(place, id)| {
            id.parse()
                .map_err(|error| Error::invalid(format!("tenant.nop_ids[{place}]"), error))
        })
        .collect::<Result<_, _>>()?;
    Ok(Tenant {
        tenant: tenant_name("tenant.tenant", &wire.tenant)?,
        filer_codes,
        certifier_id,
        nop_ids,
        created_at: now,
        suspended_at: None,
    })
}

fn filer_code(place: usize, text: &str) -> Result<String, Error> {
    let code = text.trim().to_ascii_uppercase();
    if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(code);
    }
    Err(Error::invalid(
        format!("tenant.filer_codes[{place}]"),
        format_args!("{text:?} is no filer code of 3 letters and digits"),
    ))
}

/// The person or job that is asked for.
pub(super) fn person(wire: Option<wire::Person>, now: DateTime<Utc>) -> Result<Person, Error> {
    let wire = wire.ok_or_else(|| Error::invalid("person", "not given"))?;
    let role = Role::ALL
        .into_iter()
        .find(|role| role.as_str() == wire.role)
        .ok_or_else(|| {
            let roles: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
            Error::invalid(
                "person.role",
                format_args!("{:?} is none of {}", wire.role, roles.join(", ")),
            )
        })?;
    let token = match (given(&wire.token_issuer), given(&wire.token_subject)) {
        (None, None) => None,
        (Some(issuer), Some(subject)) => Some(Subject {
            issuer: name("person.token_issuer", issuer, MAX_TOKEN_NAME)?,
            subject: name("person.token_subject", subject, MAX_TOKEN_NAME)?,
        }),
        _ => {
            return Err(Error::invalid(
                "person.token_subject",
                "a token names a person by its issuer and its subject: give both, or none",
            ));
        }
    };
    Ok(Person {
        tenant: tenant_name("person.tenant", &wire.tenant)?,
        name: person_name("person.name", &wire.name)?,
        role,
        certificate_name: given(&wire.certificate_name)
            .map(|text| name("person.certificate_name", text, MAX_NAME))
            .transpose()?,
        token,
        added_at: now,
        removed_at: None,
    })
}

/// The public part of a key. What is given instead may be a whole one, which nobody is to hear.
pub(super) fn prefix(text: &str) -> Result<&str, Error> {
    let text = text.trim();
    let text = text.strip_prefix(KEY_PREFIX).unwrap_or(text);
    if key::is_prefix(text) {
        return Ok(text);
    }
    Err(Error::invalid(
        "prefix",
        "it is not the public part of a key, the 10 characters behind nopic_ (and nothing of what follows)",
    ))
}

/// The end of a key, which lies ahead.
pub(super) fn ends_at(text: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
    let end = moment("ends_at", text)?;
    if end.is_some_and(|end| end <= now) {
        return Err(Error::invalid("ends_at", format_args!("{text} is over already")));
    }
    Ok(end)
}

fn moment_or_empty(moment: Option<DateTime<Utc>>) -> String {
    moment.map(moment_text).unwrap_or_default()
}

/// A tenant as callers get it.
pub(super) fn tenant_to_wire(tenant: Tenant) -> wire::Tenant {
    wire::Tenant {
        all_filer_codes: tenant.filer_codes == FilerCodes::All,
        filer_codes: tenant.filer_codes.listed().to_vec(),
        certifier_id: tenant.certifier_id.map(|id| id.to_string()).unwrap_or_default(),
        nop_ids: tenant.nop_ids.iter().map(ToString::to_string).collect(),
        created_at: moment_text(tenant.created_at),
        suspended_at: moment_or_empty(tenant.suspended_at),
        tenant: tenant.tenant,
    }
}

/// A person or job as callers get it.
pub(super) fn person_to_wire(person: Person) -> wire::Person {
    let (token_issuer, token_subject) = person
        .token
        .map(|token| (token.issuer, token.subject))
        .unwrap_or_default();
    wire::Person {
        tenant: person.tenant,
        name: person.name,
        role: person.role.as_str().to_owned(),
        certificate_name: person.certificate_name.unwrap_or_default(),
        token_issuer,
        token_subject,
        added_at: moment_text(person.added_at),
        removed_at: moment_or_empty(person.removed_at),
    }
}

/// What is known of a key as callers get it.
pub(super) fn key_to_wire(key: Key, now: DateTime<Utc>) -> wire::Key {
    wire::Key {
        state: key.state(now).as_str().to_owned(),
        prefix: key.prefix,
        tenant: key.tenant,
        person: key.person,
        role: key.role.as_str().to_owned(),
        created_at: moment_text(key.created_at),
        created_by: key.created_by,
        ends_at: moment_or_empty(key.ends_at),
        revoked_at: moment_or_empty(key.revoked_at),
        replaced_by: key.replaced_by.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_key_in_the_place_of_its_prefix_is_not_repeated() {
        let whole = key::NewKey::generate().unwrap();
        assert_eq!(prefix(&whole.prefix.clone()).unwrap(), whole.prefix);
        let text = whole.into_text();
        let said = prefix(&text).unwrap_err().to_string();
        assert!(!said.contains(&text[17..]), "{said}");
    }

    #[test]
    fn names_of_tenants_have_one_form() {
        for good in ["acme", "a", "7", "acme-2.north_west"] {
            assert!(tenant_name("tenant", good).is_ok(), "{good}");
        }
        for wrong in ["", "Acme", "-a", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(tenant_name("tenant", wrong).is_err(), "{wrong}");
        }
    }
}
