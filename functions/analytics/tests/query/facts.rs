//! The facts of a run.

use chrono::NaiveDate;
use pinlake_analytics::{RejectionCount, collect_facts};

use crate::support::{append, definition, lake, noon, quarantine, rows, session};

const A_DAY: i64 = 86_400;

#[tokio::test]
async fn facts_count_what_is_there() {
    let lake = lake();
    let sent = format!(
        "{{ ind = 1, at = {yesterday} }}, {{ ind = 1 }}, {{ ind = 2, at = 7 }}, {{ ind = 3, at = {yesterday} }}",
        yesterday = -A_DAY
    );
    append(&lake, &definition("pin"), &rows(&sent)).await;
    let rejected = |count: usize, of: &str| vec![of; count].join(",");
    let rejects = [
        rejected(2, r#"{ field = "index", reason = "is missing" }"#),
        rejected(3, r#"{ reason = "is empty" }"#),
        rejected(1, r#"{ reason = "is not JSON: EOF at line 1 column 8" }"#),
        rejected(1, r#"{ reason = "is not JSON: EOF at line 1 column 23" }"#),
        rejected(1, r#"{ field = "a", reason = "r" }"#),
        rejected(1, r#"{ field = "b", reason = "r" }"#),
        rejected(1, r#"{ field = "c", reason = "r" }"#),
        rejected(
            9,
            &format!(r#"{{ field = "index", reason = "is no int32", at = -{A_DAY} }}"#),
        ),
    ];
    quarantine(&lake, &definition("pin"), &rows(&rejects.join(","))).await;

    let facts = collect_facts(&session(&lake).await, noon().date_naive()).await.unwrap();
    let names: Vec<_> = facts.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, ["geo", "pin", "user"]);
    let pin = &facts[1];
    assert_eq!((pin.rows, pin.keys, pin.new_rows, pin.quarantined), (4, 3, 2, 10));
    assert_eq!(pin.newest, Some(noon() + chrono::TimeDelta::seconds(7)));
    let reason = |field: Option<&str>, reason: &str, count| RejectionCount {
        field: field.map(str::to_owned),
        reason: reason.to_owned(),
        count,
    };
    // Most first; of equally many, records as a whole first, then by field.
    let expected = [
        reason(None, "is empty", 3),
        // Wherever the texts broke off.
        reason(None, "is not JSON: EOF", 2),
        reason(Some("index"), "is missing", 2),
        reason(Some("a"), "r", 1),
        reason(Some("b"), "r", 1),
    ];
    assert_eq!(pin.reasons, expected);
    assert_eq!(pin.more_reasons, 1, "that of `c`");

    let geo = &facts[0];
    assert_eq!((geo.rows, geo.keys, geo.new_rows, geo.quarantined), (0, 0, 0, 0));
    assert_eq!((geo.newest, geo.reasons.len(), geo.more_reasons), (None, 0, 0));
}

#[tokio::test]
async fn a_day_without_rows_has_none() {
    let lake = lake();
    append(&lake, &definition("user"), &rows("{ ind = 1 }")).await;
    let day = NaiveDate::from_ymd_opt(2020, 2, 29).unwrap();
    let facts = collect_facts(&session(&lake).await, day).await.unwrap();
    assert_eq!((facts[2].rows, facts[2].new_rows), (1, 0));
}
