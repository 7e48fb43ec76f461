//! Whether a definition goes with the table that is there: told before batches fail of it.

use anyhow::{Context as _, Result};
use chrono::Utc;
use pinlake_dataset::Definition;
use pinlake_lake::{Lake, Settings, Table};

/// How a definition goes with its table, in words.
///
/// # Errors
/// Nothing can be written to the table by this definition, or the table cannot be read.
pub async fn fit(lake: &Lake, definition: &Definition) -> Result<String> {
    let table = Table::clean(lake, definition, Settings::default())?;
    let missing = table.missing_columns(Utc::now()).await;
    let missing =
        missing.with_context(|| format!("the definition of `{}` does not fit its table", definition.name()))?;
    let name = table.name();
    Ok(match missing {
        None => format!("{name} is not there yet"),
        Some(missing) if missing.is_empty() => format!("{name} fits"),
        Some(missing) => format!("{name} fits; the next commit adds {}", missing.join(", ")),
    })
}
