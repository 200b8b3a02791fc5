//! `cluster build` fills the cache; `cluster serve` gives a person, or `make dev`, an API server.
//!
//! Nothing has to be ended here: what was started goes when this process does, whether its standard input was closed or
//! a signal ended it.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use cluster::{ADMIN, Binaries, Cluster, Program};

const USAGE: &str = "\
usage: cluster build [PROGRAM…]
                       build all programs that tests need, or those that are named, into the cache; print where they are
       cluster serve   start an API server, print one line of JSON {kubeconfig, url, kubectl}, and stay until standard
                       input is closed or a signal comes
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["build", ref names @ ..] => build(names),
        ["serve"] => serve(),
        ["help" | "--help" | "-h"] => say(USAGE),
        _ => {
            // Nobody is there to hear it.
            let _ = std::io::stderr().write_all(USAGE.as_bytes());
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "cluster: {why}");
            ExitCode::FAILURE
        }
    }
}

fn build(names: &[&str]) -> Result<(), String> {
    let programs = Program::named(names).map_err(|name| format!("there is no program {name:?}\n{USAGE}"))?;
    for program in programs {
        let path = program.build().map_err(|error| error.to_string())?;
        say(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

fn serve() -> Result<(), String> {
    let binaries = Binaries::find().map_err(|error| error.to_string())?;
    let cluster = Cluster::start().map_err(|error| error.to_string())?;
    let line = serde_json::json!({
        "kubeconfig": cluster.kubeconfig(ADMIN),
        "url": cluster.url(),
        "kubectl": binaries.kubectl,
    });
    say(&format!("{line}\n"))?;
    // What is written there has no meaning; only its end has.
    let mut bytes = [0; 1024];
    while std::io::stdin().read(&mut bytes).is_ok_and(|read| read > 0) {}
    Ok(())
}

fn say(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| format!("standard output: {error}"))
}
