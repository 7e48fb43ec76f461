//! Finding report pages in a lake.

use anyhow::{Context, Result};
use chrono::NaiveDate;
use object_store::ObjectStoreExt as _;
use pinlake_analytics::page_key;
use pinlake_lake::Lake;

/// The newest report page below the lake's root; `None` if there is none.
pub async fn newest(lake: &Lake) -> Result<Option<String>> {
    let results = lake.key("results");
    let listed = lake.store().list_with_delimiter(Some(&results)).await;
    let folders = listed.context("could not list the results")?.common_prefixes;
    let day = |folder: &object_store::path::Path| -> Option<NaiveDate> {
        folder.filename()?.strip_prefix("run_date=")?.parse().ok()
    };
    let mut days: Vec<_> = folders.iter().filter_map(day).collect();
    days.sort_unstable();
    // A run that was broken off may have left a folder without a page.
    for day in days.into_iter().rev() {
        if let Some(page) = of(lake, day).await? {
            return Ok(Some(page));
        }
    }
    Ok(None)
}

/// The report page of a day; `None` if there is none.
pub async fn of(lake: &Lake, day: NaiveDate) -> Result<Option<String>> {
    let page = page_key(day);
    match lake.store().head(&lake.key(&page)).await {
        Ok(_) => Ok(Some(page)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not look for {page}")),
    }
}
