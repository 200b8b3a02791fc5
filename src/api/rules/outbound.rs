//! The rules about the form of `spec.outbound`, as `rules` says.

pub const EDITION: &str = "^20[0-9]{2}-(0[1-9]|1[0-2])$";
pub const EDITION_SAYS: &str = "write the edition of the documentation as year and month, such as \"2026-03\"";
pub const PROFILE: &str = "^[A-Za-z][A-Za-z0-9]*$";
pub const PROFILE_SAYS: &str = "write the name of a profile such as Base: letters and digits";
pub const REQUIREMENT: &str = "^[A-Za-z][A-Za-z0-9._-]*$";
pub const REQUIREMENT_SAYS: &str =
    "write the id of a requirement or its service tag, such as Storage; amlnet requirements lists them";
pub const PARAMETER: &str = "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$";
pub const PARAMETER_SAYS: &str = "write letters, digits and '-': the name alone, such as mlstore";
pub const PARAMETERS: &str = "self.all(name, name.matches('^[a-z][A-Za-z0-9]*$'))";
pub const PARAMETERS_SAYS: &str =
    "the names of parameters begin with a lower-case letter: storageAccount, containerRegistry, workspaceId";

/// Azure takes no other ranges for networks without a word of its support, and rules for other people's addresses open
/// nothing that is meant.
pub const RANGE: &str = "isCIDR(self)";
pub const RANGE_SAYS: &str = "this is not a range of addresses; write one such as 10.1.0.0/24";
pub const RANGE_BEGINS: &str = "!isCIDR(self) || cidr(self) == cidr(self).masked()";
pub const RANGE_BEGINS_SAYS: &str =
    "the address has bits beyond the length of the range; write the range's first address, such as 10.1.0.0/24";
pub const RANGE_PRIVATE: &str = "!isCIDR(self) || ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', \
    'fc00::/7'].exists(wide, cidr(wide).containsCIDR(self))";
pub const RANGE_PRIVATE_SAYS: &str = "this is not a range of private addresses; write the range of the computes' subnet, \
    within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 or fc00::/7";
pub const SOURCES_APART: &str =
    "self.all(a, !isCIDR(a) || !self.exists(b, isCIDR(b) && a != b && cidr(a).containsCIDR(b)))";
pub const SOURCES_APART_SAYS: &str = "one range lies in another; write the wider one only";

pub const ADDITIONAL_NAME: &str = "^[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?$";
pub const ADDITIONAL_NAME_SAYS: &str = "write a short name such as github: letters, digits and '-'";
pub const NAMES_ONCE: &str = "self.all(a, self.exists_one(b, a.name.lowerAscii() == b.name.lowerAscii()))";
pub const NAMES_ONCE_SAYS: &str = "a name stands twice (case does not count); give each its own";
pub const TAG_OR_HOSTS: &str = "has(self.hosts) != has(self.serviceTag)";
pub const TAG_OR_HOSTS_SAYS: &str = "write exactly one of hosts and serviceTag";
pub const REGIONAL_TAG: &str = "!has(self.regional) || !self.regional || has(self.serviceTag)";
pub const REGIONAL_TAG_SAYS: &str = "regional belongs to a serviceTag; hosts have no region";
pub const HTTP_HOSTS: &str = "has(self.hosts) || self.ports.all(p, p.protocol != 'Http' && p.protocol != 'Https')";
pub const HTTP_HOSTS_SAYS: &str = "Http and Https are for hosts; for a serviceTag write TCP";
pub const HOST: &str =
    "^([*][.]?)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?[.])+[A-Za-z]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$";
pub const HOST_SAYS: &str = "write a host name such as github.com, or *.github.com for all names below it: no scheme, \
    no port, no path, and a * only at the beginning";

pub const FIREWALL_POLICY_ID: &str = is_id_of!("firewallpolicies");
pub const FIREWALL_POLICY_ID_SAYS: &str = "this is not the id of a firewall policy; write /subscriptions/<subscription \
    id>/resourceGroups/<group>/providers/Microsoft.Network/firewallPolicies/<name>: the policy itself, not the firewall \
    and not a rule collection group in it";
pub const POLICIES_ONCE: &str = "self.all(a, self.exists_one(b, a.id.lowerAscii() == b.id.lowerAscii()))";
pub const POLICIES_ONCE_SAYS: &str = "a firewall policy stands twice (ids are compared without case); write it once";
/// Azure Firewall filters IPv4 only, and its rules name where the traffic comes from. A range that is none is said
/// elsewhere.
pub const POLICIES_SOURCES: &str = "!has(self.firewallPolicies) || self.firewallPolicies.size() == 0 \
    || (has(self.sourceAddresses) && self.sourceAddresses.exists(s, !s.contains(':')))";
pub const POLICIES_SOURCES_SAYS: &str = "the rules of a firewall policy name the computes they are for; write the IPv4 \
    ranges of their subnets, such as sourceAddresses: [10.1.0.0/24], or leave firewallPolicies out";
pub const POLICIES_V4: &str = "!has(self.outbound) || !has(self.outbound.firewallPolicies) \
    || self.outbound.firewallPolicies.size() == 0 || 'IPv4' in self.ipFamilies";
pub const POLICIES_V4_SAYS: &str =
    "Azure Firewall filters IPv4 only; add IPv4 to ipFamilies, or leave firewallPolicies out";

pub const IP_GROUP_ID: &str = is_id_of!("ipgroups");
pub const IP_GROUP_ID_SAYS: &str = "this is not the id of an IP group; write /subscriptions/<subscription id>/\
    resourceGroups/<group>/providers/Microsoft.Network/ipGroups/<name>, with no slash at the end";
pub const GROUPS_ONCE: &str = "self.all(a, self.exists_one(b, a.id.lowerAscii() == b.id.lowerAscii()))";
pub const GROUPS_ONCE_SAYS: &str = "an IP group stands twice (ids are compared without case); write it once";
/// Azure documents IP groups for IPv4 only.
pub const GROUPS_V4: &str = "!has(self.outbound) || !has(self.outbound.ipGroups) || self.outbound.ipGroups.size() == 0 \
    || 'IPv4' in self.ipFamilies";
pub const GROUPS_V4_SAYS: &str = "IP groups hold IPv4 only; add IPv4 to ipFamilies, or leave ipGroups out";

pub const LIST_NAME: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
pub const LIST_NAME_SAYS: &str = "write a name for the address of the list: lower-case letters, digits and '-'";
pub const LISTS_ONCE: &str = "self.all(a, self.exists_one(b, a.name == b.name))";
pub const LISTS_ONCE_SAYS: &str = "a list stands twice; give each its own name";
/// Of the whole spec: network security groups stand beside `outbound`.
pub const HAS_TARGET: &str = "!has(self.outbound) \
    || (has(self.outbound.firewallPolicies) && self.outbound.firewallPolicies.size() > 0) \
    || (has(self.outbound.ipGroups) && self.outbound.ipGroups.size() > 0) \
    || (has(self.outbound.lists) && self.outbound.lists.size() > 0) \
    || (has(self.networkSecurityGroups) && self.networkSecurityGroups.size() > 0)";
pub const HAS_TARGET_SAYS: &str = "what is let through has to be written somewhere: name a firewall policy under \
    outbound.firewallPolicies, an IP group under outbound.ipGroups, a list under outbound.lists, or a network security \
    group under networkSecurityGroups";
