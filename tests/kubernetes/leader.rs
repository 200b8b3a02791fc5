//! Replicas that share a lease, each with an Azure login of its own: the simulator's log tells which of them wrote when.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use armsim::model::log::{LogEntry, Server};
use cluster::{ADMIN, Cluster};
use serde_json::{Value, json};

use crate::harness::{Controller, Counts, Doc, Sim, TABLE, assert_clean, central, east, merge, ours};
use crate::replica::Kube;

/// The names of two replicas, and the client ids of their logins.
const REPLICAS: [(&str, &str); 2] =
    [("one", "10000000-0000-4000-8000-000000000000"), ("two", "20000000-0000-4000-8000-000000000000")];
pub(crate) const ONE: usize = 0;
pub(crate) const TWO: usize = 1;

/// Short, so that a test need not wait for long, and long enough for a machine that is busy.
pub(crate) const SHORT: [&str; 6] =
    ["--lease-duration", "6s", "--lease-renew-deadline", "4s", "--lease-retry-period", "1s"];
/// An answer is waited for for five seconds, so a partition is noticed long before a leader gives up.
pub(crate) const PATIENT: [&str; 6] =
    ["--lease-duration", "60s", "--lease-renew-deadline", "20s", "--lease-retry-period", "1s"];
/// So long that no outage of a test lasts to the end of it.
pub(crate) const LONG: [&str; 6] =
    ["--lease-duration", "150s", "--lease-renew-deadline", "120s", "--lease-retry-period", "1s"];

const IN_EAST: usize = 40;
const IN_CENTRAL: usize = 20;
/// Routes of the document that a pair starts with.
pub(crate) const ROUTES: usize = IN_EAST + IN_CENTRAL;
/// Of a route, as Azure counts: a tenth of a second here, so that a plan takes six.
pub(crate) const SLOW: &str = "50s";

/// One installation that may have two replicas.
pub(crate) struct Pair {
    pub(crate) kube: Kube,
}

fn logins(world: &Value) -> Value {
    let login = |(_, client): &(&str, &str)| json!({"clientId": client, "clientSecret": secret(client)});
    let mut all = json!({"credentials": REPLICAS.iter().map(login).collect::<Vec<_>>()});
    merge(&mut all, world);
    all
}

fn secret(client: &str) -> String {
    format!("secret of {client}")
}

impl Pair {
    /// On the cluster that all tests share, with a plan of 60 routes to do.
    pub(crate) fn start(world: &Value) -> Self {
        Self::prepared(Kube::with(Sim::with(logins(world))))
    }

    /// On a cluster of the test's own.
    pub(crate) fn on(cluster: &'static Cluster, world: &Value) -> Self {
        let (namespace, sim) = (cluster.namespace("t"), Sim::with(logins(world)));
        Self::prepared(Kube { cluster, namespace, sim })
    }

    fn prepared(kube: Kube) -> Self {
        kube.sim.publish(&Doc::week(2).regions(0..IN_EAST, 0..IN_CENTRAL));
        kube.usual(json!({}));
        Self { kube }
    }

    /// The command of a replica that sees the API server through this kubeconfig.
    pub(crate) fn command(&self, which: usize, kubeconfig: &Path, more: &[&str]) -> Command {
        let (name, client) = REPLICAS[which];
        let mut command = self.kube.command(name, kubeconfig, more);
        command.env("AZURE_CLIENT_ID", client).env("AZURE_CLIENT_SECRET", secret(client));
        command
    }

    pub(crate) fn replica_with(&self, which: usize, kubeconfig: &Path, more: &[&str]) -> Controller {
        self.kube.sim.background(self.command(which, kubeconfig, more))
    }

    pub(crate) fn replica(&self, which: usize, more: &[&str]) -> Controller {
        self.replica_with(which, &self.kube.cluster.kubeconfig(ADMIN), more)
    }

    /// A replica that leads, and one that does not; the first with this kubeconfig.
    pub(crate) fn both(&self, kubeconfig: &Path, more: &[&str]) -> (Controller, Controller) {
        let one = self.replica_with(ONE, kubeconfig, more);
        one.wait_until("that the first leads", || self.holder() == REPLICAS[ONE].0);
        let two = self.replica(TWO, more);
        two.wait_until("that the second is ready", || ready(&two).0 == 200);
        (one, two)
    }

    pub(crate) fn lease(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/amlnet-prod", self.kube.namespace)
    }

    /// Who holds the lease; empty where nobody does.
    pub(crate) fn holder(&self) -> String {
        let answer = self.kube.cluster.ask(ADMIN, "GET", &self.lease(), None);
        let lease = answer.ok().filter(|answer| answer.status == 200).map(|answer| answer.json()).unwrap_or_default();
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }

    /// How often the lease went to somebody else.
    pub(crate) fn transitions(&self) -> u64 {
        let lease = self.kube.cluster.ask(ADMIN, "GET", &self.lease(), None).unwrap().json();
        lease["spec"]["leaseTransitions"].as_u64().unwrap_or_default()
    }

    /// When the lease was last renewed.
    pub(crate) fn renewed(&self) -> jiff::Timestamp {
        let lease = self.kube.cluster.ask(ADMIN, "GET", &self.lease(), None).unwrap().json();
        lease["spec"]["renewTime"].as_str().unwrap().parse().unwrap()
    }

    /// Who sent each write to ARM, in order of arrival.
    pub(crate) fn writers(&self) -> Vec<usize> {
        let is_write = |entry: &LogEntry| entry.server == Server::Arm && entry.method != "GET";
        let writer = |entry: LogEntry| REPLICAS.iter().position(|(_, client)| *client == entry.client).unwrap();
        self.kube.sim.log().into_iter().filter(is_write).map(writer).collect()
    }

    pub(crate) fn writes_of(&self, which: usize) -> usize {
        self.writers().into_iter().filter(|writer| *writer == which).count()
    }

    /// Requests of one replica to ARM, of whatever kind.
    pub(crate) fn requests_of(&self, which: usize) -> usize {
        self.kube.sim.log_of(Server::Arm).iter().filter(|entry| entry.client == REPLICAS[which].1).count()
    }

    /// Waits for the table, with the routes of the document that a pair starts with, and nothing ever missing.
    #[track_caller]
    pub(crate) fn converges(&self, replica: &Controller) {
        replica.wait_until("all routes", || ours(&self.kube.sim.history_now(TABLE)).len() == ROUTES);
        let history = self.kube.sim.history(TABLE);
        assert_eq!(ours(&history).len(), ROUTES);
        assert_clean(&history, (0..IN_EAST).map(east).chain((0..IN_CENTRAL).map(central)));
    }

    /// These wrote, one after the other, and nobody wrote again after the next had begun. A route was written twice
    /// only where nobody saw the answer to its write: once for each replica that was ended.
    #[track_caller]
    pub(crate) fn assert_wrote_in_turn(&self, order: &[usize]) {
        let mut turns = self.writers();
        turns.dedup();
        assert_eq!(turns, order);
        let counts = Counts::of(&self.kube.sim.log(), TABLE);
        assert!((ROUTES..ROUTES + order.len()).contains(&counts.put_route), "{counts:?}");
        assert_eq!((counts.delete_route, counts.other), (0, 0));
    }
}

/// What `/readyz` of a replica answers, and 0 where it does not.
pub(crate) fn ready(replica: &Controller) -> (u16, String) {
    answer(replica, "/readyz")
}

pub(crate) fn answer(replica: &Controller, path: &str) -> (u16, String) {
    let log = replica.log();
    let Some(address) = log.lines().find_map(|line| line.split_once("address=")?.1.split_whitespace().next()) else {
        return (0, String::new());
    };
    let mut text = String::new();
    let asked = TcpStream::connect(address).and_then(|mut stream| {
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        stream.read_to_string(&mut text)
    });
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    asked.ok().and(code).map_or((0, String::new()), |code| (code, text))
}
