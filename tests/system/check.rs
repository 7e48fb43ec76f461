//! `pinlake check` from outside: what definitions say, what is wrong with them, and whether they fit the tables.

use std::{fs, path::Path};

use pinlake::client::Via;
use tempfile::{TempDir, tempdir};

use crate::support::{Up, arrival, pinlake, post, run};

#[test]
fn it_tells_what_is_defined() {
    let datasets = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets");
    let (code, out, err) = run(pinlake().args(["check", datasets]));
    assert_eq!((code, err.as_str()), (0, ""));
    for line in [
        "geo is sound: key ind",
        "  follower_count       int64",
        "  ind                  int32, required",
        "  title                string",
        "  coordinates          list<float64>",
    ] {
        assert!(out.lines().any(|told| told == line), "{line} in\n{out}");
    }
}

#[test]
fn it_says_what_a_definition_is_when_asked_about_another_file() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let (code, out, err) = run(pinlake().args(["check", readme]));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.contains(&format!("{readme}:1: a definition is a `.toml` file")),
        "{err}"
    );
}

#[test]
fn it_explains_mistakes_by_file_and_line() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("thing.toml");
    fs::write(&file, "key = [\"id\"]\n[[column]]\nname = \"id\"\ntype = \"number\"\n").unwrap();
    let (code, out, err) = run(pinlake().arg("check").arg(folder.path()));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.contains(&format!("{}:4: type `number` is unknown", file.display())),
        "{err}"
    );
}

/// A folder that defines notes, with these columns beside their key.
fn define(columns: &[(&str, &str)]) -> TempDir {
    let folder = tempdir().unwrap();
    let columns = columns
        .iter()
        .map(|(name, type_)| format!("[[column]]\nname = \"{name}\"\ntype = \"{type_}\"\n"));
    let key = "key = [\"id\"]\n[[column]]\nname = \"id\"\ntype = \"int32\"\nrequired = true\n";
    let text = key.to_owned() + &columns.collect::<String>();
    fs::write(folder.path().join("note.toml"), text).unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_definition_that_does_not_fit_its_table_is_told_before_it_is_used() {
    let (state, old) = (tempdir().unwrap(), define(&[("title", "string")]));
    let lake = state.path().join("s3/pinlake");
    let check = |definitions: &TempDir| run(pinlake().arg("check").arg(definitions.path()).arg("--lake").arg(&lake));
    let up = Up::start(state.path(), &["--datasets", text(old.path())]);
    let (code, out, err) = check(&old);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.ends_with("/tables/note is not there yet\n"), "{out}");
    post(&up.url, Via::Streams, "note", &[br#"{"id":1,"title":"one"}"#.to_vec()]).await;
    arrival(state.path(), "note", 1).await;
    assert!(up.end_with("INT").success());

    let wider = define(&[("title", "string"), ("author", "string"), ("pages", "int64")]);
    let (code, out, err) = check(&wider);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.ends_with("/tables/note fits; the next commit adds author, pages\n"),
        "{out}"
    );

    let other = define(&[("title", "int64")]);
    let reason = |table: &str| {
        format!(
            "error: the definition of `note` does not fit its table: column `title` of table `{table}` is `string` there \
             and `long` by its definition\n"
        )
    };
    let folder = lake.join("tables/note");
    let (code, out, err) = check(&other);
    assert_eq!((code, err), (1, reason(text(&folder).trim_start_matches('/'))));
    assert!(out.starts_with("note is sound"), "{out}");
    let started = run(pinlake()
        .args(["up", "--port", "0", "--datasets", text(other.path()), "--state"])
        .arg(state.path()));
    assert_eq!(started, (1, String::new(), reason("tables/note")));
}
