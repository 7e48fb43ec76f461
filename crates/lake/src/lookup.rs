//! Looking rows up by where they came from.
//!
//! Only needed when a writer stopped between the quarantine's commit and the table's, and when quarantined rows are
//! replayed, so it may cost what it costs; file statistics keep that low.

use std::collections::HashSet;

use crate::{error::Error, head, origins::Files, place::Place, sequence::SequenceNumber, source::Source};

/// Which of `numbers` the table holds rows of, as of its newest version. None if there is no table.
pub(crate) async fn stored(
    place: &Place,
    source: &Source,
    numbers: &[SequenceNumber],
) -> Result<HashSet<SequenceNumber>, Error> {
    let mut wanted: Vec<(String, SequenceNumber)> =
        numbers.iter().map(|number| (source.origin(number), *number)).collect();
    wanted.sort();
    let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else {
        return Ok(HashSet::new());
    };
    let range = first.0.clone()..=last.0.clone();
    let mut found = HashSet::new();
    let seen = |origin: &str| {
        if let Ok(at) = wanted.binary_search_by(|(wanted, _)| wanted.as_str().cmp(origin)) {
            found.insert(wanted[at].1);
        }
    };
    if let Some(files) = newest(place).await? {
        files.within(&[range], seen).await?;
    }
    Ok(found)
}

/// The files of the table's newest version; `None` if there is no table.
async fn newest(place: &Place) -> Result<Option<Files>, Error> {
    let log = place.log_store();
    match head::snapshot(place.name(), log).await? {
        None => Ok(None),
        Some(snapshot) => {
            let files = Files::of(&snapshot, log, place.store(), place.folder().clone());
            files.await.map(Some)
        }
    }
}
