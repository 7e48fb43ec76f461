//! What starts a run: a schedule, or a person who names days.
//!
//! | event | days | |
//! |---|---|---|
//! | `{"time":"2026-11-24T02:00:00Z", …}` | 2026-11-23 | EventBridge, as a rule's event or a schedule's input: the day before |
//! | `{"date":"2026-11-21"}` | 2026-11-21 | a rerun |
//! | `{"from":"2026-11-01","to":"2026-11-21"}` | 21 days | a backfill |
//!
//! Days are UTC. `"force": true` beside `date`, or `from` and `to`, also cleans a day that has lost raw objects.

use std::fmt;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::{Map, Value};

/// Days of one run at most: a longer backfill is several runs, each within Lambda's time.
const MOST_DAYS: i64 = 366;

/// What a run is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The days to clean, in order; the reports are about the state after the last.
    pub days: Vec<NaiveDate>,
    /// Whether earlier days are looked at for late objects too: nobody has named the days.
    pub scheduled: bool,
    /// Whether a day that has lost raw objects is cleaned all the same.
    pub force: bool,
}

/// An event that says nothing that can be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is no JSON object.
    #[error("the event is no JSON object")]
    NoObject,
    /// A field is missing, unknown, or has a value that cannot be used.
    #[error("field `{field}` of the event {reason}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong.
        reason: String,
    },
}

impl Order {
    /// Reads an event. `now` decides which days have begun.
    ///
    /// # Errors
    /// [`EventError`] names the field.
    pub fn read(event: &[u8], now: DateTime<Utc>) -> Result<Self, EventError> {
        let Ok(Value::Object(fields)) = serde_json::from_slice(event) else {
            return Err(EventError::NoObject);
        };
        let named = ["date", "from", "to"].iter().any(|field| fields.contains_key(*field));
        if named {
            return by_name(&fields, now);
        }
        let Some(time) = fields.get("time") else {
            return Err(refuse(
                "date",
                "is missing (or `from` and `to`, or a schedule's `time`)",
            ));
        };
        let time = time.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        let time = time.ok_or_else(|| refuse("time", "is no time like 2026-11-24T02:00:00Z"))?;
        let day = time.to_utc().date_naive().pred_opt().unwrap_or(NaiveDate::MIN);
        begun("time", day, now)?;
        Ok(Self {
            days: vec![day],
            scheduled: true,
            force: false,
        })
    }

    /// The days before the first one that are to be looked at as well, latest first.
    pub(crate) fn lookback(&self, days: u32) -> impl Iterator<Item = NaiveDate> + use<> {
        let first = self.days.first().copied().filter(|_| self.scheduled);
        (1..=u64::from(days)).filter_map(move |back| first?.checked_sub_days(Days::new(back)))
    }
}

fn by_name(fields: &Map<String, Value>, now: DateTime<Utc>) -> Result<Order, EventError> {
    // Somebody typed this: what is not understood is a mistake.
    if let Some(unknown) = fields
        .keys()
        .find(|field| !["date", "from", "to", "force"].contains(&field.as_str()))
    {
        return Err(refuse(
            unknown,
            "is unknown; there are `date`, `from`, `to` and `force`",
        ));
    }
    let force = match fields.get("force") {
        None => false,
        Some(Value::Bool(force)) => *force,
        Some(_) => return Err(refuse("force", "is neither true nor false")),
    };
    let (from, to) = match (fields.get("date"), fields.get("from"), fields.get("to")) {
        (Some(date), None, None) => {
            let date = day("date", date, now)?;
            (date, date)
        }
        (None, Some(from), Some(to)) => (day("from", from, now)?, day("to", to, now)?),
        (None, Some(_), None) => return Err(refuse("to", "is missing beside `from`")),
        (None, None, _) => return Err(refuse("from", "is missing beside `to`")),
        (Some(_), ..) => return Err(refuse("date", "stands beside `from` or `to`; use one or the other")),
    };
    let days = to.signed_duration_since(from).num_days() + 1;
    if days < 1 {
        return Err(refuse("to", "lies before `from`"));
    }
    if days > MOST_DAYS {
        return Err(refuse("to", format!("is more than {MOST_DAYS} days after `from`")));
    }
    Ok(Order {
        days: from.iter_days().take_while(|day| *day <= to).collect(),
        scheduled: false,
        force,
    })
}

fn day(field: &str, value: &Value, now: DateTime<Utc>) -> Result<NaiveDate, EventError> {
    let day = value.as_str().and_then(|text| text.parse().ok());
    let day = day.ok_or_else(|| refuse(field, "is no date like 2026-11-21"))?;
    begun(field, day, now)?;
    Ok(day)
}

fn begun(field: &str, day: NaiveDate, now: DateTime<Utc>) -> Result<(), EventError> {
    if day > now.date_naive() {
        return Err(refuse(field, format!("means {day}, which has not begun (UTC)")));
    }
    Ok(())
}

fn refuse(field: &str, reason: impl fmt::Display) -> EventError {
    EventError::Field {
        field: field.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: &str) -> Result<Order, String> {
        let now = "2026-11-24T02:00:07Z".parse().unwrap();
        Order::read(event.as_bytes(), now).map_err(|error| error.to_string())
    }

    fn days(event: &str) -> Vec<String> {
        read(event).unwrap().days.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_schedule_means_the_day_before() {
        let rule = r#"{"version":"0","id":"x","detail-type":"Scheduled Event","source":"aws.events","account":"1",
            "time":"2026-11-24T02:00:00Z","region":"eu-west-1","resources":[],"detail":{}}"#;
        let order = read(rule).unwrap();
        assert_eq!((days(rule), order.scheduled), (vec!["2026-11-23".to_owned()], true));
        assert_eq!(
            days(r#"{"time":"2026-11-24T00:30:00+02:00"}"#),
            ["2026-11-22"],
            "days are UTC"
        );
        let back: Vec<_> = order.lookback(2).map(|day| day.to_string()).collect();
        assert_eq!(back, ["2026-11-22", "2026-11-21"]);
    }

    #[test]
    fn a_person_names_days() {
        assert_eq!(days(r#"{"date":"2026-11-21"}"#), ["2026-11-21"]);
        assert_eq!(days(r#"{"date":"2026-11-24"}"#), ["2026-11-24"], "today has begun");
        let order = read(r#"{"from":"2026-02-27","to":"2026-03-01","force":true}"#).unwrap();
        assert_eq!(order.days.len(), 3);
        assert!(order.force && !order.scheduled);
        assert_eq!(order.lookback(5).count(), 0, "nobody asked for other days");
    }

    #[test]
    fn mistakes_are_named() {
        for (event, message) in [
            ("[]", "no JSON object"),
            ("", "no JSON object"),
            ("{}", "`date` of the event is missing"),
            (r#"{"date":"yesterday"}"#, "`date` of the event is no date like"),
            (r#"{"date":20261121}"#, "`date` of the event is no date like"),
            (r#"{"date":"2026-02-30"}"#, "`date` of the event is no date like"),
            (r#"{"date":"2026-11-25"}"#, "has not begun"),
            (r#"{"date":"2026-11-21","to":"2026-11-22"}"#, "stands beside"),
            (r#"{"from":"2026-11-21"}"#, "`to` of the event is missing"),
            (r#"{"to":"2026-11-21"}"#, "`from` of the event is missing"),
            (r#"{"from":"2026-11-21","to":"2026-11-20"}"#, "lies before"),
            (r#"{"from":"2020-01-01","to":"2026-11-20"}"#, "more than 366 days"),
            (
                r#"{"date":"2026-11-21","forced":true}"#,
                "`forced` of the event is unknown",
            ),
            (r#"{"date":"2026-11-21","force":1}"#, "`force` of the event is neither"),
            (r#"{"time":"02:00"}"#, "`time` of the event is no time"),
            (r#"{"time":"2027-11-24T02:00:00Z"}"#, "has not begun"),
        ] {
            let error = read(event).unwrap_err();
            assert!(error.contains(message), "{event}: {error}");
        }
    }
}
