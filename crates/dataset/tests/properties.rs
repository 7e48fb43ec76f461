//! What holds for every input: nothing is lost, cleaning is a function of its input, the edge and the stream agree.
#![allow(clippy::unwrap_used, missing_docs)]

mod rows;

use std::sync::Arc;

use pinlake_dataset::{Catalog, Cleaned, Cleaner, Definition, Limits, check};
use proptest::{collection::vec, prelude::*};

fn definition(dataset: &str) -> Arc<Definition> {
    Arc::clone(Catalog::built_in().route(dataset).unwrap())
}

fn clean(definition: &Arc<Definition>, records: &[Vec<u8>]) -> Cleaned {
    let mut cleaner = Cleaner::new(Arc::clone(definition), Limits::default());
    records.iter().for_each(|record| cleaner.push(record));
    cleaner.finish()
}

/// JSON values as producers and their bugs make them.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>()
            .prop_filter("JSON has no NaN", |f| f.is_finite())
            .prop_map(|f| f.to_string()),
        "[0-9]{1,4}(\\.[0-9]{1,3})?[kKmMbB]?\\+?".prop_map(|text| format!("{text:?}")),
        "\\PC{0,12}".prop_map(|text| serde_json::Value::from(text).to_string()),
        "20[0-9]{2}-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9]".prop_map(|text| format!("{text:?}")),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("[1,{\"a\":[]}]".to_owned()),
        Just("\"\\ud83d\"".to_owned()),
    ]
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![
            "index", "ind", "title", "follower_count", "save_location", "latitude", "longitude", "timestamp", "country",
            "first_name", "last_name", "age", "date_joined", "downloaded",
        ]).prop_map(str::to_owned),
        1 => "[a-z\"\\\\é]{0,5}",
    ]
}

fn object() -> impl Strategy<Value = Vec<u8>> {
    vec((field(), value()), 0..8).prop_map(|fields| {
        let fields: Vec<_> = fields
            .into_iter()
            .map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name)))
            .collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    })
}

/// Mostly objects, some cut, some with a byte changed, some arbitrary bytes.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let with_index = (0_i32..50, "\\PC{0,8}").prop_map(|(index, title)| {
        serde_json::json!({"index": index, "ind": index, "title": title})
            .to_string()
            .into()
    });
    prop_oneof![
        4 => object(),
        2 => with_index,
        1 => (object(), any::<prop::sample::Index>()).prop_map(|(o, at)| o[..at.index(o.len())].to_vec()),
        1 => (object(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut o, at, byte)| {
            let at = at.index(o.len());
            o[at] = byte;
            o
        }),
        1 => vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #[test]
    fn nothing_is_lost(records in vec(record(), 0..20), dataset in prop::sample::select(vec!["pin", "geo", "user"])) {
        let cleaned = clean(&definition(dataset), &records);
        prop_assert_eq!(cleaned.rows.num_rows(), cleaned.indices.len());
        let mut seen: Vec<usize> = cleaned.indices.iter().copied().chain(cleaned.rejected.iter().map(|r| r.index)).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..records.len()).collect::<Vec<_>>());
        for rejected in &cleaned.rejected {
            prop_assert_eq!(&rejected.payload, &records[rejected.index]);
            prop_assert!(!rejected.reason.is_empty());
        }
    }

    #[test]
    fn cleaning_is_deterministic(records in vec(record(), 0..20), cut in any::<prop::sample::Index>()) {
        let definition = definition("pin");
        let whole = clean(&definition, &records);
        let again = clean(&definition, &records);
        prop_assert_eq!(&whole.rows, &again.rows);
        prop_assert_eq!(&whole.rejected, &again.rejected);

        // How records are cut into batches changes nothing either, nor does using a cleaner again.
        let (head, tail) = records.split_at(if records.is_empty() { 0 } else { cut.index(records.len()) });
        let mut cleaner = Cleaner::new(Arc::clone(&definition), Limits::default());
        let mut rows = Vec::new();
        for part in [head, tail] {
            part.iter().for_each(|record| cleaner.push(record));
            let part = cleaner.finish();
            rows.extend((0..part.rows.num_rows()).map(|row| rows::as_text(&part.rows, row)));
        }
        let expected: Vec<_> = (0..whole.rows.num_rows()).map(|row| rows::as_text(&whole.rows, row)).collect();
        prop_assert_eq!(rows, expected);
    }

    #[test]
    fn the_edge_and_the_stream_agree(record in record(), dataset in prop::sample::select(vec!["pin", "geo", "user"])) {
        let definition = definition(dataset);
        let verdict = check(&definition, Limits::default(), &record);
        let cleaned = clean(&definition, &[record]);
        match verdict {
            Ok(key) => prop_assert_eq!(Some(key), rows::as_text(&cleaned.rows, 0)["ind"].clone()),
            Err(rejection) => {
                prop_assert_eq!(rejection.field, cleaned.rejected[0].field.clone());
                prop_assert_eq!(rejection.reason, cleaned.rejected[0].reason.clone());
            }
        }
    }

    #[test]
    fn rescued_text_is_json(record in record()) {
        let cleaned = clean(&definition("user"), &[record]);
        if cleaned.rows.num_rows() == 1 && let Some(rescued) = &rows::as_text(&cleaned.rows, 0)["_rescued"] {
            prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(rescued).is_ok(), "{}", rescued);
        }
    }
}
