//! What the columns of a table hold, by their types' names in the database.

use anyhow::{Result, bail};
use sqlx::{
    Column as _, MySql, Type, TypeInfo,
    mysql::MySqlColumn,
    postgres::{PgColumn, PgTypeKind},
};

use crate::send::{
    address::Kind,
    tables::{TableName, quoted},
    value::{Reading, append},
};

/// One column of a table.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) reading: Reading,
    /// What to select.
    pub(super) expression: String,
    /// The JSON field's name with its colon.
    pub(super) field: Vec<u8>,
}

impl Column {
    fn new(kind: Kind, name: &str, reading: Reading) -> Self {
        let quoted = quoted(kind, name);
        let expression = match reading {
            // As text, MySQL rounds a FLOAT to six digits; as a DOUBLE it keeps them all.
            Reading::Single => format!("({quoted} + 0e0)"),
            _ => quoted,
        };
        let mut field = Vec::new();
        append(&mut field, name);
        field.push(b':');
        Self {
            name: name.to_owned(),
            reading,
            expression,
            field,
        }
    }

    /// A column of MySQL or MariaDB.
    pub(super) fn of_mysql(table: &TableName, column: &MySqlColumn) -> Result<Self> {
        let info = column.type_info();
        let reading = match info.name() {
            // TINYINT(1) is told as BOOLEAN, but holds a number like any other.
            "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "YEAR" => Reading::Whole,
            "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED" | "BIGINT UNSIGNED" => {
                Reading::Whole
            }
            "DECIMAL" | "DOUBLE" => Reading::Number,
            "FLOAT" => Reading::Single,
            "DATETIME" | "TIMESTAMP" | "DATE" => Reading::Moment,
            "TIME" | "SET" => Reading::Text,
            "JSON" => Reading::Json,
            // By the collation, not by the name: text with a binary collation is named as bytes are.
            _ if <str as Type<MySql>>::compatible(info) => Reading::Text,
            other => return unsupported(table, column.name(), other),
        };
        Ok(Self::new(Kind::MySql, column.name(), reading))
    }

    /// A column of PostgreSQL.
    pub(super) fn of_postgres(table: &TableName, column: &PgColumn) -> Result<Self> {
        let info = column.type_info();
        let reading = match info.name() {
            "INT2" | "INT4" | "INT8" => Reading::Whole,
            // A REAL is written with the fewest digits that name it, so it needs no reading of its own.
            "NUMERIC" | "FLOAT4" | "FLOAT8" => Reading::Number,
            "BOOL" => Reading::Truth,
            "TIMESTAMP" | "TIMESTAMPTZ" | "DATE" => Reading::Moment,
            "TEXT" | "VARCHAR" | "CHAR" | "\"CHAR\"" | "NAME" | "citext" | "UUID" | "TIME" => Reading::Text,
            "JSON" | "JSONB" => Reading::Json,
            _ if matches!(info.kind(), PgTypeKind::Enum(_)) => Reading::Text,
            other => return unsupported(table, column.name(), other),
        };
        Ok(Self::new(Kind::Postgres, column.name(), reading))
    }
}

fn unsupported(table: &TableName, column: &str, kind: &str) -> Result<Column> {
    bail!(
        "column `{column}` of table {table} is of type {kind}, which has no form in JSON; \
         leave it out by a view, and name that by --table"
    )
}
