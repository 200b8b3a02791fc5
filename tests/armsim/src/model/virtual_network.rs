//! Virtual networks and subnets, as far as route tables meet them: a subnet refers to a table, and the table shows the
//! subnet. One etag a network and one operation at a time, as for route tables. No address is ever checked.

use super::{
    arm_id::{ArmPath, ResourceId},
    error::{self, ApiError},
    http::ApiResponse,
    locations::normalised,
    operation::{Accept, Place, Work},
    parent::Written,
    route_request,
    route_table::{List, ProvisioningState, TableKind},
    security_group::GroupKind,
    world::{Call, World},
};
use ipnet::Ipv4Net;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The properties of a subnet that refer to a route table and to a network security group.
const TABLE: &str = "routeTable";
const SECURITY_GROUP: &str = "networkSecurityGroup";
/// As recorded, whatever is asked to wait for other writes.
const RETRY_AFTER: u64 = 3;
/// ASSUMPTION: the first api-version whose networks show `privateEndpointVNetPolicies`; 2025-03-01 does, 2022-01-01
/// does not.
const SHOWS_ENDPOINT_POLICIES: &str = "2024-01-01";

#[derive(Clone, Debug)]
pub(super) struct VirtualNetwork {
    pub(super) id: ResourceId,
    pub(super) location: String,
    tags: Option<Value>,
    etag: String,
    state: ProvisioningState,
    resource_guid: String,
    /// What was asked for, without subnets.
    properties: Map<String, Value>,
    subnets: Vec<Subnet>,
    operation: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Subnet {
    name: String,
    properties: Map<String, Value>,
    state: ProvisioningState,
}

#[derive(Debug, Deserialize)]
pub(super) struct NetworkBody {
    location: Option<String>,
    tags: Option<Value>,
    #[serde(default)]
    properties: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SubnetBody {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// What becomes of a network at the end of an operation.
#[derive(Clone, Debug)]
pub(super) enum NetworkChange {
    Settle,
    Delete,
    DeleteSubnet(String),
}

impl Subnet {
    fn new(name: &str, mut properties: Map<String, Value>, state: ProvisioningState) -> Self {
        properties.remove("provisioningState");
        properties.entry("delegations").or_insert_with(|| json!([]));
        properties.entry("privateEndpointNetworkPolicies").or_insert_with(|| json!("Disabled"));
        properties.entry("privateLinkServiceNetworkPolicies").or_insert_with(|| json!("Enabled"));
        Self { name: name.to_owned(), properties, state }
    }

    fn refers(&self, property: &str) -> Option<&str> {
        self.properties.get(property)?.get("id")?.as_str()
    }

    fn view(&self, network: &VirtualNetwork) -> Value {
        let mut properties = self.properties.clone();
        properties.insert("provisioningState".to_owned(), json!(self.state.to_string()));
        json!({
            "name": self.name,
            "id": format!("{}/subnets/{}", network.id, self.name),
            "etag": format!("W/\"{}\"", network.etag),
            "properties": properties,
            "type": "Microsoft.Network/virtualNetworks/subnets",
        })
    }
}

impl VirtualNetwork {
    fn view(&self, api_version: &str) -> Value {
        let mut properties = self.properties.clone();
        let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
        set("provisioningState", json!(self.state.to_string()));
        set("resourceGuid", json!(self.resource_guid));
        set("subnets", self.subnets.iter().map(|subnet| subnet.view(self)).collect());
        if api_version >= SHOWS_ENDPOINT_POLICIES {
            properties.entry("privateEndpointVNetPolicies").or_insert_with(|| json!("Disabled"));
        } else {
            properties.remove("privateEndpointVNetPolicies");
        }
        let mut view = json!({
            "name": self.id.name,
            "id": self.id.to_string(),
            "etag": format!("W/\"{}\"", self.etag),
            "type": "Microsoft.Network/virtualNetworks",
            "location": self.location,
            "properties": properties,
        });
        if let Some(tags) = &self.tags {
            view["tags"] = tags.clone();
        }
        view
    }

    fn position(&self, subnet: &str) -> Option<usize> {
        self.subnets.iter().position(|present| present.name.eq_ignore_ascii_case(subnet))
    }
}

impl World {
    pub(super) fn network(&self, id: &ResourceId) -> Result<&VirtualNetwork, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        self.networks.get(&id.key()).ok_or_else(|| error::resource_not_found(id))
    }

    pub(super) fn get_network(&self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let network = self.network(id)?;
        let response = ApiResponse::json(200, &network.view(&call.api_version));
        Ok(response.with_header("etag", format!("W/\"{}\"", network.etag)))
    }

    pub(super) fn list_networks(
        &self,
        call: &Call<'_>,
        subscription: &str,
        group: Option<&str>,
    ) -> Result<ApiResponse, ApiError> {
        if let Some(group) = group {
            self.require_group(subscription, group)?;
        }
        let is_listed = |network: &&VirtualNetwork| {
            network.id.subscription.eq_ignore_ascii_case(subscription)
                && group.is_none_or(|group| network.id.group.eq_ignore_ascii_case(group))
        };
        let networks = self.networks.values().filter(is_listed);
        let value = networks.map(|network| network.view(&call.api_version)).collect();
        Ok(ApiResponse::json(200, &List { value }))
    }

    pub(super) fn put_network(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        let body: NetworkBody = route_request::read(&call.request.body)?;
        let present = self.networks.get(&id.key()).cloned();
        self.check_network_idle(present.as_ref())?;
        let mut wanted = self.wanted_network(id, body)?;
        self.check_subnets(&wanted)?;
        let status = if present.is_some() { 200 } else { 201 };
        let is_same = present.as_ref().is_some_and(|present| {
            present.properties == wanted.properties && same_subnets(&present.subnets, &wanted.subnets)
        });
        wanted.etag = self.random.uuid();
        if is_same {
            wanted.state = ProvisioningState::Succeeded;
            settle(&mut wanted);
        }
        self.networks.insert(id.key(), wanted);
        self.tell_users();
        let operation =
            self.begin_network(call, id, (!is_same).then_some(NetworkChange::Settle), "PutVirtualNetworkOperation");
        let mut response = ApiResponse::json(status, &self.network(id)?.view(&call.api_version));
        self.tell_operation(&mut response, &operation, false);
        if !is_same {
            self.set_retry_after(&mut response, RETRY_AFTER);
        }
        Ok(response)
    }

    fn wanted_network(&mut self, id: &ResourceId, mut body: NetworkBody) -> Result<VirtualNetwork, ApiError> {
        let location = normalised(&body.location.ok_or_else(error::location_required)?);
        self.check_location(&location, "Microsoft.Network/virtualNetworks")?;
        let present = self.networks.get(&id.key());
        let mut subnets = vec![];
        for subnet in
            body.properties.remove("subnets").and_then(|subnets| subnets.as_array().cloned()).unwrap_or_default()
        {
            let subnet: SubnetBody =
                serde_json::from_value(subnet).map_err(|error| error::invalid_content(&error.to_string()))?;
            let name = subnet.name.ok_or_else(|| error::missing_property("name"))?;
            route_request::check_name(&name)?;
            subnets.push(Subnet::new(&name, subnet.properties, ProvisioningState::Updating));
        }
        // Read-only, or only shown where it is set.
        for name in ["provisioningState", "resourceGuid"] {
            body.properties.remove(name);
        }
        if body.properties.get("enableVmProtection") == Some(&json!(false)) {
            body.properties.remove("enableVmProtection");
        }
        body.properties.entry("virtualNetworkPeerings").or_insert_with(|| json!([]));
        body.properties.entry("enableDdosProtection").or_insert_with(|| json!(false));
        Ok(VirtualNetwork {
            id: present.map_or_else(|| id.clone(), |present| present.id.clone()),
            location,
            tags: body.tags,
            etag: String::new(),
            state: ProvisioningState::Updating,
            resource_guid: match present {
                Some(present) => present.resource_guid.clone(),
                None => self.random.uuid(),
            },
            properties: body.properties,
            subnets,
            operation: None,
        })
    }

    pub(super) fn delete_network(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        if !self.networks.contains_key(&id.key()) {
            return Ok(ApiResponse::empty(204));
        }
        self.check_network_idle(self.networks.get(&id.key()))?;
        let operation = self.begin_network(call, id, Some(NetworkChange::Delete), "DeleteVirtualNetworkOperation");
        Ok(self.accepted_network_deletion(&operation))
    }

    pub(super) fn list_subnets(&self, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let network = self.network(id)?;
        let value = network.subnets.iter().map(|subnet| subnet.view(network)).collect();
        Ok(ApiResponse::json(200, &List { value }))
    }

    pub(super) fn get_subnet(&self, id: &ResourceId, name: &str) -> Result<ApiResponse, ApiError> {
        let network = self.network(id)?;
        let at = network.position(name).ok_or_else(|| error::child_not_found(&format!("{id}/subnets/{name}")))?;
        let response = ApiResponse::json(200, &network.subnets[at].view(network));
        Ok(response.with_header("etag", format!("W/\"{}\"", network.etag)))
    }

    pub(super) fn put_subnet(&mut self, call: &Call<'_>, id: &ResourceId, name: &str) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        route_request::check_name(name)?;
        let body: SubnetBody = route_request::read(&call.request.body)?;
        let mut network =
            self.networks.get(&id.key()).cloned().ok_or_else(|| error::parent_not_found(id, "subnets"))?;
        self.check_network_idle(Some(&network))?;
        self.check_subnet_free(&format!("{id}/subnets/{name}"))?;
        let subnet = Subnet::new(name, body.properties, ProvisioningState::Updating);
        let position = network.position(name);
        match position {
            Some(at) => network.subnets[at] = Subnet { name: network.subnets[at].name.clone(), ..subnet },
            None => network.subnets.push(subnet),
        }
        self.check_subnets(&network)?;
        network.etag = self.random.uuid();
        network.state = ProvisioningState::Updating;
        self.networks.insert(id.key(), network);
        self.tell_users();
        let operation = self.begin_network(call, id, Some(NetworkChange::Settle), "PutSubnetOperation");
        let mut response = self.get_subnet(id, name)?;
        response.headers.retain(|(header, _)| header != "etag");
        response.status = if position.is_some() { 200 } else { 201 };
        self.tell_operation(&mut response, &operation, false);
        self.set_retry_after(&mut response, RETRY_AFTER);
        Ok(response)
    }

    pub(super) fn delete_subnet(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
        name: &str,
    ) -> Result<ApiResponse, ApiError> {
        if self.network(id)?.position(name).is_none() {
            return Ok(ApiResponse::empty(204));
        }
        self.check_network_idle(self.networks.get(&id.key()))?;
        let change = NetworkChange::DeleteSubnet(name.to_owned());
        let operation = self.begin_network(call, id, Some(change), "DeleteSubnetOperation");
        Ok(self.accepted_network_deletion(&operation))
    }

    /// A network from the world file or the control interface, at once.
    pub(super) fn place_network(&mut self, id: &ResourceId, body: NetworkBody) -> Result<(), ApiError> {
        route_request::check_name(&id.name)?;
        let mut network = self.wanted_network(id, body)?;
        network.etag = self.random.uuid();
        settle(&mut network);
        self.place_group(&id.subscription, &id.group, &network.location);
        self.networks.insert(id.key(), network);
        self.tell_users();
        Ok(())
    }

    pub(super) fn place_subnet(&mut self, id: &ResourceId, name: &str, body: SubnetBody) -> Result<(), ApiError> {
        let etag = self.random.uuid();
        let network = self.networks.get_mut(&id.key()).ok_or_else(|| error::resource_not_found(id))?;
        let subnet = Subnet::new(name, body.properties, ProvisioningState::Succeeded);
        network.etag = etag;
        match network.position(name) {
            Some(at) => network.subnets[at] = subnet,
            None => network.subnets.push(subnet),
        }
        self.tell_users();
        Ok(())
    }

    fn accepted_network_deletion(&self, operation: &str) -> ApiResponse {
        let mut response = ApiResponse::empty(202);
        self.tell_operation(&mut response, operation, true);
        // ASSUMPTION: as for the writes; no deletion of a network was recorded here.
        self.set_retry_after(&mut response, RETRY_AFTER);
        response
    }

    fn begin_network(
        &mut self,
        call: &Call<'_>,
        id: &ResourceId,
        change: Option<NetworkChange>,
        name: &'static str,
    ) -> String {
        let takes = self.settings.latencies.route_table.0;
        let is_running = change.is_some();
        let location = self.networks.get(&id.key()).map(|network| network.location.clone()).unwrap_or_default();
        let operation = self.accept(
            call,
            Accept {
                name,
                place: Place::Network(location),
                subscription: id.subscription.clone(),
                takes,
                work: change.map_or(Work::Nothing, |change| Work::Network(id.clone(), change)),
            },
        );
        if let Some(network) = self.networks.get_mut(&id.key()).filter(|_| is_running) {
            network.operation = Some(operation.clone());
        }
        operation
    }

    pub(super) fn finish_network(&mut self, id: &ResourceId, change: &NetworkChange, succeeded: bool) {
        let etag = self.random.uuid();
        let Some(network) = self.networks.get_mut(&id.key()) else {
            return;
        };
        match (change, succeeded) {
            (NetworkChange::Delete, true) => {
                self.networks.remove(&id.key());
                self.tell_users();
                return;
            }
            (NetworkChange::DeleteSubnet(name), true) => {
                network.subnets.retain(|subnet| !subnet.name.eq_ignore_ascii_case(name));
            }
            // ASSUMPTION: a failed write of a network stays as it was accepted.
            _ => {}
        }
        network.etag = etag;
        settle(network);
        self.tell_users();
    }

    fn check_network_idle(&self, network: Option<&VirtualNetwork>) -> Result<(), ApiError> {
        match network.and_then(|network| Some((network, network.operation.as_ref()?))) {
            Some((network, operation)) => Err(self.locked_by(operation, &network.id)),
            None => Ok(()),
        }
    }

    /// What the subnets refer to exists, and in the network's own region.
    fn check_subnets(&self, network: &VirtualNetwork) -> Result<(), ApiError> {
        for subnet in &network.subnets {
            for property in [TABLE, SECURITY_GROUP] {
                let Some(id) = subnet.refers(property) else { continue };
                let location = match ArmPath::parse(id) {
                    ArmPath::RouteTable(id) if property == TABLE => self.location_in::<TableKind>(&id),
                    ArmPath::SecurityGroup(id) if property == SECURITY_GROUP => self.location_in::<GroupKind>(&id),
                    _ => None,
                };
                if location != Some(network.location.as_str()) {
                    let subnet = format!("{}/subnets/{}", network.id, subnet.name);
                    return Err(error::invalid_reference(id, &subnet));
                }
            }
        }
        Ok(())
    }

    fn location_in<K: Written>(&self, id: &ResourceId) -> Option<&str> {
        K::all(self).get(&id.key()).map(|parent| parent.location.as_str())
    }

    /// Tables and security groups show the subnets that refer to them; those that the world file gave without a network
    /// stay.
    fn tell_users(&mut self) {
        self.known_networks.extend(self.networks.values().map(|network| network.id.key()));
        self.tell::<TableKind>(TABLE);
        self.tell::<GroupKind>(SECURITY_GROUP);
    }

    fn tell<K: Written>(&mut self, property: &str) {
        let mut users: Vec<(String, String)> = vec![];
        for network in self.networks.values() {
            let used = network.subnets.iter().filter_map(|subnet| Some((subnet, subnet.refers(property)?)));
            users.extend(
                used.map(|(subnet, id)| (id.to_ascii_lowercase(), format!("{}/subnets/{}", network.id, subnet.name))),
            );
        }
        let known = self.known_networks.clone();
        let is_known = |subnet: &str| match ArmPath::parse(subnet) {
            ArmPath::Subnet(id, _) => known.contains(&id.key()),
            _ => false,
        };
        let parents = K::all_mut(self);
        for parent in parents.values_mut() {
            parent.subnets.retain(|subnet| !is_known(subnet));
        }
        for (id, subnet) in users {
            if let Some(parent) = parents.get_mut(&id) {
                parent.subnets.push(subnet);
            }
        }
    }

    fn find_subnet(&self, id: &str) -> Option<&Subnet> {
        let ArmPath::Subnet(network, name) = ArmPath::parse(id) else { return None };
        let network = self.networks.get(&network.key())?;
        network.subnets.get(network.position(&name)?)
    }

    pub(super) fn has_subnet(&self, id: &str) -> bool {
        self.find_subnet(id).is_some()
    }

    /// The first IPv4 prefix of a subnet.
    pub(super) fn subnet_prefix(&self, id: &str) -> Option<Ipv4Net> {
        let properties = &self.find_subnet(id)?.properties;
        let all = properties.get("addressPrefixes").and_then(Value::as_array).into_iter().flatten();
        let mut prefixes = properties.get("addressPrefix").into_iter().chain(all).filter_map(Value::as_str);
        prefixes.find_map(|prefix| prefix.parse().ok())
    }

    pub(super) fn remove_networks_of(&mut self, group: &str) {
        self.networks.retain(|_, network| network.id.group_key() != group);
    }
}

fn settle(network: &mut VirtualNetwork) {
    network.state = ProvisioningState::Succeeded;
    network.operation = None;
    for subnet in &mut network.subnets {
        subnet.state = ProvisioningState::Succeeded;
    }
}

fn same_subnets(one: &[Subnet], other: &[Subnet]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| one.name == other.name && one.properties == other.properties)
}
