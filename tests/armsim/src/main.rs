//! The command `armsim`: `serve` runs the simulator, `replay` checks it against recordings, `tags` writes made-up
//! Service Tags documents. Arguments only.

use armsim::{
    model::World,
    replay::{Expected, Report},
    server::{self, Options},
};
use clap::{Args, Parser, Subcommand};
use std::{
    error::Error,
    io::{self, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

#[derive(Parser)]
#[command(version, about = "A simulator of Azure Resource Manager's network provider")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve on loopback; prints one line of JSON when ready
    Serve(Serve),
    /// Replay recorded conversations against a fresh world each, and print every difference
    Replay(Replay),
    /// Write made-up, full-size Service Tags documents, one a week
    Tags(Tags),
}

#[derive(Args)]
struct Serve {
    /// The world file
    #[arg(long, value_name = "FILE.yaml")]
    world: Option<PathBuf>,
    /// Address of ARM; loopback only
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Same seed, same world
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Scales how long things take and how long clients are told to wait
    #[arg(long, default_value_t = 1.0, value_parser = time_scale)]
    time_scale: f64,
    /// Append every request as one line of JSON
    #[arg(long, value_name = "FILE.jsonl")]
    log: Option<PathBuf>,
    /// End when standard input closes, so that no test leaves the server behind
    #[arg(long)]
    until_stdin_closes: bool,
}

#[derive(Args)]
struct Tags {
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    weeks: u32,
    /// The folder to write to; made if missing
    #[arg(long)]
    out: PathBuf,
}

#[derive(Args)]
struct Replay {
    /// Recordings: one JSON object a line, perhaps packed with gzip
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Known differences with their reasons
    #[arg(long, value_name = "FILE.yaml")]
    expected: Option<PathBuf>,
}

fn time_scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| format!("'{text}' is no number"))?;
    if (0.0..=1000.0).contains(&scale) { Ok(scale) } else { Err("must be from 0 to 1000".to_owned()) }
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(arguments) => serve(arguments).map(|()| ExitCode::SUCCESS),
        Command::Replay(arguments) => replay(&arguments),
        Command::Tags(arguments) => tags(&arguments).map(|()| ExitCode::SUCCESS),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to do if standard error is closed as well.
            let _ = writeln!(io::stderr(), "armsim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: Serve) -> Result<(), Box<dyn Error>> {
    let world = match &arguments.world {
        Some(path) => {
            let yaml = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let folder = path.parent().unwrap_or_else(|| Path::new("."));
            World::from_yaml(&yaml, folder).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => World::default(),
    };
    let world = world.with_seed(arguments.seed).with_time_scale(arguments.time_scale);
    let options = Options { listen: arguments.listen, log: arguments.log };
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        let mut interrupted = signal(SignalKind::interrupt())?;
        let running = server::start(world, options).await?;
        let line = serde_json::to_string(&running.endpoints)?;
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()?;
        drop(out);
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
            () = stdin_closed(arguments.until_stdin_closes) => {}
        }
        Ok(())
    })
}

/// Waits for the end of standard input, or for ever.
async fn stdin_closed(wanted: bool) {
    let (sender, closed) = oneshot::channel();
    if wanted {
        // A thread of its own: a read of standard input cannot be cancelled and would keep a runtime from ending.
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
            let _ = sender.send(());
        });
        let _ = closed.await;
    } else {
        std::future::pending::<()>().await;
    }
}

fn replay(arguments: &Replay) -> Result<ExitCode, Box<dyn Error>> {
    let expected = match &arguments.expected {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| error.to_string())
            .and_then(|yaml| Expected::from_yaml(&yaml))
            .map_err(|error| format!("{}: {error}", path.display()))?,
        None => Expected::default(),
    };
    let report = Report::of(&arguments.files, expected)?;
    io::stdout().lock().write_all(report.text.as_bytes())?;
    Ok(if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tags(arguments: &Tags) -> Result<(), Box<dyn Error>> {
    let paths = armsim::tags::write(arguments.seed, arguments.weeks, &arguments.out)
        .map_err(|error| format!("{}: {error}", arguments.out.display()))?;
    let mut out = io::stdout().lock();
    for path in paths {
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}
