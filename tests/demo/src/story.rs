//! The demonstration, step by step, in the order in which the user reads it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use serde_json::Value;
use tokio::process::Command;

use crate::account::account;
use crate::controller::{Amlnet, Controller};
use crate::documents::{self, Document, GROUP_TAG, TAGS};
use crate::list::Reader;
use crate::proof;
use crate::rules::Rule;
use crate::scene::{self, Ids, replace};
use crate::show::{self, MANY, command, listing, say, section};
use crate::simulator::Simulator;
use crate::waiting::{Goal, Mark, Unsettled, converged, mark};

/// Everything that the steps share.
pub(crate) struct Stage {
    pub(crate) ids: Ids,
    pub(crate) documents: [Document; 2],
    pub(crate) conflict: Ipv4Net,
    pub(crate) simulator: Simulator,
    /// What `around` finds before anything was done.
    pub(crate) around: [Vec<Value>; 2],
    /// The rules of the security group before anything was done.
    pub(crate) secured: Vec<Rule>,
    amlnet: Amlnet,
    /// The YAML files.
    config: PathBuf,
    folder: PathBuf,
}

impl Stage {
    /// What amlnet has to keep for a document: in the table all that is needed but the conflict.
    fn goal(&self, phase: usize) -> Goal {
        let Document { needed, grouped, listed, .. } = &self.documents[phase];
        let mut routes = needed.clone();
        routes.remove(&self.conflict);
        let policy = proof::rules::wanted(&self.of_both(|one| &one.policy), phase, true);
        let security = proof::rules::wanted(&self.of_both(|one| &one.security), phase, false);
        Goal { routes, grouped: grouped.clone(), listed: listed.clone(), policy, security }
    }

    pub(crate) fn of_both<T: Clone>(&self, part: fn(&Document) -> &T) -> [T; 2] {
        let [old, new] = &self.documents;
        [part(old).clone(), part(new).clone()]
    }
}

/// The group and what is around it; and what is around our rules in the policy.
pub(crate) async fn around(simulator: &Simulator, ids: &Ids) -> Result<[Vec<Value>; 2], String> {
    let mut found = [Vec::new(), Vec::new()];
    for id in ids.around_the_group() {
        found[0].push(simulator.resource(id).await?);
    }
    for id in ids.around_the_rules() {
        found[1].push(simulator.resource(id).await?);
    }
    Ok(found)
}

/// Whether everything was right. An error is what kept the demonstration from going on.
pub(crate) async fn tell() -> Result<bool, String> {
    let started = Instant::now();
    let temp = tempfile::Builder::new()
        .prefix("amlnet-demo.")
        .tempdir()
        .map_err(|error| format!("there is no temporary folder: {error}"))?;
    say("amlnet keeps Azure route tables, firewall policies, network security groups, IP groups and lists for other");
    say("firewalls right while Microsoft's weekly Service Tags files change.");
    say("This runs the real program against a simulator of Azure on this machine. Nothing leaves the machine.");

    let stage = prepare(temp.path()).await?;
    write_config(&stage)?;
    let planned = plan(&stage).await?;
    let mut controller = start(&stage)?;
    let mut reader = Reader::new(format!("http://{}{}", controller.address().await?, scene::LIST))?;
    let first = first_document(&stage, &mut controller, &mut reader, planned).await?;
    let before = second_document(&stage, &mut controller, &mut reader, first).await?;
    stop(&mut controller).await?;
    let list = proof::list::Evidence { needed: stage.of_both(|one| &one.listed), answers: reader.answers, before };
    let right = account(&stage, [planned, first], list, started).await?;
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
    for (what, part) in [
        (format!("routes  ({})", TAGS.join(" and ")), documents.each_ref().map(|one| one.needed.len())),
        (format!("group   ({GROUP_TAG})"), documents.each_ref().map(|one| one.grouped.len())),
        (
            "list    (all outbound service tags of Azure ML)".to_owned(),
            documents.each_ref().map(|one| one.listed.len()),
        ),
    ] {
        let [old, new] = part;
        say(&format!("  needed, IPv4: {old:>4} prefixes, then {new:>4}  for {what}"));
    }
    for (what, part) in [
        (
            "the policy: tags that firewalls know, prefixes of the others",
            documents.each_ref().map(|one| one.policy.len()),
        ),
        ("the security group: the same, of tags that it knows", documents.each_ref().map(|one| one.security.len())),
    ] {
        let [old, new] = part;
        say(&format!("  let through:  {old:>4} ways out, then {new:>4}  for {what}"));
    }

    let ids = Ids::new();
    section(
        2,
        "A simulated Azure",
        "A route table on a subnet, with three routes of other people, one of them for a prefix that is needed; an empty IP \
         group\nthat a rule of a firewall's policy refers to; another policy with a firewall and a rule of other people; and a \
         network\nsecurity group with two of theirs.",
    );
    let simulator = Simulator::start(&armsim, folder, &scene::world(&ids, &documents, conflict)?).await?;
    command(&format!("armsim {} &", simulator.arguments.join(" ")));
    let history = simulator.history(&ids.table).await?;
    listing(&show::routes(history.last().map_or(&[], |state| &state.entries)), MANY);
    let around = around(&simulator, &ids).await?;
    say("");
    listing(&show::group(&around[0][0]), MANY);
    let theirs = simulator.policy_history(&ids.other_rules).await?.pop().map(|state| state.rules).unwrap_or_default();
    let secured = simulator.security_history(&ids.security).await?.pop().map(|state| state.rules).unwrap_or_default();
    for (id, rules) in [(&ids.own_policy, &theirs), (&ids.security, &secured)] {
        say(&format!("\n  Rules of other people in {}:", scene::last(id)));
        listing(&show::rules(rules), MANY);
    }
    let amlnet = Amlnet::new(amlnet, &simulator)?;
    let (config, folder) = (folder.join("config"), folder.to_owned());
    Ok(Stage { ids, documents, conflict, simulator, around, secured, amlnet, config, folder })
}

fn beside(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("where this program lies is unknown: {error}"))?;
    let path = own.with_file_name(name);
    if path.is_file() { Ok(path) } else { Err(format!("{} is missing; `make demo` builds it", path.display())) }
}

/// Step 3.
fn write_config(stage: &Stage) -> Result<(), String> {
    section(
        3,
        "The configuration",
        "All that amlnet is told: where documents are, which region, which table, policy, groups and list. It knows the pair,\n\
         Central US, and what Azure Machine Learning needs; one row is the network's own.",
    );
    std::fs::create_dir(&stage.config).map_err(|error| format!("{}: {error}", stage.config.display()))?;
    for (name, text) in [("feed.yaml", feed(stage, None)?), ("network.yaml", scene::network(&stage.ids))] {
        replace(&stage.config.join(name), &text)?;
        command(&format!("cat {}", stage.config.join(name).display()));
        listing(&text, MANY);
    }
    Ok(())
}

fn feed(stage: &Stage, reconcile_at: Option<&str>) -> Result<String, String> {
    Ok(scene::feed(stage.simulator.endpoint("/downloadPage")?, reconcile_at))
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
    listing(&show::cut_targets(&show::cut_runs(&printed.output)), usize::MAX);
    say("  (exit code 3: something waits for a person, the conflict)");
    mark(&stage.simulator, &stage.ids).await
}

/// Step 5, first half.
fn start(stage: &Stage) -> Result<Controller, String> {
    section(
        5,
        "The controller",
        "It takes the first document, brings table, policy and groups into the right state, and serves the list.",
    );
    let (memory, log) = (stage.folder.join("state"), stage.folder.join("amlnet.log"));
    let [dir, store, file] = [&stage.config, &memory, &log].map(|path| path.display());
    command(&format!("amlnet run --dir {dir} --state {store} --http-listen 127.0.0.1:0 > {file} 2>&1 &"));
    stage.amlnet.run(&stage.config, &memory, &log)
}

/// Step 5, second half.
async fn first_document(
    stage: &Stage,
    controller: &mut Controller,
    reader: &mut Reader,
    since: Mark,
) -> Result<Mark, String> {
    let began = Instant::now();
    let (end, unsettled) = converged(&stage.simulator, &stage.ids, controller, reader, since, &stage.goal(0)).await?;
    did(stage, controller, since, 0, end.heard - began).await?;
    groups_now(stage, &unsettled).await?;
    say("\n  A firewall of another maker fetches the list (this program plays it; shortened):");
    command(&format!("curl -i {}", reader.url));
    listing(&show::answer(reader.fetch(None).await?), MANY);
    Ok(end)
}

/// The group and the rules, and who was locked while they were written.
async fn groups_now(stage: &Stage, unsettled: &Unsettled) -> Result<(), String> {
    let Stage { ids, simulator, .. } = stage;
    say("");
    listing(&show::group(&simulator.resource(&ids.group).await?), MANY);
    for (what, states) in [
        ("Our rules in the policy", simulator.policy_history(&ids.own_rules).await?),
        ("The rules of the security group", simulator.security_history(&ids.security).await?),
    ] {
        say(&format!("\n  {what}:"));
        listing(&show::rules(states.last().map_or(&[], |state| &state.rules)), MANY);
    }
    say("");
    for id in [&ids.policy, &ids.firewall, &ids.own_policy, &ids.own_firewall] {
        if let Some((first, last)) = unsettled.get(id) {
            let (name, seconds) = (scene::last(id), (*last - *first).as_secs_f64());
            say(&format!("  {name} was Updating for {seconds:.1} s; amlnet waited until it was Succeeded again"));
        }
    }
    Ok(())
}

/// Step 6. How often the list had been answered before the document was published.
async fn second_document(
    stage: &Stage,
    controller: &mut Controller,
    reader: &mut Reader,
    since: Mark,
) -> Result<usize, String> {
    section(
        6,
        "The next document",
        "Microsoft publishes it; an annotation asks amlnet to look now rather than at its next poll, hours later.",
    );
    let lines = controller.log().lines().count();
    let first = reader.list().cloned().ok_or("no list has come")?;
    let curl = format!("curl -i -H 'If-None-Match: {}' {}", first.etag.as_deref().unwrap_or_default(), reader.url);
    command(&curl);
    listing(&show::answer(reader.fetch(first.etag.clone()).await?), MANY);
    say("");
    let before = reader.answers.len();
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
        let diff = show::reduced_diff(&printed.output, &[TAGS[0], TAGS[1], GROUP_TAG]);
        listing(&show::cut_runs(&diff), MANY);
    }
    let (end, unsettled) = converged(&stage.simulator, &stage.ids, controller, reader, since, &stage.goal(1)).await?;
    did(stage, controller, since, lines, end.heard - began).await?;
    groups_now(stage, &unsettled).await?;
    say("\n  The firewall asks once more with the ETag of the first list:");
    command(&curl);
    let second = reader.fetch(first.etag.clone()).await?;
    listing(&show::answer(second), MANY);
    let (was, is) = (first.addresses(), second.addresses());
    let new = is.difference(&was).count();
    let left: Vec<&Ipv4Net> = was.difference(&stage.documents[1].listed).collect();
    let kept = left.iter().filter(|net| is.contains(net)).count();
    say(&format!(
        "  {new} lines are new. Of {} that left the document {kept} are still there (UpsertOnly):",
        left.len()
    ));
    listing(&left.iter().map(|net| format!("  {net}")).collect::<Vec<_>>().join("\n"), 4);
    Ok(before)
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
            || ["amlnet starts", " a document is ", " reconciled ", " the list changed ", " serves ", "WARN", "ERROR"]
                .iter()
                .any(|part| line.contains(part))
    });
    say("\n  From its log, ids and digests shortened, of the audit lines the first only:");
    let Ids { table, group, own_rules, own_policy, security, .. } = &stage.ids;
    let ids: [&str; 5] = [table, group, own_rules, own_policy, security];
    let text: Vec<String> = telling.map(|line| show::shortened(line, &ids)).collect();
    listing(&text.join("\n"), 20);
    let requests = stage.simulator.requests().await?;
    let writes: Vec<String> = requests[since.requests..]
        .iter()
        .filter(|request| request.is_write())
        .map(|request| format!("{} {:<6} {}", request.status, request.method, request.last()))
        .collect();
    say(&format!(
        "\n  Converged after {:.1} s, then silent. Its {} writes, as the simulator saw them (status, method, name):",
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
