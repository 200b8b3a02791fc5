//! Public IP addresses, as far as conversations about other resources make them first: written whole, given an address
//! when the operation ends, deleted. One etag and one operation at a time, as for route tables.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    http::ApiResponse,
    locations::normalised,
    operation::{Accept, Place, Work},
    route_request,
    route_table::ProvisioningState,
    world::{Call, World},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::net::Ipv4Addr;

/// As recorded for the writes. ASSUMPTION: deletions ask for as much.
const RETRY_AFTER: u64 = 1;
/// The first of the made-up addresses: a block that is kept for documentation.
const FIRST: u32 = 0xC633_6400;

#[derive(Clone, Debug)]
pub(super) struct PublicAddress {
    pub(super) id: ResourceId,
    pub(super) location: String,
    tags: Option<Value>,
    sku: Value,
    etag: String,
    state: ProvisioningState,
    resource_guid: String,
    properties: Map<String, Value>,
    address: Option<String>,
    operation: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Body {
    location: Option<String>,
    tags: Option<Value>,
    #[serde(default)]
    sku: Map<String, Value>,
    #[serde(default)]
    properties: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressChange {
    Put,
    Delete,
}

impl PublicAddress {
    fn view(&self) -> Value {
        let mut properties = self.properties.clone();
        for (name, value) in [
            ("publicIPAddressVersion", json!("IPv4")),
            ("publicIPAllocationMethod", json!("Dynamic")),
            ("idleTimeoutInMinutes", json!(4)),
            ("ipTags", json!([])),
            ("ddosSettings", json!({"protectionMode": "VirtualNetworkInherited"})),
        ] {
            properties.entry(name).or_insert(value);
        }
        properties.insert("provisioningState".to_owned(), json!(self.state.to_string()));
        properties.insert("resourceGuid".to_owned(), json!(self.resource_guid));
        if let Some(address) = &self.address {
            properties.insert("ipAddress".to_owned(), json!(address));
        }
        let mut view = json!({
            "name": self.id.name,
            "id": self.id.to_string(),
            "etag": format!("W/\"{}\"", self.etag),
            "location": self.location,
            "properties": properties,
            "type": "Microsoft.Network/publicIPAddresses",
            "sku": self.sku,
        });
        if let Some(tags) = &self.tags {
            view["tags"] = tags.clone();
        }
        view
    }
}

impl World {
    /// Which address a resource will be given: nothing that a model could know.
    pub fn foresee_address(&mut self, id: &str, address: &str) {
        self.foreseen_addresses.insert(id.to_ascii_lowercase(), address.to_owned());
    }

    fn public_address(&self, id: &ResourceId) -> Result<&PublicAddress, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        self.public_addresses.get(&id.key()).ok_or_else(|| error::resource_not_found(id))
    }

    pub(super) fn get_public_address(&self, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let address = self.public_address(id)?;
        Ok(ApiResponse::json(200, &address.view()).with_header("etag", format!("W/\"{}\"", address.etag)))
    }

    pub(super) fn put_public_address(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        route_request::check_name(&id.name)?;
        let body: Body = route_request::read(&call.request.body)?;
        let location = normalised(&body.location.ok_or_else(error::location_required)?);
        self.check_location(&location, "Microsoft.Network/publicIPAddresses")?;
        let present = self.public_addresses.get(&id.key()).cloned();
        self.check_address_idle(present.as_ref())?;
        let (status, resource_guid, address) = match present {
            Some(present) => (200, present.resource_guid, present.address),
            None => (201, self.random.uuid(), None),
        };
        let sku = |name: &str, default: &str| body.sku.get(name).cloned().unwrap_or_else(|| json!(default));
        let wanted = PublicAddress {
            id: id.clone(),
            location,
            tags: body.tags,
            sku: json!({"name": sku("name", "Basic"), "tier": sku("tier", "Regional")}),
            etag: self.random.uuid(),
            state: ProvisioningState::Updating,
            resource_guid,
            properties: body.properties,
            address,
            operation: None,
        };
        self.public_addresses.insert(id.key(), wanted);
        let operation = self.begin_address(call, id, AddressChange::Put);
        let mut response = ApiResponse::json(status, &self.public_address(id)?.view());
        self.tell_operation(&mut response, &operation, false);
        self.set_retry_after(&mut response, RETRY_AFTER);
        Ok(response)
    }

    pub(super) fn delete_public_address(&mut self, call: &Call<'_>, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        let Some(present) = self.public_addresses.get(&id.key()) else {
            return Ok(ApiResponse::empty(204));
        };
        self.check_address_idle(Some(present))?;
        let operation = self.begin_address(call, id, AddressChange::Delete);
        let mut response = ApiResponse::empty(202);
        self.tell_operation(&mut response, &operation, true);
        self.set_retry_after(&mut response, RETRY_AFTER);
        Ok(response)
    }

    fn begin_address(&mut self, call: &Call<'_>, id: &ResourceId, change: AddressChange) -> String {
        let name = match change {
            AddressChange::Put => "PutPublicIpAddressOperation",
            AddressChange::Delete => "DeletePublicIpAddressOperation",
        };
        let location = self.public_addresses.get(&id.key()).map(|address| address.location.clone()).unwrap_or_default();
        let subscription = id.subscription.clone();
        let (takes, work) = (self.settings.latencies.route_table.0, Work::PublicAddress(id.clone(), change));
        let operation = self.accept(call, Accept { name, place: Place::Network(location), subscription, takes, work });
        if let Some(address) = self.public_addresses.get_mut(&id.key()) {
            address.operation = Some(operation.clone());
        }
        operation
    }

    /// An address from the world file or the control interface, at once.
    pub(super) fn place_public_address(&mut self, id: &ResourceId, body: &[u8]) -> Result<(), ApiError> {
        route_request::check_name(&id.name)?;
        let body: Body = route_request::read(body)?;
        let location = normalised(&body.location.ok_or_else(error::location_required)?);
        self.check_location(&location, "Microsoft.Network/publicIPAddresses")?;
        self.place_group(&id.subscription, &id.group, &location);
        let placed = PublicAddress {
            id: id.clone(),
            location,
            tags: body.tags,
            sku: Value::Object(body.sku),
            etag: self.random.uuid(),
            state: ProvisioningState::Succeeded,
            resource_guid: self.random.uuid(),
            address: body.properties.get("ipAddress").and_then(Value::as_str).map(str::to_owned),
            properties: body.properties,
            operation: None,
        };
        self.public_addresses.insert(id.key(), placed);
        Ok(())
    }

    fn check_address_idle(&self, present: Option<&PublicAddress>) -> Result<(), ApiError> {
        match present.and_then(|present| Some((present, present.operation.as_ref()?))) {
            Some((present, operation)) => Err(self.locked_by(operation, &present.id)),
            None => Ok(()),
        }
    }

    /// ASSUMPTION: a failed write stays as it was accepted, without an address.
    pub(super) fn finish_public_address(&mut self, id: &ResourceId, change: AddressChange, succeeded: bool) {
        let key = id.key();
        if change == AddressChange::Delete && succeeded {
            self.public_addresses.remove(&key);
            return;
        }
        let made_up = u32::try_from(self.drawn(&key, 0, 1, 254)).unwrap_or(1);
        let given = self.foreseen_addresses.get(&key).cloned();
        let etag = self.random.uuid();
        let Some(address) = self.public_addresses.get_mut(&key) else { return };
        address.etag = etag;
        address.operation = None;
        address.state = ProvisioningState::Succeeded;
        let is_static = address.properties.get("publicIPAllocationMethod").is_some_and(|method| method == "Static");
        if succeeded && is_static && address.address.is_none() {
            address.address = Some(given.unwrap_or_else(|| Ipv4Addr::from(FIRST + made_up).to_string()));
        }
    }
}
