use serde_json::json;

use super::*;

const TABLE: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/routeTables/rt";

fn network(spec: &str) -> String {
    format!("apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {{name: ml}}\nspec: {{{spec}}}\n")
}

fn with_table(table: &str) -> String {
    network(&format!("region: eastus2, mode: Sync, routes: {{routeTables: [{{id: \"{TABLE}\"{table}}}]}}"))
}

fn only(text: &str) -> Result<Object, ObjectError> {
    let mut list = read(text).unwrap();
    assert_eq!(list.len(), 1);
    list.remove(0)
}

#[test]
fn ten_lines_are_enough_and_the_rest_has_defaults() {
    let Object::Network(network) = only(&with_table("")).unwrap() else { panic!("no network") };
    assert_eq!(network.key.to_string(), "default/ml");
    assert_eq!(network.intent.services, ["AzureMachineLearning"]);
    assert_eq!(network.intent.feed, "public");
    assert_eq!(network.intent.removal.hold_seconds, 42 * 86400);
    assert_eq!(network.intent.route_tables[0].next_hop, crate::domain::intent::NextHop::Internet);
}

#[test]
fn every_mistake_names_the_field_and_what_to_write() {
    let azure = TABLE.replace("/routeTables/rt", "");
    let policy = |more: &str| {
        let policy = format!("{{id: {azure}/firewallPolicies/p, {more}}}");
        network(&format!(
            "region: a, mode: Sync, outbound: {{sourceAddresses: [10.1.0.0/24], firewallPolicies: [{policy}]}}"
        ))
    };
    let security_group = |more: &str| {
        let group = format!("{{id: {azure}/networkSecurityGroups/n, {more}}}");
        network(&format!("region: a, mode: Sync, outbound: {{}}, networkSecurityGroups: [{group}]"))
    };
    assert!(
        only(&policy("priority: 100")).is_ok() && only(&security_group("priorityRange: {from: 100, to: 100}")).is_ok()
    );
    for (text, wanted) in [
        (policy("priority: 99"), "spec.outbound.firewallPolicies[0].priority: 99 is too small; write at least 100"),
        (
            policy("addressing: Auto"),
            "spec.outbound.firewallPolicies[0]: priority is missing; The priority of the rule",
        ),
        (
            policy("priority: 100").replace("10.1.0.0/24", ""),
            "spec.outbound.sourceAddresses: the rules of a firewall policy",
        ),
        (
            policy("priority: 100").replace("firewallPolicies/p", "azureFirewalls/p"),
            "is not the id of a firewall policy",
        ),
        (
            network("region: a, mode: Sync, outbound: {}"),
            "spec.outbound: what is let through has to be written somewhere",
        ),
        (
            security_group("priorityRange: {from: 9, to: 5000}"),
            "priorityRange.from: 9 is too small; write at least 100; The lowest",
        ),
        (
            security_group("priorityRange: {from: 101, to: 100}"),
            "spec.networkSecurityGroups[0].priorityRange: from is higher than to; write the lower priority first",
        ),
        (
            security_group("priorityRange: {from: 100, to: 101}").replace("outbound: {}, ", ""),
            "spec.networkSecurityGroups: what the rules let through is said under spec.outbound; write outbound: {}",
        ),
        (
            security_group("directions: [], priorityRange: {from: 100, to: 101}"),
            "spec.networkSecurityGroups[0].directions: [] cannot be used",
        ),
        (network("region: eastus2"), "spec: mode is missing; How far amlnet may go"),
        (network("region: eastus2, mode: sync"), r#"spec.mode: "sync" is not one of Observe, UpsertOnly, Sync"#),
        (network("region: eastus2, mode: Sync, suspendd: true"), "spec: unknown field suspendd"),
        (
            network("region: eastus2, mode: Sync, pairdRegion: x"),
            "unknown field pairdRegion (did you mean pairedRegion?)",
        ),
        (network("region: [a], mode: Sync"), r#"spec.region: ["a"] is of the wrong type"#),
        (network("region: '', mode: Sync"), "spec.region: \"\" cannot be used"),
        (
            network("region: a, mode: Sync, removal: {holdFor: 6w}"),
            "spec.removal.holdFor: \"6w\" is not a length of time",
        ),
        (network("region: a, mode: Sync, routes: {routeTables: []}"), "spec.routes.routeTables"),
        (with_table(", nextHop: {type: VirtualAppliance}"), "nextHop.ipAddress: type VirtualAppliance needs"),
        (with_table(", nextHop: {type: Internet, ipAddress: 10.0.0.4}"), "nextHop.ipAddress: leave it out"),
        (with_table(", nextHop: {type: VirtualAppliance, ipAddress: 10.0.0.300}"), "is not an IP address"),
        (with_table(", defaultRoute: {ipAddress: 127.0.0.1}"), "cannot be a next hop"),
        (with_table(", defaultRoute: {ipAddress: 'fd00::4'}"), "0.0.0.0/0 needs an IPv4 address"),
        (
            with_table(", nextHop: {type: VirtualAppliance, ipAddress: 'fd00::4'}"),
            "cannot be the next hop of IPv4 routes",
        ),
        (network("region: a, mode: Sync").replace("name: ml", "name: ml, namespace: a.b"), "metadata.namespace"),
        (with_table(", adressing: Prefixes"), "routeTables[0]: unknown field adressing (did you mean addressing?)"),
        (with_table("").replace("/rt\"", "/../rt\""), "spec.routes.routeTables[0].id: "),
        (with_table("").replace("/rt\"", "/r%2ft\""), "is not the name of a resource; write /subscriptions/"),
        (
            network(&format!(
                "region: a, mode: Sync, routes: {{routeTables: [{{id: \"{TABLE}\"}}, {{id: \"{}\"}}]}}",
                TABLE.to_uppercase()
            )),
            "spec.routes.routeTables[1].id: this route table stands twice",
        ),
        (
            network(&format!("region: a, mode: Sync, routes: {{services: [], routeTables: [{{id: \"{TABLE}\"}}]}}")),
            "spec.routes.services: there is nothing to write",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\n".to_owned(),
            r#"apiVersion: "v1" stands where amlnet.dev/v1alpha1 belongs"#,
        ),
        ("apiVersion: amlnet.dev/v1alpha1\nkind: Aml\nmetadata: {name: a}".to_owned(), r#"kind: "Aml" is not one of"#),
        ("apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {name: ../a}".to_owned(), "metadata.name"),
    ] {
        let error = only(&text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted}\nnot in\n{error}");
    }
}

#[test]
fn policies_and_security_groups_have_sensible_defaults() {
    use crate::domain::outbound::{Priorities, RuleAddressing};
    use crate::domain::requirement::Direction;
    let azure = TABLE.replace("/routeTables/rt", "");
    let text = network(&format!(
        "region: a, mode: Sync, networkSecurityGroups: [{{id: {azure}/networkSecurityGroups/n, priorityRange: {{from: 2000, \
         to: 2099}}}}], outbound: {{sourceAddresses: [10.1.0.0/24], firewallPolicies: [{{id: {azure}/firewallPolicies/p, \
         priority: 1200}}]}}"
    ));
    let Object::Network(found) = only(&text).unwrap() else { panic!("no network") };
    let policy = &found.intent.outbound.as_ref().unwrap().firewall_policies[0];
    assert_eq!((policy.priority, policy.addressing), (1200, RuleAddressing::Auto));
    assert_eq!(policy.id, format!("{azure}/FIREWALLPOLICIES/P").parse().unwrap());
    let group = &found.intent.security_groups[0];
    assert_eq!(
        (group.directions.clone(), group.priorities),
        ([Direction::Outbound].into(), Priorities { from: 2000, to: 2099 })
    );
    assert_eq!(found.intent.asked().map(|asked| asked.id().name.as_str()).collect::<Vec<_>>(), ["p", "n"]);
}

/// Where the CRD of a cluster is older than this program, nothing but the conversion stands before `domain`.
#[test]
fn what_no_rule_was_asked_about_is_refused_as_well() {
    let azure = TABLE.replace("/routeTables/rt", "");
    let (policy, group) = (format!("{azure}/firewallPolicies/p"), format!("{azure}/networkSecurityGroups/n"));
    let range = json!({"from": 2000, "to": 2099});
    let sources = json!(["10.1.0.0/24"]);
    for (spec, said) in [
        (json!({"outbound": {}}), "spec.outbound: what is let through"),
        (
            json!({"networkSecurityGroups": [{"id": group, "priorityRange": range}]}),
            "spec.networkSecurityGroups: what the rules",
        ),
        (
            json!({"outbound": {"firewallPolicies": [{"id": policy, "priority": 100}]}}),
            "spec.outbound.sourceAddresses: the rules",
        ),
        (
            json!({"outbound": {"sourceAddresses": ["fd00::/64"], "firewallPolicies": [{"id": policy, "priority": 100}]}}),
            "spec.outbound.sourceAddresses: the rules",
        ),
        (
            json!({"ipFamilies": ["IPv6"], "outbound": {"sourceAddresses": sources, "firewallPolicies": [{"id": policy, "priority": 100}]}}),
            "spec.ipFamilies: Azure Firewall filters IPv4 only",
        ),
        (
            json!({"outbound": {"sourceAddresses": sources, "firewallPolicies": [{"id": policy, "priority": 100}, {"id": policy.to_uppercase(), "priority": 101}]}}),
            "spec.outbound.firewallPolicies[1].id: a firewall policy stands twice",
        ),
        (
            json!({"outbound": {"sourceAddresses": sources, "firewallPolicies": [{"id": group, "priority": 100}]}}),
            "spec.outbound.firewallPolicies[0].id: ",
        ),
        (
            json!({"outbound": {}, "networkSecurityGroups": [{"id": group, "priorityRange": range}, {"id": group.to_uppercase(), "priorityRange": range}]}),
            "spec.networkSecurityGroups[1].id: a network security group stands twice",
        ),
        (
            json!({"outbound": {}, "networkSecurityGroups": [{"id": policy, "priorityRange": range}]}),
            "spec.networkSecurityGroups[0].id: ",
        ),
        (
            json!({"outbound": {}, "networkSecurityGroups": [{"id": group, "priorityRange": {"from": 2, "to": 1}}]}),
            "spec.networkSecurityGroups[0].priorityRange.from: 2 is",
        ),
        (
            json!({"outbound": {}, "networkSecurityGroups": [{"id": group, "priorityRange": {"from": 101, "to": 100}}]}),
            "spec.networkSecurityGroups[0].priorityRange: from is higher than to",
        ),
    ] {
        let mut value = json!({"region": "eastus2", "mode": "Sync"});
        value.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let value = json!({"apiVersion": API_VERSION, "kind": "AmlNetwork", "metadata": {"name": "ml"}, "spec": value});
        let spec: AmlNetwork = serde_json::from_value(value).unwrap();
        let error = convert::intent(&spec.spec).unwrap_err().to_string();
        assert!(error.starts_with(said), "{said}\nis not\n{error}");
    }
}

#[test]
fn yaml_is_read_as_kubectl_reads_it_but_for_duplicate_keys() {
    let suspended = |text: &str| match only(&network(&format!("region: a, mode: Sync, suspend: {text}"))) {
        Ok(Object::Network(network)) => Some(network.intent.suspended),
        _ => None,
    };
    assert_eq!((suspended("yes"), suspended("off"), suspended("\"yes\"")), (Some(true), Some(false), None));
    assert!(only(&network("region: a, mode: Sync, pairedRegion: no")).is_err());
    assert!(read("a: 1\na: 2\n").is_err());
    assert!(read("a: [1\n").is_err());
}

#[test]
fn one_bad_document_does_not_spoil_the_others() {
    let text = format!("{}---\n{}---\n", with_table(""), network("mode: Sync"));
    let list = read(&text).unwrap();
    assert!(list[0].is_ok() && list[1].is_err());
}

fn feed(spec: &str) -> Result<Object, ObjectError> {
    only(&format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: ServiceTagFeed\nmetadata: {{name: public}}\nspec: {{{spec}}}\n"
    ))
}

#[test]
fn feeds_name_a_cloud_and_sources() {
    let Object::Feed(found) = feed("cloud: Public, sources: [{download: {}}, {file: {path: a.json.gz}}]").unwrap()
    else {
        panic!("no feed")
    };
    assert_eq!(found.intent.sources.len(), 2);
    for (spec, wanted) in [
        ("cloud: Public, sources: []", "spec.sources"),
        (
            "cloud: Public, sources: [{}]",
            "spec.sources[0]: write exactly one of download, discovery, configMap and file",
        ),
        ("cloud: Public, sources: [{download: {}, file: {path: a}}]", "write exactly one"),
        ("cloud: public, sources: [{download: {}}]", "is not one of Public, AzureGovernment, China"),
        ("cloud: Public, interval: 5m, sources: [{download: {}}]", "spec.interval: 5m is not between 15m and 24h"),
        ("cloud: Public, sources: [{download: {pageUrl: 'http://x/'}}]", "pageUrl"),
        ("cloud: Public, sources: [{download: {pageUrl: 'https://x/', fileUrl: 'https://y/'}}]", "not both"),
        ("cloud: Public, sources: [{discovery: {}}]", "sources[0].discovery: subscriptionId is missing"),
        ("cloud: Public, sources: [{discovery: {subscriptionId: x, location: eastus2}}]", "subscriptionId"),
        ("cloud: Public, sources: [{configMap: {}}]", "sources[0].configMap: key is missing"),
        ("cloud: Public, sources: [{configmap: {}}]", "unknown field configmap (did you mean configMap?)"),
    ] {
        let error = feed(spec).unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted}\nnot in\n{error}");
    }
}

#[test]
fn lengths_of_time_are_a_number_and_a_unit() {
    let seconds = |text: &str| convert::duration(text).map(|d| d.as_secs()).ok();
    assert_eq!(seconds("0s"), Some(0));
    assert_eq!(seconds("42d"), Some(42 * 86400));
    for bad in ["", "s", "1", "1w", "-1s", "1.5h", "9999999999d", "1 h", "\u{661}s"] {
        assert_eq!(seconds(bad), None, "{bad}");
    }
}

#[test]
fn the_samples_are_accepted() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/samples");
    let mut objects = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for object in read_all(&text).unwrap() {
            assert!(object.is_ok(), "{}: {}", path.display(), object.err().unwrap());
            objects += 1;
        }
    }
    assert!(objects >= 10, "{objects} objects");
}

fn approval(spec: &str) -> Result<Approved, Vec<String>> {
    let text =
        format!("apiVersion: amlnet.dev/v1alpha1\nkind: PlanApproval\nmetadata: {{name: one}}\nspec: {{{spec}}}\n");
    let object = read_approvals(&text).unwrap().remove(0);
    object.map_err(|error| error.problems.iter().map(ToString::to_string).collect())
}

#[test]
fn an_approval_names_one_network_or_one_feed_and_a_whole_hash() {
    let hash = format!("hash: \"sha256:{}\"", "a".repeat(64));
    let good =
        approval(&format!("network: ml, {hash}, approvedBy: somebody, expiresAt: \"2026-01-05T12:00:00Z\"")).unwrap();
    assert_eq!(
        (good.subject.to_string(), good.approved_by.as_deref()),
        ("AmlNetwork default/ml".to_owned(), Some("somebody"))
    );
    assert_eq!(good.expires_at, Some("2026-01-05T12:00:00Z".parse().unwrap()));
    assert_eq!(approval(&format!("feed: public, {hash}")).unwrap().subject.to_string(), "ServiceTagFeed public");
    for (spec, said) in [
        (hash.clone(), "network"),
        (format!("network: ml, feed: public, {hash}"), "feed"),
        ("network: ml".to_owned(), "hash"),
        ("network: ml, hash: abc".to_owned(), "hash"),
        (format!("network: ml, {}", hash.to_uppercase().replace("HASH", "hash")), "hash"),
        (format!("network: \"\", {hash}"), "network"),
        (format!("network: ml, {hash}, expiresAt: tomorrow"), "expiresAt"),
        (format!("network: ml, {hash}, hold: 3"), "hold"),
    ] {
        let problems = approval(&spec).unwrap_err();
        assert!(problems.iter().any(|problem| problem.contains(said)), "{spec}: {problems:?}");
    }
}

#[test]
fn objects_and_approvals_are_told_apart() {
    let text = format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: PlanApproval\nmetadata: {{name: one}}\nspec: {{network: ml, hash: \"sha256:{}\"}}\n",
        "a".repeat(64)
    );
    let said = |error: ObjectError| error.problems[0].to_string();
    assert!(said(only(&text).unwrap_err()).contains("PlanApproval"));
    assert!(said(read_approvals(&with_table("")).unwrap().remove(0).unwrap_err()).contains("PlanApproval"));
}
