//! Log lines: one JSON object each on Lambda, plain text for people.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `LOG_FORMAT` | `json` | `json` for machines, `text` for people |
//! | `RUST_LOG` | `info`, less what the Delta libraries log of their own | what is logged: a level, and levels of modules |
//!
//! On Lambda every line of an invocation holds its `request_id`, which is Lambda's own, and its `xray_trace_id`.
//!
//! # Invariants
//! - A line is one flat object (`a_line_is_flat_and_says_whose_it_is`).

use std::{fmt, io};

use serde_json::{Map, Value};
use tracing::{
    Dispatch, Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer, layer},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::{
    invocation::{Invocation, Remember},
    variables::{SettingsError, Variables},
};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// `LOG_FORMAT`: `json` for machines, `text` for people. Default `json`.
    pub format: LogFormat,
    /// `RUST_LOG`: what is logged, e.g. `info,pinlake_lake=debug`. Default `info`, less what the Delta libraries log of
    /// their own.
    pub filter: String,
}

/// Looking whether a table is there yet is no error, though the Delta kernel logs it as one.
const QUIET: &str = "info,buoyant_kernel=warn,buoyant_kernel::snapshot=off,deltalake_core=warn";

impl Default for Logging {
    fn default() -> Self {
        Self {
            format: LogFormat::Json,
            filter: QUIET.to_owned(),
        }
    }
}

impl Logging {
    /// Reads the settings.
    ///
    /// # Errors
    /// `LOG_FORMAT` is neither of its words.
    pub fn from_variables(variables: &Variables<impl Fn(&str) -> Option<String>>) -> Result<Self, SettingsError> {
        let formats = [("json", LogFormat::Json), ("text", LogFormat::Text)];
        Ok(Self {
            format: variables.word("LOG_FORMAT", formats, "is neither `json` nor `text`")?,
            filter: variables.text("RUST_LOG").unwrap_or_else(|| QUIET.to_owned()),
        })
    }

    /// Starts logging to standard output, once per process. A filter that cannot be read counts as `info`.
    pub fn start(&self) {
        self.to(io::stdout).init();
    }

    /// Logging to whatever `output` opens; each line is written as a whole.
    pub fn to(&self, output: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) -> Dispatch {
        let filter: Targets = self
            .filter
            .parse()
            .unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
        // Whatever else is left out: the span that holds the request's id.
        let filter = filter.with_target("lambda_runtime", LevelFilter::INFO);
        let lines = layer().with_ansi(false).with_writer(output);
        let lines = match self.format {
            LogFormat::Json => lines.event_format(Flat).boxed(),
            LogFormat::Text => lines.boxed(),
        };
        let lines = lines.and_then(Remember).with_filter(filter);
        Dispatch::new(tracing_subscriber::registry().with(lines))
    }
}

/// A line as one flat object. Of the spans around it only what tells the invocation is written: what else is needed to
/// find a line is in the line. Lambda puts the time to it.
struct Flat;

impl<S, N> FormatEvent<S, N> for Flat
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut set = |name: &str, value: &str| fields.0.insert(name.to_owned(), value.into());
        set("level", event.metadata().level().as_str());
        set("target", event.metadata().target());
        let invocation = context.event_scope().and_then(Invocation::of);
        for (name, value) in invocation.iter().flat_map(Invocation::properties) {
            set(name, value);
        }
        writeln!(line, "{}", Value::Object(fields.0))
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Lines, invocation::tests::invocation};

    const LINE: u8 = 7;

    fn logging(variable: &str, value: &str) -> Result<Logging, SettingsError> {
        Logging::from_variables(&Variables::new(|name: &str| {
            (name == variable).then(|| value.to_owned())
        }))
    }

    #[test]
    fn lines_are_json_unless_somebody_reads_them() {
        assert_eq!(
            logging("LOG_FORMAT", "").unwrap(),
            Logging {
                format: LogFormat::Json,
                filter: QUIET.to_owned()
            }
        );
        assert_eq!(logging("LOG_FORMAT", "text").unwrap().format, LogFormat::Text);
        assert_eq!(logging("RUST_LOG", "debug").unwrap().filter, "debug");
        assert_eq!(logging("LOG_FORMAT", "xml").unwrap_err().variable, "LOG_FORMAT");
    }

    /// The line that is logged so, read as JSON.
    fn logged(log: impl FnOnce()) -> Value {
        let lines = Lines::default();
        let output = lines.clone();
        tracing::dispatcher::with_default(&Logging::default().to(move || output.clone()), log);
        let [line] = &lines.json().unwrap()[..] else {
            panic!("{:?}", lines.json().unwrap())
        };
        line.clone()
    }

    #[test]
    fn a_line_is_flat_and_says_whose_it_is() {
        let line = logged(|| {
            let _invocation = invocation("5f2c").entered();
            // A span of somebody else does not hide it, and neither are its fields in the line.
            let _inner = tracing::info_span!("inner", secret = "s").entered();
            tracing::info!(dataset = "pin", rows = 3, %LINE, late = false, ratio = 0.5, no = None::<u8>, "two\nlines");
        });
        assert_eq!(
            line,
            json!({
                "level": "INFO", "target": "pinlake_host::logging::tests", "message": "two\nlines",
                "request_id": "5f2c", "xray_trace_id": "Root=1", "dataset": "pin", "rows": 3, "LINE": "7", "late": false, "ratio": 0.5,
            })
        );
        let outside = logged(|| tracing::warn!("alone"));
        assert_eq!(outside.get("request_id"), None, "it is of no invocation: {outside}");
    }

    #[test]
    fn a_filter_never_loses_the_invocation() {
        let lines = Lines::default();
        let output = lines.clone();
        let logging = logging("RUST_LOG", "off,pinlake_host=debug").unwrap();
        tracing::dispatcher::with_default(&logging.to(move || output.clone()), || {
            let _invocation = invocation("5f2c").entered();
            tracing::debug!("told");
            tracing::trace!("not told");
            tracing::error!(target: "deltalake_core", "not told");
        });
        let lines = lines.json().unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["request_id"], "5f2c");
    }
}
