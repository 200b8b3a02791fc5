//! What can be set in the world file and changed at run time: durations, limits, the download page's style. Values
//! only.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{collections::BTreeMap, time::Duration};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    pub latencies: Latencies,
    pub limits: Limits,
    /// Quota names with the limit that the usages API says and the network provider keeps to.
    pub usages: BTreeMap<String, u64>,
    /// How many of a quota are in use, where the simulator does not count them itself.
    pub usage_counts: BTreeMap<String, i64>,
    pub page_style: PageStyle,
    pub behaviour: Behaviour,
    pub discovery: Discovery,
}

impl Settings {
    /// These settings with what `change` names replaced; everything else stays.
    pub fn changed(&self, change: &serde_json::Value) -> Result<Self, serde_json::Error> {
        let mut all = serde_json::to_value(self)?;
        merge(&mut all, change);
        serde_json::from_value(all)
    }
}

fn merge(into: &mut serde_json::Value, change: &serde_json::Value) {
    match (into, change) {
        (serde_json::Value::Object(into), serde_json::Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key.clone()).or_insert(serde_json::Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

/// What ARM does differently at different times; the defaults are those of 2026.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key of its own in the world file")]
pub struct Behaviour {
    /// Operation URLs carry a signature of 4.8 kB (since 2023).
    pub signed_operation_urls: bool,
    /// Writes of a route or a rule are announced with `azure-asyncnotification`, as those of a table always were.
    pub route_notification: bool,
    /// Properties of route tables and routes that are not shown yet, such as `disablePeeringRoute` before 2026.
    pub hidden_properties: Vec<String>,
    /// Refusals of a provider carry `x-ms-failure-cause: service` (since 2026).
    pub provider_failure_cause: bool,
    /// The seconds that a client is told to wait before it asks for the status of a write of a network resource.
    pub operation_retry_after: u64,
    /// The same of a write of a network security group or a rule.
    pub security_retry_after: u64,
    /// IP groups honour `If-Match`; nobody knows whether Azure's do.
    pub ip_group_if_match: bool,
    /// Firewall policies and what is in them honour `If-Match`; nobody knows whether Azure's do.
    pub firewall_policy_if_match: bool,
    /// The status of a refusal because a policy is being updated: 409 or 400; only the codes are known.
    pub policy_update_refusal: u16,
    /// What a failed write of a policy or a rule collection group asked for is there all the same; else what was there
    /// before.
    pub failed_policy_takes_content: bool,
    /// IP groups may have no address; in 2026 some regions took such groups and others did not.
    pub empty_ip_groups: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            signed_operation_urls: true,
            route_notification: true,
            hidden_properties: vec![],
            provider_failure_cause: true,
            operation_retry_after: 2,
            security_retry_after: 1,
            ip_group_if_match: false,
            firewall_policy_if_match: false,
            policy_update_refusal: 409,
            failed_policy_takes_content: true,
            empty_ip_groups: true,
        }
    }
}

/// How the Service Tag Discovery API differs from the weekly documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Discovery {
    /// How many documents it is behind the published one.
    pub lag: usize,
    /// It answers 200 with no tags at all, as it did to real clients.
    pub empty: bool,
}

/// How long things take, before the time scale is applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Latencies {
    /// PUT and DELETE of a route.
    pub route: Span,
    /// PUT and DELETE of a whole route table.
    pub route_table: Span,
    /// PUT and DELETE of a security rule.
    pub security_rule: Span,
    /// PUT and DELETE of a whole network security group.
    pub security_group: Span,
    /// PUT of an IP group that no firewall uses.
    pub ip_group: Span,
    /// Writes of an IP group or a firewall policy that a firewall uses: the shortest and the longest.
    pub attached_firewall: (Span, Span),
    /// Writes of a firewall policy that no firewall uses: the shortest and the longest.
    pub firewall_policy: (Span, Span),
    /// PUT and DELETE of a firewall: the shortest and the longest.
    pub firewall: (Span, Span),
    /// Deletion of a resource group.
    pub resource_group: Span,
    /// Every answer of ARM.
    pub answer: Span,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            route: Span::from_secs(2),
            route_table: Span::from_secs(2),
            security_rule: Span::from_secs(1),
            security_group: Span::from_secs(2),
            ip_group: Span::from_secs(5),
            attached_firewall: (Span::from_secs(190), Span::from_secs(254)),
            firewall_policy: (Span::from_secs(1), Span::from_secs(11)),
            firewall: (Span::from_secs(220), Span::from_secs(470)),
            resource_group: Span::from_secs(15),
            answer: Span::default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    pub token_lifetime: Span,
    /// After what time clients are told to get the next token already.
    pub token_refresh_in: Option<Span>,
    /// Where set, what is enforced differs from what the usages API says.
    pub routes_per_route_table: Option<u64>,
    pub routes_with_service_tag_per_route_table: Option<u64>,
    /// How many IP groups of one firewall or policy can be written at a time. Documented are up to 20 now; the default
    /// is what clients met before and must be ready for.
    pub ip_groups_at_once: u64,
    pub ip_addresses_per_ip_group: u64,
    pub ip_groups_per_firewall: u64,
    pub rule_collection_groups_per_policy: u64,
    /// In bytes; as `size` tells them.
    pub rule_collection_group_size: u64,
    /// Sources × destinations of all network rules of a firewall policy and those that it is based on.
    pub rule_pairs_per_policy: u64,
    /// First and last of the seconds that a refusal for another operation asks to wait.
    pub lock_retry_after: (u64, u64),
    /// Whether the buckets and the provider's count below refuse requests; headers tell what is left in any case.
    pub enforce: bool,
    /// ARM's buckets of one principal in one region.
    pub reads: Bucket,
    pub writes: Bucket,
    pub deletes: Bucket,
    /// How much more all principals of a subscription have together.
    pub global_factor: u64,
    pub provider: ProviderLimits,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bucket {
    pub size: u64,
    pub per_second: u64,
}

/// What the network provider takes in one window, per subscription and location; deletions count as writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProviderLimits {
    pub reads: u64,
    pub writes: u64,
    pub window: Span,
}

impl Default for ProviderLimits {
    fn default() -> Self {
        Self { reads: 10_000, writes: 1_000, window: Span::from_secs(300) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            token_lifetime: Span::from_secs(3600),
            token_refresh_in: None,
            routes_per_route_table: None,
            routes_with_service_tag_per_route_table: None,
            ip_groups_at_once: 1,
            ip_addresses_per_ip_group: 5_000,
            ip_groups_per_firewall: 200,
            rule_collection_groups_per_policy: 90,
            rule_collection_group_size: 2 * 1024 * 1024,
            rule_pairs_per_policy: 20_000,
            lock_retry_after: (11, 14),
            enforce: false,
            reads: Bucket { size: 250, per_second: 25 },
            writes: Bucket { size: 200, per_second: 10 },
            deletes: Bucket { size: 200, per_second: 10 },
            global_factor: 15,
            provider: ProviderLimits::default(),
        }
    }
}

/// How the download page shows its links; real readers met every one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PageStyle {
    /// Anchors and the embedded JSON.
    #[default]
    #[serde(rename = "both")]
    Both,
    #[serde(rename = "anchors")]
    Anchors,
    #[serde(rename = "embedded")]
    Embedded,
    /// The details page has no link; `confirmation.aspx` has.
    #[serde(rename = "confirmation")]
    Confirmation,
    /// The details page has no link; `confirmation.aspx` redirects with a `<meta>`.
    #[serde(rename = "metaRefresh")]
    MetaRefresh,
    /// An error page, with status 200.
    #[serde(rename = "html-error")]
    HtmlError,
}

/// A duration, written `[0-9]+(ms|s|m|h|d)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = text[..digits].parse().ok()?;
        let millis = match &text[digits..] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.checked_mul(millis).map(|millis| Self(Duration::from_millis(millis)))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}ms", self.0.as_millis()))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("'{text}' is no duration such as 500ms, 2s, 15m or 1h")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_keeps_the_rest() {
        let settings = Settings::default()
            .changed(&json!({"latencies": {"route": "500ms"}, "usages": {"RoutesPerRouteTable": 600}, "pageStyle": "metaRefresh"}))
            .unwrap();
        assert_eq!(settings.latencies.route, Span(Duration::from_millis(500)));
        assert_eq!(settings.latencies.route_table, Span::from_secs(2));
        assert_eq!(settings.usages["RoutesPerRouteTable"], 600);
        assert_eq!(settings.page_style, PageStyle::MetaRefresh);
        assert!(Settings::default().changed(&json!({"latency": {}})).is_err());
        assert!(Settings::default().changed(&json!({"latencies": {"route": "soon"}})).is_err());
    }
}
