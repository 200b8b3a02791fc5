//! The regions of the three clouds: display name, geography, the pair that ARM tells, and the short form that Service
//! Tags documents use for some. Facts only (docs/facts.md, "Region pairs"); the controller's own table must not come from here.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cloud {
    Public,
    AzureGovernment,
    China,
    /// Stage regions: they have tags, but ARM does not list them.
    Stage,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    pub(crate) display_name: &'static str,
    pub(crate) geography: &'static str,
    pub(crate) pair: Option<&'static str>,
    /// As in `AzureCloud.centralfrance`, where it is not the name.
    pub(crate) short: Option<&'static str>,
    pub(crate) cloud: Cloud,
}

impl Region {
    /// `eastus2`
    pub(crate) fn name(&self) -> String {
        self.tag_name().to_ascii_lowercase()
    }

    /// `EastUS2`
    pub(crate) fn tag_name(&self) -> String {
        self.display_name.replace(' ', "")
    }

    /// The name in `AzureCloud.*` and in `properties.region` of a Service Tags document.
    pub(crate) fn document_name(&self) -> String {
        self.short.map_or_else(|| self.name(), str::to_owned)
    }
}

const fn region(
    display_name: &'static str,
    geography: &'static str,
    pair: Option<&'static str>,
    short: Option<&'static str>,
) -> Region {
    Region { display_name, geography, pair, short, cloud: Cloud::Public }
}

const fn elsewhere(display_name: &'static str, cloud: Cloud, geography: &'static str, pair: &'static str) -> Region {
    Region { display_name, geography, pair: Some(pair), short: None, cloud }
}

/// Public ones first. The pairs are ARM's, which differ from the documentation in Australia Central and Qatar.
pub(crate) const REGIONS: &[Region] = &[
    region("East US", "US", Some("westus"), None),
    region("East US 2", "US", Some("centralus"), None),
    region("South Central US", "US", Some("northcentralus"), None),
    region("West US 2", "US", Some("westcentralus"), None),
    region("West US 3", "US", Some("eastus"), None),
    region("Australia East", "Asia Pacific", Some("australiasoutheast"), None),
    region("Southeast Asia", "Asia Pacific", Some("eastasia"), None),
    region("North Europe", "Europe", Some("westeurope"), None),
    region("Sweden Central", "Europe", Some("swedensouth"), None),
    region("UK South", "Europe", Some("ukwest"), None),
    region("West Europe", "Europe", Some("northeurope"), None),
    region("Central US", "US", Some("eastus2"), None),
    region("North Central US", "US", Some("southcentralus"), None),
    region("West US", "US", Some("eastus"), None),
    region("South Africa North", "Africa", Some("southafricawest"), None),
    region("Central India", "Asia Pacific", Some("southindia"), None),
    region("East Asia", "Asia Pacific", Some("southeastasia"), None),
    region("Japan East", "Asia Pacific", Some("japanwest"), None),
    region("Jio India West", "Asia Pacific", Some("jioindiacentral"), None),
    region("Korea Central", "Asia Pacific", Some("koreasouth"), None),
    region("Canada Central", "Canada", Some("canadaeast"), None),
    region("France Central", "Europe", Some("francesouth"), Some("centralfrance")),
    region("Germany West Central", "Europe", Some("germanynorth"), Some("germanywc")),
    region("Norway East", "Europe", Some("norwaywest"), Some("norwaye")),
    region("Switzerland North", "Europe", Some("switzerlandwest"), Some("switzerlandn")),
    region("UAE North", "Middle East", Some("uaecentral"), None),
    region("Brazil South", "South America", Some("southcentralus"), None),
    region("Central US EUAP", "US", Some("eastus2euap"), None),
    region("East US 2 EUAP", "US", Some("centraluseuap"), None),
    region("West Central US", "US", Some("westus2"), None),
    region("South Africa West", "Africa", Some("southafricanorth"), None),
    region("Australia Central", "Asia Pacific", Some("australiacentral"), None),
    region("Australia Central 2", "Asia Pacific", Some("australiacentral2"), None),
    region("Australia Southeast", "Asia Pacific", Some("australiaeast"), None),
    region("Japan West", "Asia Pacific", Some("japaneast"), None),
    region("Jio India Central", "Asia Pacific", Some("jioindiawest"), None),
    region("Korea South", "Asia Pacific", Some("koreacentral"), None),
    region("South India", "Asia Pacific", Some("centralindia"), None),
    region("West India", "Asia Pacific", Some("southindia"), None),
    region("Canada East", "Canada", Some("canadacentral"), None),
    region("France South", "Europe", Some("francecentral"), Some("southfrance")),
    region("Germany North", "Europe", Some("germanywestcentral"), Some("germanyn")),
    region("Norway West", "Europe", Some("norwayeast"), Some("norwayw")),
    region("Sweden South", "Europe", Some("swedencentral"), None),
    region("Switzerland West", "Europe", Some("switzerlandnorth"), Some("switzerlandw")),
    region("UK West", "Europe", Some("uksouth"), None),
    region("UAE Central", "Middle East", Some("uaenorth"), None),
    region("Brazil Southeast", "South America", Some("brazilsouth"), Some("brazilse")),
    region("Qatar Central", "Middle East", Some("westeurope"), None),
    region("Poland Central", "Europe", None, None),
    region("Israel Central", "Middle East", None, None),
    region("Israel Northwest", "Middle East", None, None),
    region("Italy North", "Europe", None, None),
    region("Austria East", "Europe", None, None),
    region("Belgium Central", "Europe", None, None),
    region("Spain Central", "Europe", None, None),
    region("Mexico Central", "Mexico", None, None),
    region("New Zealand North", "Asia Pacific", None, None),
    region("Indonesia Central", "Asia Pacific", None, None),
    region("Malaysia West", "Asia Pacific", None, None),
    region("Malaysia South", "Asia Pacific", None, None),
    region("Chile Central", "South America", None, Some("chilec")),
    region("Taiwan North", "Asia Pacific", None, None),
    region("Taiwan Northwest", "Asia Pacific", None, None),
    region("Southeast US", "US", None, None),
    region("Southeast US 3", "US", None, None),
    region("South Central US 2", "US", None, None),
    region("Denmark East", "Europe", None, None),
    region("East US 3", "US", None, None),
    Region { short: Some("usstagee"), ..elsewhere("East US STG", Cloud::Stage, "Stage", "southcentralusstg") },
    Region { short: Some("usstagec"), ..elsewhere("South Central US STG", Cloud::Stage, "Stage", "eastusstg") },
    elsewhere("USDoD East", Cloud::AzureGovernment, "US Government", "usdodcentral"),
    elsewhere("USDoD Central", Cloud::AzureGovernment, "US Government", "usdodeast"),
    elsewhere("USGov Arizona", Cloud::AzureGovernment, "US Government", "usgovtexas"),
    elsewhere("USGov Texas", Cloud::AzureGovernment, "US Government", "usgovarizona"),
    elsewhere("USGov Virginia", Cloud::AzureGovernment, "US Government", "usgovtexas"),
    elsewhere("China North", Cloud::China, "China", "chinaeast"),
    elsewhere("China East", Cloud::China, "China", "chinanorth"),
    elsewhere("China North 2", Cloud::China, "China", "chinaeast2"),
    elsewhere("China East 2", Cloud::China, "China", "chinanorth2"),
    elsewhere("China North 3", Cloud::China, "China", "chinaeast3"),
    elsewhere("China East 3", Cloud::China, "China", "chinanorth3"),
];
