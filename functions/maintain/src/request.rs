//! What an event asks for. The schedule's own event asks for nothing in particular: all tables.

use pinlake_dataset::{Catalog, DatasetName};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;

/// An event: any JSON object. EventBridge's fields are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Request {
    /// Only these datasets; all if there are none.
    #[serde(default)]
    pub datasets: Vec<String>,
    /// Only say what there is to do.
    #[serde(default)]
    pub dry_run: bool,
}

impl Request {
    /// Reads an event.
    ///
    /// # Errors
    /// [`Error::Event`] if it is no JSON object, or one of the fields has another type.
    pub fn parse(event: &[u8]) -> Result<Self, Error> {
        // serde would take an array for a struct, too.
        let object: Map<String, Value> = serde_json::from_slice(event).map_err(Error::Event)?;
        serde_json::from_value(Value::Object(object)).map_err(Error::Event)
    }

    /// # Errors
    /// [`Error::NoDataset`] if one is asked for that the catalog does not have.
    pub(crate) fn check(&self, catalog: &[DatasetName]) -> Result<(), Error> {
        let known = |name: &&String| catalog.iter().any(|dataset| dataset.as_str() == name.as_str());
        match self.datasets.iter().find(|name| !known(name)) {
            Some(name) => Err(Error::NoDataset { name: name.clone() }),
            None => Ok(()),
        }
    }

    pub(crate) fn asks_for(&self, dataset: &DatasetName) -> bool {
        self.datasets.is_empty() || self.datasets.iter().any(|name| name == dataset.as_str())
    }
}

/// The names of a catalog's datasets.
pub(crate) fn names(catalog: &Catalog) -> Vec<DatasetName> {
    catalog.iter().map(|definition| definition.name().clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedules_event_asks_for_everything() {
        let event =
            br#"{"version":"0","detail-type":"Scheduled Event","source":"aws.events","resources":[],"detail":{}}"#;
        let request = Request::parse(event).unwrap();
        assert_eq!(request, Request::default());
        assert!(request.asks_for(&DatasetName::parse("pin").unwrap()));
    }

    #[test]
    fn an_event_can_ask_for_less() {
        let request = Request::parse(br#"{"datasets":["pin"],"dry_run":true}"#).unwrap();
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| DatasetName::parse(name).unwrap())
                .collect::<Vec<_>>()
        };
        assert!(request.dry_run);
        assert!(request.asks_for(&names(&["pin"])[0]) && !request.asks_for(&names(&["geo"])[0]));
        assert!(request.check(&names(&["geo", "pin"])).is_ok());
        let error = request.check(&names(&["geo"])).unwrap_err();
        assert_eq!(error.to_string(), "`pin` is no dataset");
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for event in [&b""[..], b"[]", b"{", br#"{"datasets":"pin"}"#, br#"{"dry_run":1}"#] {
            assert!(matches!(Request::parse(event), Err(Error::Event(_))));
        }
    }
}
