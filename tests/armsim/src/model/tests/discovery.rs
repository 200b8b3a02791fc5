//! The Service Tag Discovery API beside the files that the download page publishes.

use super::{Azure, SUBSCRIPTION};
use crate::model::{World, download_page::Publish};
use serde_json::{Value, json};
use std::path::Path;

fn file(change: u32) -> String {
    let tag = |name: &str, region: &str, prefix: &str, features: Value| {
        json!({"name": name, "id": name, "properties": {
            "changeNumber": change, "region": region, "regionId": 0, "platform": "Azure", "systemService": "AzureMachineLearning",
            "addressPrefixes": [prefix], "networkFeatures": features,
        }})
    };
    json!({"changeNumber": change, "cloud": "Public", "values": [
        tag("AzureMachineLearning", "", "20.1.0.0/16", json!(["API", "NSG", "UDR", "FW"])),
        tag("AzureMachineLearning.EastUS2", "eastus2", "20.1.0.0/24", json!(["API", "NSG"])),
        tag("AzureCloud.eastus2", "eastus2", "20.0.0.0/8", Value::Null),
    ]})
    .to_string()
}

fn azure(settings: &str) -> (tempfile::TempDir, Azure) {
    let folder = tempfile::tempdir().unwrap();
    for (name, change) in [("1.json", 400), ("2.json", 401)] {
        std::fs::write(folder.path().join(name), file(change)).unwrap();
    }
    let yaml = format!("serviceTagFiles: [1.json, 2.json]\n{settings}\n");
    let azure = Azure::new(World::from_yaml(&yaml, folder.path()).unwrap());
    (folder, azure)
}

fn tags(azure: &mut Azure, location: &str) -> Value {
    let subscription = azure.world.subscriptions[0].clone();
    azure
        .get(&format!("/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/serviceTags"))
        .value()
}

#[test]
fn it_has_its_own_numbers_and_no_regional_tags_of_machine_learning() {
    let (_folder, mut azure) = azure("");
    let document = tags(&mut azure, "eastus2");
    let names: Vec<&str> =
        document["values"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["AzureMachineLearning", "AzureCloud.eastus2"]);
    assert_eq!((document["changeNumber"].as_str(), document["nextLink"].as_str()), (Some("104"), Some("")));
    assert_eq!(
        (document["name"].as_str(), document["type"].as_str()),
        (Some("Public"), Some("Microsoft.Network/serviceTags"))
    );
    let tag = &document["values"][1];
    assert_eq!(tag["serviceTagChangeNumber"], "104");
    let properties = json!({"changeNumber": "400", "region": "eastus2", "state": "GA", "networkFeatures": ["API", "NSG"], "systemService": "AzureMachineLearning", "addressPrefixes": ["20.0.0.0/8"]});
    assert_eq!(tag["properties"], properties);
}

#[test]
fn it_may_be_late_and_may_be_empty() {
    let (_folder, mut azure) = azure("discovery: {lag: 1}");
    azure.world.publish(azure.now, &Publish::default()).unwrap();
    assert_eq!(tags(&mut azure, "eastus2")["values"][0]["properties"]["changeNumber"], "400");
    let change = |azure: &mut Azure, change: Value| {
        let settings = azure.world.settings().changed(&change).unwrap();
        azure.world.set_settings(settings);
    };
    change(&mut azure, json!({"discovery": {"lag": 0}}));
    let document = tags(&mut azure, "eastus2");
    assert_eq!(
        (document["values"][0]["properties"]["changeNumber"].as_str(), document["changeNumber"].as_str()),
        (Some("401"), Some("105"))
    );
    change(&mut azure, json!({"discovery": {"empty": true}}));
    let document = tags(&mut azure, "eastus2");
    assert_eq!(
        (document["values"].as_array().map(Vec::len), document["changeNumber"].as_str()),
        (Some(0), Some("105"))
    );
}

#[test]
fn each_cloud_has_its_own_and_nothing_published_is_nothing() {
    let (_folder, mut azure) = azure("");
    let document = tags(&mut azure, "chinaeast2");
    assert_eq!((document["cloud"].as_str(), document["values"].as_array().map(Vec::len)), (Some("China"), Some(0)));
    let mut nothing = Azure::new(
        World::from_yaml(&format!("resources: [{{id: /subscriptions/{SUBSCRIPTION}}}]"), Path::new(".")).unwrap(),
    );
    assert_eq!(tags(&mut nothing, "eastus2")["values"], json!([]));
}
