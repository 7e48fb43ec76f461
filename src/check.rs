//! `pinlake check`: explains every mistake in dataset definitions, or says what they define, and whether tables take it.

use anyhow::{Result, bail};
use clap::Args;
use pinlake_catalog::load_path;
use pinlake_host::explain;

use crate::{fit::fit, place, terminal::say};

/// Checks dataset definitions and explains each mistake with file, line and reason.
#[derive(Debug, Args)]
pub struct Check {
    /// A folder of `<dataset>.toml` files, or one such file.
    #[arg(default_value = "datasets/")]
    path: String,
    /// A lake, `s3://bucket[/prefix]` or a folder: each definition must fit the table that is there. Changes nothing.
    #[arg(long, value_name = "URI")]
    lake: Option<String>,
}

impl Check {
    /// Runs the command. An error when a definition is wrong or does not fit its table.
    pub async fn run(&self) -> Result<()> {
        let catalog = load_path(&self.path)?;
        for definition in catalog.iter() {
            say(format_args!(
                "{} is sound: key {}",
                definition.name(),
                definition.key().join(", ")
            ));
            for column in definition.columns() {
                let required = if column.is_required() { ", required" } else { "" };
                say(format_args!("  {:<20} {}{required}", column.name(), column.type_name()));
            }
        }
        let Some(uri) = &self.lake else { return Ok(()) };
        let lake = place::lake(uri, None).await?;
        let mut mistakes = Vec::new();
        for definition in catalog.iter() {
            match fit(&lake, definition).await {
                Ok(fit) => say(format_args!("{fit}")),
                Err(error) => mistakes.push(explain(error.as_ref())),
            }
        }
        match mistakes.as_slice() {
            [] => Ok(()),
            mistakes => bail!("{}", mistakes.join("\n  ")),
        }
    }
}
