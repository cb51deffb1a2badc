//! Configurations to try separate services with: who calls whom stands in the parts.

use std::fmt::Write as _;

use nopic_chassis::roles::Row;

use crate::{Part, find};

/// The first part listens here, each further one on the next port.
const FIRST_PORT: u16 = 50_061;
/// Who is no part, and calls all of them.
const OPERATOR: &str = "operator";

/// Who gets a certificate.
pub fn names(parts: &[Part]) -> impl Iterator<Item = &'static str> {
    let own: Vec<&str> = parts.iter().map(|part| part.name).collect();
    own.into_iter().chain([OPERATOR])
}

/// The configuration of each part, by its name. Files are named after their owner, beside it.
#[must_use]
pub fn configurations(parts: &[Part]) -> Vec<(&'static str, String)> {
    parts
        .iter()
        .map(|part| (part.name, configuration(parts, part)))
        .collect()
}

fn configuration(parts: &[Part], part: &Part) -> String {
    let name = part.name;
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:{}\"\n\n[storage]\ndata = \"data-{name}\"\n\n[tls]\ncertificate = \
         \"{name}.pem\"\nkey = \"{name}.key\"\nauthority = \"authority.pem\"\n\n[callers]\n",
        port(parts, name)
    );
    for other in parts {
        let methods = other.asks.iter().filter(|asked| asked.part == name);
        let methods: Vec<&str> = methods.flat_map(|asked| asked.methods).copied().collect();
        if methods == ["*"] {
            // It passes on what callers from outside ask.
            list(
                &mut text,
                other.name,
                from_outside(part).iter().map(String::as_str),
            );
        } else {
            list(&mut text, other.name, methods.into_iter());
        }
    }
    list(&mut text, OPERATOR, ["*"].into_iter());
    for asked in part.asks.iter().filter(|asked| find(parts, asked.part).is_some()) {
        // A text takes whatever is written to it.
        let _ = write!(
            text,
            "\n[upstream.{}]\naddress = \"127.0.0.1:{}\"\n",
            asked.part,
            port(parts, asked.part)
        );
    }
    text
}

fn list<'a>(text: &mut String, caller: &str, methods: impl Iterator<Item = &'a str>) {
    let methods: Vec<String> = methods.map(|method| format!("{method:?}")).collect();
    if !methods.is_empty() {
        let _ = writeln!(text, "{caller} = [{}]", methods.join(", "));
    }
}

/// The ports are few: there are not so many parts.
fn port(parts: &[Part], name: &str) -> u16 {
    let place = parts
        .iter()
        .position(|part| part.name == name)
        .unwrap_or_default();
    FIRST_PORT.saturating_add(u16::try_from(place).unwrap_or(u16::MAX))
}

/// What callers from outside may ask, through the gateway: whole services, but for those with a method that is for
/// another part alone.
fn from_outside(part: &Part) -> Vec<String> {
    let mut allowed = Vec::new();
    // What it noted and what happened there is asked for through the gateway, too.
    let notes = part.schema.map(|_| &crate::audit::SERVICE);
    let tells = part.tells_events.then_some(&crate::events::SERVICE);
    let roles = part
        .roles
        .iter()
        .chain(crate::audit::ROLES)
        .chain(crate::events::ROLES);
    for service in part.services.iter().chain(notes).chain(tells) {
        let prefix = format!("{}/", service.name());
        let rows = roles.clone().filter(|row| row.method.starts_with(&prefix));
        let (open, closed): (Vec<&Row>, Vec<&Row>) = rows.partition(|row| row.clients.is_none());
        if closed.is_empty() {
            allowed.push(format!("{prefix}*"));
        } else {
            allowed.extend(open.iter().map(|row| row.method.to_owned()));
        }
    }
    allowed
}
