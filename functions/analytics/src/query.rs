//! Questions in SQL over the lake.
//!
//! ```text
//! tables/<dataset> ─────► <dataset>_all ─► latest row of each key ─► <dataset>
//! quarantine/<dataset> ─► <dataset>_quarantine            question ─► plan ─► only reading? ─► Answer
//! ```
//!
//! A session sees each table in the version that was newest when it was opened, with the columns of the definition, then
//! those that only the table has, then the bookkeeping. A table that nobody has written yet is empty.
//!
//! # Invariants
//! - A key has one row in `<dataset>`, the one that arrived last (`the_latest_row_of_a_key_is_seen`).
//! - Every column of the definition can be asked for, whether the table has it yet or not
//!   (`a_table_is_seen_with_the_columns_of_its_definition`).
//! - Nothing is written, whatever is asked (`only_questions_are_answered`).
//! - What a question may take is bounded: beyond its memory it spills (`a_question_spills_instead_of_growing`), and an
//!   answer that does not fit is refused.
//! - A mistake in the engine fails one question, not the run (`a_panic_of_the_engine_is_an_error`).
//! - Text is `Utf8`, whatever the engine reads it as (`answers_have_plain_types`).

mod answer;
mod run;
mod settings;
mod tables;

use std::{panic::AssertUnwindSafe, sync::Arc};

use datafusion::{
    error::DataFusionError,
    execution::{context::SQLOptions, memory_pool::FairSpillPool, runtime_env::RuntimeEnvBuilder},
    logical_expr::LogicalPlan,
    prelude::{DataFrame, SessionConfig, SessionContext},
    sql::parser::DFParser,
};
use futures::FutureExt as _;
use pinlake_dataset::{Catalog, Definition};
use pinlake_lake::Lake;

use crate::report::Answer;

pub use run::run_reports;
pub use settings::QuerySettings;
pub(crate) use tables::quoted;

/// A query engine over the tables of a lake, as they were when it was opened.
pub struct Session {
    context: SessionContext,
    datasets: Vec<Arc<Definition>>,
    settings: QuerySettings,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A table cannot be opened.
    #[error("could not open the tables of `{dataset}`")]
    Table {
        /// The dataset.
        dataset: String,
        /// What the lake said.
        source: Box<pinlake_lake::Error>,
    },
    /// The engine cannot be set up over the tables.
    #[error("could not set up the query engine")]
    Engine(#[source] Box<DataFusionError>),
    /// It is no question, or more than one: nothing was done.
    #[error("only one question at a time is answered: {reason}")]
    Refused {
        /// What it is instead.
        reason: String,
    },
    /// The SQL is wrong: a fault of who asks.
    #[error("the question cannot be understood")]
    Question(#[source] Box<DataFusionError>),
    /// The engine failed while it looked for the answer.
    #[error("the question could not be answered")]
    Failed(#[source] Box<DataFusionError>),
    /// The answer does not fit.
    #[error("the answer is larger than {limit_bytes} bytes: ask for less of it, or set a LIMIT")]
    TooLarge {
        /// What an answer may take.
        limit_bytes: usize,
    },
    /// The engine has a mistake of its own.
    #[error("the query engine broke down: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
}

/// What a thread of the engine should have for itself.
const THREAD_BYTES: usize = 64 << 20;
/// The part of the memory that each sort sets aside for merging. A question over three datasets has a sort for each, on
/// every thread; the engine's own 10 MB would leave little of a small memory.
const SORT_SHARE: usize = 128;
/// Spilled files that a sort merges at once. Without a bound the first sort to merge takes all the memory there is for
/// its files, and the others, which wait for each other in a join, fail.
const MERGE_FAN_IN: usize = 8;
/// Rows that are handled at once. A merge holds two batches of every file: the engine's own 8,192 wide rows are too many.
const BATCH_ROWS: usize = 2048;

impl Session {
    /// Opens every table of the catalog's datasets in its newest version.
    ///
    /// # Errors
    /// [`QueryError::Table`] if a log cannot be read, [`QueryError::Engine`] if the engine refuses a table.
    pub async fn open(lake: &Lake, catalog: &Catalog, settings: QuerySettings) -> Result<Self, QueryError> {
        let (session, mut faults) = Self::open_readable(lake, catalog, settings).await?;
        match faults.pop() {
            None => Ok(session),
            Some(fault) => Err(fault),
        }
    }

    /// Opens the tables that can be read, and tells why the others cannot: a question about those fails, and no other.
    ///
    /// # Errors
    /// [`QueryError::Engine`] if there can be no engine at all.
    pub async fn open_readable(
        lake: &Lake,
        catalog: &Catalog,
        settings: QuerySettings,
    ) -> Result<(Self, Vec<QueryError>), QueryError> {
        let context = context(&settings).map_err(|error| QueryError::Engine(Box::new(error)))?;
        // The lake's own store, so that the engine reads with the lake's credentials and from nowhere else.
        context.register_object_store(lake.url(), Arc::clone(lake.store()));
        let (mut datasets, mut faults) = (Vec::new(), Vec::new());
        for definition in catalog.iter() {
            match tables::register(&context, lake, definition).await {
                Ok(()) => datasets.push(Arc::clone(definition)),
                Err(fault) => faults.push(fault),
            }
        }
        let session = Self {
            context,
            datasets,
            settings,
        };
        Ok((session, faults))
    }

    /// The datasets that can be asked about, by name.
    pub fn datasets(&self) -> &[Arc<Definition>] {
        &self.datasets
    }

    /// Answers a question in SQL: one `SELECT`, or `EXPLAIN` of one.
    ///
    /// # Errors
    /// [`QueryError`], of any kind but those of [`open`](Self::open).
    pub async fn ask(&self, sql: &str) -> Result<Answer, QueryError> {
        match AssertUnwindSafe(self.answer(sql)).catch_unwind().await {
            Ok(answer) => answer,
            Err(panic) => Err(QueryError::Panicked {
                message: panic_message(panic.as_ref()),
            }),
        }
    }

    async fn answer(&self, sql: &str) -> Result<Answer, QueryError> {
        let plan = self.plan(sql).await?;
        let failed = |error: DataFusionError| QueryError::Failed(Box::new(error));
        let frame = DataFrame::new(self.context.state(), plan);
        let schema = Arc::clone(frame.schema().inner());
        let stream = frame.execute_stream().await.map_err(failed)?;
        answer::collect(stream, &schema, self.settings.answer_bytes).await
    }

    async fn plan(&self, sql: &str) -> Result<LogicalPlan, QueryError> {
        let question = |error: DataFusionError| QueryError::Question(Box::new(error));
        let mut statements = DFParser::parse_sql(sql).map_err(question)?;
        let statement = match statements.pop_front() {
            Some(statement) if statements.is_empty() => statement,
            first => {
                let reason = match first {
                    None => "there is none".to_owned(),
                    Some(_) => format!("there are {}", statements.len() + 1),
                };
                return Err(QueryError::Refused { reason });
            }
        };
        let plan = self
            .context
            .state()
            .statement_to_plan(statement)
            .await
            .map_err(question)?;
        let reading = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        reading.verify_plan(&plan).map_err(|error| QueryError::Refused {
            reason: format!("this one would do more than read ({})", error.strip_backtrace()),
        })?;
        Ok(plan)
    }
}

fn context(settings: &QuerySettings) -> Result<SessionContext, DataFusionError> {
    let mut runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(settings.memory_bytes)))
        .with_max_temp_directory_size(settings.spill_bytes)
        .with_max_spill_merge_fan_in(MERGE_FAN_IN);
    if let Some(folder) = &settings.spill_folder {
        runtime = runtime.with_temp_file_path(folder);
    }
    // More threads share the memory among more sorts, until each is too small to merge what it has spilled.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(settings.memory_bytes / THREAD_BYTES).max(1);
    let config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_batch_size(BATCH_ROWS)
        .with_sort_spill_reservation_bytes(settings.memory_bytes / SORT_SHARE)
        .with_information_schema(true)
        .set_str("datafusion.execution.time_zone", "UTC")
        // A hash join holds one side in memory and cannot spill; a merge join can. The rows of a key come sorted anyway.
        .set_bool("datafusion.optimizer.prefer_hash_join", false);
    Ok(SessionContext::new_with_config_rt(config, runtime.build_arc()?))
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it does not say why").to_owned()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;
    use datafusion::logical_expr::{Volatility, create_udf};

    use super::*;

    #[tokio::test]
    async fn a_panic_of_the_engine_is_an_error() {
        let settings = QuerySettings::default();
        let context = context(&settings).unwrap();
        let kinds = (vec![DataType::Int64], DataType::Int64);
        let panicking = Arc::new(|_: &[_]| panic!("of a kind"));
        context.register_udf(create_udf(
            "panicking",
            kinds.0,
            kinds.1,
            Volatility::Volatile,
            panicking,
        ));
        let session = Session {
            context,
            datasets: Vec::new(),
            settings,
        };
        let sql = "SELECT panicking(value) FROM generate_series(1, 3)";
        let error = session.ask(sql).await.unwrap_err();
        assert_eq!(error.to_string(), "the query engine broke down: of a kind");
        // Also where the engine runs on other threads than ours.
        let sql = "SELECT MAX(panicking(value)) FROM generate_series(1, 100000) GROUP BY panicking(value)";
        session.ask(sql).await.unwrap_err();
        let answer = session.ask("SELECT 1").await.unwrap();
        assert_eq!(answer.rows.num_rows(), 1);
    }

    #[test]
    fn a_panic_says_what_it_said() {
        let caught = |panic: fn()| panic_message(std::panic::catch_unwind(panic).unwrap_err().as_ref());
        assert_eq!(caught(|| panic!("of a kind")), "of a kind");
        let formatted = || panic!("number {}", std::hint::black_box(7));
        assert_eq!(caught(formatted), "number 7");
        assert_eq!(caught(|| std::panic::panic_any(1)), "it does not say why");
    }
}
