//! What the user sees: what was started, and what to type next. Lines that are to be typed stand four spaces in.

use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::controller::Amlnet;
use crate::namespace::Namespace;
use crate::sample;
use crate::simulator::Simulator;

/// One line, or several. A reader that went away is no reason to stop.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Everything is there: what to do with it. `kubectl` is the one to use, where the shell would not find it.
pub(crate) fn next(
    status: &Value,
    kubectl: Option<&Path>,
    namespace: &Namespace<'_>,
    amlnet: &Amlnet,
    simulator: &Simulator,
    log: &Path,
) -> Result<(), String> {
    let (network, table, hold) = (sample::NETWORK, sample::TABLE, sample::HOLD);
    let control = simulator.endpoint("control")?;
    let entries = &status["targets"][0]["entries"];
    let (kubeconfig, environment, log) = (namespace.kubeconfig.display(), amlnet.environment.display(), log.display());
    let path = kubectl.and_then(Path::parent).map(|folder| {
        let folder = folder.display();
        format!("    export PATH={folder}:\"$PATH\"     # the kubectl on PATH is missing or too old\n")
    });
    let path = path.unwrap_or_default();
    say(&format!(
        "
The network {network} is Ready: its route table has {entries} routes of amlnet's. In another terminal:

    export KUBECONFIG={kubeconfig}
{path}    kubectl get amln,stf -o wide
    kubectl describe amln {network}

The next weekly document. The first of two brings new prefixes, the second takes one away:

    curl -fsS -X POST {control}/publish
    kubectl annotate stf public amlnet.dev/reconcile-at=\"$(date)\" --overwrite

Do it twice. The prefix that went stays for its hold ({hold}; 42d is the default), then its removal waits for you:

    kubectl get amln {network} -o wide
    . {environment}
    amlnet plan --cluster
    amlnet approve {network} --hash \"$(kubectl get amln {network} -o jsonpath='{{.status.targets[0].pendingHash}}')\"

The route table as the simulated Azure has it, and what amlnet says:

    curl -fsS -G {control}/resource --data-urlencode id={table}
    tail {log}

All of it is the sample's own: an API server without nodes, a simulated Azure. Ctrl-C here ends it."
    ));
    Ok(())
}
