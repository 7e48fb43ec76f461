//! What a batch costs.
fn main() {}
