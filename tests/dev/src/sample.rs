//! What is there to be seen: a route table that other people use too, three weekly documents, a feed and a network.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

pub(crate) const NETWORK: &str = "ml";
pub(crate) const TABLE: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network/routeTables/rt-ml";
const SUBNET: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network/virtualNetworks/vnet-ml/subnets/compute";

/// Of the made-up weeks: the first; one in which the workspace's region gains prefixes; one in which it loses one.
const WEEKS: [usize; 3] = [0, 1, 4];
/// A prefix that left the document stays so long; in earnest it is weeks.
pub(crate) const HOLD: &str = "10s";

/// Makes the documents, in the order of their publication.
pub(crate) fn documents(armsim: &Path, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new(armsim)
        .args(["tags", "--seed", "1", "--weeks", "5", "--out"])
        .arg(folder.join("tags"))
        .output()
        .map_err(|error| format!("{} cannot be started: {error}", armsim.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let all: Vec<&str> = text.lines().collect();
    let chosen: Option<Vec<PathBuf>> = WEEKS.iter().map(|week| all.get(*week).map(PathBuf::from)).collect();
    let failed = || format!("`armsim tags` made no documents: {}", String::from_utf8_lossy(&output.stderr).trim());
    chosen.filter(|_| output.status.success()).ok_or_else(failed)
}

/// The simulator's world.
pub(crate) fn world(documents: &[PathBuf]) -> Value {
    let route = |name: &str, prefix: &str, hop: &str, address: Option<&str>| json!({"name": name, "properties": {"addressPrefix": prefix, "nextHopType": hop, "nextHopIpAddress": address}});
    json!({
        "resources": [{"id": TABLE, "location": "eastus2", "properties": {
            "routes": [
                route("default-to-firewall", "0.0.0.0/0", "VirtualAppliance", Some("10.0.1.4")),
                route("on-premises", "10.20.0.0/16", "VirtualNetworkGateway", None),
            ],
            "subnets": [{"id": SUBNET}],
        }}],
        "serviceTagFiles": documents,
    })
}

/// The feed and the network, as a user would write them.
pub(crate) fn objects(page: &str) -> String {
    format!(
        "apiVersion: amlnet.dev/v1alpha1
kind: ServiceTagFeed
metadata:
  name: public
spec:
  cloud: Public
  sources:
  - download:
      pageUrl: \"{page}\"
---
apiVersion: amlnet.dev/v1alpha1
kind: AmlNetwork
metadata:
  name: {NETWORK}
spec:
  region: eastus2
  mode: Sync
  removal:
    holdFor: {HOLD}      # so that something can be seen; the default is 42d
  routes:
    routeTables:
    - id: {TABLE}
"
    )
}
