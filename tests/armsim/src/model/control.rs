//! What the control interface and builders do to a world: place and remove resources behind everyone's back. No rule of
//! ARM about who may do so is applied; the rules about the form of resources are.

use super::{
    arm_id::ArmPath,
    error::{self, ApiError},
    faults::Fate,
    firewall::PlacedBody,
    http::{ApiRequest, ApiResponse},
    ip_group_request::IpGroupBody,
    locks::LockBody,
    resource_group::GroupBody,
    route_request,
    route_table::TableKind as Table,
    security_group::GroupKind as SecurityGroup,
    time::Time,
    virtual_network::{NetworkBody, SubnetBody},
    world::{Call, World},
};
use serde_json::{Value, json};

/// Under which name such changes stand in a history.
const CLIENT: &str = "control";
/// Later than every api-version that hides something.
const NEWEST: &str = "9999-12-31";

impl World {
    /// Replaces or creates the resource that `resource.id` names, at once. A resource group that is missing is made.
    pub fn put_resource(&mut self, now: Time, resource: &Value) -> Result<(), ApiError> {
        self.advance(now);
        self.place(now, CLIENT, resource)
    }

    pub(super) fn place(&mut self, now: Time, client: &str, resource: &Value) -> Result<(), ApiError> {
        let id = resource.get("id").and_then(Value::as_str).ok_or_else(|| error::missing_property("id"))?;
        let body = resource.to_string();
        match ArmPath::parse(id) {
            ArmPath::Subscription { subscription } => {
                self.place_subscription(&subscription);
                Ok(())
            }
            ArmPath::ResourceGroup { subscription, group } => {
                let body: GroupBody = route_request::read(body.as_bytes())?;
                self.place_group(&subscription, &group, "eastus");
                self.set_group_tags(&subscription, &group, body);
                Ok(())
            }
            ArmPath::RouteTable(id) => {
                self.place_parent::<Table>(now, client, &id, route_request::read(body.as_bytes())?)
            }
            ArmPath::Route(id, name) => {
                self.place_child::<Table>(now, client, &id, &name, route_request::read(body.as_bytes())?)
            }
            ArmPath::SecurityGroup(id) => {
                self.place_parent::<SecurityGroup>(now, client, &id, route_request::read(body.as_bytes())?)
            }
            ArmPath::SecurityRule(id, name) => {
                self.place_child::<SecurityGroup>(now, client, &id, &name, route_request::read(body.as_bytes())?)
            }
            ArmPath::VirtualNetwork(id) => {
                let body: NetworkBody = route_request::read(body.as_bytes())?;
                self.place_network(&id, body)
            }
            ArmPath::Subnet(id, name) => {
                let body: SubnetBody = route_request::read(body.as_bytes())?;
                self.place_subnet(&id, &name, body)
            }
            ArmPath::IpGroup(id) => {
                let body: IpGroupBody = route_request::read(body.as_bytes())?;
                self.place_ip_group(now, client, &id, body)
            }
            ArmPath::Firewall(id) => {
                let body: PlacedBody = route_request::read(body.as_bytes())?;
                self.place_firewall(&id, body)
            }
            ArmPath::FirewallPolicy(id) => {
                let body: PlacedBody = route_request::read(body.as_bytes())?;
                self.place_firewall_policy(now, client, &id, body)
            }
            ArmPath::RuleCollectionGroup(id, name) => {
                let body: PlacedBody = route_request::read(body.as_bytes())?;
                self.place_rule_collection_group(now, client, &id, &name, body)
            }
            ArmPath::PublicAddress(id) => self.place_public_address(&id, body.as_bytes()),
            ArmPath::Lock { scope, name, .. } => {
                let body: LockBody = route_request::read(body.as_bytes())?;
                self.set_lock(&scope, &name, body).map(|_| ())
            }
            _ => Err(error::unknown_path(id)),
        }
    }

    /// Removes a table, a route, a security group, a rule, an IP group, a firewall, a policy, a rule collection group
    /// or a lock at once; whether there was one.
    pub fn delete_resource(&mut self, now: Time, id: &str) -> bool {
        self.advance(now);
        match ArmPath::parse(id) {
            ArmPath::Lock { scope, name, .. } => self.locks.remove(&scope, &name),
            ArmPath::RouteTable(id) => self.displace::<Table>(now, CLIENT, &id, None),
            ArmPath::Route(id, route) => self.displace::<Table>(now, CLIENT, &id, Some(&route)),
            ArmPath::SecurityGroup(id) => self.displace::<SecurityGroup>(now, CLIENT, &id, None),
            ArmPath::SecurityRule(id, rule) => self.displace::<SecurityGroup>(now, CLIENT, &id, Some(&rule)),
            ArmPath::IpGroup(id) => self.displace_ip_group(now, CLIENT, &id),
            ArmPath::Firewall(id) => self.firewalls.remove(&id.key()).is_some(),
            ArmPath::FirewallPolicy(id) => self.displace_firewall_policy(now, CLIENT, &id),
            ArmPath::RuleCollectionGroup(id, name) => self.displace_rule_collection_group(now, CLIENT, &id, &name),
            _ => false,
        }
    }

    /// A resource as a GET would answer it, without a token, a lock or an entry in the log.
    pub fn get_resource(&mut self, now: Time, id: &str) -> Result<ApiResponse, ApiError> {
        self.advance(now);
        match ArmPath::parse(id) {
            ArmPath::ResourceGroup { subscription, group } => self.get_group(&subscription, &group),
            ArmPath::RouteTable(id) => self.get_parent::<Table>(NEWEST, &id),
            ArmPath::Route(id, name) => self.get_child::<Table>(&id, &name),
            ArmPath::SecurityGroup(id) => self.get_parent::<SecurityGroup>(NEWEST, &id),
            ArmPath::SecurityRule(id, name) => self.get_child::<SecurityGroup>(&id, &name),
            ArmPath::IpGroup(id) => self.get_ip_group(&id),
            ArmPath::Firewall(id) => self.get_firewall(&id),
            ArmPath::FirewallPolicy(id) => self.get_firewall_policy(&id),
            ArmPath::RuleCollectionGroup(id, name) => self.get_rule_collection_group(&id, &name),
            ArmPath::PublicAddress(id) => self.get_public_address(&id),
            ArmPath::Lock { scope, name, .. } => self.get_lock(&scope, &name),
            ArmPath::Subnet(id, name) => self.get_subnet(&id, &name),
            _ => Err(error::unknown_path(id)),
        }
    }

    /// Another client's write of a route table or a security group, which holds it until the latencies are over. The
    /// answer is the id of the operation; none where there is no such resource, or an operation already.
    pub fn begin_foreign_operation(&mut self, now: Time, path: &str, name: &str) -> Option<String> {
        let request = ApiRequest::new("PUT", path);
        let call =
            Call { now, request: &request, client: CLIENT.to_owned(), api_version: String::new(), fate: Fate::Normal };
        match ArmPath::parse(path) {
            ArmPath::RouteTable(id) | ArmPath::Route(id, _) => self.hold_parent::<Table>(&call, &id, name),
            ArmPath::SecurityGroup(id) | ArmPath::SecurityRule(id, _) => {
                self.hold_parent::<SecurityGroup>(&call, &id, name)
            }
            _ => None,
        }
    }

    /// For tests: a resource group, and its subscription.
    #[must_use]
    pub fn with_resource_group(mut self, subscription: &str, group: &str, location: &str) -> Self {
        self.place_group(subscription, group, location);
        self
    }

    /// For tests: a table with routes as `(name, prefix, next hop type, next hop address)`.
    ///
    /// # Panics
    /// If Azure could not hold such a table.
    #[must_use]
    pub fn with_route_table(mut self, id: &str, location: &str, routes: &[(&str, &str, &str, Option<&str>)]) -> Self {
        let route = |(name, prefix, hop, address): &(&str, &str, &str, Option<&str>)| json!({"name": name, "properties": {"addressPrefix": prefix, "nextHopType": hop, "nextHopIpAddress": address}});
        let routes: Vec<Value> = routes.iter().map(route).collect();
        let table = json!({"id": id, "location": location, "properties": {"routes": routes}});
        if let Err(error) = self.place(Time::default(), "world", &table) {
            panic!("the table {id} cannot be placed: {error:?}");
        }
        self
    }
}
