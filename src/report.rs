//! `pinlake report`: where the report page is, and questions of one's own.

mod answer;

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use chrono::NaiveDate;
use clap::Args;
use pinlake_analytics::{QuerySettings, Session};
use pinlake_dataset::Catalog;

use self::answer::Format;
use crate::{
    page,
    pipeline::{BUCKET, Pipeline},
    place,
    terminal::say,
};

/// Finds the report page, or answers a question of your own in SQL.
///
/// In SQL there are, for each dataset, `<dataset>` (the latest row of each key, which is what the reports see),
/// `<dataset>_all` (every row) and `<dataset>_quarantine`.
#[derive(Debug, Args)]
pub struct Report {
    /// The day of the page, UTC. Default: the newest there is.
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "sql")]
    date: Option<NaiveDate>,
    /// Open the page in the browser.
    #[arg(long, conflicts_with = "sql")]
    open: bool,
    /// A file with one question in SQL, or `-` for standard input. Prints the answer.
    #[arg(long, value_name = "FILE")]
    sql: Option<PathBuf>,
    /// With --sql: how the answer is written.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, requires = "sql")]
    format: Format,
    /// With --sql: a lake elsewhere, `s3://bucket[/prefix]` or a folder, instead of that of --state.
    #[arg(long, value_name = "URI", requires = "sql")]
    lake: Option<String>,
    /// With --sql: a folder of dataset definitions to use instead of those compiled in.
    #[arg(long, value_name = "DIR", requires = "sql")]
    datasets: Option<String>,
    /// Where the local pipeline keeps everything.
    #[arg(long, value_name = "DIR", default_value = ".pinlake")]
    state: PathBuf,
}

impl Report {
    /// Runs the command.
    pub async fn run(&self) -> Result<()> {
        match &self.sql {
            Some(file) => self.ask(file).await,
            None => self.find().await,
        }
    }

    async fn find(&self) -> Result<()> {
        let lake = Pipeline::lake_on_disk(&self.state)?;
        let found = match self.date {
            Some(day) => page::of(&lake, day).await?,
            None => page::newest(&lake).await?,
        };
        let Some(page) = found else {
            let day = self.date.map_or_else(String::new, |day| format!(" of {day}"));
            bail!(
                "there is no report{day} in {}; `pinlake run analytics` makes one",
                self.state.display()
            );
        };
        let page = path(&self.state, &page)?;
        say(format_args!("{}", page.display()));
        if self.open {
            open(&page)?;
        }
        Ok(())
    }

    async fn ask(&self, file: &Path) -> Result<()> {
        let sql = read(file)?;
        let lake = match &self.lake {
            None => Pipeline::lake_on_disk(&self.state)?,
            Some(uri) => place::lake(uri, None).await?,
        };
        let catalog = match &self.datasets {
            None => Catalog::built_in(),
            Some(folder) => pinlake_catalog::load_path(folder)?,
        };
        let session = Session::open(&lake, &catalog, QuerySettings::default()).await?;
        let answer = session.ask(&sql).await?;
        answer::say(&answer.rows, self.format)
    }
}

/// The file of a page in a state folder, whole, so that it can be pasted anywhere.
pub(crate) fn path(state: &Path, page: &str) -> Result<PathBuf> {
    let path = state.join("s3").join(BUCKET).join(page);
    fs::canonicalize(&path).with_context(|| format!("could not find {}", path.display()))
}

fn read(file: &Path) -> Result<String> {
    if file.as_os_str() == "-" {
        let mut sql = String::new();
        io::stdin()
            .read_to_string(&mut sql)
            .context("could not read standard input")?;
        return Ok(sql);
    }
    fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))
}

/// Hands a page to the desktop's browser.
fn open(page: &Path) -> Result<()> {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let started = Command::new(opener)
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match started {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("`{opener}` could not open the page ({status})"),
        Err(error) => Err(error).with_context(|| format!("`{opener}`, which opens pages, could not be started")),
    }
}
