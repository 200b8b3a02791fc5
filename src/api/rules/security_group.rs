//! The rules about the form of `spec.networkSecurityGroups`, as `rules` says.

pub const ID: &str = is_id_of!("networksecuritygroups");
pub const ID_SAYS: &str = "this is not the id of a network security group; write /subscriptions/<subscription id>/\
    resourceGroups/<group>/providers/Microsoft.Network/networkSecurityGroups/<name>, with no slash at the end";
pub const ONCE: &str = "self.all(a, self.exists_one(b, a.id.lowerAscii() == b.id.lowerAscii()))";
pub const ONCE_SAYS: &str =
    "a network security group stands twice (ids are compared without case); write it once, with both directions";
pub const OUTBOUND: &str =
    "!has(self.networkSecurityGroups) || self.networkSecurityGroups.size() == 0 || has(self.outbound)";
pub const OUTBOUND_SAYS: &str =
    "what the rules let through is said under spec.outbound; write outbound: {} for what every workspace needs";
pub const RANGE: &str = "self.from <= self.to";
pub const RANGE_SAYS: &str = "from is higher than to; write the lower priority first: {from: 2000, to: 2099}";
