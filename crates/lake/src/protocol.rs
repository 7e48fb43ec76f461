//! What a table may ask of those who write it.
//!
//! Delta tables say which features a writer must master. Pinlake appends files with plain columns and `txn` actions: that
//! is writer version 2, or version 7 with features that an appender fulfils by doing nothing.

use deltalake_core::kernel::{Metadata, Protocol};

use crate::error::Error;

/// The protocol of the tables that Pinlake creates: the oldest that knows append-only tables and partitions, which every
/// reader understands.
pub(crate) const CREATED: (i32, i32) = (1, 2);

/// Features that do not concern an appender: what they forbid, it never does, and what they allow, it need not do.
/// Invariants are among them because the columns are checked for some on their own; a day is replaced only after
/// [`check_removal`].
const HARMLESS: [&str; 4] = ["appendOnly", "invariants", "v2Checkpoint", "vacuumProtocolCheck"];

/// # Errors
/// [`Error::Unsupported`] names the first version or feature that Pinlake does not know.
pub(crate) fn check(table: &str, protocol: &Protocol) -> Result<(), Error> {
    let refuse = |requirement: String| {
        Err(Error::Unsupported {
            table: table.to_owned(),
            requirement,
        })
    };
    let (reader, writer) = (protocol.min_reader_version(), protocol.min_writer_version());
    if reader != 1 && reader != 3 {
        return refuse(format!("reader version {reader}"));
    }
    if writer > 2 && writer != 7 {
        return refuse(format!("writer version {writer}"));
    }
    let features = protocol
        .reader_features()
        .into_iter()
        .chain(protocol.writer_features())
        .flatten();
    match features
        .map(|feature| feature.to_string())
        .find(|feature| !HARMLESS.contains(&feature.as_str()))
    {
        Some(feature) => refuse(format!("feature `{feature}`")),
        None => Ok(()),
    }
}

/// A table may have been made append-only by its owner.
///
/// # Errors
/// [`Error::Unsupported`] if rows may not be removed from it.
pub(crate) fn check_removal(table: &str, metadata: &Metadata) -> Result<(), Error> {
    match metadata.configuration().get("delta.appendOnly").map(String::as_str) {
        Some("true") => Err(Error::Unsupported {
            table: table.to_owned(),
            requirement: "that nothing is removed (`delta.appendOnly`)".to_owned(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_removed_from_an_append_only_table() {
        let columns = deltalake_core::kernel::StructType::try_new(Vec::new()).unwrap();
        for (settings, refused) in [
            (vec![], false),
            (vec![("delta.appendOnly", "false")], false),
            (vec![("delta.appendOnly", "true")], true),
        ] {
            let metadata =
                deltalake_core::kernel::new_metadata(&columns, Vec::<String>::new(), settings.clone()).unwrap();
            assert_eq!(check_removal("t", &metadata).is_err(), refused, "{settings:?}");
        }
    }

    fn checked(protocol: &str) -> Result<(), String> {
        check("t", &serde_json::from_str(protocol).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_an_appender_fulfils_is_accepted() {
        for protocol in [
            r#"{"minReaderVersion":1,"minWriterVersion":2}"#,
            r#"{"minReaderVersion":1,"minWriterVersion":1}"#,
            r#"{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["appendOnly","invariants"]}"#,
            r#"{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["v2Checkpoint"],"writerFeatures":["v2Checkpoint"]}"#,
        ] {
            assert_eq!(checked(protocol), Ok(()), "{protocol}");
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for (protocol, requirement) in [
            (r#"{"minReaderVersion":1,"minWriterVersion":4}"#, "writer version 4"),
            (r#"{"minReaderVersion":2,"minWriterVersion":5}"#, "reader version 2"),
            (
                r#"{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}"#,
                "feature `deletionVectors`",
            ),
            (
                r#"{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["fromTheFuture"]}"#,
                "feature `fromTheFuture`",
            ),
        ] {
            let message = checked(protocol).unwrap_err();
            assert!(message.contains(requirement), "{message}");
        }
    }
}
