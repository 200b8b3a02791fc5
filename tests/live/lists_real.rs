//! Lists of the real files, compared with a calculation of their own from the files.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Sim, address, file_feed, get, network};
use crate::histories::files;

/// What the base profile asks for in the edition of 2026, by the documentation: tags, and whether they are regional.
const BASE: [(&str, bool); 9] = [
    ("AzureActiveDirectory", false),
    ("AzureMachineLearning", false),
    ("BatchNodeManagement", true),
    ("AzureResourceManager", false),
    ("Storage", true),
    ("AzureFrontDoor.FrontEnd", false),
    ("MicrosoftContainerRegistry", false),
    ("AzureFrontDoor.FirstParty", false),
    ("AzureMonitor", false),
];

/// The prefixes of these tags, straight from the file.
fn expected(text: &[u8], region: &str, tags: &[(&str, bool)]) -> BTreeSet<String> {
    let json: Value = serde_json::from_slice(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)).unwrap();
    let mut all = BTreeSet::new();
    for (service, regional) in tags {
        let name = if *regional { format!("{service}.{region}") } else { (*service).to_owned() };
        let mut found = json["values"].as_array().unwrap().iter();
        let tag = found.find(|tag| tag["name"].as_str().unwrap().eq_ignore_ascii_case(&name));
        let prefixes = tag.unwrap_or_else(|| panic!("no {name}"))["properties"]["addressPrefixes"].as_array().unwrap();
        all.extend(prefixes.iter().map(|prefix| prefix.as_str().unwrap().to_owned()));
    }
    all
}

fn family(all: &BTreeSet<String>, v6: bool) -> BTreeSet<String> {
    all.iter().filter(|prefix| prefix.contains(':') == v6).cloned().collect()
}

#[test]
fn lists_of_the_real_files_are_those_of_an_independent_calculation() {
    let files = files();
    let Some(last) = files.len().checked_sub(1) else { return };
    let (region, spelt) = ("westeurope", "WestEurope");
    let sim = Sim::start();
    sim.objects("feed.yaml", &[file_feed("public", "../tags.json")]);
    let lists = json!([{"name": "v4", "content": "IPv4"}, {"name": "v6", "content": "IPv6"},
        {"name": "storage", "requirement": "Storage"}, {"name": "api", "format": "Json"}]);
    let spec = json!({"region": region, "routes": null, "ipFamilies": ["IPv4", "IPv6"],
        "outbound": {"edition": "2026-03", "profiles": ["Base"], "lists": lists}});
    sim.objects("ml.yaml", &[network(json!({"spec": spec}))]);
    let controller = sim.controller(&["--http-listen", "127.0.0.1:0"]);
    let at = address(&controller);
    // The hold is none, so each list is exactly what its document says.
    for index in [0, last / 3, 2 * last / 3, last] {
        let (name, text) = &files[index];
        sim.write("tags.json", text);
        let json: Value = serde_json::from_slice(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)).unwrap();
        let api = || serde_json::from_slice::<Value>(&get(at, "/lists/default/ml/api").body).unwrap_or_default();
        controller.wait_until(name, || api()["document"]["changeNumber"] == json["changeNumber"]);
        let all = expected(text, spelt, &BASE);
        for (list, wanted) in [
            ("v4", family(&all, false)),
            ("v6", family(&all, true)),
            ("storage", expected(text, spelt, &[("Storage", true)])),
        ] {
            let lines = get(at, &format!("/lists/default/ml/{list}")).lines();
            assert_eq!(lines.iter().cloned().collect::<BTreeSet<_>>(), wanted, "{name}: {list}");
            assert_eq!(lines.len(), wanted.len(), "{name}: {list}: nothing stands twice");
            let nets: Vec<ipnet::IpNet> = lines.iter().map(|line| line.parse().unwrap()).collect();
            assert!(nets.is_sorted(), "{name}: {list}");
        }
        let of = |key: &str| -> BTreeSet<String> {
            api()[key].as_array().unwrap().iter().map(|prefix| prefix.as_str().unwrap().to_owned()).collect()
        };
        assert_eq!((of("ipv4"), of("ipv6")), (family(&all, false), family(&all, true)), "{name}");
    }
}
