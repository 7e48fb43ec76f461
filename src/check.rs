//! `pinlake check`: explains every mistake in dataset definitions, or says what they define.

use anyhow::Result;
use clap::Args;
use pinlake_catalog::load_path;

use crate::terminal::say;

/// Checks dataset definitions and explains each mistake with file, line and reason.
#[derive(Debug, Args)]
pub struct Check {
    /// A folder of `<dataset>.toml` files, or one such file.
    #[arg(default_value = "datasets/")]
    path: String,
}

impl Check {
    /// Runs the command.
    pub fn run(&self) -> Result<()> {
        for definition in load_path(&self.path)?.iter() {
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
        Ok(())
    }
}
