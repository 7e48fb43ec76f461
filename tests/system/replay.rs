//! `pinlake replay` from outside: bad rows by one definition, a better definition, and every row where it belongs.

use std::{collections::BTreeMap, path::Path};

use chrono::{NaiveDate, Utc};
use futures::TryStreamExt as _;
use pinlake::{client::Via, pipeline::Pipeline};
use pinlake_dataset::DatasetName;
use pinlake_lake::{Kind, Lake, describe};
use serde_json::json;
use tempfile::tempdir;

use crate::{
    audit::audit,
    support::{Up, arrival, assert_raw, pinlake, post, run},
};

/// Of the records that [`records`] makes so many have no title, and so many no number that can be read. Of the twenty
/// multiples of three below sixty, 9 and 39 end in nine.
const UNTITLED: u64 = 18;
const UNNUMBERED: u64 = 6;

/// Sixty notes.
fn records(via: &str) -> Vec<Vec<u8>> {
    let record = |ind: u64| match ind {
        _ if ind % 10 == 9 => json!({"ind": "nine", "title": via}),
        _ if ind.is_multiple_of(3) => json!({"ind": ind}),
        _ => json!({"ind": ind, "title": via}),
    };
    (0..60).map(|ind| record(ind).to_string().into_bytes()).collect()
}

/// Defines notes, whose title is required or not.
fn define(folder: &Path, title_required: bool) {
    let text = format!(
        "key = [\"ind\"]\n[[column]]\nname = \"ind\"\ntype = \"int32\"\nrequired = true\n\
         [[column]]\nname = \"title\"\ntype = \"string\"\nrequired = {title_required}\n"
    );
    std::fs::write(folder.join("note.toml"), text).unwrap();
}

/// Everything in the lake, and when it was last written.
async fn objects(lake: &Lake) -> BTreeMap<String, (u64, chrono::DateTime<Utc>)> {
    let folder = lake.key("");
    let listed: Vec<_> = lake.store().list(Some(&folder)).try_collect().await.unwrap();
    let object = |object: object_store::ObjectMeta| (object.location.to_string(), (object.size, object.last_modified));
    listed.into_iter().map(object).collect()
}

async fn rows(lake: &Lake) -> [u64; 2] {
    let mut rows = [0; 2];
    for (rows, kind) in rows.iter_mut().zip([Kind::Table, Kind::Quarantine]) {
        let name = DatasetName::parse("note").unwrap();
        *rows = describe(lake, kind, &name).await.unwrap().map_or(0, |table| table.rows);
    }
    rows
}

struct Notes {
    state: tempfile::TempDir,
    definitions: tempfile::TempDir,
}

impl Notes {
    fn up(&self) -> Up {
        let definitions = self.definitions.path().to_str().unwrap();
        let arguments = ["--no-validation", "--raw-interval", "0", "--datasets", definitions];
        Up::start(self.state.path(), &arguments)
    }

    fn replay(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = pinlake();
        command
            .args(["replay", "--dataset", "note", "--datasets"])
            .arg(self.definitions.path());
        run(command.arg("--state").arg(self.state.path()).args(arguments))
    }

    fn audit(&self) -> (i32, Vec<serde_json::Value>) {
        let definitions = self.definitions.path().to_str().unwrap();
        audit(
            self.state.path(),
            &["--datasets", definitions, "--settled-before", "now"],
        )
    }

    fn clean(&self, url: &str, first: NaiveDate) {
        let (from, to) = (first.to_string(), Utc::now().date_naive().to_string());
        let (code, _, err) = run(pinlake().args(["run", "analytics", "--at", url, "--from", &from, "--to", &to]));
        // The built-in reports are about other datasets; the days are cleaned before they are asked.
        assert!(code == 0 || err.contains("report"), "{err}");
    }
}

#[tokio::test]
async fn rows_that_a_better_definition_takes_go_to_the_table() {
    let notes = Notes {
        state: tempdir().unwrap(),
        definitions: tempdir().unwrap(),
    };
    let first = Utc::now().date_naive();
    define(notes.definitions.path(), true);
    let up = notes.up();
    for via in [Via::Streams, Via::Topics] {
        let sent = records(if via == Via::Streams { "streamed" } else { "filed" });
        post(&up.url, via, "note", &sent).await;
    }
    arrival(notes.state.path(), "note", 60).await;
    assert_raw(notes.state.path(), "note", &records("filed")).await;
    notes.clean(&up.url, first);
    up.end_with("INT");
    let lake = Pipeline::lake_on_disk(notes.state.path()).unwrap();
    let (untitled, unnumbered) = (2 * UNTITLED, 2 * UNNUMBERED);
    let bad = untitled + unnumbered;
    assert_eq!(rows(&lake).await, [120 - bad, bad]);
    assert_eq!(notes.audit().0, 0);

    // By the definition that is in force nothing passes.
    let (code, out, err) = notes.replay(&[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("0 rows moved to the table"), "{out}");
    define(notes.definitions.path(), false);

    let before = objects(&lake).await;
    let (code, out, err) = notes.replay(&["--dry-run"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for told in [
        "`title` is missing".to_owned(),
        "`ind` is no int32".to_owned(),
        format!("{untitled} rows would go to the table, {unnumbered} would stay"),
    ] {
        assert!(out.contains(&told), "{told} in\n{out}");
    }
    assert_eq!(objects(&lake).await, before, "a dry run writes nothing");

    for (condition, told) in [
        ("nothing = 1", "nothing"),
        ("reason =", "--where"),
        ("1; drop table x", ""),
    ] {
        let (code, out, err) = notes.replay(&["--where", condition]);
        assert_eq!(code, 1, "{condition}: {out}");
        assert!(err.contains(told), "{condition}: {err}");
    }
    assert_eq!(objects(&lake).await, before);

    // Those of the stream first, then the rest.
    let (code, out, err) = notes.replay(&["--where", "ingest_path = 'stream' and field = 'title' -- only these"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains(&format!("{} rows moved to the table, 0 stay", untitled / 2)),
        "{out}"
    );
    assert_eq!(rows(&lake).await, [120 - bad + untitled / 2, bad - untitled / 2]);
    assert_eq!(notes.audit().0, 0);
    for moved in [untitled / 2, 0] {
        let (code, out, err) = notes.replay(&[]);
        assert_eq!((code, err.as_str()), (0, ""));
        let told = format!("{moved} rows moved to the table, {unnumbered} stay");
        assert!(out.contains(&told), "{told} in\n{out}");
        assert_eq!(rows(&lake).await, [120 - unnumbered, unnumbered]);
        assert_eq!(notes.audit().0, 0);
    }

    // The pipeline goes on from there, and the day cleaned once more has what it had.
    let up = notes.up();
    notes.clean(&up.url, first);
    let more = [json!({"ind": 99}).to_string().into_bytes()];
    post(&up.url, Via::Streams, "note", &more).await;
    arrival(notes.state.path(), "note", 121).await;
    up.end_with("INT");
    assert_eq!(rows(&lake).await, [121 - unnumbered, unnumbered]);
    let (code, found) = notes.audit();
    assert_eq!(code, 0, "{found:#?}");
}

#[tokio::test]
async fn what_a_mapping_gave_up_on_is_named_and_stored() {
    let notes = Notes {
        state: tempdir().unwrap(),
        definitions: tempdir().unwrap(),
    };
    define(notes.definitions.path(), true);
    notes.up().end_with("INT");
    let shard = "shardId-000000000000";
    let record = |number: u64, data: &str| {
        json!({
            "eventID": format!("{shard}:{number}"),
            "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/pinlake-note",
            "kinesis": {
                "sequenceNumber": number.to_string(), "partitionKey": "1", "approximateArrivalTimestamp": 1_700_000_000.5,
                "data": base64_simd::STANDARD.encode_to_string(data),
            },
        })
    };
    let event = json!({"Records": [record(7, r#"{"ind":1,"title":"a"}"#), record(8, r#"{"ind":2}"#)]});
    let kept = json!({"version": "1.0", "KinesisBatchInfo": {"shardId": shard}, "payload": event.to_string()});
    let bucket = notes.state.path().join("s3/pinlake");
    let key = format!("aws/lambda/stream-note/{shard}/2023/11/14/2023-11-14T22.13.20-x");
    std::fs::create_dir_all(bucket.join(&key).parent().unwrap()).unwrap();
    std::fs::write(bucket.join(&key), kept.to_string()).unwrap();

    let (code, found) = notes.audit();
    assert_eq!(code, 1);
    let origin = |number: u64| format!("kinesis/pinlake-note/{shard}/{number}");
    let named = json!([{"origin": origin(7), "object": key}, {"origin": origin(8), "object": key}]);
    assert_eq!((&found[0]["given_up"], &found[0]["missing"]), (&named, &json!([])));

    for (day, expected) in [("2023-11-14", 1), ("2023-11-15", 0)] {
        let definitions = notes.definitions.path().to_str().unwrap();
        let (code, _) = audit(notes.state.path(), &["--datasets", definitions, "--day", day]);
        assert_eq!(code, expected, "{day}");
    }

    let (code, out, err) = notes.replay(&["--given-up", "--dry-run"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains("1 rows would go to the table, 1 would be quarantined"),
        "{out}"
    );
    assert!(bucket.join(&key).exists());
    let (code, out, err) = notes.replay(&["--given-up"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("2 records stored, 0 were stored already"), "{out}");
    assert!(!bucket.join(&key).exists());
    let lake = Pipeline::lake_on_disk(notes.state.path()).unwrap();
    assert_eq!(rows(&lake).await, [1, 1]);

    // It comes again, as a copy of it may.
    std::fs::write(bucket.join(&key), kept.to_string()).unwrap();
    assert_eq!(notes.audit().0, 0);
    let (_, out, _) = notes.replay(&["--given-up"]);
    assert!(out.contains("0 records stored, 2 were stored already"), "{out}");
    assert_eq!(rows(&lake).await, [1, 1]);
}
