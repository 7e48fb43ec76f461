//! Bodies of requests, at each of the doors that take records.
//!
//! An input is a byte that chooses the door and whether records are judged there, and the body.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, value::RawValue};

use super::door::{Answer, DOORS, Door, RECORD, RECORDS, are_fit, with_api};

/// Holds for any body: the answer is one that is documented, each record has its own, and as many arrived behind the API as
/// were said to be stored.
pub fn check(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let door = &DOORS[usize::from(choice >> 1) % DOORS.len()];
    let validation = choice & 1 == 0;
    let answer = with_api(validation, |api| api.send(door, None, body));
    if validation {
        are_fit(door, &answer.stored);
    }
    match door.path {
        RECORD => assert_eq!(answer.stored.len(), usize::from(answer.status == 200)),
        _ => each_is_answered(door, body, &answer),
    }
}

/// An entry for each record that was sent, in which it is stored or why it is not.
fn each_is_answered(door: &Door, body: &[u8], answer: &Answer) {
    let (entries, is_stored): (_, fn(&Value) -> bool) = match door.path {
        RECORDS => (&answer.body["Records"], |entry| entry["SequenceNumber"].is_string()),
        _ => (&answer.body["offsets"], |entry| entry["offset"].is_i64()),
    };
    let Some(entries) = entries.as_array() else {
        assert!(answer.status != 200 && answer.stored.is_empty(), "{answer:?}");
        return;
    };
    assert_eq!(entries.len(), sent(door, body));
    let stored = entries.iter().filter(|entry| is_stored(entry)).count();
    assert_eq!(stored, answer.stored.len());
    assert_eq!(answer.status == 200, stored > 0);
    for entry in entries.iter().filter(|entry| !is_stored(entry)) {
        let complaint = &entry[if door.path == RECORDS { "ErrorMessage" } else { "error" }];
        assert!(
            complaint.as_str().is_some_and(|complaint| !complaint.is_empty()),
            "{entry}"
        );
    }
    if door.path == RECORDS {
        assert_eq!(answer.body["FailedRecordCount"], entries.len() - stored);
    }
}

/// How many records a body holds, by another way of reading it.
fn sent(door: &Door, body: &[u8]) -> usize {
    if door.takes_lines() {
        return body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
            .count();
    }
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow, alias = "Records")]
        records: &'a RawValue,
    }
    let envelope = serde_json::from_slice::<Envelope<'_>>(body);
    let records = envelope.and_then(|envelope| serde_json::from_str::<Vec<IgnoredAny>>(envelope.records.get()));
    match records {
        Ok(records) => records.len(),
        Err(error) => panic!("records of a body that holds none were answered: {error}"),
    }
}
