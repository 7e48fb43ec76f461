//! What people see on the terminal: lines, progress bars, tables.

use std::{
    fmt,
    io::{self, Write},
};

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{ProgressBar, ProgressStyle};

/// Writes a line to standard output. A reader that has gone away (`pinlake demo | head`) is no error.
pub fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// A progress bar on standard error.
pub fn bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>16} [{bar:40}] {human_pos} of {human_len}");
    ProgressBar::new(length)
        .with_style(
            style
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("█▉▊▋▌▍▎▏ "),
        )
        .with_message(what)
}

/// A table with a header, as wide as the terminal allows.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    if !table.is_tty() {
        table.set_width(120);
    }
    table
}
