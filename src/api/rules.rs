//! The rules about form that a type cannot say, as expressions in CEL with the sentence that a person gets.
//!
//! The API server evaluates them when an object is written, and `read` evaluates the same expressions on files. So they
//! use only functions that Kubernetes 1.33 and kube's own evaluation have in common, and no regular expression that two
//! libraries could read differently (`(?i)`, `\w` and `\d` know letters beyond ASCII in one of them). A plain pattern
//! stands in the schema too, for editors and other programs that know no CEL.

/// The rule that a text is the id of a network resource of a type, which is written in lower case.
macro_rules! is_id_of {
    ($resource_type:literal) => {
        concat!(
            "self.lowerAscii().matches('^/subscriptions/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "/resourcegroups/[a-z0-9._()-]{0,89}[a-z0-9_()-]/providers/microsoft[.]network/",
            $resource_type,
            "/[a-z0-9]([a-z0-9._-]{0,78}[a-z0-9_])?$')"
        )
    };
}

pub mod outbound;
pub mod security_group;

/// The rule that a text matches a pattern of the schema: only a rule can carry a sentence.
pub fn matches(pattern: &str) -> String {
    format!("self.matches('{pattern}')")
}

pub const NAME: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
pub const NAME_SAYS: &str =
    "write a name of Kubernetes: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit";

pub const REGION: &str = "self.matches('^[A-Za-z(][A-Za-z0-9 ()_-]*$') && self.matches('[A-Za-z0-9]')";
pub const REGION_SAYS: &str = "write a region as ARM name, display name or tag spelling: eastus2, East US 2 or EastUS2";
pub const PAIR_SAYS: &str = "write Auto, None or a region such as centralus";
/// `eastus2`, `East US 2` and `EastUS2` are one region.
pub const PAIR_DIFFERS: &str =
    "self.region.lowerAscii().replace(' ', '') != self.pairedRegion.lowerAscii().replace(' ', '')";
pub const PAIR_DIFFERS_SAYS: &str = "pairedRegion is the region itself; write Auto, None or another region";

/// Azure routes a family to a next hop of the same family.
pub const FAMILIES: &str = "!has(self.routes) || self.routes.routeTables.all(t, !has(t.nextHop.ipAddress) \
    || !isIP(t.nextHop.ipAddress) || self.ipFamilies.all(f, (f == 'IPv6') == (ip(t.nextHop.ipAddress).family() == 6)))";
pub const FAMILIES_SAYS: &str = "an address of one family cannot be the next hop of routes of the other; leave the \
    other family out of ipFamilies, or give its tables an AmlNetwork of their own";

pub const DURATION: &str = "^[0-9]{1,9}[smhd]$";
pub const DURATION_SAYS: &str =
    "write a number and s, m, h or d, such as 42d; six weeks are 42d, one and a half hours 90m";
/// 15 minutes to 24 hours. What is no length of time at all is said by the rule above.
pub const INTERVAL: &str = "!self.matches('^[0-9]{1,9}[smhd]$') || (\
    int(self.substring(0, self.size() - 1)) * (self.endsWith('s') ? 1 : self.endsWith('m') ? 60 : self.endsWith('h') \
    ? 3600 : 86400) >= 900 && int(self.substring(0, self.size() - 1)) * (self.endsWith('s') ? 1 : self.endsWith('m') \
    ? 60 : self.endsWith('h') ? 3600 : 86400) <= 86400)";
pub const INTERVAL_SAYS: &str = "write something between 15m and 24h";

pub const SERVICE: &str = "^[A-Za-z][A-Za-z0-9._-]*$";
pub const SERVICE_SAYS: &str =
    "write the name of a service tag such as AzureMachineLearning: letters, digits, '.', '-' and '_'";
pub const SERVICES_ONCE: &str = "self.all(a, self.exists_one(b, a.lowerAscii() == b.lowerAscii()))";
pub const SERVICES_ONCE_SAYS: &str = "a service stands twice (case does not count); write it once";
pub const SOMETHING_TO_WRITE: &str = "self.services.size() > 0 || self.routeTables.all(t, has(t.defaultRoute))";
pub const SOMETHING_TO_WRITE_SAYS: &str =
    "there is nothing to write: name a service, or give every route table a defaultRoute";
pub const TABLES_ONCE: &str = "self.all(a, self.exists_one(b, a.id.lowerAscii() == b.id.lowerAscii()))";
pub const TABLES_ONCE_SAYS: &str = "a route table stands twice (ids are compared without case); write it once";

pub const ROUTE_TABLE_ID: &str = is_id_of!("routetables");
pub const ROUTE_TABLE_ID_SAYS: &str = "this is not the id of a route table; write /subscriptions/<subscription id>/\
    resourceGroups/<group>/providers/Microsoft.Network/routeTables/<name>, with no slash at the end";

pub const HOP_NEEDS_ADDRESS: &str = "self.type != 'VirtualAppliance' || has(self.ipAddress)";
pub const HOP_NEEDS_ADDRESS_SAYS: &str =
    "type VirtualAppliance needs the appliance's address: {type: VirtualAppliance, ipAddress: 10.0.1.4}";
pub const HOP_HAS_ADDRESS: &str = "self.type == 'VirtualAppliance' || !has(self.ipAddress)";
pub const HOP_HAS_ADDRESS_SAYS: &str =
    "an ipAddress belongs to type VirtualAppliance; leave it out, or change the type";
pub const ADDRESS: &str = "isIP(self)";
pub const ADDRESS_SAYS: &str =
    "this is not an IP address; write one such as 10.0.1.4, without prefix length, port or leading zeros";
pub const ADDRESS_IS_UNICAST: &str = "!isIP(self) || ip(self).isGlobalUnicast()";
pub const ADDRESS_IS_UNICAST_SAYS: &str = "this address cannot be a next hop; write the private address of the appliance, not a loopback, link-local or multicast one";
pub const ADDRESS_IS_V4: &str = "!isIP(self) || ip(self).family() == 4";
pub const ADDRESS_IS_V4_SAYS: &str = "0.0.0.0/0 needs an IPv4 address";

pub const FEED_NAME: &str = "self.metadata.name.size() <= 63";
pub const FEED_NAME_SAYS: &str = "the name of a ServiceTagFeed has at most 63 characters; write a shorter one";
pub const ONE_SOURCE: &str =
    "[has(self.download), has(self.discovery), has(self.configMap), has(self.file)].filter(x, x).size() == 1";
pub const ONE_SOURCE_SAYS: &str = "write exactly one of download, discovery, configMap and file in each source; \
    Microsoft's own page is download: {}";
pub const PAGE_OR_FILE: &str = "!has(self.pageUrl) || !has(self.fileUrl)";
pub const PAGE_OR_FILE_SAYS: &str =
    "write pageUrl (a page that links to the file) or fileUrl (the file itself), not both";
/// Only what every parser of URLs reads alike: printable ASCII, a host of letters and digits or an address, a port that
/// exists. A host whose last label is a number is an IPv4 address.
pub const URL: &str = "self.matches('^https://([A-Za-z0-9._~!$&()*+,;=:%-]+@)?([A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9])?\
    |\\\\[[0-9A-Fa-f:.]+\\\\])(:([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?\
    ([/?#][A-Za-z0-9._~:/?#@!$&()*+,;=%-]*)?$') \
    && (!self.matches('^https://([^/?#]*@)?\\\\[') || isIP(self.split('[')[1].split(']')[0])) \
    && (!self.matches('^https://([^/?#]*@)?([^/?#@]*[.])?([0-9]+|0[xX][0-9a-fA-F]*)(:[0-9]*)?([/?#]|$)') \
    || self.matches('^https://([^/?#]*@)?((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}\
    (25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(:[0-9]*)?([/?#]|$)'))";
pub const URL_SAYS: &str =
    "write a whole address that begins with https://, such as https://mirror.example.com/ServiceTags_Public.json";
pub const SUBSCRIPTION: &str = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$";
pub const SUBSCRIPTION_SAYS: &str =
    "write the id of a subscription such as 00000000-0000-0000-0000-000000000000, not its name or path";
pub const LOCATION: &str = "^[a-z0-9]+$";
pub const LOCATION_SAYS: &str = "write the ARM name of a region: lower-case letters and digits, such as eastus2";
pub const CONFIG_MAP_KEY: &str = "^[A-Za-z0-9._-]+$";
pub const CONFIG_MAP_KEY_SAYS: &str =
    "write a key of the ConfigMap: letters, digits, '.', '-' and '_', such as ServiceTags_Public.json.gz";
pub const NAMESPACE: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
pub const NAMESPACE_SAYS: &str = "write a namespace: lower-case letters, digits and '-', at most 63";

pub const NETWORK_OR_FEED: &str = "has(self.network) != has(self.feed)";
pub const NETWORK_OR_FEED_SAYS: &str =
    "write exactly one of network (its plan is approved) and feed (its held document is approved)";
pub const HASH: &str = "^sha256:[0-9a-f]{64}$";
pub const HASH_SAYS: &str =
    "write the whole hash as plan and status show it: sha256: and 64 lower-case hexadecimal digits";
/// A day of the calendar, and an offset that is said. 29 February is there in leap years only.
pub const TIME: &str = "self.matches('^20[0-9]{2}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|\
    02-(0[1-9]|1[0-9]|2[0-9]))T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') \
    && (!self.matches('^....-02-29') || int(self.substring(0, 4)) % 4 == 0)";
pub const TIME_SAYS: &str = "write a time with its offset, such as 2026-12-31T12:00:00Z";
pub const APPROVAL_STANDS: &str = "self.spec == oldSelf.spec";
pub const APPROVAL_STANDS_SAYS: &str = "an approval is not changed afterwards; delete it and create another one";
