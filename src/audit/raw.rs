//! What lies in raw objects: every line, by the reader that cleans the day.

use anyhow::Result;
use pinlake_analytics::{Batch, BatchSettings};
use pinlake_dataset::Limits;
use pinlake_lake::Settings;

use super::{
    compare::{Comparison, Order},
    window::Due,
};

/// Takes the lines of the days' raw objects in. An object's origins are in one window, whatever its size.
pub(super) async fn compare(order: &Order<'_>, comparison: &mut Comparison) -> Result<()> {
    // Nothing is cleaned or written.
    let settings = BatchSettings {
        limits: Limits::default(),
        file_bytes: 0,
        lake: Settings::default(),
    };
    let batch = Batch::new(order.lake, order.definition, settings);
    for day in batch.days().await? {
        if !order.asks_about(day) {
            continue;
        }
        // Asked before the objects are listed: one that comes in between is not yet due.
        let is_cleaned = !batch.has_changed(day).await?;
        for object in batch.objects(day).await? {
            let put = object.last_modified();
            let is_due = (is_cleaned && put < order.started) || put < order.raw_settled_before;
            let due = if is_due { Due::Yes } else { Due::NotYet };
            let window = &mut comparison.window;
            let damage = batch.origins(&object, |origin| window.add(origin, due)).await?;
            let damage = damage.iter().map(ToString::to_string);
            comparison.findings.damaged.extend(damage);
            comparison.count_if_full().await?;
        }
    }
    comparison.count().await
}
