//! The demonstration, step by step, in the order in which the user reads it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::controller::{Amlnet, Controller};
use crate::documents::{self, Document, TAGS};
use crate::proof::{self, Check, Evidence};
use crate::record::Tally;
use crate::show::{self, MANY, command, listing, say, section};
use crate::simulator::Simulator;
use crate::waiting::{Mark, converged, mark};

const GROUP: &str =
    "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network";

/// Everything that the steps share.
struct Stage {
    table: String,
    documents: [Document; 2],
    conflict: Ipv4Net,
    simulator: Simulator,
    amlnet: Amlnet,
    /// The YAML files.
    config: PathBuf,
    folder: PathBuf,
}

impl Stage {
    /// What amlnet has to write for a document, if it is not there: all that is needed but the conflict.
    fn wanted(&self, phase: usize) -> BTreeSet<Ipv4Net> {
        let mut wanted = self.documents[phase].needed.clone();
        wanted.remove(&self.conflict);
        wanted
    }
}

/// Whether everything was right. An error is what kept the demonstration from going on.
pub(crate) async fn tell() -> Result<bool, String> {
    let started = Instant::now();
    let temp = tempfile::Builder::new()
        .prefix("amlnet-demo.")
        .tempdir()
        .map_err(|error| format!("there is no temporary folder: {error}"))?;
    say("amlnet keeps Azure route tables right while Microsoft's weekly Service Tags files change.");
    say("This runs the real program against a simulator of Azure on this machine. Nothing leaves the machine.");

    let stage = prepare(temp.path()).await?;
    write_config(&stage)?;
    let planned = plan(&stage).await?;
    let mut controller = start(&stage)?;
    let first = first_document(&stage, &mut controller, planned).await?;
    second_document(&stage, &mut controller, first).await?;
    stop(&mut controller).await?;
    let right = account(&stage, planned, first, started).await?;
    stage.simulator.stop().await;
    Ok(right)
}

/// Steps 1 and 2.
async fn prepare(folder: &Path) -> Result<Stage, String> {
    let [amlnet, armsim] = ["amlnet", "armsim"].map(beside);
    let (amlnet, armsim) = (amlnet?, armsim?);
    section(
        1,
        "Two weekly documents",
        "What Microsoft publishes, before and after a change of the addresses that a workspace in East US 2 needs.",
    );
    let documents = documents::choose(&armsim, &folder.join("tags")).await?;
    let conflict = documents::common_prefix(&documents)?;
    for (document, when) in documents.iter().zip(["first", "next "]) {
        let (number, path) = (document.change_number, document.path.display());
        say(&format!("  {when}  change number {number}  {path}"));
    }
    let [old, new] = [0, 1].map(|index: usize| documents[index].needed.len());
    say(&format!("  needed, IPv4: {old} prefixes, then {new} ({})", TAGS.join(" and ")));

    let table = format!("{GROUP}/routeTables/rt-ml");
    section(
        2,
        "A simulated Azure",
        "A route table on a subnet, with three routes of other people, one of them for a prefix that is needed.",
    );
    let simulator = Simulator::start(&armsim, folder, &world(&table, &documents, conflict)?).await?;
    command(&format!("armsim {} &", simulator.arguments.join(" ")));
    let history = simulator.history(&table).await?;
    listing(&show::routes(history.last().map_or(&[], |state| &state.entries)), MANY);
    let amlnet = Amlnet::new(amlnet, &simulator)?;
    Ok(Stage {
        table,
        documents,
        conflict,
        simulator,
        amlnet,
        config: folder.join("config"),
        folder: folder.to_owned(),
    })
}

fn beside(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("where this program lies is unknown: {error}"))?;
    let path = own.with_file_name(name);
    if path.is_file() { Ok(path) } else { Err(format!("{} is missing; `make demo` builds it", path.display())) }
}

fn world(table: &str, documents: &[Document; 2], conflict: Ipv4Net) -> Result<Value, String> {
    let route = |name: &str, prefix: &str, hop: &str, ip: Option<&str>| json!({"name": name, "properties": {"addressPrefix": prefix, "nextHopType": hop, "nextHopIpAddress": ip}});
    let mut files = Vec::new();
    for document in documents {
        let path = &document.path;
        files.push(path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?);
    }
    Ok(json!({
        "resources": [{"id": table, "location": "eastus2", "properties": {
            "routes": [
                route("default-to-firewall", "0.0.0.0/0", "VirtualAppliance", Some("10.0.1.4")),
                route("on-premises", "10.0.0.0/8", "VirtualNetworkGateway", None),
                route("inspect-by-firewall", &conflict.to_string(), "VirtualAppliance", Some("10.0.1.4")),
            ],
            "subnets": [{"id": format!("{GROUP}/virtualNetworks/vnet-ml/subnets/compute")}],
        }}],
        "serviceTagFiles": files,
    }))
}

/// Step 3.
fn write_config(stage: &Stage) -> Result<(), String> {
    section(
        3,
        "The configuration",
        "All that amlnet is told: where documents are, which region, which table. It knows the pair, Central US.",
    );
    std::fs::create_dir(&stage.config).map_err(|error| format!("{}: {error}", stage.config.display()))?;
    for (name, text) in [("feed.yaml", feed(stage, None)?), ("network.yaml", network(&stage.table))] {
        replace(&stage.config.join(name), &text)?;
        command(&format!("cat {}", stage.config.join(name).display()));
        listing(&text, MANY);
    }
    Ok(())
}

fn feed(stage: &Stage, reconcile_at: Option<&str>) -> Result<String, String> {
    let page = stage.simulator.endpoint("/downloadPage")?;
    let annotation =
        reconcile_at.map(|at| format!("  annotations:\n    amlnet.dev/reconcile-at: \"{at}\"\n")).unwrap_or_default();
    Ok(format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: ServiceTagFeed\nmetadata:\n  name: public\n{annotation}spec:\n  \
         cloud: Public\n  sources:\n  - download:\n      pageUrl: \"{page}\"\n"
    ))
}

fn network(table: &str) -> String {
    format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata:\n  name: ml\nspec:\n  region: East US 2\n  \
         mode: UpsertOnly\n  routes:\n    routeTables:\n    - id: {table}\n"
    )
}

/// Writes a file in one moment: whoever watches the folder never sees half of it.
fn replace(path: &Path, text: &str) -> Result<(), String> {
    let part = path.with_extension("part");
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Step 4. What was recorded when the plan was made.
async fn plan(stage: &Stage) -> Result<Mark, String> {
    section(
        4,
        "The plan",
        "What would change, like a diff; nothing is written. The prefix that somebody else routes is left alone.",
    );
    say("");
    listing(&stage.amlnet.exports(), MANY);
    let [feed, network] = ["feed.yaml", "network.yaml"].map(|name| stage.config.join(name));
    command(&format!("amlnet plan -f {} {}", feed.display(), network.display()));
    let arguments = [OsStr::new("plan"), OsStr::new("-f"), feed.as_os_str(), network.as_os_str()];
    let printed = stage.amlnet.print(&arguments, &[3]).await?;
    listing(&printed.output, MANY);
    say("  (exit code 3: something waits for a person, the conflict)");
    mark(&stage.simulator, &stage.table).await
}

/// Step 5, first half.
fn start(stage: &Stage) -> Result<Controller, String> {
    section(
        5,
        "The controller",
        "It runs on the folder of YAML files, takes the first document and brings the table into the right state.",
    );
    let (memory, log) = (stage.folder.join("state"), stage.folder.join("amlnet.log"));
    let [dir, store, file] = [&stage.config, &memory, &log].map(|path| path.display());
    command(&format!("amlnet run --dir {dir} --state {store} > {file} 2>&1 &"));
    stage.amlnet.run(&stage.config, &memory, &log)
}

/// Step 5, second half.
async fn first_document(stage: &Stage, controller: &mut Controller, since: Mark) -> Result<Mark, String> {
    let began = Instant::now();
    let end = converged(&stage.simulator, &stage.table, controller, since, &stage.wanted(0)).await?;
    did(stage, controller, since, 0, end.heard - began).await?;
    Ok(end)
}

/// Step 6.
async fn second_document(stage: &Stage, controller: &mut Controller, since: Mark) -> Result<(), String> {
    section(
        6,
        "The next document",
        "Microsoft publishes it; an annotation asks amlnet to look now rather than at its next poll, hours later.",
    );
    let lines = controller.log().lines().count();
    let began = Instant::now();
    let name = stage.simulator.publish().await?;
    say(&format!("  published: {name}"));
    let now = now().await?;
    let path = stage.config.join("feed.yaml");
    replace(&path, &feed(stage, Some(&now))?)?;
    say(&format!("  added to {}:", path.display()));
    say(&format!("  +   annotations:\n  +     amlnet.dev/reconcile-at: \"{now}\""));
    let [old, new] = [0, 1].map(|index: usize| stage.documents[index].path.as_path());
    command(&format!("amlnet tags diff {} {}", old.display(), new.display()));
    let arguments = [OsStr::new("tags"), OsStr::new("diff"), old.as_os_str(), new.as_os_str()];
    let printed = stage.amlnet.print(&arguments, &[0, 2]).await?;
    if printed.code == Some(0) {
        listing(&printed.output, MANY);
    } else {
        listing(&show::reduced_diff(&printed.output, &TAGS), MANY);
    }
    let end = converged(&stage.simulator, &stage.table, controller, since, &stage.wanted(1)).await?;
    did(stage, controller, since, lines, end.heard - began).await
}

/// The time as Kubernetes writes it.
async fn now() -> Result<String, String> {
    let output = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).kill_on_drop(true).output().await;
    let output = output.map_err(|error| format!("`date` cannot be started: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What the controller did since a mark: some lines of its log, and its writes.
async fn did(stage: &Stage, controller: &Controller, since: Mark, lines: usize, took: Duration) -> Result<(), String> {
    let log = controller.log();
    let mut audited = false;
    let telling = log.lines().skip(lines).filter(|line| {
        let first_audit = line.contains("amlnet::audit") && !std::mem::replace(&mut audited, true);
        first_audit
            || ["amlnet starts", " polled ", " reconciled ", "WARN", "ERROR"].iter().any(|part| line.contains(part))
    });
    say("\n  From its log, ids and digests shortened, of the audit lines the first only:");
    let text: Vec<String> = telling.map(|line| show::shortened(line, &stage.table)).collect();
    listing(&text.join("\n"), 20);
    let requests = stage.simulator.requests().await?;
    let writes: Vec<String> = requests[since.requests..]
        .iter()
        .filter(|request| request.is_write())
        .map(|request| format!("{} {:<6} {}", request.status, request.method, request.last()))
        .collect();
    say(&format!(
        "\n  Converged after {:.1} s, then silent. Its {} writes, as the simulator saw them (status, method, route):",
        took.as_secs_f64(),
        writes.len()
    ));
    listing(&writes.join("\n"), MANY);
    Ok(())
}

/// Step 7.
async fn stop(controller: &mut Controller) -> Result<(), String> {
    section(7, "Stopping it", "SIGTERM, as Kubernetes and systemd send it.");
    let pid = controller.pid()?;
    command(&format!("kill -TERM {pid}; wait {pid}"));
    controller.stop(pid).await?;
    say("  (exit code 0)");
    Ok(())
}

/// Steps 8 and 9: whether all of it was right.
async fn account(stage: &Stage, planned: Mark, first: Mark, started: Instant) -> Result<bool, String> {
    let (history, requests) = (stage.simulator.history(&stage.table).await?, stage.simulator.requests().await?);
    section(8, "The table now, and what it cost", "Read from the simulator, not from amlnet.");
    say("");
    listing(&show::routes(history.last().map_or(&[], |state| &state.entries)), usize::MAX);
    let phases = [
        requests[..planned.requests].to_vec(),
        requests[planned.requests..first.requests].to_vec(),
        requests[first.requests..].to_vec(),
    ];
    let titles = ["plan", "first document", "next document"];
    let tallies: Vec<(&str, Tally)> =
        titles.into_iter().zip(&phases).map(|(title, requests)| (title, Tally::of(requests, &stage.table))).collect();
    say("");
    listing(&show::tallies(&tallies), MANY);

    let evidence = Evidence {
        needed: [0, 1].map(|index: usize| stage.documents[index].needed.clone()),
        conflict: stage.conflict,
        converged: first.states - 1,
        history,
        requests: phases,
    };
    section(
        9,
        "The proof",
        "Computed without amlnet's code, from the two documents and the simulator's record of every state.",
    );
    let checks = proof::checks(&evidence);
    say("");
    listing(&checks.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), MANY);
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.holds()).collect();
    let seconds = started.elapsed().as_secs_f64();
    if failed.is_empty() {
        let writes: usize = tallies.iter().map(|(_, tally)| tally.puts + tally.other_writes).sum();
        say(&format!(
            "\nPASS  {} checks on {} states of the table: {writes} writes, no needed prefix missing, no foreign route touched ({seconds:.1} s)",
            checks.len(),
            evidence.history.len()
        ));
    } else {
        say(&format!("\nFAIL  {} of {} checks failed; see FAIL above ({seconds:.1} s)", failed.len(), checks.len()));
    }
    Ok(failed.is_empty())
}
