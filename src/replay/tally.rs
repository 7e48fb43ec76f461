//! What became of the records, by reason.

use std::collections::BTreeMap;

use pinlake_dataset::Definition;
use pinlake_lake::Moved;

use crate::terminal::{say, table};

/// What a replay did, or would do.
pub(super) struct Tally {
    dry_run: bool,
    objects: Option<u64>,
    /// By the reason that the quarantine has.
    passes: BTreeMap<String, u64>,
    /// By the reason that there is now.
    stays: BTreeMap<String, u64>,
    moved: Moved,
}

impl Tally {
    pub(super) fn new(dry_run: bool) -> Self {
        Self {
            dry_run,
            objects: None,
            passes: BTreeMap::new(),
            stays: BTreeMap::new(),
            moved: Moved::default(),
        }
    }

    /// Whether there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_none() && self.passes.is_empty() && self.stays.is_empty()
    }

    /// An object with records was read.
    pub(super) fn object(&mut self) {
        *self.objects.get_or_insert(0) += 1;
    }

    /// A record passes that did not for this reason.
    pub(super) fn passes(&mut self, reason: String) {
        *self.passes.entry(reason).or_default() += 1;
    }

    /// A record does not pass for this reason.
    pub(super) fn stays(&mut self, reason: String) {
        *self.stays.entry(reason).or_default() += 1;
    }

    /// Rows were moved.
    pub(super) fn moved(&mut self, moved: &Moved) {
        let all = &mut self.moved;
        all.put += moved.put;
        all.there += moved.there;
        all.gone += moved.gone;
        all.taken += moved.taken;
        all.held += moved.held;
        all.conflicts += moved.conflicts;
    }

    /// Tells people.
    pub(super) fn show(&self, definition: &Definition) {
        let name = definition.name();
        let sum = |reasons: &BTreeMap<String, u64>| reasons.values().sum::<u64>();
        if let Some(objects) = self.objects {
            say(format_args!("{objects} batches that a mapping gave up on"));
        }
        if !self.passes.is_empty() {
            let mut passes = table(&["passes now", "rows"]);
            for (reason, rows) in &self.passes {
                passes.add_row([reason.clone(), rows.to_string()]);
            }
            say(format_args!("{passes}"));
        }
        if !self.stays.is_empty() {
            let mut stays = table(&["does not pass", "rows"]);
            for (reason, rows) in &self.stays {
                stays.add_row([reason.clone(), rows.to_string()]);
            }
            say(format_args!("{stays}"));
        }
        let (passes, stays) = (sum(&self.passes), sum(&self.stays));
        if self.dry_run {
            let rest = self.objects.map_or("stay", |_| "be quarantined");
            say(format_args!(
                "{name}: {passes} rows would go to the table, {stays} would {rest}; nothing was written"
            ));
            return;
        }
        let Moved {
            put,
            there,
            gone,
            taken,
            held,
            ..
        } = self.moved;
        match self.objects {
            Some(_) => say(format_args!(
                "{name}: {put} records stored, {there} were stored already"
            )),
            None => say(format_args!(
                "{name}: {put} rows moved to the table, {stays} stay in the quarantine, which has {taken} fewer"
            )),
        }
        if there > 0 && self.objects.is_none() {
            say(format_args!("{there} rows were in the table already"));
        }
        if gone > 0 {
            say(format_args!(
                "{gone} rows were in the quarantine no more: their day was cleaned again"
            ));
        }
        if held > 0 {
            say(format_args!(
                "{held} rows stay because their day is being cleaned, or was by halves: run the day, then this again"
            ));
        }
    }
}
