//! What is wrong with a file, and in which line.

use std::{fmt, ops::Range};

/// Every mistake found, one line each: `file:line: reason`.
#[derive(Debug, thiserror::Error)]
#[error("{}", .mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct DefinitionError {
    mistakes: Vec<Mistake>,
}

/// One mistake in a file of declarations: a dataset's definition, a report's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file's name as given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

impl DefinitionError {
    pub(crate) fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes }
    }

    pub(crate) fn at_line(file: &str, line: usize, reason: String) -> Self {
        Self::new(vec![Mistake {
            file: file.to_owned(),
            line,
            reason,
        }])
    }

    /// The mistakes, in the order of the files and lines.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    pub(crate) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes
    }
}

/// The file being read, and what was found wrong in it so far.
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) mistakes: Vec<Mistake>,
}

impl Source<'_> {
    /// Notes a mistake at a place of the text, in bytes.
    pub(super) fn mistake(&mut self, span: Range<usize>, reason: String) {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        self.mistakes.push(Mistake {
            file: self.file.to_owned(),
            line,
            reason,
        });
    }
}
