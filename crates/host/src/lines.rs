//! Lines kept in memory as they are written: metrics and log lines of a run on one machine, to be looked at afterwards.

use std::{
    io,
    string::FromUtf8Error,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

/// What was written. Cheap to clone: clones write to the same place.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// All of it, as text.
    ///
    /// # Errors
    /// It is none.
    pub fn text(&self) -> Result<String, FromUtf8Error> {
        String::from_utf8(self.bytes())
    }

    /// Each line, as JSON.
    ///
    /// # Errors
    /// A line is no JSON.
    pub fn json(&self) -> Result<Vec<Value>, serde_json::Error> {
        let bytes = self.bytes();
        match bytes.strip_suffix(b"\n") {
            None if bytes.is_empty() => Ok(Vec::new()),
            ended => {
                let lines = ended.unwrap_or(&bytes).split(|byte| *byte == b'\n');
                lines.map(serde_json::from_slice).collect()
            }
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
