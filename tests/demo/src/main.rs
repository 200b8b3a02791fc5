//! `make demo`: amlnet's main job, shown from outside with the programs that a user runs, and proved.
//!
//! Starts the simulator of ARM and `amlnet run`, lets two weekly documents appear one after the other, and ends with
//! `PASS` and exit code 0 only if the route table, the firewall policy, the IP group, the security group and the list were
//! right the whole time. Must not link amlnet: what is said about it rests on the two documents, on what the simulator
//! recorded, and on what was served.

mod account;
mod controller;
mod documents;
mod list;
mod proof;
mod record;
mod rows;
mod rules;
mod scene;
mod show;
mod simulator;
mod story;
mod waiting;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Dropping the story ends both programs that it started and removes its folder.
    let result = tokio::select! {
        result = story::tell() => result,
        result = interrupted() => result,
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            show::say(&format!("\nFAIL  {why}"));
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() -> Result<bool, String> {
    let signals = || Ok::<_, std::io::Error>((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?));
    let (mut terminate, mut interrupt) = signals().map_err(|error| format!("signals cannot be watched: {error}"))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Err("interrupted".to_owned())
}
