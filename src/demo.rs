//! `pinlake demo`: the whole pipeline on generated rows, and what came out of it.

mod show;

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use chrono::Utc;
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::{MultiProgress, ProgressBar};
use pinlake_analytics::Summary;
use pinlake_dataset::DatasetName;
use serde_json::json;

use crate::{
    client::{Client, Outcome, ROWS_PER_REQUEST, Via},
    pipeline::{Claim, Options, Pipeline, STATE},
    report,
    rows::{DATASETS, Rows},
    terminal::{bar, say},
};

/// Runs the whole pipeline on rows made from a seed, and shows what came out.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where the demo keeps its state. What an earlier demo made there is removed first, and what was posted to it since.
    #[arg(long, value_name = "DIR", default_value = ".pinlake/demo")]
    state: PathBuf,
    /// Rows to post of each dataset.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rows: u32,
    /// The seed that the rows are made from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// In the demo's folder: the rows as posted, one per line, `<dataset>.jsonl`. Also the mark of a demo's folder.
const SENT: &str = "demo/sent";
/// Requests under way at once.
const CONCURRENCY: usize = 4;
/// How long the last rows may take to arrive before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// One dataset's rows and what became of them.
struct Posted {
    name: DatasetName,
    rows: Vec<Vec<u8>>,
    accepted: u64,
}

impl Demo {
    /// Runs the command. An error when the counts do not add up.
    pub async fn run(&self) -> Result<()> {
        let started = Instant::now();
        let claim = self.make_room()?;
        // The edge lets everything through here, so that the quarantine has something to show.
        let options = Options {
            validate: false,
            window: Duration::from_millis(500),
            ..Options::anywhere(&self.state)
        };
        let pipeline = Pipeline::start_on(claim, options).await?;
        say(format_args!(
            "posting {} rows of each dataset to {}, half to /streams, half to /topics",
            self.rows,
            pipeline.url()
        ));
        let outcome = self.play(&pipeline).await;
        pipeline.stop().await;
        let (posted, summary) = outcome?;

        let lake = Pipeline::lake_on_disk(&self.state)?;
        show::rows(&lake, &posted).await?;
        show::quarantine(&lake, &posted).await?;
        let sound = show::counts(&lake, &posted).await?;
        show::answers(&lake, &summary).await?;
        show::further(&self.state);
        let page = report::path(&self.state, &summary.page)?;
        say(format_args!(
            "\ndone in {:.1} s; the report is\n{}",
            started.elapsed().as_secs_f64(),
            page.display()
        ));
        ensure!(sound, "the counts do not add up");
        Ok(())
    }

    /// Removes what an earlier demo made, and only that: not another's folder, not while a pipeline runs on it.
    fn make_room(&self) -> Result<Claim> {
        let sent = self.state.join(SENT);
        if !sent.is_dir() && !Claim::is_unused(&self.state) {
            bail!(
                "{} holds something that is no demo's; name another folder with --state",
                self.state.display()
            );
        }
        let claim = Claim::on(&self.state)?;
        // The mark goes last, so that a demo that is broken off here can be repeated.
        for name in STATE.into_iter().chain(["demo"]) {
            let path = self.state.join(name);
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("could not remove {}", path.display()));
                }
                _ => {}
            }
        }
        fs::create_dir_all(&sent).with_context(|| format!("could not create {}", sent.display()))?;
        Ok(claim)
    }

    /// All that a day brings: rows by both ways, then the daily run and the upkeep.
    async fn play(&self, pipeline: &Pipeline) -> Result<(Vec<Posted>, Summary)> {
        let first = Utc::now().date_naive();
        let posted = self.fill(pipeline).await?;
        say(format_args!(
            "cleaning the raw objects, asking the reports, compacting the tables: the daily and the hourly function"
        ));
        // Two days if it is midnight.
        let days = json!({"from": first, "to": Utc::now().date_naive()});
        let summary = serde_json::from_value(pipeline.invoke("analytics", &days).await?)?;
        pipeline.invoke("maintain", &json!({ "time": Utc::now() })).await?;
        Ok((posted, summary))
    }

    /// Makes the rows, posts them and waits until all are stored, or in a raw object.
    async fn fill(&self, pipeline: &Pipeline) -> Result<Vec<Posted>> {
        let client = Client::new(pipeline.url().as_str())?;
        let total = u64::from(self.rows) * DATASETS.len() as u64;
        let bars = MultiProgress::new();
        let (sent, stored) = (
            bars.add(bar(total, "rows accepted")),
            bars.add(bar(total, "rows stored")),
        );
        let posts = DATASETS.map(|dataset| self.post(dataset, &client, &sent));
        let work = async {
            let posted = futures::future::try_join_all(posts).await?;
            let arrived = tokio::time::timeout(PATIENCE, async {
                pipeline.deliver_raw().await;
                pipeline.drained().await;
            })
            .await;
            arrived.with_context(|| format!("rows were still on their way after {} s", PATIENCE.as_secs()))?;
            Ok(posted)
        };
        let watch = async {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                stored.set_position(sent.position().saturating_sub(pipeline.behind()));
            }
        };
        let posted = tokio::select! {
            posted = work => posted,
            never = watch => never,
        };
        bars.clear()?;
        posted
    }

    async fn post(&self, dataset: &'static str, client: &Client, sent: &ProgressBar) -> Result<Posted> {
        let rows: Vec<_> = Rows::new(dataset, self.seed).take(self.rows as usize).collect();
        write_lines(&self.state.join(SENT).join(format!("{dataset}.jsonl")), &rows)?;
        // The first half to the tables: rows are shown from the beginning.
        let (streams, topics) = rows.split_at(rows.len().div_ceil(2));
        let topic = format!("demo.{dataset}");
        let stream = format!("streaming-demo-{dataset}");
        let requests = topics
            .chunks(ROWS_PER_REQUEST)
            .map(|chunk| (Via::Topics, topic.as_str(), chunk))
            .chain(
                streams
                    .chunks(ROWS_PER_REQUEST)
                    .map(|chunk| (Via::Streams, stream.as_str(), chunk)),
            );
        let accepted = stream::iter(requests)
            .map(|(via, name, chunk)| async move {
                let outcomes = client.post(via, name, chunk).await?;
                let accepted = outcomes.iter().filter(|outcome| **outcome == Outcome::Accepted).count() as u64;
                sent.inc(accepted);
                Ok::<_, anyhow::Error>(accepted)
            })
            .buffer_unordered(CONCURRENCY)
            .try_fold(0, |sum, accepted| async move { Ok(sum + accepted) })
            .await?;
        Ok(Posted {
            name: DatasetName::parse(dataset)?,
            rows,
            accepted,
        })
    }
}

fn write_lines(path: &Path, rows: &[Vec<u8>]) -> Result<()> {
    let write = || {
        let mut file = BufWriter::new(fs::File::create(path)?);
        for row in rows {
            file.write_all(row)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    };
    write().with_context(|| format!("could not write {}", path.display()))
}
