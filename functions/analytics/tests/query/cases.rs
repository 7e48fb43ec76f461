//! The reports' cases, `testdata/reports/*.toml`.

use std::{collections::BTreeSet, path::Path};

use pinlake_analytics::{QueryError, QuerySettings, Reports, Session};
use pinlake_dataset::Catalog;
use toml::{Table, Value};

use crate::support::{append, columns, definition, lake, session, tables, values};

fn files() -> Vec<(String, Table)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/reports");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let read = |path: &Path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(path).unwrap();
        let document = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, document)
    };
    paths.iter().map(|path| read(path)).collect()
}

#[tokio::test]
async fn every_case_has_the_answer_it_expects() {
    let reports = Reports::built_in();
    let mut differences = Vec::new();
    for (name, document) in files() {
        let report = reports
            .get(&name)
            .unwrap_or_else(|| panic!("there is no report `{name}`"));
        for case in tables(&document["case"]) {
            let title = case["name"].as_str().unwrap();
            let known = ["name", "pin", "geo", "user", "expect"];
            let unknown: Vec<_> = case.keys().filter(|key| !known.contains(&key.as_str())).collect();
            assert!(unknown.is_empty(), "{name}, {title}: {unknown:?}");
            let lake = lake();
            for dataset in ["pin", "geo", "user"] {
                if let Some(rows) = case.get(dataset) {
                    append(&lake, &definition(dataset), &tables(rows)).await;
                }
            }
            let answer = session(&lake).await.ask(&report.sql).await;
            let answer = answer.unwrap_or_else(|error| panic!("{name}, {title}: {error:?}"));
            let expected: Vec<Value> = case["expect"].as_array().unwrap().clone();
            let found: Vec<_> = values(&answer).into_iter().map(Value::Array).collect();
            if found != expected {
                differences.push(format!(
                    "{name}, {title}:\n  expected {expected:?}\n  found    {found:?}"
                ));
            }
            let types = document["columns"].as_array().unwrap();
            let types: Vec<_> = types.iter().map(|text| text.as_str().unwrap()).collect();
            assert_eq!(columns(&answer), types, "{name}, {title}");
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_report_has_cases() {
    let with_cases: BTreeSet<_> = files().into_iter().map(|(name, _)| name).collect();
    let reports = Reports::built_in();
    let names: BTreeSet<_> = reports.iter().map(|report| report.name.clone()).collect();
    assert_eq!(with_cases, names);
}

#[tokio::test]
async fn an_answer_has_the_columns_that_its_report_announces() {
    let session = session(&lake()).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reports");
    for report in Reports::built_in().iter() {
        let text = std::fs::read_to_string(folder.join(format!("{}.sql", report.name))).unwrap();
        let announced = text.lines().find_map(|line| line.strip_prefix("-- columns: ")).unwrap();
        let answer = session.ask(&report.sql).await.unwrap();
        let schema = answer.rows.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names.join(", "), announced, "{}", report.name);
    }
}

#[tokio::test]
async fn a_report_reads_the_inputs_that_it_announces() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
    for report in Reports::built_in().iter() {
        let inputs: Vec<_> = report.inputs.iter().map(ToString::to_string).collect();
        let ask = async |inputs: &[String]| {
            let files: Vec<_> = inputs
                .iter()
                .map(|input| format!("{input}.toml"))
                .map(|file| (std::fs::read_to_string(folder.join(&file)).unwrap(), file))
                .collect();
            let pairs = files.iter().map(|(text, file)| (file.as_str(), text.as_str()));
            let catalog = Catalog::from_files(pairs).unwrap();
            let session = Session::open(&lake(), &catalog, QuerySettings::default())
                .await
                .unwrap();
            session.ask(&report.sql).await
        };
        let name = &report.name;
        assert!(!inputs.is_empty(), "{name}");
        ask(&inputs).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        for left_out in &inputs {
            let others: Vec<_> = inputs.iter().filter(|input| *input != left_out).cloned().collect();
            let error = ask(&others).await.expect_err(name);
            assert!(
                matches!(error, QueryError::Question(_)),
                "{name} without {left_out}: {error:?}"
            );
        }
    }
}
