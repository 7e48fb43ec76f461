//! `pinlake send`: posts rows from a file, and says what became of each.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::ProgressBar;

use crate::{
    client::{BYTES_PER_REQUEST, Client, Outcome, ROWS_PER_REQUEST, Via, abridge},
    terminal::{bar, say},
};

/// Posts rows, one JSON object per line, and says what became of each.
#[derive(Debug, Args)]
pub struct Send {
    /// Where to post: `http://host:port`, with the stage if there is one.
    #[arg(long, value_name = "URL")]
    to: String,
    /// The dataset, or a topic or stream name that ends in it.
    #[arg(long, value_name = "NAME")]
    dataset: String,
    /// Which API to use.
    #[arg(long, value_enum, default_value = "streams")]
    via: Via,
    /// A file of JSON lines, or `-` for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Refused rows are shown up to here; the rest is counted.
const SHOWN: usize = 10;

#[derive(Default)]
struct Tally {
    accepted: usize,
    rejected: usize,
    failed: usize,
}

impl Send {
    /// Runs the command. An error when any row was not accepted.
    pub async fn run(&self) -> Result<()> {
        let client = Client::new(&self.to)?;
        let (mut reader, size) = self.open()?;
        let progress = if io::stderr().is_terminal() {
            bar(size, "bytes sent")
        } else {
            ProgressBar::hidden()
        };

        let mut tally = Tally::default();
        let (mut lines, mut batch, mut bytes) = (0_usize, Vec::new(), 0);
        loop {
            let mut line = Vec::new();
            let read = reader
                .read_until(b'\n', &mut line)
                .with_context(|| format!("could not read {}", self.file.display()))?;
            if read > 0 {
                lines += 1;
                let row = line.strip_suffix(b"\n").unwrap_or(&line);
                let row = row.strip_suffix(b"\r").unwrap_or(row);
                if !row.trim_ascii().is_empty() {
                    bytes += row.len();
                    batch.push((lines, row.to_vec()));
                }
            }
            let full = batch.len() >= ROWS_PER_REQUEST || bytes >= BYTES_PER_REQUEST;
            if full || (read == 0 && !batch.is_empty()) {
                self.post(&client, &progress, std::mem::take(&mut batch), &mut tally)
                    .await?;
                bytes = 0;
            }
            progress.inc(read as u64);
            if read == 0 {
                break;
            }
        }
        progress.finish_and_clear();
        let Tally {
            accepted,
            rejected,
            failed,
        } = tally;
        say(format_args!(
            "{} sent: {accepted} accepted, {rejected} rejected, {failed} failed",
            accepted + rejected + failed
        ));
        if rejected + failed > 0 {
            bail!("{} rows were not accepted", rejected + failed);
        }
        Ok(())
    }

    fn open(&self) -> Result<(Box<dyn BufRead + std::marker::Send>, u64)> {
        if self.file.as_os_str() == "-" {
            return Ok((Box::new(BufReader::new(io::stdin())), 0));
        }
        let context = || format!("could not open {}", self.file.display());
        let file = File::open(&self.file).with_context(context)?;
        let size = file.metadata().with_context(context)?.len();
        Ok((Box::new(BufReader::new(file)), size))
    }

    async fn post(
        &self,
        client: &Client,
        progress: &ProgressBar,
        batch: Vec<(usize, Vec<u8>)>,
        tally: &mut Tally,
    ) -> Result<()> {
        let (lines, rows): (Vec<usize>, Vec<Vec<u8>>) = batch.into_iter().unzip();
        let outcomes = client.post(self.via, &self.dataset, &rows).await?;
        for ((line, row), outcome) in lines.iter().zip(&rows).zip(outcomes) {
            let (word, reason) = match outcome {
                Outcome::Accepted => {
                    tally.accepted += 1;
                    continue;
                }
                Outcome::Rejected(reason) => {
                    tally.rejected += 1;
                    ("rejected", reason)
                }
                Outcome::Failed(reason) => {
                    tally.failed += 1;
                    ("failed", reason)
                }
            };
            if tally.rejected + tally.failed <= SHOWN {
                progress.suspend(|| say(format_args!("line {line} {word}: {reason}\n  {}", abridge(row, 100))));
            }
        }
        Ok(())
    }
}
