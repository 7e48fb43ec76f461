//! Which dataset lies in which table of the database.

use std::fmt;

use anyhow::{Result, bail};
use pinlake_dataset::DatasetName;

use super::address::Kind;

/// The predecessor's tables.
const DEFAULTS: [(&str, &str); 3] = [
    ("pin", "pinterest_data"),
    ("geo", "geolocation_data"),
    ("user", "user_data"),
];

/// A dataset's table, and the topic or stream name that its rows are posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) table: TableName,
}

/// A table's name, with its schema's if one is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableName {
    pub(super) schema: Option<String>,
    pub(super) name: String,
}

/// One `--table DATASET=TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    dataset: DatasetName,
    table: TableName,
}

impl Choice {
    /// Parses `pin=pinterest_data` or `pin=archive.pinterest_data`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (dataset, table) = text.split_once('=').ok_or("it looks like DATASET=TABLE")?;
        let dataset = DatasetName::parse(dataset).map_err(|error| error.to_string())?;
        let (schema, name) = match table.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, table),
        };
        if name.is_empty() || schema.is_some_and(str::is_empty) {
            return Err("the table's name is missing".into());
        }
        let table = TableName {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        };
        Ok(Self { dataset, table })
    }
}

/// What to send: the datasets named, or else those of the default tables and of `--table`.
pub(super) fn choose(names: &[String], choices: &[Choice]) -> Result<Vec<Target>> {
    let mut names = names.to_vec();
    if names.is_empty() {
        names.extend(DEFAULTS.map(|(dataset, _)| dataset.to_owned()));
        for Choice { dataset, .. } in choices {
            if !names.iter().any(|name| name == dataset.as_str()) {
                names.push(dataset.to_string());
            }
        }
    }
    let mut datasets = Vec::new();
    let mut targets = Vec::new();
    for name in names {
        let dataset = DatasetName::from_route(&name)?;
        let chosen = choices.iter().rfind(|choice| choice.dataset == dataset);
        let default = DEFAULTS.iter().find(|(default, _)| *default == dataset.as_str());
        let table = match (chosen, default) {
            (Some(choice), _) => choice.table.clone(),
            (None, Some((_, table))) => TableName {
                schema: None,
                name: (*table).to_owned(),
            },
            (None, None) => bail!("which table holds `{dataset}`? say so by --table {dataset}=TABLE"),
        };
        datasets.push(dataset);
        targets.push(Target { name, table });
    }
    if let Some(Choice { dataset, table }) = choices.iter().find(|choice| !datasets.contains(&choice.dataset)) {
        bail!("--table names {table} for `{dataset}`, which --dataset leaves out");
    }
    Ok(targets)
}

impl TableName {
    /// For SQL.
    pub(super) fn quoted(&self, kind: Kind) -> String {
        let parts = self.schema.iter().chain([&self.name]);
        parts.map(|part| quoted(kind, part)).collect::<Vec<_>>().join(".")
    }
}

/// An identifier for SQL, whatever its characters.
pub(super) fn quoted(kind: Kind, identifier: &str) -> String {
    let quote = match kind {
        Kind::MySql => "`",
        Kind::Postgres => "\"",
    };
    format!("{quote}{}{quote}", identifier.replace(quote, &quote.repeat(2)))
}

/// For people.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "`{schema}.{}`", self.name),
            None => write!(f, "`{}`", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str], choices: &[&str]) -> Result<Vec<String>> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let choices: Vec<_> = choices.iter().map(|choice| Choice::parse(choice).unwrap()).collect();
        let targets = choose(&names, &choices)?;
        Ok(targets
            .iter()
            .map(|target| format!("{} {}", target.name, target.table))
            .collect())
    }

    #[test]
    fn the_predecessor_s_tables_are_the_default() {
        assert_eq!(
            chosen(&[], &[]).unwrap(),
            ["pin `pinterest_data`", "geo `geolocation_data`", "user `user_data`"]
        );
        assert_eq!(chosen(&["x.geo"], &[]).unwrap(), ["x.geo `geolocation_data`"]);
    }

    #[test]
    fn tables_can_be_replaced_and_added() {
        assert_eq!(
            chosen(&[], &["board=boards", "pin=old.pins"]).unwrap(),
            [
                "pin `old.pins`",
                "geo `geolocation_data`",
                "user `user_data`",
                "board `boards`"
            ]
        );
        assert_eq!(chosen(&["board"], &["board=boards"]).unwrap(), ["board `boards`"]);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for (names, choices, told) in [
            (vec!["board"], vec![], "--table board=TABLE"),
            (
                vec!["geo"],
                vec!["pin=pins"],
                "`pins` for `pin`, which --dataset leaves out",
            ),
            (vec!["Geo"], vec![], "`Geo` is no dataset name"),
        ] {
            let error = chosen(&names, &choices).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        for wrong in ["pins", "pin=", "pin=.pins", "pin=old.", "Pin=pins"] {
            assert!(Choice::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn quoting_leaves_no_way_out() {
        assert_eq!(quoted(Kind::MySql, "a`b\"c"), "`a``b\"c`");
        assert_eq!(quoted(Kind::Postgres, "a`b\"c"), "\"a`b\"\"c\"");
        let Choice { table, .. } = Choice::parse("pin=old.pins\"; DROP TABLE pins; --").unwrap();
        assert_eq!(
            table.quoted(Kind::Postgres),
            "\"old\".\"pins\"\"; DROP TABLE pins; --\""
        );
    }
}
