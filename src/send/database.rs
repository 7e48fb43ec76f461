//! Rows from a database: all in order, or random ones as the predecessor's emulator draws them.
//!
//! ```text
//! a session per table ─► rows as JSON ─► a bounded queue ─► whoever posts them
//! ```
//!
//! # Invariants
//! - Memory does not grow with the tables: a table is read by one query whose rows are taken one by one.
//! - In order, the tables are read side by side, a row of each in turn, so that rows that belong together leave together.

mod columns;
mod connection;

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::mpsc::{self, Receiver, Sender};

use self::{columns::Column, connection::Connection};
use super::{
    address::{Address, Kind},
    credentials::Login,
    source::{Place, Row},
    tables::{TableName, Target, quoted},
    value::Reading,
};

/// Which rows to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selection {
    /// `Some`: random rows from this seed, without end; `None`: all rows, by key.
    pub(super) seed: Option<u64>,
    /// At most so many of each table.
    pub(super) count: Option<u64>,
}

/// What the tables give.
#[derive(Debug)]
pub(super) enum Found {
    /// A row to post.
    Row(Row),
    /// A random key that the table at this position has no row of.
    Absent(usize),
}

/// Rows read ahead of those that are posted.
const AHEAD: usize = 2000;
/// Draws in a row that may find nothing, as when rows are being deleted.
const MISSES: u32 = 100;

/// A table ready to be read.
struct Table {
    position: usize,
    name: TableName,
    /// For people; shared by the places of all rows.
    shown: Arc<str>,
    columns: Vec<Column>,
    /// Positions of the columns that rows are ordered by: the primary key's, or else the first. The first of them is
    /// the key that random rows are drawn by.
    order: Vec<usize>,
    connection: Connection,
}

/// Logs in, looks at the tables and starts to read; also tells how many rows will come, if `counted` asks for it and it
/// can be known. The queue ends after the last row or the first error.
pub(super) async fn read(
    address: &Address,
    login: &Login,
    targets: &[Target],
    selection: Selection,
    counted: bool,
) -> Result<(Receiver<Result<Found>>, Option<u64>)> {
    let kind = address.kind;
    let mut tables = Vec::new();
    let mut total = Some(0);
    for (position, target) in targets.iter().enumerate() {
        let connection = Connection::open(address, login).await?;
        let mut table = Table::open(position, &target.table, connection).await?;
        if selection.seed.is_some() {
            table.can_be_drawn_from()?;
        }
        let rows = match selection {
            Selection { seed: Some(_), count } => count,
            Selection { count, .. } if counted => {
                let rows = table.count(kind).await?;
                Some(count.map_or(rows, |count| rows.min(count)))
            }
            Selection { .. } => None,
        };
        total = total.zip(rows).map(|(total, rows)| total + rows);
        tables.push(table);
    }
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let outcome = match selection.seed {
            None => in_order(kind, &mut tables, selection.count, &sender).await,
            Some(seed) => at_random(kind, &mut tables, seed, selection.count, &sender).await,
        };
        if let Err(error) = outcome {
            // Nobody waits any more: nobody needs to know.
            let _ = sender.send(Err(error)).await;
        }
        for table in tables {
            table.connection.close().await;
        }
    });
    Ok((receiver, total))
}

/// Every row of every table by key, a row of each table in turn.
async fn in_order(kind: Kind, tables: &mut [Table], count: Option<u64>, sender: &Sender<Result<Found>>) -> Result<()> {
    let mut open: Vec<_> = tables
        .iter_mut()
        .map(|table| {
            let order: Vec<_> = table
                .order
                .iter()
                .map(|&column| quoted(kind, &table.columns[column].name))
                .collect();
            let limit = count.map(|count| format!(" LIMIT {count}")).unwrap_or_default();
            let sql = table.select(kind, &format!("ORDER BY {}{limit}", order.join(", ")));
            let label = table.label();
            (table.connection.records(sql, &table.columns, table.order[0]), label)
        })
        .collect();
    while !open.is_empty() {
        let mut ended = Vec::new();
        for (number, (records, label)) in open.iter_mut().enumerate() {
            let Some(record) = records.next().await else {
                ended.push(number);
                continue;
            };
            let record = record.with_context(|| format!("could not read table {}", label.table))?;
            if sender.send(Ok(Found::Row(label.row(record)))).await.is_err() {
                return Ok(());
            }
        }
        for number in ended.into_iter().rev() {
            drop(open.remove(number));
        }
    }
    Ok(())
}

/// For each draw, a key between the first table's lowest and highest, the first row from there on, and the rows of the
/// other tables with the same key. Where keys are missing, the row behind the gap is drawn more often.
async fn at_random(
    kind: Kind,
    tables: &mut [Table],
    seed: u64,
    count: Option<u64>,
    sender: &Sender<Result<Found>>,
) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let Some((first, others)) = tables.split_first_mut() else {
        return Ok(());
    };
    let (lowest, highest) = first.bounds(kind).await?;
    let (mut drawn, mut misses) = (0, 0);
    while count.is_none_or(|count| drawn < count) {
        let key = random.random_range(lowest..=highest);
        let Some((key, row)) = first.at(kind, ">=", key).await? else {
            misses += 1;
            ensure!(misses < MISSES, "table {} has no rows any more", first.name);
            continue;
        };
        (drawn, misses) = (drawn + 1, 0);
        if sender.send(Ok(Found::Row(row))).await.is_err() {
            return Ok(());
        }
        for table in &mut *others {
            let found = match table.at(kind, "=", key).await? {
                Some((_, row)) => Found::Row(row),
                None => Found::Absent(table.position),
            };
            if sender.send(Ok(found)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Table {
    async fn open(position: usize, name: &TableName, mut connection: Connection) -> Result<Self> {
        let columns = connection.columns(name).await?;
        ensure!(!columns.is_empty(), "table {name} has no columns");
        let key = connection.primary_key(name).await?;
        let mut order: Vec<_> = key
            .iter()
            .filter_map(|key| columns.iter().position(|column| column.name == *key))
            .collect();
        if order.is_empty() {
            order.push(0);
        }
        Ok(Self {
            position,
            name: name.clone(),
            shown: name.to_string().into(),
            columns,
            order,
            connection,
        })
    }

    fn key(&self) -> &Column {
        &self.columns[self.order[0]]
    }

    fn can_be_drawn_from(&self) -> Result<()> {
        let key = self.key();
        if key.reading != Reading::Whole {
            bail!(
                "--random draws by whole numbers, which column `{}` of table {} does not hold",
                key.name,
                self.name
            );
        }
        Ok(())
    }

    fn select(&self, kind: Kind, rest: &str) -> String {
        let columns: Vec<_> = self.columns.iter().map(|column| column.expression.as_str()).collect();
        format!("SELECT {} FROM {} {rest}", columns.join(", "), self.name.quoted(kind))
    }

    async fn count(&mut self, kind: Kind) -> Result<u64> {
        let context = || format!("could not count the rows of table {}", self.name);
        let sql = format!("SELECT COUNT(*) FROM {}", self.name.quoted(kind));
        let texts = self.connection.texts(sql).await.with_context(context)?;
        let count = texts.and_then(|texts| texts.into_iter().flatten().next());
        count.and_then(|count| count.parse().ok()).with_context(context)
    }

    /// The lowest and the highest key.
    async fn bounds(&mut self, kind: Kind) -> Result<(i128, i128)> {
        let key = quoted(kind, &self.key().name);
        let sql = format!("SELECT MIN({key}), MAX({key}) FROM {}", self.name.quoted(kind));
        let texts = self.connection.texts(sql).await;
        let texts = texts.with_context(|| format!("could not look for the keys of table {}", self.name))?;
        let keys: Vec<i128> = texts
            .iter()
            .flatten()
            .flatten()
            .filter_map(|key| key.parse().ok())
            .collect();
        match keys[..] {
            [lowest, highest] => Ok((lowest, highest)),
            _ => bail!("table {} has no rows to draw from", self.name),
        }
    }

    /// The first row whose key compares so with the given one, and its own key.
    async fn at(&mut self, kind: Kind, comparison: &str, key: i128) -> Result<Option<(i128, Row)>> {
        let column = quoted(kind, &self.key().name);
        let sql = self.select(
            kind,
            &format!("WHERE {column} {comparison} {key} ORDER BY {column} LIMIT 1"),
        );
        let label = self.label();
        let mut records = self.connection.records(sql, &self.columns, self.order[0]);
        let context = || format!("could not read table {}", label.table);
        let Some(record) = records.next().await.transpose().with_context(context)? else {
            return Ok(None);
        };
        let found = record.key.parse().with_context(context)?;
        Ok(Some((found, label.row(record))))
    }

    fn label(&self) -> Label {
        Label {
            position: self.position,
            table: Arc::clone(&self.shown),
            column: self.key().name.as_str().into(),
        }
    }
}

/// What tells a row's place to people.
struct Label {
    position: usize,
    table: Arc<str>,
    column: Arc<str>,
}

impl Label {
    fn row(&self, record: connection::Record) -> Row {
        Row {
            target: self.position,
            place: Place::Table {
                table: Arc::clone(&self.table),
                column: Arc::clone(&self.column),
                key: record.key,
            },
            json: record.json,
            progress: 1,
        }
    }
}
