//! A connection to either kind of database: the few questions that sending asks.
//!
//! Rows are read by the databases' simple protocols, where each value is text of the database's own writing; see
//! [`value`](crate::send::value). They arrive as they are taken: the database waits for whoever reads slowly.

use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use futures::{StreamExt, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, ColumnIndex, ConnectOptions, Connection as _, Decode, Executor, MySqlConnection, PgConnection, Row,
    SqlSafeStr, Statement, mysql::MySqlConnectOptions, postgres::PgConnectOptions, raw_sql,
};

use super::columns::Column;
use crate::send::{
    address::{Address, Kind},
    credentials::Login,
    tables::TableName,
    value,
};

/// The driver's errors name their source themselves: as a chain they would say everything twice.
fn told(error: sqlx::Error) -> Error {
    anyhow!("{error}")
}

/// How long the database may take to answer a login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A session with a database.
#[derive(Debug)]
pub(super) enum Connection {
    MySql(Box<MySqlConnection>),
    Postgres(Box<PgConnection>),
}

/// One row, as it is posted.
#[derive(Debug)]
pub(super) struct Record {
    /// The value of the key column; empty for NULL.
    pub(super) key: String,
    /// The JSON object, or why there is none.
    pub(super) json: Result<Vec<u8>, String>,
}

impl Connection {
    /// Logs in. Text is UTF-8 and times are UTC from here on.
    pub(super) async fn open(address: &Address, login: &Login) -> Result<Self> {
        let url = address.with_user(login.user.as_deref())?;
        let context = || format!("could not log in to {address}");
        let opening = async {
            Ok(match address.kind {
                Kind::MySql => {
                    let mut options = MySqlConnectOptions::from_url(&url)?
                        .charset("utf8mb4")
                        .disable_statement_logging();
                    if let Some(password) = &login.password {
                        options = options.password(password.reveal());
                    }
                    let mut connection = options.connect().await?;
                    // The server gives up on a client that reads nothing for a minute, as one with a low --rate does.
                    raw_sql("SET SESSION net_write_timeout = 86400")
                        .execute(&mut connection)
                        .await?;
                    Self::MySql(Box::new(connection))
                }
                Kind::Postgres => {
                    let mut options = PgConnectOptions::from_url(&url)?.disable_statement_logging();
                    if let Some(password) = &login.password {
                        options = options.password(password.reveal());
                    }
                    Self::Postgres(Box::new(options.connect().await?))
                }
            })
        };
        let opened: Result<_, sqlx::Error> = tokio::time::timeout(CONNECT_TIMEOUT, opening)
            .await
            .with_context(|| format!("{address} did not answer within {} s", CONNECT_TIMEOUT.as_secs()))?;
        opened.map_err(told).with_context(context)
    }

    /// A table's columns in order. An error names the one that cannot be read.
    pub(super) async fn columns(&mut self, table: &TableName) -> Result<Vec<Column>> {
        let context = || format!("could not look at table {table}");
        let sql = |kind| AssertSqlSafe(format!("SELECT * FROM {}", table.quoted(kind))).into_sql_str();
        match self {
            Self::MySql(connection) => {
                let statement = connection
                    .prepare(sql(Kind::MySql))
                    .await
                    .map_err(told)
                    .with_context(context)?;
                statement
                    .columns()
                    .iter()
                    .map(|column| Column::of_mysql(table, column))
                    .collect()
            }
            Self::Postgres(connection) => {
                let statement = connection
                    .prepare(sql(Kind::Postgres))
                    .await
                    .map_err(told)
                    .with_context(context)?;
                statement
                    .columns()
                    .iter()
                    .map(|column| Column::of_postgres(table, column))
                    .collect()
            }
        }
    }

    /// The names of the primary key's columns in order; none if there is no such key.
    pub(super) async fn primary_key(&mut self, table: &TableName) -> Result<Vec<String>> {
        let names: Result<Vec<String>, sqlx::Error> = match self {
            Self::MySql(connection) => {
                sqlx::query_scalar(
                    "SELECT CAST(column_name AS CHAR) FROM information_schema.key_column_usage \
                     WHERE constraint_name = 'PRIMARY' AND table_schema = COALESCE(?, DATABASE()) AND table_name = ? \
                     ORDER BY ordinal_position",
                )
                .bind(&table.schema)
                .bind(&table.name)
                .fetch_all(&mut **connection)
                .await
            }
            Self::Postgres(connection) => {
                sqlx::query_scalar(
                    "SELECT a.attname::text FROM pg_catalog.pg_index i \
                     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) \
                     WHERE i.indisprimary AND i.indrelid = $1::regclass \
                     ORDER BY array_position(i.indkey::int2[], a.attnum)",
                )
                .bind(table.quoted(Kind::Postgres))
                .fetch_all(&mut **connection)
                .await
            }
        };
        names
            .map_err(told)
            .with_context(|| format!("could not look up the primary key of table {table}"))
    }

    /// The first row of a query, as text; `None` if it has none.
    pub(super) async fn texts(&mut self, sql: String) -> Result<Option<Vec<Option<String>>>> {
        fn texts<R: Row>(row: &R) -> Result<Vec<Option<String>>, sqlx::Error>
        where
            usize: ColumnIndex<R>,
            for<'r> &'r str: Decode<'r, R::Database>,
        {
            (0..row.len())
                .map(|column| Ok(row.try_get_unchecked::<Option<&str>, _>(column)?.map(str::to_owned)))
                .collect()
        }
        let query = raw_sql(AssertSqlSafe(sql));
        let row = match self {
            Self::MySql(connection) => query
                .fetch_optional(&mut **connection)
                .await
                .and_then(|row| row.as_ref().map(texts).transpose()),
            Self::Postgres(connection) => query
                .fetch_optional(&mut **connection)
                .await
                .and_then(|row| row.as_ref().map(texts).transpose()),
        };
        row.map_err(told)
    }

    /// The rows of a query that selects these columns, the key's position among them.
    pub(super) fn records<'c>(
        &'c mut self,
        sql: String,
        columns: &'c [Column],
        key: usize,
    ) -> BoxStream<'c, Result<Record>> {
        let query = raw_sql(AssertSqlSafe(sql));
        match self {
            Self::MySql(connection) => {
                let rows = query.fetch(&mut **connection);
                rows.map(move |row| Ok(record(&row.map_err(told)?, columns, key)))
                    .boxed()
            }
            Self::Postgres(connection) => {
                let rows = query.fetch(&mut **connection);
                rows.map(move |row| Ok(record(&row.map_err(told)?, columns, key)))
                    .boxed()
            }
        }
    }

    /// Ends the session. That the database does not hear of it is no matter.
    pub(super) async fn close(self) {
        let _ = match self {
            Self::MySql(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        };
    }
}

fn record<R: Row>(row: &R, columns: &[Column], key: usize) -> Record
where
    usize: ColumnIndex<R>,
    for<'r> &'r str: Decode<'r, R::Database>,
{
    let text = |column| row.try_get_unchecked::<Option<&str>, _>(column);
    let mut json = vec![b'{'];
    let mut fault = None;
    for (position, column) in columns.iter().enumerate() {
        if position > 0 {
            json.push(b',');
        }
        json.extend_from_slice(&column.field);
        let written = match text(position) {
            Ok(None) => {
                json.extend_from_slice(b"null");
                continue;
            }
            Ok(Some(text)) => value::write(column.reading, text, &mut json),
            Err(_) => Err("no UTF-8 text"),
        };
        if let Err(reason) = written {
            fault.get_or_insert_with(|| format!("column `{}` holds {reason}", column.name));
        }
    }
    json.push(b'}');
    Record {
        key: text(key).ok().flatten().unwrap_or_default().to_owned(),
        json: fault.map_or(Ok(json), Err),
    }
}
