//! Log lines: one JSON object each on Lambda, plain text for people.

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, Settings};

/// Starts logging to standard output, once per process. A filter that cannot be read counts as `info`.
pub fn init(settings: &Settings) {
    let filter = EnvFilter::try_new(&settings.log_filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter);
    // Lambda puts the time to each line, and it shows no colours.
    match settings.log_format {
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .without_time()
            .init(),
        LogFormat::Text => lines.with_ansi(false).init(),
    }
}
