//! Listing: prefixes, delimiters, starting points and pages.

use super::*;

#[tokio::test]
async fn pages_add_up() {
    let fixture = fixture().await;
    let mut keys = Vec::new();
    for table in ["geo", "pin", "pin-old", "pin.bak"] {
        for number in 0..5 {
            keys.push(format!("tables/{table}/_delta_log/{number:02}.json"));
            keys.push(format!("tables/{table}/part-{number}"));
        }
        keys.push(format!("tables/{table}.txt"));
    }
    for key in &keys {
        fixture.put(key, text("x")).await;
    }
    // A folder without keys is nothing to S3.
    std::fs::create_dir_all(fixture.folder.path().join(BUCKET).join("tables/empty/inside")).unwrap();
    keys.sort();
    for prefix in ["", "tables/pin", "tables/pin/", "tables/pin/_delta_log/0", "none"] {
        for delimiter in [None, Some("/"), Some("-"), Some("_delta")] {
            for max_keys in [2, 1000] {
                for start_after in [None, Some("tables/pin-old/part-3"), Some("tables/pin")] {
                    let list = fixture
                        .client
                        .list_objects_v2()
                        .bucket(BUCKET)
                        .prefix(prefix)
                        .max_keys(max_keys);
                    let list = list.set_delimiter(delimiter.map(str::to_owned));
                    let list = list.set_start_after(start_after.map(str::to_owned));
                    let mut pages = list.into_paginator().send();
                    let mut found = Vec::new();
                    while let Some(page) = pages.next().await {
                        let page = page.unwrap();
                        let names = page.contents().iter().map(|object| object.key().unwrap().to_owned());
                        let groups = page
                            .common_prefixes()
                            .iter()
                            .map(|group| group.prefix().unwrap().to_owned());
                        let mut page_names: Vec<_> = names.chain(groups).collect();
                        assert!(page_names.len() <= max_keys as usize);
                        assert_eq!(page.key_count(), Some(page_names.len() as i32));
                        page_names.sort();
                        found.extend(page_names);
                    }
                    let expected = expected(&keys, prefix, delimiter, start_after);
                    assert_eq!(found, expected, "{prefix:?} {delimiter:?} {max_keys} {start_after:?}");
                }
            }
        }
    }
    // The first version of the operation pages too.
    let (mut marker, mut found) = (String::new(), Vec::new());
    loop {
        let list = fixture
            .client
            .list_objects()
            .bucket(BUCKET)
            .prefix("tables/")
            .delimiter("/")
            .max_keys(2);
        let page = list.marker(&marker).send().await.unwrap();
        found.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        found.extend(
            page.common_prefixes()
                .iter()
                .map(|group| group.prefix().unwrap().to_owned()),
        );
        match page.next_marker() {
            Some(next) => marker = next.to_owned(),
            None => break,
        }
    }
    found.sort();
    assert_eq!(found, expected(&keys, "tables/", Some("/"), None));
}

/// What S3's documentation says a listing has, computed from all keys.
fn expected(keys: &[String], prefix: &str, delimiter: Option<&str>, start_after: Option<&str>) -> Vec<String> {
    let mut expected = BTreeSet::new();
    for key in keys {
        if start_after.is_some_and(|after| key.as_str() <= after) {
            continue;
        }
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        match delimiter.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len())) {
            Some(end) => expected.insert(format!("{prefix}{}", &rest[..end])),
            None => expected.insert(key.clone()),
        };
    }
    expected.into_iter().collect()
}
