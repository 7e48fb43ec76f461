//! The batch path: a day's raw objects into the day's partition of the dataset's two tables.
//!
//! ```text
//! raw/<dataset>/date=…/*.gz ─► inflate ─► lines ─► portion: cleaner ─┬─ rows ─────► Replacement ─► tables/<dataset>
//!       in parts                                                     └─ rejected ─► Replacement ─► quarantine/<dataset>
//! ```
//!
//! The quarantine is committed first: if the run is broken off in between, the tables are of two runs, which the next run
//! sees as it sees other objects, and does the day again.
//!
//! # Invariants
//! - A day can be cleaned again at any time, with the same outcome (`a_day_cleaned_twice_is_the_same`).
//! - Rows + quarantined = lines that can be read, whatever is damaged (`damage_costs_only_what_it_hit`).
//! - A run that broke off anywhere is made good by the next (`a_run_broken_off_is_mended_by_the_next`,
//!   `a_run_broken_off_under_another_definition_is_mended`).
//! - Memory does not grow with the day: objects are read in parts, rows are written in portions.
//! - A day whose raw objects have gone is not taken for an empty one (`a_day_that_lost_objects_is_left_alone`).

mod inflate;
mod lines;
mod objects;
mod portion;
/// What must hold for any raw object; fuzzing tries it too.
#[allow(unreachable_pub)]
#[cfg(test)]
#[path = "../../../fuzz/src/raw_objects.rs"]
mod raw_objects;
mod reading;

use std::sync::Arc;

use arrow::error::ArrowError;
use chrono::{DateTime, NaiveDate, Utc};
use pinlake_dataset::{Cleaner, Definition, Limits};
use pinlake_lake::{BatchDay, Kind, Lake, Replaced, Replacement, RunId};

pub use self::{lines::is_fragment, objects::RawObject};
use self::{
    portion::{Cleaned, Portion},
    reading::Reading,
};

/// How the batch path cleans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSettings {
    /// What a record may cost.
    pub limits: Limits,
    /// Size at which a Parquet file is closed, in bytes.
    pub file_bytes: u64,
    /// How tables are committed to.
    pub lake: pinlake_lake::Settings,
}

/// What became of a dataset's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanedDay {
    /// Raw objects that were read.
    pub objects: usize,
    /// Their size, in bytes, as they are stored.
    pub size_bytes: u64,
    /// Lines that could be read in them, blank ones not counted.
    pub lines: u64,
    /// The day's partition of the table.
    pub table: Replaced,
    /// The day's partition of the quarantine.
    pub quarantine: Replaced,
    /// What could not be read.
    pub damage: Vec<Damage>,
}

/// A place at which a raw object could not be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{object}` {reason} (byte {offset} of {size_bytes})")]
pub struct Damage {
    /// The object's key, below the lake's root.
    pub object: String,
    /// About so many bytes into it.
    pub offset: u64,
    /// Its size.
    pub size_bytes: u64,
    /// What is wrong, as a predicate.
    pub reason: &'static str,
}

/// Why a day was not cleaned. It stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The raw objects cannot be listed or read.
    #[error("could not read `{key}`")]
    Read {
        /// The folder or the object.
        key: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// A table cannot be written.
    #[error(transparent)]
    Lake(Box<pinlake_lake::Error>),
    /// Rows do not have the shape of their definition: a mistake in this program.
    #[error("rows of `{key}` have the wrong shape")]
    Shape {
        /// The object that they are from.
        key: String,
        /// What arrow said.
        source: ArrowError,
    },
    /// There are fewer raw objects than when the day was last cleaned: they were expired or deleted, and cleaning the rest
    /// would take the rows of the others out of the table.
    #[error(
        "{day} of `{dataset}` was cleaned from {before} raw objects and only {now} are left; its rows were left as they \
         are (`\"force\": true` in the event, or `pinlake run analytics --force`, replaces them all the same)"
    )]
    Shrunk {
        /// The dataset.
        dataset: String,
        /// The day.
        day: NaiveDate,
        /// Raw objects then.
        before: u64,
        /// Raw objects now.
        now: u64,
    },
}

impl From<pinlake_lake::Error> for BatchError {
    fn from(error: pinlake_lake::Error) -> Self {
        Self::Lake(Box::new(error))
    }
}

/// Cleans days of one dataset.
#[derive(Debug, Clone)]
pub struct Batch {
    lake: Lake,
    definition: Arc<Definition>,
    settings: BatchSettings,
}

impl Batch {
    /// Of a dataset in a lake. Makes no request.
    pub fn new(lake: &Lake, definition: &Arc<Definition>, settings: BatchSettings) -> Self {
        Self {
            lake: lake.clone(),
            definition: Arc::clone(definition),
            settings,
        }
    }

    /// Whether the day has to be cleaned: its raw objects are others than those that its rows were made from, or a run
    /// broke off between the two tables.
    ///
    /// # Errors
    /// The objects or the table's log cannot be read.
    pub async fn has_changed(&self, day: NaiveDate) -> Result<bool, BatchError> {
        let objects = self.objects(day).await?;
        let known = BatchDay::read(&self.lake, &self.definition, day).await?;
        Ok(match known.inputs {
            None => !objects.is_empty(),
            Some(inputs) => inputs != objects::inputs(&objects) || known.is_half_replaced(),
        })
    }

    /// Cleans the day: `None` if there is no raw object and there never was one. `force` also replaces a day that has
    /// fewer objects than before.
    ///
    /// # Errors
    /// The day is as it was then; its quarantine may be new already.
    pub async fn clean(
        &self,
        day: NaiveDate,
        force: bool,
        now: DateTime<Utc>,
    ) -> Result<Option<CleanedDay>, BatchError> {
        let objects = self.objects(day).await?;
        let inputs = objects::inputs(&objects);
        match BatchDay::read(&self.lake, &self.definition, day).await?.inputs {
            None if objects.is_empty() => return Ok(None),
            Some(before) if before.objects > inputs.objects && !force => {
                return Err(BatchError::Shrunk {
                    dataset: self.definition.name().to_string(),
                    day,
                    before: before.objects,
                    now: inputs.objects,
                });
            }
            _ => {}
        }
        let id = RunId::new();
        let mut run = Run {
            table: self.begin(Kind::Table, day, now)?.in_run(id),
            quarantine: self.begin(Kind::Quarantine, day, now)?.in_run(id),
            lines: 0,
            damage: Vec::new(),
        };
        if let Err(error) = self.read_all(&objects, &mut run).await {
            run.table.abandon().await;
            run.quarantine.abandon().await;
            return Err(error);
        }
        let quarantine = match run.quarantine.commit(None).await {
            Ok(replaced) => replaced,
            Err(error) => {
                run.table.abandon().await;
                return Err(error.into());
            }
        };
        let table = run.table.following(&quarantine, &self.lake, &self.definition)?;
        Ok(Some(CleanedDay {
            objects: objects.len(),
            size_bytes: objects.iter().map(|object| object.size_bytes).sum(),
            lines: run.lines,
            table: table.commit(Some(inputs)).await?,
            quarantine,
            damage: run.damage,
        }))
    }

    /// The day's raw objects, in the order of their keys. Empty ones are left out.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn objects(&self, day: NaiveDate) -> Result<Vec<RawObject>, BatchError> {
        let listed = objects::list(&self.lake, self.definition.name(), day).await;
        listed.map_err(|source| BatchError::Read {
            key: format!("raw/{}/date={day}", self.definition.name()),
            source,
        })
    }

    /// The days that have raw objects, the earliest first.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn days(&self) -> Result<Vec<NaiveDate>, BatchError> {
        let listed = objects::days(&self.lake, self.definition.name()).await;
        listed.map_err(|source| BatchError::Read {
            key: format!("raw/{}", self.definition.name()),
            source,
        })
    }

    /// Tells `each` the `_origin` of every line of a raw object, as a row that is cleaned from it has it, and answers where
    /// the object is damaged.
    ///
    /// # Errors
    /// The object cannot be read.
    pub async fn origins(&self, object: &RawObject, mut each: impl FnMut(String)) -> Result<Vec<Damage>, BatchError> {
        let mut reading = Reading::open(&self.lake, object).await?;
        let mut damaged = Vec::new();
        while let Some(damage) = reading.step(|line| each(object.origin(line.number, line.part))).await? {
            damaged.extend(damage);
        }
        Ok(damaged)
    }

    fn begin(&self, kind: Kind, day: NaiveDate, now: DateTime<Utc>) -> Result<Replacement, BatchError> {
        let BatchSettings { file_bytes, lake, .. } = self.settings;
        Ok(Replacement::new(
            &self.lake,
            kind,
            &self.definition,
            day,
            file_bytes,
            lake,
            now,
        )?)
    }

    async fn read_all(&self, objects: &[RawObject], run: &mut Run) -> Result<(), BatchError> {
        let mut cleaner = Cleaner::new(Arc::clone(&self.definition), self.settings.limits);
        for object in objects {
            self.read(object, &mut cleaner, run).await?;
        }
        Ok(())
    }

    /// Reads one object from beginning to end, however damaged it is.
    async fn read(&self, object: &RawObject, cleaner: &mut Cleaner, run: &mut Run) -> Result<(), BatchError> {
        let mut reading = Reading::open(&self.lake, object).await?;
        let mut portion = Portion::new(cleaner, object);
        while let Some(damage) = reading.step(|line| portion.push(line)).await? {
            run.damage.extend(damage);
            if portion.is_full() {
                run.write(object, portion.finish()).await?;
            }
        }
        run.write(object, portion.finish()).await
    }
}

/// A day that is being cleaned.
struct Run {
    table: Replacement,
    quarantine: Replacement,
    lines: u64,
    damage: Vec<Damage>,
}

impl Run {
    async fn write(&mut self, object: &RawObject, cleaned: Result<Cleaned, ArrowError>) -> Result<(), BatchError> {
        let cleaned = cleaned.map_err(|source| BatchError::Shape {
            key: object.key.clone(),
            source,
        })?;
        self.lines += cleaned.lines as u64;
        self.quarantine.write(&cleaned.rejected).await?;
        self.table.write(&cleaned.rows).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    /// See `fuzz/README.md`.
    #[test]
    fn what_fuzzing_kept_is_read_as_it_should_be() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/regressions/raw_objects");
        let mut count = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            let input = std::fs::read(&file).unwrap();
            let holds = std::panic::catch_unwind(|| super::raw_objects::check(&input)).is_ok();
            assert!(holds, "{} does not hold: see above", file.display());
            count += 1;
        }
        assert!(count > 0, "there is no input in {folder}");
    }
}
