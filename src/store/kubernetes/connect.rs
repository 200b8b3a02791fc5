//! How the API server is reached: in a pod by its service account, elsewhere by a kubeconfig.
//!
//! Three clients: one whose answers have a limit of time, one for watches, which are quiet for long, and one for the
//! lease, whose answers are of use for a short time only.

use std::time::Duration;

use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::explain;
use super::lease::Times;
use super::renewals::Renewals;
use crate::metrics::Metrics;
use crate::store::StoreError;

/// Longer than any answer takes that is still of use to a leader.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A watch tells nothing for so long at most.
const WATCH_QUIET_FOR: Duration = Duration::from_secs(150);

/// A connection to a cluster; no request was sent yet.
#[derive(Clone)]
pub struct Connection {
    pub client: Client,
    /// For watches and nothing else.
    pub watching: Client,
    /// The namespace of the service account, or of the kubeconfig's context.
    pub namespace: String,
    pub leasing: Client,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// Connects. `context` is one of the kubeconfig's.
/// `metrics` are told of renewals.
pub async fn connect(context: Option<&str>, times: Times, metrics: &Metrics) -> Result<Connection, StoreError> {
    let refuse = |what: String| StoreError { place: "Kubernetes".to_owned(), what };
    let mut config = match context {
        Some(context) => {
            let file = Kubeconfig::read().map_err(|error| refuse(error.to_string()))?;
            let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| refuse(error.to_string()))?
        }
        None => Config::infer().await.map_err(|error| {
            refuse(format!("{error}; in a pod a service account is needed, elsewhere a kubeconfig (KUBECONFIG)"))
        })?,
    };
    config.connect_timeout = Some(ANSWER_WITHIN);
    let namespace = config.default_namespace.clone();
    // Otherwise the time that a connection was idle counts against the next answer.
    config.reset_reader_on_write = true;
    // Bookmarks come every minute or so: a watch that is quiet for longer is broken, and so is a list.
    config.read_timeout = Some(WATCH_QUIET_FOR);
    let watching = Client::try_from(config.clone()).map_err(|error| refuse(explain(&error)))?;
    config.read_timeout = Some(ANSWER_WITHIN);
    config.write_timeout = Some(ANSWER_WITHIN);
    let client = Client::try_from(config.clone()).map_err(|error| refuse(explain(&error)))?;
    let within = times.answer_within();
    (config.connect_timeout, config.read_timeout, config.write_timeout) = (Some(within), Some(within), Some(within));
    let leasing = ClientBuilder::try_from(config).map_err(|error| refuse(explain(&error)))?;
    let leasing = leasing.with_layer(&Renewals(metrics.clone())).build();
    Ok(Connection { client, watching, namespace, leasing })
}
