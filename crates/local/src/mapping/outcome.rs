//! What an invocation came to: all records done, or everything from one record on to be done again.
//!
//! The rules for answers are Lambda's for `ReportBatchItemFailures`: an empty list, a null list and no answer are
//! success; an identifier that is empty or not in the batch, or an answer that is none, fails the whole batch.

use serde::Deserialize;

use crate::{InvokeError, kinesis::Record};

/// What an invocation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All records are done.
    Done,
    /// The records from this position in the batch on are not done.
    FailedFrom { position: usize, failure: Failure },
}

/// Why records were not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What was wrong.
    pub(super) message: String,
    /// False if the function answered and reported items: then the invocation itself succeeded.
    pub(super) is_function_error: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    batch_item_failures: Option<Vec<Item>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    item_identifier: Option<String>,
}

impl Outcome {
    /// Reads the answer of a function that reports item failures.
    pub(super) fn of_answer(answer: &[u8], records: &[Record]) -> Self {
        if answer.trim_ascii().is_empty() {
            return Self::Done;
        }
        let items = match serde_json::from_slice::<Option<Answer>>(answer) {
            Ok(answer) => answer.and_then(|answer| answer.batch_item_failures).unwrap_or_default(),
            Err(error) => return Self::all_failed(format!("the function's answer cannot be read: {error}")),
        };
        let mut first = None;
        for Item { item_identifier } in items {
            let identifier = item_identifier.unwrap_or_default();
            let number = identifier.parse().ok();
            let Some(position) = records.iter().position(|record| Some(record.sequence_number) == number) else {
                return Self::all_failed(format!(
                    "the function reported `{identifier}`, which is not in the batch"
                ));
            };
            first = Some(first.map_or(position, |first: usize| first.min(position)));
        }
        match first {
            None => Self::Done,
            Some(position) => Self::FailedFrom {
                position,
                failure: Failure {
                    message: "the function reported failed records".into(),
                    is_function_error: false,
                },
            },
        }
    }

    /// The function failed as a whole.
    pub(super) fn of_error(error: &InvokeError) -> Self {
        let failure = Failure {
            message: error.to_string(),
            is_function_error: true,
        };
        Self::FailedFrom { position: 0, failure }
    }

    fn all_failed(message: String) -> Self {
        Self::FailedFrom {
            position: 0,
            failure: Failure {
                message,
                is_function_error: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::kinesis::SequenceNumber;

    fn records() -> Vec<Record> {
        let base: SequenceNumber = "49590338271490256608559692538361571095921575989136588898"
            .parse()
            .unwrap();
        let record = |index| Record {
            index,
            sequence_number: SequenceNumber { index, ..base },
            arrived_ms: 0,
            partition_key: "k".into(),
            data: Bytes::new(),
        };
        (0..5).map(record).collect()
    }

    #[test]
    fn answers_are_read_as_lambda_reads_them() {
        let records = records();
        let number = |index: usize| records[index].sequence_number.to_string();
        let report = |numbers: &[String]| {
            let items: Vec<_> = numbers
                .iter()
                .map(|n| serde_json::json!({ "itemIdentifier": n }))
                .collect();
            serde_json::json!({ "batchItemFailures": items }).to_string()
        };
        let cases = [
            (String::new(), None),
            ("null".into(), None),
            ("{}".into(), None),
            (r#"{"batchItemFailures":null}"#.into(), None),
            (r#"{"batchItemFailures":[]}"#.into(), None),
            (report(&[number(3)]), Some(3)),
            // The lowest counts, whatever the order.
            (report(&[number(4), number(1), number(3)]), Some(1)),
            (report(&[number(0)]), Some(0)),
            (report(&[number(3), String::new()]), Some(0)),
            (report(&["49".into()]), Some(0)),
            (r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#.into(), Some(0)),
            (r#"{"batchItemFailures":[{"item":"x"}]}"#.into(), Some(0)),
            (r#"{"batchItemFailures":7}"#.into(), Some(0)),
            (r#""ok""#.into(), Some(0)),
            ("{".into(), Some(0)),
        ];
        for (answer, expected) in cases {
            let position = match Outcome::of_answer(answer.as_bytes(), &records) {
                Outcome::Done => None,
                Outcome::FailedFrom { position, .. } => Some(position),
            };
            assert_eq!(position, expected, "{answer}");
        }
    }
}
