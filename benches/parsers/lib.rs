//! Which JSON parser? See `benches/parser.rs`.
