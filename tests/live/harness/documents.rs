//! Small Service Tags documents, valid unless a test damages them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;

use serde_json::{Value, json};

/// Prefix number `index` of Azure Machine Learning in East US 2.
pub(crate) fn east(index: usize) -> String {
    numbered("20.1", index)
}

/// The same in Central US, which the documentation pairs with East US 2.
pub(crate) fn central(index: usize) -> String {
    numbered("20.2", index)
}

/// The same in West Europe.
pub(crate) fn west(index: usize) -> String {
    numbered("20.3", index)
}

fn numbered(start: &str, index: usize) -> String {
    format!("{start}.{}.{}/26", index / 4, index % 4 * 64)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A document in the making.
#[derive(Debug, Clone)]
pub(crate) struct Doc {
    number: u64,
    /// `YYYYMMDD`, as in the published name.
    pub(crate) date: String,
    cloud: String,
    /// Region and prefixes by name.
    tags: BTreeMap<String, (String, Vec<String>)>,
}

impl Doc {
    /// The document of a week, with four prefixes in East US 2, three in Central US and two in West Europe.
    pub(crate) fn week(week: u64) -> Self {
        let doc = Self {
            number: 100 + week,
            date: format!("2025{:02}{:02}", 1 + week / 4, 1 + week % 4 * 7),
            cloud: "Public".to_owned(),
            tags: BTreeMap::new(),
        };
        let filler: Vec<String> = (0..250).map(|i| format!("40.{i}.0.0/16")).collect();
        doc.tag("AzureCloud.eastus2", "eastus2", ["20.1.0.0/16", "20.11.0.0/16", "2603:1030:40c::/48"])
            .tag("AzureCloud.centralus", "centralus", ["20.2.0.0/16", "2603:1030:10::/48"])
            .tag("AzureCloud.westeurope", "westeurope", ["20.3.0.0/16"])
            .tag("AzureCloud.northeurope", "northeurope", ["20.4.0.0/16"])
            .tag("BatchNodeManagement.EastUS2", "eastus2", ["20.11.0.0/27"])
            .tag("BatchNodeManagement.CentralUS", "centralus", ["20.2.250.0/27"])
            .tag("BatchNodeManagement", "", ["20.11.0.0/27", "20.2.250.0/27"])
            .tag("Storage", "", filler)
            .regions(0..4, 0..3)
    }

    /// Which prefixes Azure Machine Learning has in East US 2 and in Central US.
    pub(crate) fn regions(self, in_east: Range<usize>, in_central: Range<usize>) -> Self {
        self.lists(in_east.map(east).collect(), in_central.map(central).collect())
    }

    pub(crate) fn lists(self, in_east: Vec<String>, in_central: Vec<String>) -> Self {
        let in_west: Vec<String> = (0..2).map(west).collect();
        let all = [&in_east, &in_central, &in_west].into_iter().flatten().cloned();
        let all: Vec<String> = all.collect();
        self.tag("AzureMachineLearning.EastUS2", "eastus2", in_east)
            .tag("AzureMachineLearning.CentralUS", "centralus", in_central)
            .tag("AzureMachineLearning.WestEurope", "westeurope", in_west)
            .tag("AzureMachineLearning", "", all)
    }

    /// Sets one tag; tags without a dot can stand in routes.
    pub(crate) fn tag<T: Into<String>>(
        mut self,
        name: &str,
        region: &str,
        prefixes: impl IntoIterator<Item = T>,
    ) -> Self {
        let prefixes = prefixes.into_iter().map(Into::into).collect();
        self.tags.insert(name.to_owned(), (region.to_owned(), prefixes));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.tags.remove(name).unwrap();
        self
    }

    pub(crate) fn numbered(self, number: u64, date: &str) -> Self {
        Self { number, date: date.to_owned(), ..self }
    }

    pub(crate) fn of_cloud(self, cloud: &str) -> Self {
        Self { cloud: cloud.to_owned(), ..self }
    }

    pub(crate) fn value(&self) -> Value {
        let tag = |(name, (region, prefixes)): (&String, &(String, Vec<String>))| {
            let features = (!name.contains('.')).then_some(["API", "NSG", "UDR", "FW"]);
            json!({"name": name, "id": name, "properties": {"changeNumber": 1, "region": region, "regionId": 0,
                "platform": "Azure", "systemService": "", "addressPrefixes": prefixes, "networkFeatures": features}})
        };
        let values: Vec<Value> = self.tags.iter().map(tag).collect();
        json!({"changeNumber": self.number, "cloud": self.cloud, "values": values})
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(&self.value()).unwrap()
    }
}
