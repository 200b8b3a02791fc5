//! A real Kubernetes API server with its etcd, on loopback, for tests.
//!
//! [`Cluster::start`] gives a test a server of its own, [`Cluster::shared`] one for all tests of the process. Nothing
//! here looks at or changes the user's KUBECONFIG, listens on anything but loopback, or outlives the process. There is
//! no controller manager, no scheduler and no node: namespaces are not emptied, owners are not followed, pods do not
//! run. All of it is blocking; it panics only where a test would do nothing else, and then says what was wrong.

mod audit;
mod binaries;
mod certificates;
mod cluster;
pub mod debian;
mod error;
mod folder;
mod helm;
mod http;
pub mod image;
mod kubectl;
mod node;
mod port;
mod process;
mod proxy;
mod settings;
mod users;

pub use audit::Request;
pub use binaries::{
    API_SERVER, Binaries, CONTAINERD, CONTAINERD_SHIM, CONTROLLER_MANAGER, CTR, ETCD, HELM, HELM_3, HELM_UNITTEST,
    KUBECTL, KUBELET, Program, SCHEDULER,
};
pub use cluster::Cluster;
pub use error::Error;
pub use helm::Helm;
pub use http::Answer;
pub use kubectl::Output;
pub use node::{NoNode, Node};
pub use process::Server;
pub use proxy::Proxy;
pub use settings::Settings;
pub use users::ADMIN;
