//! `pinlake`: JSON events in over HTTP, clean Delta Lake tables out.

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use pinlake::{audit::Audit, check::Check, demo::Demo, replay::Replay, report::Report, run::Run, send::Send, up::Up};
use pinlake_host::explain;
use tracing_subscriber::EnvFilter;

/// JSON events in over HTTP, clean Delta Lake tables out.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Logs go to standard error; RUST_LOG=info or RUST_LOG=pinlake_stream=debug shows more."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(Demo),
    Up(Up),
    Run(Run),
    Report(Report),
    Send(Send),
    Check(Check),
    Audit(Audit),
    Replay(Replay),
}

/// Warnings only. The Delta kernel logs as an error what comes back as one too, and even that a table is not there yet; so
/// does the SDK of each place in which it finds no credentials.
const QUIET: &str = "warn,aws_config=off,buoyant_kernel=off";

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let quiet = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(QUIET));
    tracing_subscriber::fmt()
        .with_env_filter(quiet)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    // To an audit, 1 means that a record is not where it should be.
    let trouble = match cli.command {
        Command::Audit(_) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    };
    let done = |()| ExitCode::SUCCESS;
    let outcome = match cli.command {
        Command::Demo(demo) => demo.run().await.map(done),
        Command::Up(up) => up.run().await.map(done),
        Command::Run(run) => run.run().await.map(done),
        Command::Report(report) => report.run().await.map(done),
        Command::Send(send) => send.run().await.map(done),
        Command::Check(check) => check.run().await.map(done),
        Command::Audit(audit) => audit.run().await,
        Command::Replay(replay) => replay.run().await.map(done),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            tracing::debug!(?error, "failed");
            eprintln!("error: {}", explain(error.as_ref()));
            trouble
        }
    }
}
