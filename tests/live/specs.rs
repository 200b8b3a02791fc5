//! Specs that cannot be right: refused with file, field and what to write, before anybody is asked anything.

use serde_json::{Value, json};

use crate::harness::{Sim, TABLE, assert_clean, central, east, feed, final_routes, network, ours};

/// What is wrong, the change to the usual network, and what the error must say.
fn wrong_networks() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let id = |id: &str| json!({"spec": {"routes": {"routeTables": [{"id": id}]}}});
    let form =
        "write /subscriptions/<subscription id>/resourceGroups/<group>/providers/Microsoft.Network/routeTables/<name>";
    let at_id = "spec.routes.routeTables[0].id";
    vec![
        (
            "unknown field",
            json!({"spec": {"regoin": "eastus2"}}),
            vec!["spec", "unknown field regoin", "did you mean region?"],
        ),
        ("a field of later", json!({"spec": {"windows": []}}), vec!["unknown field windows"]),
        (
            "unknown field below",
            json!({"spec": {"routes": {"routeTables": [{"id": TABLE, "nexthop": {}}]}}}),
            vec!["spec.routes.routeTables[0]", "unknown field nexthop", "did you mean nextHop?"],
        ),
        ("no mode", json!({"spec": {"mode": null}}), vec!["mode"]),
        ("wrong mode", json!({"spec": {"mode": "sync"}}), vec!["spec.mode", "\"sync\"", "Observe"]),
        ("no id at all", id("rt-ml"), vec![at_id, "\"rt-ml\" is not the id of a route table", form]),
        (
            "another kind",
            id(&TABLE.replace("routeTables", "virtualNetworks")),
            vec![at_id, "\"virtualNetworks\"", form],
        ),
        ("a child", id(&format!("{TABLE}/routes/x")), vec![at_id, form]),
        ("dots", id(&TABLE.replace("rt-ml", "..")), vec![at_id, "\"..\" is not the name", form]),
        (
            "dots for a group",
            id(&TABLE.replace("rg-ml", "..")),
            vec![at_id, "\"..\" is not the name of a resource group", form],
        ),
        ("%2f", id(&TABLE.replace("rt-ml", "rt%2fml")), vec![at_id, "\"rt%2fml\" is not the name", form]),
        ("a query", id(&format!("{TABLE}?api-version=1")), vec![at_id, form]),
        ("a URL", id(&format!("https://management.azure.com{TABLE}")), vec![at_id, form]),
        (
            "twice",
            json!({"spec": {"routes": {"routeTables": [{"id": TABLE}, {"id": TABLE.to_uppercase()}]}}}),
            vec!["spec.routes.routeTables[1].id", "stands twice"],
        ),
        (
            "no appliance",
            json!({"spec": {"routes": {"routeTables": [{"id": TABLE, "nextHop": {"type": "VirtualAppliance"}}]}}}),
            vec!["spec.routes.routeTables[0].nextHop.ipAddress", "needs the appliance's address"],
        ),
        (
            "no address",
            json!({"spec": {"routes": {"routeTables": [{"id": TABLE, "defaultRoute": {"ipAddress": "firewall"}}]}}}),
            vec!["defaultRoute.ipAddress", "\"firewall\" is not an IP address", "10.0.1.4"],
        ),
        (
            "an IPv6 appliance for IPv4",
            json!({"spec": {"routes": {"routeTables": [{"id": TABLE,
                "nextHop": {"type": "VirtualAppliance", "ipAddress": "fd00::4"}}]}}}),
            vec!["spec.routes.routeTables[0].nextHop.ipAddress", "fd00::4 cannot be the next hop of IPv4"],
        ),
        (
            "an IPv6 default route",
            json!({"spec": {"routes": {"routeTables": [{"id": TABLE, "defaultRoute": {"ipAddress": "fd00::4"}}]}}}),
            vec!["spec.routes.routeTables[0].defaultRoute.ipAddress", "0.0.0.0/0 needs an IPv4 address"],
        ),
        (
            "nothing to write",
            json!({"spec": {"routes": {"services": []}}}),
            vec!["spec.routes.services", "name a service"],
        ),
        (
            "wrong hold",
            json!({"spec": {"removal": {"holdFor": "soon"}}}),
            vec!["spec.removal.holdFor", "\"soon\"", "a number and s, m, h or d"],
        ),
        ("another version", json!({"apiVersion": "amlnet.dev/v2"}), vec!["apiVersion", "amlnet.dev/v1alpha1"]),
        ("another kind of object", json!({"kind": "ConfigMap"}), vec!["kind", "AmlNetwork and ServiceTagFeed"]),
        ("no name", json!({"metadata": {"name": "A B"}}), vec!["metadata.name", "lower-case letters"]),
    ]
}

#[test]
fn a_wrong_spec_is_refused_with_file_field_and_what_to_write() {
    let sim = Sim::start();
    let before = sim.history(TABLE);
    for (what, change, mut said) in wrong_networks() {
        let (_, path) = sim.usual(change);
        said.push(path.to_str().unwrap());
        for ran in [sim.plan(&[]), sim.apply(&[])] {
            let ran = ran.exits(1);
            for text in &said {
                assert!(ran.stderr.contains(text), "{what}: {text:?} is missing in {}", ran.stderr);
            }
            assert_eq!(ran.stdout, "", "{what}");
        }
    }
    assert_eq!(sim.log(), [], "nobody was asked anything");
    assert_eq!(sim.history(TABLE), before);
}

#[test]
fn a_wrong_feed_is_refused_with_file_field_and_what_to_write() {
    let sim = Sim::start();
    let sources = |source: Value| json!({"spec": {"sources": [source]}});
    for (change, said) in [
        (json!({"spec": {"cloud": "Mars"}}), ["spec.cloud", "Public"]),
        (json!({"spec": {"interval": "1m"}}), ["spec.interval", "not between 15m and 24h"]),
        (sources(json!({"download": {"pageUrl": "http://x.example/"}})), ["spec.sources[0].download.pageUrl", "https"]),
        (sources(json!({"file": {"path": "x"}, "download": {}})), ["spec.sources[0]", "exactly one"]),
        (sources(json!({"ftp": {}})), ["spec.sources[0]", "unknown field ftp"]),
    ] {
        sim.usual(json!({}));
        let path = sim.objects("feed.yaml", &[feed(&sim.page(), change)]);
        let ran = sim.plan(&[]).exits(1);
        ran.says(&said);
        ran.says(&[path.to_str().unwrap()]);
    }
    assert_eq!(sim.log(), []);
}

#[test]
fn text_that_is_no_yaml_is_refused_with_file_and_line() {
    let sim = Sim::start();
    for (text, said) in
        [("spec: [\n", "line"), ("a: 1\na: 2\n", "a"), ("\u{0}", "ml.yaml"), ("just text", "apiVersion")]
    {
        sim.write("dir/ml.yaml", text);
        sim.plan(&[]).exits(1).says(&["ml.yaml", said]);
    }
    sim.write("dir/ml.yaml", [0xff, 0xfe, b'a']);
    sim.plan(&[]).exits(1).says(&["ml.yaml", "not UTF-8"]);
    sim.write("dir/ml.yaml", "");
    sim.plan(&[]).exits(1).says(&["the files hold no AmlNetwork"]);
}

#[test]
fn a_network_without_its_feed_is_blocked_and_says_so() {
    let sim = Sim::start();
    let before = sim.history(TABLE);
    sim.usual(json!({"spec": {"feedRef": "mooncake"}}));
    for ran in [sim.plan(&[]), sim.apply(&[]), sim.once(&[])] {
        ran.exits(3).says(&["mooncake", "FeedMissing"]);
    }
    assert_eq!(sim.history(TABLE), before);
    let ready = &sim.status("ml")["conditions"][0];
    assert_eq!(ready["status"], "False");
    assert!(ready["message"].as_str().unwrap().contains("FeedMissing"), "{ready}");
}

#[test]
fn a_source_that_needs_kubernetes_says_so_and_the_next_one_counts() {
    let sim = Sim::start();
    let config_map = json!({"configMap": {"name": "service-tags", "key": "a.json.gz"}});
    let with = |sources: Value| {
        sim.usual(json!({}));
        sim.objects("feed.yaml", &[feed(&sim.page(), json!({"spec": {"sources": sources}}))]);
        sim.plan(&[])
    };
    with(json!([config_map])).exits(3).says(&["a configMap source works only in Kubernetes; write file: {path: …}"]);
    let page = json!({"download": {"pageUrl": sim.page()}});
    with(json!([config_map, page])).exits(2);
}

#[test]
fn an_unknown_region_or_tag_blocks_and_names_what_is_near() {
    let sim = Sim::start();
    let before = sim.history(TABLE);
    for (change, said) in [
        (json!({"spec": {"region": "eastsu2"}}), ["eastsu2", "eastus2"]),
        (json!({"spec": {"pairedRegion": "centrlaus"}}), ["pairedRegion", "centralus"]),
        (
            json!({"spec": {"routes": {"services": ["AzureMachineLerning"]}}}),
            ["AzureMachineLerning", "change number 101"],
        ),
    ] {
        sim.usual(change);
        sim.once(&[]).exits(3).says(&["Unresolved", said[0], said[1]]);
    }
    assert_eq!(sim.history(TABLE), before);
    // Any spelling of a region is understood.
    for region in ["East US 2", "EastUS2", "EASTUS2"] {
        sim.usual(json!({"spec": {"region": region}}));
        sim.plan(&[]).exits(2).says(&["7 to add", "AzureMachineLearning eastus2"]);
    }
}

#[test]
fn two_next_hops_for_one_prefix_freeze_that_prefix_only() {
    let sim = Sim::start();
    sim.usual(json!({"spec": {"pairedRegion": "None"}}));
    sim.once(&[]).exits(0);
    // Another network wants the prefixes of Central US as well, and those of East US 2 by way of a firewall.
    let hop = json!({"type": "VirtualAppliance", "ipAddress": "10.0.1.9"});
    let second = json!({"metadata": {"name": "second"},
        "spec": {"routes": {"routeTables": [{"id": TABLE, "nextHop": hop}]}}});
    sim.objects("second.yaml", &[network(second)]);
    let plan = sim.once(&["-o", "json"]).exits(3).json();
    let conflicts = plan["targets"][0]["conflicts"].as_array().unwrap();
    assert_eq!(conflicts.len(), 4);
    let why = conflicts[0]["why"].as_str().unwrap();
    assert!(
        why.contains("default/ml wants Internet") && why.contains("default/second wants VirtualAppliance 10.0.1.9"),
        "{why}"
    );
    let history = sim.history(TABLE);
    let routes = final_routes(&history);
    assert_eq!(routes[&east(0)].hop, "Internet", "what stood stays as it was");
    assert_eq!(routes[&central(0)].hop, "VirtualAppliance 10.0.1.9", "what is agreed on is written");
    assert_clean(&history, (0..4).map(east));
    assert_eq!(ours(&history).len(), 7);
}
