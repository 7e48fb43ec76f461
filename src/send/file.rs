//! Rows from a file or standard input, one JSON object per line.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::source::{Place, Row};

/// The lines of a file that are not blank.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    line: u64,
    /// How many more to read; `None`: all.
    left: Option<u64>,
}

impl Lines {
    /// Opens a file, or standard input for `-`, of which at most so many lines are read. Also its size in bytes; 0 if
    /// that is unknown.
    pub(super) fn open(path: &Path, count: Option<u64>) -> Result<(Self, u64)> {
        let (reader, size): (Box<dyn BufRead + Send>, u64) = if path.as_os_str() == "-" {
            (Box::new(BufReader::new(io::stdin())), 0)
        } else {
            let context = || format!("could not open {}", path.display());
            let file = File::open(path).with_context(context)?;
            let size = file.metadata().with_context(context)?.len();
            (Box::new(BufReader::new(file)), size)
        };
        let lines = Self {
            path: path.to_owned(),
            reader,
            line: 0,
            left: count,
        };
        Ok((lines, size))
    }

    /// The next line that is not blank.
    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        let mut progress = 0;
        while self.left != Some(0) {
            let mut line = Vec::new();
            let read = self
                .reader
                .read_until(b'\n', &mut line)
                .with_context(|| format!("could not read {}", self.path.display()))?;
            if read == 0 {
                break;
            }
            self.line += 1;
            progress += read as u64;
            if line.ends_with(b"\n") {
                line.pop();
            }
            if line.ends_with(b"\r") {
                line.pop();
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            self.left = self.left.map(|left| left - 1);
            return Ok(Some(Row {
                target: 0,
                place: Place::Line(self.line),
                json: Ok(line),
                progress,
            }));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, count: Option<u64>) -> Vec<(u64, String, u64)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, text).unwrap();
        let (mut lines, size) = Lines::open(&path, count).unwrap();
        assert_eq!(size, text.len() as u64);
        std::iter::from_fn(|| lines.next().unwrap())
            .map(|row| match row.place {
                Place::Line(line) => (line, String::from_utf8(row.json.unwrap()).unwrap(), row.progress),
                place => unreachable!("{place}"),
            })
            .collect()
    }

    #[test]
    fn lines_keep_their_numbers_and_blank_ones_go() {
        assert_eq!(
            lines("{\"a\":1}\r\n\n \t\n {\"a\":2} \n{\"a\":3}", None),
            [
                (1, "{\"a\":1}".into(), 9),
                (4, " {\"a\":2} ".into(), 14),
                (5, "{\"a\":3}".into(), 7)
            ]
        );
    }

    #[test]
    fn a_count_ends_the_file_early() {
        let numbers = |count| {
            lines("1\n\n2\n3\n", count)
                .iter()
                .map(|(line, ..)| *line)
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(Some(2)), [1, 3]);
        assert_eq!(numbers(Some(9)), [1, 3, 4]);
        assert!(numbers(Some(0)).is_empty());
    }
}
