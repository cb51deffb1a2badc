//! How the named transactions of the parts' databases end, how many connections they have, and whether their audit logs are
//! sealed, as numbers.

use nopic_chassis::metrics::{Labels, Metrics};
use nopic_sql::audit::Audit;

/// Adds them for these logs' databases.
pub(crate) fn add(metrics: &Metrics, audits: &[Audit]) {
    let audits = audits.to_vec();
    metrics.add_read(move |reading| {
        let connections: Vec<_> = audits
            .iter()
            .map(|audit| (audit.service(), audit.connections()))
            .collect();
        let open: Vec<_> = connections
            .iter()
            .flat_map(|(service, count)| {
                [("busy", count.busy), ("idle", count.idle)]
                    .map(|(state, number)| ([("service", *service), ("state", state)], i64::from(number)))
            })
            .collect();
        let open: Vec<(&Labels, i64)> = open
            .iter()
            .map(|(labels, number)| (&labels[..], *number))
            .collect();
        reading.gauge(
            "store_connections",
            "Connections to databases, by service and state",
            &open,
        )?;
        let failures: Vec<_> = audits
            .iter()
            .map(|audit| ([("service", audit.service())], audit.failures()))
            .collect();
        let failures: Vec<(&Labels, u64)> = failures
            .iter()
            .map(|(labels, number)| (&labels[..], *number))
            .collect();
        if !failures.is_empty() {
            reading.counter(
                "audit_seal_failures",
                "How often audit records could not be sealed or a head not be written, by service",
                &failures,
            )?;
        }
        let most: Vec<_> = connections
            .iter()
            .map(|(service, count)| ([("service", *service)], i64::from(count.most)))
            .collect();
        let most: Vec<(&Labels, i64)> = most
            .iter()
            .map(|(labels, number)| (&labels[..], *number))
            .collect();
        reading.gauge("store_connections_most", "As many as a service may have", &most)?;
        let counts: Vec<_> = audits
            .iter()
            .flat_map(|audit| {
                let labelled = |count: nopic_sql::TransactionCount| {
                    let labels = [
                        ("service", audit.service()),
                        ("transaction", count.name),
                        ("outcome", count.outcome.as_str()),
                    ];
                    (labels, count)
                };
                audit.transactions().into_iter().map(labelled)
            })
            .collect();
        // Without a set of labels it would be a number without any.
        if counts.is_empty() {
            return Ok(());
        }
        let number: Vec<(&Labels, u64)> = counts
            .iter()
            .map(|(labels, count)| (&labels[..], count.count))
            .collect();
        reading.counter(
            "store_transactions",
            "Transactions of changes that ended, by service, name and outcome",
            &number,
        )?;
        let time: Vec<(&Labels, u64)> = counts
            .iter()
            .map(|(labels, count)| {
                let micros = u64::try_from(count.time.as_micros()).unwrap_or(u64::MAX);
                (&labels[..], micros)
            })
            .collect();
        reading.counter(
            "store_transaction_microseconds",
            "How long they took together, by service, name and outcome",
            &time,
        )
    });
}
