//! `pinlake send`: posts rows from a file or a database, and says what became of each.
//!
//! ```text
//! file or tables ─► rounds (a batch per target) ─► pace ─► client, which sends again what may yet succeed ─► tally
//! ```

mod address;
mod credentials;
mod database;
mod file;
mod latency;
mod pace;
mod source;
mod tables;
mod tally;
mod value;

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Error, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use self::{
    address::Address,
    credentials::Login,
    file::Lines,
    pace::Pace,
    source::{Place, Row, Source},
    tally::Tally,
};
use crate::{
    client::{ApiKey, BYTES_PER_REQUEST, Caller, Client, Outcome, ROWS_PER_REQUEST, Retry, Sent, Signer, Via, abridge},
    terminal::{bar, say},
};

/// Posts rows from a file or a database, and says what became of each.
///
/// From a file each line is posted as it is. From a database each row becomes a JSON object of its columns: numbers keep
/// every digit, times are UTC text as in 2020-08-28 03:52:47, NULL is null; a column of bytes, or of a type that JSON has
/// no form for, is refused before anything is sent.
///
/// What the service has no room for at the moment, and what breaks on the way, is sent again with growing pauses, and only
/// that. The exit code is 0 only if every row was accepted.
#[derive(Debug, Args)]
#[command(
    after_long_help = EXAMPLES,
    override_usage = "pinlake send --to <URL> --dataset <NAME> [OPTIONS] <FILE>\n       \
                      pinlake send --to <URL> --from <URL> [OPTIONS]"
)]
pub struct Send {
    /// Where to post: `http://host:port`, with the stage if there is one.
    #[arg(long, value_name = "URL")]
    to: String,
    /// The dataset, or a topic or stream name that ends in it. From a database, which ones to send.
    ///
    /// May be given several times with --from. Without it --from sends pin, geo, user and every dataset named by --table.
    #[arg(long, value_name = "NAME", required_unless_present = "from")]
    dataset: Vec<String>,
    /// Which API to use.
    #[arg(long, value_enum, default_value = "streams")]
    via: Via,
    /// Sign requests with AWS credentials, as an API with ApiAuth=AWS_IAM demands.
    ///
    /// Credentials are those of the AWS command line: environment, profile, or the machine's role. The region is the one in
    /// the URL, or else AWS_REGION or the profile's. For an API with ApiAuth=API_KEY put the key into PINLAKE_API_KEY.
    #[arg(long)]
    sign: bool,
    /// A file of JSON lines, or `-` for standard input.
    #[arg(value_name = "FILE", required_unless_present = "from", conflicts_with = "from")]
    file: Option<PathBuf>,

    /// Read from this database: mysql://USER@HOST/DATABASE, mariadb://… or postgres://….
    ///
    /// The URL holds no password; see the end of this help. Parameters are the driver's, such as
    /// ?sslmode=verify-full (PostgreSQL) or ?ssl-mode=VERIFY_IDENTITY (MySQL).
    #[arg(long, value_name = "URL", help_heading = "From a database")]
    from: Option<String>,
    /// A TOML file with `password = "…"` and maybe `user = "…"`, readable by its owner only.
    #[arg(long, value_name = "FILE", requires = "from", help_heading = "From a database")]
    credentials: Option<PathBuf>,
    /// The table, as NAME or SCHEMA.NAME, of a dataset. May be given several times.
    ///
    /// The defaults are pin=pinterest_data, geo=geolocation_data and user=user_data.
    #[arg(long, value_name = "DATASET=TABLE", requires = "from", help_heading = "From a database",
          value_parser = tables::Choice::parse)]
    table: Vec<tables::Choice>,
    /// Draw keys at random and post the row of each table that has the key; without --count until Ctrl-C.
    ///
    /// Keys are drawn evenly between the first table's lowest and highest. Without it all rows are posted, ordered by the
    /// primary key or else the first column.
    #[arg(long, requires = "from", help_heading = "From a database")]
    random: bool,
    /// Where the random draws start: the same seed draws the same keys again.
    #[arg(long, value_name = "N", requires = "random", help_heading = "From a database")]
    seed: Option<u64>,

    /// Stop after this many rows of each dataset; with --random, after this many keys.
    #[arg(long, value_name = "N", help_heading = "How much and how fast")]
    count: Option<u64>,
    /// Post this many rows a second, evenly, all datasets together; 0.5 is a row every two seconds.
    #[arg(long, value_name = "N", value_parser = rate, help_heading = "How much and how fast")]
    rate: Option<f64>,
    /// How often a row is tried before it counts as failed.
    #[arg(long, value_name = "N", default_value_t = Retry::default().tries, help_heading = "How much and how fast",
          value_parser = clap::value_parser!(u32).range(1..))]
    tries: u32,
    /// How long a row is tried before it counts as failed, in seconds.
    #[arg(long, value_name = "S", default_value_t = Retry::default().patience.as_secs(),
          help_heading = "How much and how fast")]
    patience: u64,
}

const EXAMPLES: &str = "\
Passwords:
  A password is read from --credentials FILE, or else from PINLAKE_DB_PASSWORD; failing that, from MYSQL_PWD for MySQL,
  from PGPASSWORD, PGPASSFILE and ~/.pgpass for PostgreSQL. The user is named by the URL, the file, or PINLAKE_DB_USER.
  It is never taken from the command line, where others could see it, and never shown.

Examples:
  Lines of a file:
    pinlake send --to http://127.0.0.1:3000 --dataset pin rows.jsonl
  The same to a deployed API, whose URL is an output of the stack:
    pinlake send --to https://a1b2c3.execute-api.eu-west-1.amazonaws.com/dev --sign --dataset pin rows.jsonl
  All rows of the three tables, 200 a second:
    pinlake send --to http://127.0.0.1:3000 --from mysql://reader@db.example.org/pinterest --credentials db.toml --rate 200
  A random post, that is a row of each table, every two seconds until Ctrl-C:
    pinlake send --to http://127.0.0.1:3000 --from postgres://reader@localhost/pinterest --random --rate 1.5 --via topics";

/// Refused rows are shown up to here; the rest is counted.
const SHOWN: u64 = 10;

impl Send {
    /// Runs the command. An error when any row was not accepted.
    pub async fn run(&self) -> Result<()> {
        let client = Client::new(&self.to)?
            .with_caller(self.caller().await?)
            .with_retry(Retry {
                tries: self.tries,
                patience: Duration::from_secs(self.patience),
            });
        let stop = CancellationToken::new();
        end_on_ctrl_c(stop.clone());
        let (names, source, progress) = self.open(&stop).await?;
        let endless = self.random && self.count.is_none();
        let mut sending = Sending {
            tally: Tally::new(names.iter().cloned())?,
            client,
            via: self.via,
            names,
            source,
            pace: Pace::new(self.rate),
            progress,
            started: Instant::now(),
        };
        let outcome = sending.run(&stop).await;
        sending.summarise();
        if outcome.is_err() {
            say(format_args!("what comes after these rows was not sent"));
        }
        outcome?;
        match sending.tally.not_accepted() {
            0 if stop.is_cancelled() && !endless => bail!("stopped before the last row"),
            0 => Ok(()),
            rows => bail!("{rows} rows were not accepted"),
        }
    }

    /// Who the rows are posted as.
    async fn caller(&self) -> Result<Caller> {
        if self.sign {
            return Ok(Caller::Signing(Signer::from_environment(&self.to).await?));
        }
        match std::env::var("PINLAKE_API_KEY") {
            Ok(key) if !key.is_empty() => Ok(Caller::Keyed(ApiKey::new(&key)?)),
            _ => Ok(Caller::Anybody),
        }
    }

    /// The names to post to, where the rows come from, and a bar for how far they are.
    async fn open(&self, stop: &CancellationToken) -> Result<(Vec<String>, Source, ProgressBar)> {
        let watched = io::stderr().is_terminal();
        let bar = |length, what| {
            if watched {
                bar(length, what)
            } else {
                ProgressBar::hidden()
            }
        };
        let Some(url) = &self.from else {
            let [name] = &self.dataset[..] else {
                bail!(
                    "the rows of a file are of one dataset, but --dataset names {}",
                    self.dataset.len()
                );
            };
            let (lines, size) = Lines::open(self.file.as_deref().unwrap_or("-".as_ref()), self.count)?;
            let stop = stop.clone();
            return Ok((
                vec![name.clone()],
                Source::File { lines, stop },
                bar(size, "bytes sent"),
            ));
        };
        let address = Address::parse(url)?;
        let lookup = |name: &str| std::env::var(name).ok();
        let login = Login::find(self.credentials.as_deref(), address.kind, lookup)?;
        let targets = tables::choose(&self.dataset, &self.table)?;
        let seed = self.random.then(|| {
            self.seed.unwrap_or_else(|| {
                let seed = rand::random();
                say(format_args!("drawing from --seed {seed}"));
                seed
            })
        });
        let selection = database::Selection {
            seed,
            count: self.count,
        };
        let (rows, total) = database::read(&address, &login, &targets, selection, watched).await?;
        let progress = match total {
            Some(total) => bar(total, "rows sent"),
            None if watched => ProgressBar::no_length().with_style(
                ProgressStyle::with_template("{msg:>16} {human_pos}, {per_sec}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            ),
            None => ProgressBar::hidden(),
        };
        let source = Source::Database {
            rows,
            absent: vec![0; targets.len()],
            stop: stop.clone(),
        };
        let names = targets.into_iter().map(|target| target.name).collect();
        Ok((names, source, progress.with_message("rows sent")))
    }
}

/// A rate that rows can be sent at.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e9).contains(&rate) => Ok(rate),
        _ => Err("a number of rows a second, from 0.001 on".into()),
    }
}

/// The first Ctrl-C ends the reading, so that what was read is still sent and told; the second ends everything.
fn end_on_ctrl_c(stop: CancellationToken) {
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
}

/// The rows under way.
struct Sending {
    client: Client,
    via: Via,
    /// The topic or stream name of each target.
    names: Vec<String>,
    source: Source,
    pace: Pace,
    progress: ProgressBar,
    tally: Tally,
    started: Instant,
}

/// The rows of one target that go together.
#[derive(Default)]
struct Batch {
    places: Vec<Place>,
    rows: Vec<Vec<u8>>,
    bytes: usize,
    progress: u64,
}

impl Sending {
    /// Sends round after round. An error says why the rest was not sent.
    async fn run(&mut self, stop: &CancellationToken) -> Result<()> {
        loop {
            let (round, more) = self.gather().await;
            let rows = round.iter().map(|batch| batch.rows.len()).sum();
            if rows > 0 {
                let pause = self.pace.wait(self.started.elapsed(), rows);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.cancelled(), if !pause.is_zero() => return Ok(()),
                }
                self.post(round).await?;
            }
            if !more? {
                return Ok(());
            }
        }
    }

    /// Takes rows until a request is full or the pace says so. Also whether there may be more, or why there are not.
    async fn gather(&mut self) -> (Vec<Batch>, Result<bool>) {
        let mut round: Vec<Batch> = self.names.iter().map(|_| Batch::default()).collect();
        for _ in 0..self.pace.rows_per_round() {
            let Row {
                target,
                place,
                json,
                progress,
            } = match self.source.next().await {
                Ok(Some(row)) => row,
                Ok(None) => return (round, Ok(false)),
                Err(error) => return (round, Err(error)),
            };
            match json {
                Ok(row) => {
                    let batch = &mut round[target];
                    batch.places.push(place);
                    batch.bytes += row.len();
                    batch.progress += progress;
                    batch.rows.push(row);
                    if batch.rows.len() >= ROWS_PER_REQUEST || batch.bytes >= BYTES_PER_REQUEST {
                        break;
                    }
                }
                Err(reason) => {
                    self.tally.add_failed(target);
                    self.progress.inc(progress);
                    self.show(&place, "failed", &reason, None);
                }
            }
        }
        (round, Ok(true))
    }

    /// Posts each target's batch, all at once, and counts what became of the rows.
    async fn post(&mut self, round: Vec<Batch>) -> Result<()> {
        let posts = self.names.iter().zip(&round).map(|(name, batch)| async {
            if batch.rows.is_empty() {
                return None;
            }
            let sent = self.client.send(self.via, name, &batch.rows).await;
            self.progress.inc(batch.progress);
            Some(sent)
        });
        let mut fault = None;
        for (target, sent) in futures::future::join_all(posts).await.into_iter().enumerate() {
            if let Some(sent) = sent {
                fault = self.count(target, &round[target], sent).or(fault);
            }
        }
        fault.map_or(Ok(()), Err)
    }

    /// Counts what became of a batch and shows the rows that were not accepted. What is told of all is not shown for each.
    fn count(&mut self, target: usize, batch: &Batch, sent: Sent) -> Option<Error> {
        for ((place, row), outcome) in batch.places.iter().zip(&batch.rows).zip(&sent.outcomes) {
            let (word, reason) = match outcome {
                Outcome::Accepted => continue,
                Outcome::Rejected(reason) => ("rejected", reason),
                Outcome::Failed(_) if sent.fault.is_some() => continue,
                Outcome::Failed(reason) => ("failed", reason),
            };
            self.show(place, word, reason, Some(row));
        }
        self.tally.add(target, &sent);
        sent.fault
    }

    fn show(&mut self, place: &Place, word: &str, reason: &str, row: Option<&[u8]>) {
        if !self.tally.is_worth_showing(SHOWN) {
            return;
        }
        let row = row.map(|row| format!("\n  {}", abridge(row, 100))).unwrap_or_default();
        self.progress
            .suspend(|| say(format_args!("{place} {word}: {reason}{row}")));
    }

    fn summarise(&self) {
        self.progress.finish_and_clear();
        if let Source::Database { absent, .. } = &self.source {
            for (name, &absent) in self.names.iter().zip(absent) {
                if absent > 0 {
                    say(format_args!("{name}: no row for {absent} of the keys drawn"));
                }
            }
        }
        for line in self.tally.lines(self.started.elapsed()) {
            say(format_args!("{line}"));
        }
    }
}
