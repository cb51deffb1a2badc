//! Who may call which method. A tenant sees and changes what is its own, and nothing else.

use nopic_chassis::roles::Row;
use nopic_domain::notice::NoticeKind;
use nopic_domain::principal::Role;

/// Who decides who is told.
pub(crate) const DECIDERS: &[Role] = &[Role::Compliance, Role::Operator, Role::Authority];

/// Who sees cases of enforcement, and who takes their steps.
const CONCERNED: &[Role] = &[Role::Compliance, Role::Operator, Role::Authority, Role::Broker];

/// Whether a role is told notices of a kind: steps of cases are for whoever sees cases.
pub(crate) fn sees(role: Role, kind: NoticeKind) -> bool {
    kind != NoticeKind::CaseStep || CONCERNED.contains(&role)
}

const AUTHORITY: &[Role] = &[Role::Authority];

/// The notification service's rows of the table of roles.
pub const ROLES: &[Row] = &[
    Row::any_role("nopic.notification.v1.NotificationService/ListNotices"),
    Row::any_role("nopic.notification.v1.NotificationService/GetNotice"),
    Row::any_role("nopic.notification.v1.NotificationService/WatchNotices"),
    Row::roles(
        "nopic.notification.v1.NotificationService/CreateReceiver",
        DECIDERS,
    ),
    Row::any_role("nopic.notification.v1.NotificationService/ListReceivers"),
    Row::roles(
        "nopic.notification.v1.NotificationService/PauseReceiver",
        DECIDERS,
    ),
    Row::roles(
        "nopic.notification.v1.NotificationService/ResumeReceiver",
        DECIDERS,
    ),
    Row::roles("nopic.notification.v1.NotificationService/RotateSecret", DECIDERS),
    Row::roles("nopic.notification.v1.NotificationService/TestReceiver", DECIDERS),
    Row::roles(
        "nopic.notification.v1.NotificationService/RemoveReceiver",
        DECIDERS,
    ),
    Row::roles(
        "nopic.notification.v1.NotificationService/SetSubscription",
        DECIDERS,
    ),
    Row::any_role("nopic.notification.v1.NotificationService/ListSubscriptions"),
    Row::roles(
        "nopic.notification.v1.NotificationService/RemoveSubscription",
        DECIDERS,
    ),
    Row::any_role("nopic.notification.v1.NotificationService/ListDeliveries"),
    Row::roles("nopic.notification.v1.NotificationService/Redeliver", DECIDERS),
    Row::roles("nopic.notification.v1.CaseService/ListCases", CONCERNED),
    Row::roles("nopic.notification.v1.CaseService/GetCase", CONCERNED),
    Row::roles("nopic.notification.v1.CaseService/GetLetter", CONCERNED),
    Row::roles("nopic.notification.v1.CaseService/SendLetter", AUTHORITY),
    Row::roles("nopic.notification.v1.CaseService/GetCaseStatistics", CONCERNED),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_cases_are_told_to_whoever_sees_cases() {
        assert!(sees(Role::Broker, NoticeKind::CaseStep) && !sees(Role::Exporter, NoticeKind::CaseStep));
        for row in ROLES.iter().filter(|row| row.method.ends_with("/ListCases")) {
            for role in Role::ALL {
                assert_eq!(
                    sees(role, NoticeKind::CaseStep),
                    row.roles.contains(&role),
                    "{role:?}"
                );
            }
        }
        assert!(
            Role::ALL
                .iter()
                .all(|role| sees(*role, NoticeKind::LinesRejected))
        );
    }
}
