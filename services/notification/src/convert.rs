//! Between wire and domain.

use chrono::{DateTime, NaiveTime, Utc};
use nopic_chassis::requests::{RequestError, given, moment_text};
use nopic_domain::notice::{NoticeKind, NoticeSeverity, Parties, QuietHours, Rhythm, Subscription};
use nopic_proto::notification as wire;

use crate::store::{
    DeliveryState, NamedSubscription, NoticeFilter, StoredDelivery, StoredNotice, StoredReceiver,
};

/// Characters of a name.
pub(crate) const MAX_NAME: usize = 64;
/// Operations or certifiers of one list.
const MAX_PARTIES: usize = 1_000;

/// The name of a receiver or subscription.
pub(crate) fn name(field: &str, text: &str) -> Result<String, RequestError> {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    let begins = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if begins && text.len() <= MAX_NAME && text.bytes().all(is_fine) {
        return Ok(text.to_owned());
    }
    Err(RequestError::invalid(
        field,
        format!(
            "{text:?} is no name: 1 to {MAX_NAME} small letters, digits, dots, hyphens and underscores, the first a letter \
             or digit"
        ),
    ))
}

fn word<T: Copy, const N: usize>(
    field: &str,
    text: &str,
    all: [T; N],
    word: impl Fn(T) -> &'static str,
) -> Result<T, RequestError> {
    all.into_iter().find(|value| word(*value) == text).ok_or_else(|| {
        let known: Vec<_> = all.into_iter().map(&word).collect();
        RequestError::invalid(field, format!("{text:?} is none of {}", known.join(", ")))
    })
}

fn kinds(field: &str, texts: &[String]) -> Result<Vec<NoticeKind>, RequestError> {
    let kind = |text: &String| word(field, text, NoticeKind::ALL, NoticeKind::as_str);
    texts.iter().map(kind).collect()
}

fn severity(field: &str, text: &str) -> Result<Option<NoticeSeverity>, RequestError> {
    let severity = |text| word(field, text, NoticeSeverity::ALL, NoticeSeverity::as_str);
    given(text).map(severity).transpose()
}

/// Which notices are listed.
pub(crate) fn notice_filter(request: &wire::ListNoticesRequest) -> Result<NoticeFilter, RequestError> {
    Ok(NoticeFilter {
        kinds: kinds("kinds", &request.kinds)?,
        least_severity: severity("least_severity", &request.least_severity)?,
        subject: given(&request.subject).map(str::to_owned),
    })
}

/// A state of deliveries; empty for any.
pub(crate) fn delivery_state(text: &str) -> Result<Option<DeliveryState>, RequestError> {
    let all = [
        DeliveryState::Waiting,
        DeliveryState::Delivered,
        DeliveryState::Dead,
    ];
    let state = |text| word("state", text, all, DeliveryState::as_str);
    given(text).map(state).transpose()
}

fn parties<T: std::str::FromStr<Err: ToString>>(
    field: &str,
    texts: &[String],
) -> Result<Vec<T>, RequestError> {
    nopic_chassis::requests::at_most("parties", texts.len(), MAX_PARTIES)?;
    let party = |text: &String| {
        text.parse()
            .map_err(|error: T::Err| RequestError::invalid(field, error))
    };
    texts.iter().map(party).collect()
}

fn time(field: &str, text: &str) -> Result<Option<NaiveTime>, RequestError> {
    let time = |text: &str| {
        NaiveTime::parse_from_str(text, "%H:%M")
            .map_err(|_| RequestError::invalid(field, format!("{text:?} is no time of the form 07:30")))
    };
    given(text).map(time).transpose()
}

/// A subscription as it is asked for.
pub(crate) fn subscription(given_one: Option<wire::Subscription>) -> Result<NamedSubscription, RequestError> {
    let Some(asked) = given_one else {
        return Err(RequestError::invalid("subscription", "is required"));
    };
    let quiet_from = time("subscription.quiet_from", &asked.quiet_from)?;
    let quiet_to = time("subscription.quiet_to", &asked.quiet_to)?;
    let quiet_hours = match (quiet_from, quiet_to) {
        (Some(from), Some(to)) => Some(QuietHours { from, to }),
        (None, None) => None,
        _ => {
            return Err(RequestError::invalid(
                "subscription.quiet_to",
                "quiet hours have a beginning and an end: give both or none",
            ));
        }
    };
    let zone = given(&asked.time_zone).map_or(Ok(chrono_tz::America::New_York), |text| {
        text.parse().map_err(|_| {
            RequestError::invalid(
                "subscription.time_zone",
                format!("{text:?} is no time zone of the tz database, such as America/Chicago"),
            )
        })
    })?;
    Ok(NamedSubscription {
        name: name("subscription.name", &asked.name)?,
        receiver: name("subscription.receiver", &asked.receiver)?,
        subscription: Subscription {
            kinds: kinds("subscription.kinds", &asked.kinds)?,
            parties: Parties {
                importers: parties("subscription.importers", &asked.importers)?,
                exporters: parties("subscription.exporters", &asked.exporters)?,
                certifiers: parties("subscription.certifiers", &asked.certifiers)?,
            },
            least_severity: severity("subscription.least_severity", &asked.least_severity)?
                .unwrap_or(NoticeSeverity::Information),
            rhythm: time("subscription.daily_at", &asked.daily_at)?.map_or(Rhythm::AtOnce, Rhythm::Daily),
            zone,
            quiet_hours,
        },
    })
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// A subscription as it is shown.
pub(crate) fn subscription_to_wire(named: NamedSubscription) -> wire::Subscription {
    let NamedSubscription {
        name,
        receiver,
        subscription,
    } = named;
    let shown = |time: NaiveTime| time.format("%H:%M").to_string();
    wire::Subscription {
        name,
        receiver,
        kinds: texts(&subscription.kinds),
        importers: texts(&subscription.parties.importers),
        exporters: texts(&subscription.parties.exporters),
        certifiers: texts(&subscription.parties.certifiers),
        least_severity: subscription.least_severity.as_str().to_owned(),
        daily_at: match subscription.rhythm {
            Rhythm::AtOnce => String::new(),
            Rhythm::Daily(at) => shown(at),
        },
        time_zone: subscription.zone.name().to_owned(),
        quiet_from: subscription
            .quiet_hours
            .map(|quiet| shown(quiet.from))
            .unwrap_or_default(),
        quiet_to: subscription
            .quiet_hours
            .map(|quiet| shown(quiet.to))
            .unwrap_or_default(),
    }
}

fn moment(moment: Option<DateTime<Utc>>) -> String {
    moment.map(moment_text).unwrap_or_default()
}

/// A notice as it is shown.
pub(crate) fn notice_to_wire(stored: StoredNotice) -> wire::Notice {
    let notice = stored.notice;
    wire::Notice {
        notice: stored.id,
        kind: notice.kind.as_str().to_owned(),
        severity: notice.severity.as_str().to_owned(),
        subject: notice.subject,
        importers: texts(&notice.parties.importers),
        exporters: texts(&notice.parties.exporters),
        certifiers: texts(&notice.parties.certifiers),
        occurred_at: moment_text(notice.occurred_at),
        created_at: moment_text(stored.created_at),
        title: notice.title,
        sentences: notice.sentences,
        to_do: notice
            .to_do
            .into_iter()
            .map(|to_do| wire::ToDo {
                who: to_do.who,
                what: to_do.what,
                by: to_do.by.map(|day| day.to_string()).unwrap_or_default(),
            })
            .collect(),
    }
}

/// A receiver as it is shown.
pub(crate) fn receiver_to_wire(receiver: StoredReceiver, destination: String) -> wire::Receiver {
    wire::Receiver {
        name: receiver.name,
        channel: receiver.channel,
        settings: receiver.settings,
        state: receiver.state.as_str().to_owned(),
        because: receiver.because,
        failing_since: moment(receiver.failing_since),
        created_at: moment_text(receiver.created_at),
        waiting: receiver.waiting,
        dead: receiver.dead,
        ordered: receiver.ordered,
        per_minute: receiver.per_minute,
        destination,
    }
}

/// A message as it is shown.
pub(crate) fn delivery_to_wire(delivery: StoredDelivery) -> wire::Delivery {
    wire::Delivery {
        delivery: delivery.id,
        receiver: delivery.receiver,
        state: delivery.state.as_str().to_owned(),
        message_id: delivery.message_id,
        notices: delivery.notices,
        attempts: delivery.attempts,
        next_attempt_at: moment(delivery.next_attempt_at),
        last_result: delivery.last_result,
        created_at: moment_text(delivery.created_at),
        ended_at: moment(delivery.ended_at),
    }
}
