//! `pinlake up`: the whole pipeline on this machine, until Ctrl-C.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use crate::{
    pipeline::{Auth, BUCKET, Options, Pipeline, loopback},
    terminal::say,
};

/// Runs the whole pipeline on loopback, until Ctrl-C. A restart goes on where it stopped.
#[derive(Debug, Args)]
pub struct Up {
    /// Port of the API. S3, Kinesis and Firehose take the three ports after it; 0 takes any four.
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u16).range(..=65532))]
    port: u16,
    /// Where everything is kept.
    #[arg(long, value_name = "DIR", default_value = ".pinlake")]
    state: PathBuf,
    /// A folder of dataset definitions to use instead of those compiled in.
    #[arg(long, value_name = "DIR")]
    datasets: Option<String>,
    /// Let every record through, to be judged by the stream: what `INGEST_VALIDATION=off` does.
    #[arg(long)]
    no_validation: bool,
    /// How long the stream gathers a batch, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(..=300_000))]
    window: u64,
    /// How long Firehose gathers a raw object, in seconds.
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(..=900))]
    raw_interval: u64,
    /// Who may call the API, as a stack's parameter ApiAuth says it.
    ///
    /// With aws-iam requests are signed (SigV4, service execute-api, region us-east-1) with the access key id
    /// `pinlake` and the secret `pinlake-local`, or else get the 403 that API Gateway would answer. The report page
    /// needs no signature.
    #[arg(long, value_enum, default_value = "none")]
    auth: Auth,
    /// Take no more than AWS does: of a shard 1 MB/s and 1,000 records/s, of a delivery stream 1 MiB/s, 1,000 requests/s
    /// and 100,000 records/s.
    #[arg(long)]
    aws_limits: bool,
    /// An S3 of this machine to keep the lake in, instead of one in the state folder: `http://127.0.0.1:5000`, say. The
    /// bucket is made there if it is missing.
    #[arg(long, value_name = "URL", value_parser = loopback)]
    s3_endpoint: Option<Url>,
    /// A Kinesis of this machine to keep the streams in, instead of one in the state folder: `http://127.0.0.1:4567`,
    /// say. The streams are made there if they are missing; how far they are read is kept in the state folder.
    #[arg(long, value_name = "URL", value_parser = loopback)]
    kinesis_endpoint: Option<Url>,
}

impl Up {
    /// Runs the command.
    pub async fn run(&self) -> Result<()> {
        // Both before anything starts: a signal during the start is not lost.
        let mut interrupted = signal(SignalKind::interrupt()).context("could not listen for Ctrl-C")?;
        let mut terminated = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
        let pipeline = Pipeline::start(Options {
            state: self.state.clone(),
            port: self.port,
            datasets: self.datasets.clone(),
            validate: !self.no_validation,
            window: Duration::from_millis(self.window),
            raw_interval: Duration::from_secs(self.raw_interval),
            auth: self.auth,
            aws_limits: self.aws_limits,
            metrics: None,
            s3_endpoint: self.s3_endpoint.clone(),
            kinesis_endpoint: self.kinesis_endpoint.clone(),
        })
        .await?;
        let api = pipeline.url();
        let lake = match self.s3_endpoint {
            None => self.state.join("s3").join(BUCKET).display().to_string(),
            Some(_) => format!("s3://{BUCKET}"),
        };
        say(format_args!(
            "Pinlake is listening\n  \
             API       {api}  (PUT {api}streams/<name>/records, POST {api}topics/<name>, GET {api}openapi.json)\n  \
             S3        {}  (bucket {BUCKET}, path style)\n  \
             Kinesis   {}\n  \
             Firehose  {}\n  \
             tables    {lake}/tables/<dataset>, quarantine and raw beside them\n  \
             report    {api}report  (daily; `pinlake run analytics` makes one now)\n\
             Ctrl-C stops it; a restart goes on where it stopped.",
            pipeline.s3_url(),
            pipeline.kinesis_url(),
            pipeline.firehose_url(),
        ));
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        say(format_args!("stopping: what is under way is finished first"));
        pipeline.stop().await;
        say(format_args!("stopped"));
        Ok(())
    }
}
