//! Whether a day's partitions of the two tables are of the same run.

use chrono::NaiveDate;

use super::{Cleared, Version, Way};
use crate::{error::Error, head, inputs::RunId};

/// Whether the two versions can be looked at together: a day of the batch path may just be being replaced.
pub(super) async fn agree(cleared: &Cleared, one: &Version<'_>, other: Option<&Version<'_>>) -> Result<bool, Error> {
    match (cleared.way, other) {
        (Way::Stream, _) | (Way::Batch, None) => Ok(true),
        (Way::Batch, Some(other)) => Ok(run(one, cleared.day).await? == run(other, cleared.day).await?),
    }
}

/// The run that has made the day what it is.
async fn run(version: &Version<'_>, day: NaiveDate) -> Result<Option<RunId>, Error> {
    let transactions = head::transactions(version.place.log_store(), version.snapshot.clone());
    let transactions = transactions.await.map_err(|source| Error::Log {
        table: version.place.name().to_owned(),
        source,
    })?;
    Ok(RunId::find(&transactions, day))
}
