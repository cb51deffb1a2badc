//! Cases of enforcement over every service in one process, from one day to another: lines are filed, the registry learns
//! what it learns, and each case closes on its day.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod days;

use days::{Deployment, Line};

/// Certified all along.
const BAYVIEW: &str = "8150000002";
/// Suspended, and certified again later.
const ACME: &str = "8150000001";
/// Unknown to the registry for long.
const CORAL: &str = "8150000003";

/// Lines without a certificate, one of each.
const LINES: [Line; 3] = [
    Line {
        entry: "99910000019",
        importer: ACME,
    },
    Line {
        entry: "99920000017",
        importer: BAYVIEW,
    },
    Line {
        entry: "99930000015",
        importer: CORAL,
    },
];

/// Number, status and its date.
type Listed = (&'static str, &'static str, &'static str);
const SUSPENDED: Listed = (ACME, "Suspended", "2025-12-01");
const CERTIFIED: Listed = (BAYVIEW, "Certified", "2020-01-01");

const OPEN: [&str; 3] = [
    "8150000001 opened 2026-01-05",
    "8150000002 opened 2026-01-05",
    "8150000003 opened 2026-01-05",
];

#[test]
fn a_case_closes_on_the_31st_day_or_on_the_day_on_which_its_importer_is_certified() {
    let deployment = Deployment::new("", "");
    deployment.on("2026-01-05", async |day| {
        day.import("2026-01-02", &[SUSPENDED, CERTIFIED]).await;
        day.file(&LINES).await;
        day.sees(&OPEN).await;
    });
    // On the 30th day nothing closes.
    deployment.on("2026-02-04", async |day| day.still_sees(&OPEN).await);
    // On the 31st that of whom is certified.
    let one_closed = [OPEN[0], "8150000002 closed 2026-02-05", OPEN[2]];
    deployment.on("2026-02-05", async |day| {
        day.sees(&one_closed).await;
        let told = "The case against importer 8150000002 closed on 2026-02-05";
        assert!(day.titles().await.iter().any(|title| title == told));
    });
    // Certified again on the 16th, which the registry does not know before it has a newer snapshot.
    deployment.on("2026-02-19", async |day| {
        day.still_sees(&one_closed).await;
        let again = (ACME, "Certified", "2026-02-16");
        day.import("2026-02-18", &[again, CERTIFIED]).await;
    });
    let two_closed = ["8150000001 closed 2026-02-16", one_closed[1], OPEN[2]];
    deployment.on("2026-02-20", async |day| day.sees(&two_closed).await);
    // The registry hears of the third.
    deployment.on("2026-03-10", async |day| {
        day.still_sees(&two_closed).await;
        let at_last = (CORAL, "Certified", "2026-03-01");
        let again = (ACME, "Certified", "2026-02-16");
        day.import("2026-03-09", &[again, CERTIFIED, at_last]).await;
    });
    deployment.on("2026-03-10", async |day| {
        let all_closed = [two_closed[0], two_closed[1], "8150000003 closed 2026-03-01"];
        day.sees(&all_closed).await;
        let titles = day.titles().await;
        let closed: Vec<&String> = titles
            .iter()
            .filter(|title| title.contains("closed on"))
            .collect();
        assert_eq!(closed.len(), 3, "{titles:?}");
    });
    // A later finding opens a new case.
    deployment.on("2026-03-11", async |day| {
        let later = Line {
            entry: "99940000013",
            importer: BAYVIEW,
        };
        day.file(&[later]).await;
        day.sees(&[
            "8150000001 closed 2026-02-16",
            "8150000002 closed 2026-02-05",
            "8150000002 opened 2026-03-11",
            "8150000003 closed 2026-03-01",
        ])
        .await;
    });
}

#[test]
fn nothing_closes_before_the_registry_knows_anything() {
    let deployment = Deployment::new("", "");
    deployment.on("2026-01-05", async |day| {
        day.file(&LINES[1..2]).await;
        day.sees(&OPEN[1..2]).await;
    });
    deployment.on("2026-02-20", async |day| {
        day.still_sees(&OPEN[1..2]).await;
        day.import("2026-02-18", &[CERTIFIED]).await;
    });
    // Then on the day that it should have been.
    deployment.on("2026-02-21", async |day| {
        day.sees(&["8150000002 closed 2026-02-05"]).await;
    });
}

#[test]
fn letters_that_the_policy_sends_go_out_in_no_case_that_is_over() {
    let deployment = Deployment::new(
        "[notification]\nauthority = true\nanswer_to = \"Organic Imports, Springfield\"\n",
        "AUTOMATICALLY",
    );
    deployment.on("2026-01-05", async |day| {
        day.import("2026-01-02", &[SUSPENDED, CERTIFIED]).await;
        day.file(&LINES[..2]).await;
        day.sees(&OPEN[..2]).await;
    });
    // Nobody looked for a month. One case is over by now, its letter with it; that of the other goes out.
    deployment.on("2026-02-05", async |day| {
        day.sees(&[OPEN[0], "8150000002 closed 2026-02-05"]).await;
        let told = "Importer 8150000001: a first warning letter was sent automatically, dated 2026-02-05";
        day.is_told(told).await;
        let titles = day.titles().await;
        let sent = titles.iter().filter(|title| title.contains("was sent"));
        assert_eq!(sent.count(), 1, "{titles:?}");
        let letter = day.letter(ACME).await;
        assert_eq!((letter.is_sent, letter.sent_by.as_str()), (true, "notification"));
        assert!(letter.text.contains("no certificate number"), "{}", letter.text);
    });
}

#[test]
fn an_importer_whose_history_cannot_be_read_keeps_no_other_case_open() {
    let deployment = Deployment::new("", "");
    deployment.on("2026-01-05", async |day| {
        day.import("2026-01-02", &[SUSPENDED, CERTIFIED]).await;
        day.file(&LINES[..2]).await;
        day.sees(&OPEN[..2]).await;
        deployment.spoil(ACME).await;
    });
    deployment.on("2026-02-05", async |day| {
        day.is_told("The case against importer 8150000002 closed on 2026-02-05")
            .await;
    });
}
