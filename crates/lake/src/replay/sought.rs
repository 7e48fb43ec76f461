//! Origins that are looked for in version after version of a table.
//!
//! A file never changes, so each is read once, however often the table is looked at.

use std::collections::{BTreeSet, HashMap};

use object_store::path::Path;

use crate::{
    error::Error,
    origins::{File, Files},
};

/// The origins, and where they were seen.
pub(super) struct Sought {
    sorted: Vec<String>,
    /// By a file's key, which of the origins are in it.
    seen: HashMap<Path, Vec<usize>>,
}

impl Sought {
    pub(super) fn new<'a>(origins: impl IntoIterator<Item = &'a str>) -> Self {
        let origins: BTreeSet<_> = origins.into_iter().collect();
        Self {
            sorted: origins.into_iter().map(str::to_owned).collect(),
            seen: HashMap::new(),
        }
    }

    /// Those that the files hold; none of no files.
    pub(super) async fn among(&mut self, files: Option<&Files>) -> Result<BTreeSet<&str>, Error> {
        let mut found = BTreeSet::new();
        for (_, holds) in self.by_file(files).await? {
            found.extend(holds);
        }
        Ok(found)
    }

    /// Those that the files hold, file by file, without the files that hold none.
    pub(super) async fn by_file<'f>(
        &mut self,
        files: Option<&'f Files>,
    ) -> Result<Vec<(&'f File, BTreeSet<&str>)>, Error> {
        let Some(files) = files else { return Ok(Vec::new()) };
        let candidates: Vec<_> = files.that_may_hold(&self.sorted).collect();
        for file in &candidates {
            if !self.seen.contains_key(&file.key) {
                let mut holds = Vec::new();
                let mut each = |origin: &str| {
                    holds.extend(self.sorted.binary_search_by(|sought| sought.as_str().cmp(origin)));
                };
                files.tell(file, &mut each).await?;
                self.seen.insert(file.key.clone(), holds);
            }
        }
        let texts = |holds: &Vec<usize>| {
            holds
                .iter()
                .map(|at| self.sorted[*at].as_str())
                .collect::<BTreeSet<_>>()
        };
        let found = candidates.into_iter().filter_map(|file| {
            let holds = self.seen.get(&file.key).filter(|holds| !holds.is_empty())?;
            Some((file, texts(holds)))
        });
        Ok(found.collect())
    }
}
