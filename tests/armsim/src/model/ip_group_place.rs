//! IP groups that appear and vanish at once, without an operation: from the world file, and through the control
//! interface behind everyone's back.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    ip_group::References,
    ip_group_request::{IpGroupBody, Reference},
    route_table::ProvisioningState,
    time::Time,
    world::World,
};
use std::sync::Arc;

impl World {
    /// Replaces or creates a group. It may be `Failed` from the beginning.
    pub(super) fn place_ip_group(
        &mut self,
        now: Time,
        client: &str,
        id: &ResourceId,
        body: IpGroupBody,
    ) -> Result<(), ApiError> {
        let ids = |given: &Option<Vec<Reference>>| -> Option<Vec<String>> {
            Some(given.as_ref()?.iter().map(|reference| reference.id.clone()).collect())
        };
        let properties = body.properties.as_ref();
        let firewalls = properties.and_then(|properties| ids(&properties.firewalls));
        let policies = properties.and_then(|properties| ids(&properties.firewall_policies));
        let state = placed_state(properties.and_then(|properties| properties.provisioning_state.as_deref()))?;
        let mut group = self.wanted_ip_group(id, body)?;
        group.given = References {
            firewalls: firewalls.unwrap_or(group.given.firewalls),
            policies: policies.unwrap_or(group.given.policies),
        };
        group.state = state;
        group.etag = self.random.uuid();
        self.holds.remove(&id.key());
        self.place_group(&id.subscription, &id.group, &group.location);
        self.history.record_addresses(now, client, id, &group.addresses);
        self.ip_groups.insert(id.key(), group);
        Ok(())
    }

    /// Removes a group; whether there was one.
    pub(super) fn displace_ip_group(&mut self, now: Time, client: &str, id: &ResourceId) -> bool {
        let existed = self.ip_groups.remove(&id.key()).is_some();
        if existed {
            self.holds.remove(&id.key());
            self.history.record_addresses(now, client, id, &Arc::default());
        }
        existed
    }
}

/// Settled states only: what is `Updating` has an operation, and that cannot be placed.
pub(super) fn placed_state(given: Option<&str>) -> Result<ProvisioningState, ApiError> {
    match given {
        None | Some("Succeeded") => Ok(ProvisioningState::Succeeded),
        Some("Failed") => Ok(ProvisioningState::Failed),
        Some(other) => Err(error::invalid_value("provisioningState", other)),
    }
}
