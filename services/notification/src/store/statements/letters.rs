//! Letters as they were sent, each in the transaction of its step.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nopic_domain::date::Date;
use nopic_domain::enforcement::{Event, Step};
use nopic_domain::identifier::NopId;
use nopic_sql::Error;
use serde_json::json as value;

use super::cases::Changed;
use super::messages::{hold_notices, tell};
use super::{Store, end, kept};
use crate::cases::notices::sent_by_itself;
use crate::error::Error as Refusal;
use crate::letters;
use crate::store::audited::LETTER;
use crate::store::{Act, By, LetterStore, SentLetter};

nopic_sql::statements! {
    const INSERT_LETTER: &str = "INSERT INTO letter (event_id, tenant, importer, step, letter_on, cause_on, content, page,
            sent_by, sent_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    const SELECT_LETTERS: &str = "SELECT step, letter_on, cause_on, content, page, sent_by, sent_at FROM letter
        WHERE tenant = $1 AND importer = $2 AND step = $3 AND letter_on = $4 ORDER BY event_id";
}

type LetterRow = (String, Date, Date, String, String, String, DateTime<Utc>);

#[async_trait]
impl LetterStore for Store {
    async fn send_letter(
        &self,
        act: &Act,
        importer: NopId,
        (step, date): (Step, Date),
        by: By,
    ) -> Result<(SentLetter, usize), Refusal> {
        let (mut transaction, answer) = self.begin("send_letter", act).await?;
        if let Some(answer) = answer {
            return Ok((kept(&answer)?, 0));
        }
        hold_notices(&mut transaction).await?;
        let tenant = act.principal.tenant.as_str();
        let mut changed = Changed::new(tenant, &self.rules, act.now);
        let (before, _) = changed.find(&mut transaction, importer).await?;
        let letter = before
            .send(step, date)
            .map_err(|refusal| letters::refused(importer, refusal))?;
        // The letter was due, so its case is open.
        let page = before
            .open_case()
            .map(|case| letters::compose(&case, &letter, (tenant, importer), &self.rules))
            .ok_or_else(|| Error::corrupt("case_event", "a letter is due in no case"))?;
        let sent = SentLetter {
            step: step.as_str().to_owned(),
            date: letter.date,
            cause: letter.cause,
            text: page.text,
            html: page.html,
            sent_by: act.principal.actor.clone(),
            sent_at: act.now,
        };
        let id = changed
            .add(&mut transaction, importer, &Event::Sent(letter.clone()))
            .await?;
        let (_, after) = changed.find(&mut transaction, importer).await?;
        let told = match (by, after.open_case()) {
            (By::Itself, Some(case)) => {
                vec![sent_by_itself(
                    (tenant, importer),
                    &case,
                    &letter,
                    &self.rules,
                    act.now,
                )]
            }
            (By::Person | By::Itself, _) => Vec::new(),
        };
        let count = tell(&mut transaction, &told, act.now).await?;
        let importer = importer.to_string();
        sqlx::query(INSERT_LETTER)
            .bind(id)
            .bind(tenant)
            .bind(&importer)
            .bind(&sent.step)
            .bind(sent.date)
            .bind(sent.cause)
            .bind(&sent.text)
            .bind(&sent.html)
            .bind(&sent.sent_by)
            .bind(sent.sent_at)
            .execute(&mut *transaction)
            .await
            .map_err(Error::from)?;
        let mut rows = changed.into_rows();
        rows.row(&LETTER)
            .number(id)
            .text(tenant)
            .text(importer.as_str())
            .text(sent.step.as_str())
            .date(sent.date)
            .date(sent.cause)
            .text(sent.text.as_str())
            .text(sent.html.as_str())
            .text(sent.sent_by.as_str())
            .moment(sent.sent_at)
            .end();
        let note = (
            "LETTER_SENT",
            importer.as_str(),
            value!({ "step": sent.step, "date": sent.date }),
        );
        end(transaction, act, note, &rows, &sent).await?;
        Ok((sent, count))
    }

    async fn letter_of_request(&self, act: &Act) -> Result<Option<SentLetter>, Refusal> {
        // Nothing is written: the transaction ends with this look.
        let (_transaction, answer) = self.begin("find_sent_letter", act).await?;
        Ok(answer.as_deref().map(kept).transpose()?)
    }

    async fn letters(
        &self,
        tenant: &str,
        importer: NopId,
        step: Step,
        date: Date,
    ) -> Result<Vec<SentLetter>, Error> {
        let found: Vec<LetterRow> = sqlx::query_as(SELECT_LETTERS)
            .bind(tenant)
            .bind(importer.to_string())
            .bind(step.as_str())
            .bind(date)
            .fetch_all(self.database.readers())
            .await?;
        let letter = |(step, date, cause, text, html, sent_by, sent_at)| SentLetter {
            step,
            date,
            cause,
            text,
            html,
            sent_by,
            sent_at,
        };
        Ok(found.into_iter().map(letter).collect())
    }
}
