//! The labels of what amlnet keeps in ConfigMaps, by which it finds them again.

use std::collections::BTreeMap;

const INSTALLATION: &str = "amlnet.dev/installation";
const HOLDS: &str = "amlnet.dev/holds";

/// Labels for a ConfigMap of an installation that holds something.
pub fn of(installation: &str, holds: &str) -> BTreeMap<String, String> {
    let pairs = [("app.kubernetes.io/managed-by", "amlnet"), (INSTALLATION, installation), (HOLDS, holds)];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Selects them.
pub fn selector(installation: &str, holds: &str) -> String {
    format!("{INSTALLATION}={installation},{HOLDS}={holds}")
}
