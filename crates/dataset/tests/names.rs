//! An unknown field's name is the sender's: of any length in the record, short in the refusal.
#![allow(clippy::unwrap_used, missing_docs)]

use pinlake_dataset::{Catalog, Limits, check};

#[test]
fn a_name_of_any_length_gives_a_short_refusal() {
    let catalog = Catalog::built_in();
    let definition = catalog.route("pin").unwrap();
    // What takes four bytes, what takes six when it is written again, and what an escape stands for.
    for character in ["x", "😀", "\\u0000", "\\\"", "\\\\"] {
        let name = character.repeat(500_000 / character.len());
        let record = format!("{{\"{name}\":1,\"{name}\":1}}");
        let rejection = check(definition, Limits::default(), record.as_bytes()).unwrap_err();
        assert_eq!(rejection.reason, "stands there twice");
        let field = rejection.field.unwrap();
        assert!(field.ends_with('…'), "{field}");
        // As an answer of Lambda has it: JSON text within JSON text.
        let body = serde_json::to_string(&field).unwrap();
        let answer = serde_json::to_string(&body[1..body.len() - 1]).unwrap();
        assert!(answer.len() <= 2 + 128 + '…'.len_utf8(), "{answer}");
    }
}
