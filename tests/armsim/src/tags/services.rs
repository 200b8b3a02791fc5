//! Which services the made-up documents have: names, about how many prefixes a region has, where the tag may be used.

use super::document::Features;

const ALL: Features = Some(&["API", "NSG", "UDR", "FW"]);
const ALL_AND_ENDPOINTS: Features = Some(&["API", "NSG", "UDR", "FW", "VSE"]);
const RULES: Features = Some(&["API", "NSG"]);
const RULES_AND_FIREWALL: Features = Some(&["API", "NSG", "FW"]);
const SECURITY_GROUP: Features = Some(&["NSG"]);
const NOWHERE: Features = None;

#[derive(Clone, Copy, Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) system: &'static str,
    /// About how many prefixes one region has.
    pub(super) size: u64,
    pub(super) global: Features,
    pub(super) regional: Features,
    /// Of every three regions, in how many the service is.
    pub(super) thirds: u64,
}

const fn service(name: &'static str, system: &'static str, size: u64, global: Features, regional: Features) -> Service {
    Service { name, system, size, global, regional, thirds: 3 }
}

const fn in_some(name: &'static str, size: u64, global: Features, regional: Features) -> Service {
    Service { name, system: name, size, global, regional, thirds: 2 }
}

pub(super) const MACHINE_LEARNING: Service = service("AzureMachineLearning", "AzureMachineLearning", 5, ALL, NOWHERE);
pub(super) const BATCH: Service = service("BatchNodeManagement", "BatchNodeManagement", 6, ALL, RULES);
pub(super) const CLOUD_FEATURES: Features = RULES;

pub(super) const REGIONAL: &[Service] = &[
    service("ActionGroup", "ActionGroup", 4, ALL, NOWHERE),
    service("ApiManagement", "AzureApiManagement", 7, ALL, RULES),
    service("AppService", "AzureAppService", 40, ALL, RULES),
    service("AppServiceManagement", "AzureAppServiceManagement", 9, ALL, NOWHERE),
    service("AzureArcInfrastructure", "AzureArcInfrastructure", 6, ALL, NOWHERE),
    service("AzureAttestation", "AzureAttestation", 4, ALL, NOWHERE),
    service("AzureBackup", "AzureBackup", 10, ALL, NOWHERE),
    service("AzureBotService", "AzureBotService", 5, ALL, NOWHERE),
    service("AzureCognitiveSearch", "AzureCognitiveSearch", 11, RULES_AND_FIREWALL, NOWHERE),
    service("AzureConnectors", "AzureConnectors", 10, ALL, ALL),
    service("AzureContainerRegistry", "AzureContainerRegistry", 21, ALL, ALL),
    service("AzureCosmosDB", "AzureCosmosDB", 14, ALL_AND_ENDPOINTS, ALL),
    service("AzureDataExplorerManagement", "AzureDataExplorerManagement", 4, ALL, NOWHERE),
    service("AzureDigitalTwins", "AzureDigitalTwins", 4, ALL, NOWHERE),
    service("AzureEventGrid", "AzureEventGrid", 12, ALL, RULES),
    service("AzureIoTHub", "AzureIoTHub", 8, ALL, NOWHERE),
    service("AzureKeyVault", "AzureKeyVault", 9, ALL_AND_ENDPOINTS, ALL),
    MACHINE_LEARNING,
    service("AzureMonitor", "AzureMonitor", 70, ALL, SECURITY_GROUP),
    service("AzurePortal", "AzurePortal", 7, ALL, NOWHERE),
    service("AzureResourceManager", "AzureResourceManager", 6, ALL, NOWHERE),
    service("AzureSignalR", "AzureSignalR", 8, ALL, NOWHERE),
    BATCH,
    service("DataFactory", "DataFactory", 8, ALL, RULES),
    service("EventHub", "AzureEventHub", 16, ALL_AND_ENDPOINTS, ALL),
    service("GatewayManager", "GatewayManager", 6, RULES, RULES),
    service("HDInsight", "HDInsight", 4, ALL, RULES),
    service("LogicApps", "LogicApps", 34, ALL, NOWHERE),
    service("MicrosoftContainerRegistry", "MicrosoftContainerRegistry", 6, ALL, ALL),
    service("PowerBI", "PowerBI", 20, ALL, NOWHERE),
    service("PowerQueryOnline", "PowerQueryOnline", 4, ALL, NOWHERE),
    service("ServiceBus", "AzureServiceBus", 11, ALL_AND_ENDPOINTS, ALL),
    service("ServiceFabric", "ServiceFabric", 5, ALL, NOWHERE),
    service("Sql", "AzureSQL", 40, ALL_AND_ENDPOINTS, ALL),
    service("Storage", "AzureStorage", 45, ALL_AND_ENDPOINTS, ALL),
    service("StorageSyncService", "StorageSyncService", 4, ALL, NOWHERE),
    service("WindowsVirtualDesktop", "WindowsVirtualDesktop", 12, ALL, NOWHERE),
    in_some("AzureOpenDatasets", 4, ALL, NOWHERE),
    in_some("AzureSecurityCenter", 6, ALL, NOWHERE),
    in_some("PowerPlatformInfra", 30, ALL, NOWHERE),
    in_some("PowerPlatformPlex", 14, ALL, NOWHERE),
    in_some("SCCservice", 5, NOWHERE, NOWHERE),
];

/// Tags without regions; the dots in some names mean none.
pub(super) const SINGLE: &[Service] = &[
    service("AppConfiguration", "AppConfiguration", 90, ALL, NOWHERE),
    service("ApplicationInsightsAvailability", "ApplicationInsightsAvailability", 110, ALL, NOWHERE),
    service("AzureActiveDirectory", "AzureAD", 216, ALL_AND_ENDPOINTS, NOWHERE),
    service("AzureActiveDirectory.ServiceEndpoint", "AzureIdentity", 800, NOWHERE, NOWHERE),
    service("AzureActiveDirectoryDomainServices", "AzureActiveDirectoryDomainServices", 60, ALL, NOWHERE),
    service("AzureAdvancedThreatProtection", "AzureAdvancedThreatProtection", 100, ALL, NOWHERE),
    service("AzureDatabricks", "AzureDatabricks", 120, ALL, NOWHERE),
    service("AzureDeviceUpdate", "AzureDeviceUpdate", 30, ALL, NOWHERE),
    service("AzureFrontDoor.Backend", "", 198, ALL, NOWHERE),
    service("AzureFrontDoor.FirstParty", "AzureFrontDoor", 68, ALL, NOWHERE),
    service("AzureFrontDoor.Frontend", "", 192, ALL, NOWHERE),
    service("AzureFrontDoor.MicrosoftSecurity", "AzureFrontDoor", 7, ALL, NOWHERE),
    service("AzureHealthcareAPIs", "AzureHealthcareAPIs", 40, ALL, NOWHERE),
    service("AzureInformationProtection", "AzureInformationProtection", 12, ALL, NOWHERE),
    service("AzureLoadTestingInstanceManagement", "AzureLoadTestingInstanceManagement", 50, ALL, NOWHERE),
    service("AzureMachineLearningInference", "AzureMachineLearningInference", 70, ALL, NOWHERE),
    service("AzureManagedGrafana", "AzureManagedGrafana", 60, ALL, NOWHERE),
    service("AzureMonitor.Core", "AzureMonitor", 40, NOWHERE, NOWHERE),
    service("AzureSentinel", "AzureSentinel", 80, NOWHERE, NOWHERE),
    service("AzureSiteRecovery", "AzureSiteRecovery", 90, ALL, NOWHERE),
    service("AzureSphere", "AzureSphere", 10, ALL, NOWHERE),
    service("AzureSpringCloud", "AzureSpringCloud", 60, ALL, NOWHERE),
    service("AzureTrafficManager", "AzureTrafficManager", 110, ALL, NOWHERE),
    service("AzureUpdateDelivery", "AzureUpdateDelivery", 20, ALL, NOWHERE),
    service("AzureUpdateDelivery.Alpha", "AzureUpdateDelivery", 6, NOWHERE, NOWHERE),
    service("AzureUpdateDelivery.Beta", "AzureUpdateDelivery", 6, NOWHERE, NOWHERE),
    service("AzureUpdateDelivery.Gamma", "AzureUpdateDelivery", 6, NOWHERE, NOWHERE),
    service("AzureWebPubSub", "AzureWebPubSub", 70, ALL, NOWHERE),
    service("ChaosStudio", "ChaosStudio", 40, ALL, NOWHERE),
    service("CognitiveServicesFrontend", "CognitiveServicesFrontend", 90, RULES_AND_FIREWALL, NOWHERE),
    service("CognitiveServicesManagement", "CognitiveServicesManagement", 250, ALL, NOWHERE),
    service("DataFactoryManagement", "DataFactoryManagement", 80, ALL, NOWHERE),
    service("Dynamics365BusinessCentral", "Dynamics365BusinessCentral", 120, ALL, NOWHERE),
    service("Grafana", "Grafana", 20, ALL, NOWHERE),
    service("GuestAndHybridManagement", "AzureAutomation", 110, ALL, NOWHERE),
    service("LogicAppsManagement", "LogicAppsManagement", 120, ALL, NOWHERE),
    service("M365ManagementActivityApi", "M365ManagementActivityApi", 10, ALL, NOWHERE),
    service("MicrosoftAzureFluidRelay", "MicrosoftAzureFluidRelay", 40, ALL, NOWHERE),
    service("MicrosoftDefenderForEndpoint", "MicrosoftDefenderForEndpoint", 40, ALL, NOWHERE),
    service("OneDsCollector", "OneDsCollector", 60, ALL, NOWHERE),
    service("Scuba", "Scuba", 30, NOWHERE, NOWHERE),
    service("SerialConsole", "SerialConsole", 40, ALL, NOWHERE),
    service("SqlManagement", "SqlManagement", 120, ALL, NOWHERE),
    service("StorageMover", "StorageMover", 50, ALL, NOWHERE),
    service("VideoIndexer", "VideoIndexer", 40, ALL, NOWHERE),
    service("WindowsAdminCenter", "WindowsAdminCenter", 30, ALL, NOWHERE),
];
