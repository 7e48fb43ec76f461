//! Founding stub.
