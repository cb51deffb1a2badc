//! People and jobs.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_domain::principal::Role;
use nopic_sql::audit::Rows;
use serde_json::json;

use super::super::engine::Connection;
use super::{Store, end, kept, tenants};
use crate::access::error::Error;
use crate::access::record::{Person, Subject};
use crate::access::store::audited::PERSON;
use crate::access::store::{Act, Filter, PersonStore};

macro_rules! columns {
    () => {
        "SELECT person_id, tenant, name, role, certificate_name, token_issuer, token_subject, added_at, removed_at \
            FROM person WHERE "
    };
}

nopic_sql::statements! {
    const SELECT_PERSON: &str = concat!(columns!(), "tenant = $1 AND name = $2 AND removed_at IS NULL");
    const SELECT_PEOPLE: &str = concat!(columns!(), "person_id > $1 AND tenant = COALESCE($2, tenant) \
        AND (removed_at IS NULL OR $3 > 0) ORDER BY person_id LIMIT $4");
    /// Who comes in by the same certificate or token.
    const SELECT_PERSON_ALIKE: &str = "SELECT tenant, name FROM person WHERE removed_at IS NULL \
        AND (certificate_name = $1 OR (token_issuer = $2 AND token_subject = $3))";
    const INSERT_PERSON: &str = "INSERT INTO person \
        (tenant, name, role, certificate_name, token_issuer, token_subject, added_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING person_id";
    const REMOVE_PERSON: &str = "UPDATE person SET removed_at = $2 WHERE person_id = $1";
}

type Row = (
    i64,
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
);

/// The role of a column.
pub(super) fn read_role(text: &str) -> Result<Role, nopic_sql::Error> {
    Role::ALL
        .into_iter()
        .find(|role| role.as_str() == text)
        .ok_or_else(|| nopic_sql::Error::corrupt("person.role", text))
}

fn person(row: Row) -> Result<(i64, Person), nopic_sql::Error> {
    let (id, tenant, name, role, certificate_name, issuer, subject, added_at, removed_at) = row;
    let person = Person {
        tenant,
        name,
        role: read_role(&role)?,
        certificate_name,
        token: issuer
            .zip(subject)
            .map(|(issuer, subject)| Subject { issuer, subject }),
        added_at,
        removed_at,
    };
    Ok((id, person))
}

/// The person or job of this name that must be there, in a change.
pub(super) async fn require(
    connection: &mut Connection,
    tenant: &str,
    name: &str,
) -> Result<(i64, Person), Error> {
    let row: Option<Row> = sqlx::query_as(SELECT_PERSON)
        .bind(tenant)
        .bind(name)
        .fetch_optional(&mut *connection)
        .await?;
    match row {
        Some(row) => Ok(person(row)?),
        None => {
            tenants::require(connection, tenant).await?;
            Err(Error::NotFound(format!(
                "the tenant {tenant:?} has no person or job {name:?}: AddPerson adds one"
            )))
        }
    }
}

fn left(rows: &mut Rows, id: i64, person: &Person) {
    let token = person.token.as_ref();
    rows.row(&PERSON)
        .number(id)
        .text(person.tenant.as_str())
        .text(person.name.as_str())
        .text(person.role.as_str())
        .text(person.certificate_name.as_deref())
        .text(token.map(|token| token.issuer.as_str()))
        .text(token.map(|token| token.subject.as_str()))
        .moment(person.added_at)
        .moment(person.removed_at)
        .end();
}

/// How a person is named in notes.
fn subject(person: &Person) -> String {
    format!("{}/{}", person.tenant, person.name)
}

/// Refuses a person that cannot be told from another.
async fn require_new(connection: &mut Connection, new: &Person) -> Result<(), Error> {
    let named: Option<Row> = sqlx::query_as(SELECT_PERSON)
        .bind(&new.tenant)
        .bind(&new.name)
        .fetch_optional(&mut *connection)
        .await?;
    if named.is_some() {
        return Err(Error::AlreadyThere(format!(
            "the tenant {:?} has a person or job {:?} already: take another name",
            new.tenant, new.name
        )));
    }
    let token = new.token.as_ref();
    let alike: Option<(String, String)> = sqlx::query_as(SELECT_PERSON_ALIKE)
        .bind(&new.certificate_name)
        .bind(token.map(|token| &token.issuer))
        .bind(token.map(|token| &token.subject))
        .fetch_optional(connection)
        .await?;
    match alike {
        None => Ok(()),
        Some((tenant, name)) => Err(Error::AlreadyThere(format!(
            "{name:?} of the tenant {tenant:?} comes in by the same certificate or token: it names one only"
        ))),
    }
}

#[async_trait]
impl PersonStore for Store {
    async fn add_person(&self, act: &Act, new: &Person) -> Result<Person, Error> {
        let (mut transaction, answer) = self.begin("add_person", act).await?;
        if let Some(answer) = answer {
            return kept(&answer);
        }
        tenants::require(&mut transaction, &new.tenant).await?;
        require_new(&mut transaction, new).await?;
        let token = new.token.as_ref();
        let (id,): (i64,) = sqlx::query_as(INSERT_PERSON)
            .bind(&new.tenant)
            .bind(&new.name)
            .bind(new.role.as_str())
            .bind(&new.certificate_name)
            .bind(token.map(|token| &token.issuer))
            .bind(token.map(|token| &token.subject))
            .bind(new.added_at)
            .fetch_one(&mut *transaction)
            .await?;
        let mut rows = Rows::new();
        left(&mut rows, id, new);
        let detail = json!({
            "role": new.role,
            "certificateName": new.certificate_name,
            "token": new.token,
        });
        end(
            transaction,
            act,
            ("PERSON_ADDED", &subject(new), detail),
            &rows,
            new,
        )
        .await?;
        Ok(new.clone())
    }

    async fn remove_person(&self, act: &Act, tenant: &str, name: &str) -> Result<Person, Error> {
        let (mut transaction, answer) = self.begin("remove_person", act).await?;
        if let Some(answer) = answer {
            return kept(&answer);
        }
        let (id, mut person) = require(&mut transaction, tenant, name).await?;
        person.removed_at = Some(act.now);
        sqlx::query(REMOVE_PERSON)
            .bind(id)
            .bind(act.now)
            .execute(&mut *transaction)
            .await?;
        let mut rows = Rows::new();
        left(&mut rows, id, &person);
        let note = ("PERSON_REMOVED", &*subject(&person), json!({}));
        end(transaction, act, note, &rows, &person).await?;
        Ok(person)
    }

    async fn people(&self, filter: &Filter, after: i64, limit: u32) -> Result<Vec<(i64, Person)>, Error> {
        let rows: Vec<Row> = sqlx::query_as(SELECT_PEOPLE)
            .bind(after)
            .bind(&filter.tenant)
            .bind(i64::from(filter.with_removed))
            .bind(i64::from(limit))
            .fetch_all(self.database.readers())
            .await?;
        Ok(rows.into_iter().map(person).collect::<Result<_, _>>()?)
    }
}
