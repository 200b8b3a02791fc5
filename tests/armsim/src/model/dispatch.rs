//! Which method of which path is answered by what. Decides nothing else.

use super::{
    arm_id::ArmPath,
    error::{self, ApiError},
    http::ApiResponse,
    route_table::TableKind as Table,
    security_group::GroupKind as SecurityGroup,
    world::{Call, World},
};

impl World {
    pub(super) fn dispatch(&mut self, call: &Call<'_>, method: &str, path: &ArmPath) -> Result<ApiResponse, ApiError> {
        match (method, path) {
            ("GET", ArmPath::Tenants) => Ok(self.list_tenants()),
            ("GET", ArmPath::Subscriptions) => Ok(self.list_subscriptions()),
            ("GET", ArmPath::Subscription { subscription }) => self.get_subscription(subscription),
            ("GET", ArmPath::Locations { subscription }) => Ok(self.list_locations(subscription, &call.api_version)),
            ("GET", ArmPath::Usages { subscription, location }) => Ok(self.list_usages(subscription, location)),
            ("GET", ArmPath::Operation { id, .. }) => self.operation_status(call, id),
            ("GET", ArmPath::OperationResult { id, .. }) => self.operation_result(call, id),
            ("GET", ArmPath::Job { .. }) => self.job_status(call),
            ("GET", ArmPath::Locks { scope, .. }) => Ok(self.list_locks(scope)),
            ("GET", ArmPath::Lock { scope, name, .. }) => self.get_lock(scope, name),
            ("PUT", ArmPath::Lock { scope, name, .. }) => self.put_lock(call, scope, name),
            ("DELETE", ArmPath::Lock { scope, name, .. }) => Ok(self.delete_lock(scope, name)),
            (method, ArmPath::Access { path, .. }) => self.dispatch_access(call, method, path),
            ("GET", ArmPath::ServiceTags { subscription, location }) => {
                Ok(self.list_service_tags(subscription, location))
            }
            ("GET", ArmPath::ServiceAliases { subscription, group }) => {
                self.list_service_aliases(subscription, group.as_deref())
            }
            ("GET", ArmPath::VirtualNetworks { subscription, group }) => {
                self.list_networks(call, subscription, group.as_deref())
            }
            ("GET", ArmPath::VirtualNetwork(id)) => self.get_network(call, id),
            ("PUT", ArmPath::VirtualNetwork(id)) => self.put_network(call, id),
            ("DELETE", ArmPath::VirtualNetwork(id)) => self.delete_network(call, id),
            ("GET", ArmPath::Subnets(id)) => self.list_subnets(id),
            ("GET", ArmPath::Subnet(id, name)) => self.get_subnet(id, name),
            ("PUT", ArmPath::Subnet(id, name)) => self.put_subnet(call, id, name),
            ("DELETE", ArmPath::Subnet(id, name)) => self.delete_subnet(call, id, name),
            ("HEAD", ArmPath::ResourceGroup { subscription, group }) => {
                self.require_group(subscription, group).map(|_| ApiResponse::empty(204))
            }
            ("GET", ArmPath::ResourceGroups { subscription }) => Ok(self.list_groups(subscription)),
            ("GET", ArmPath::ResourceGroup { subscription, group }) => self.get_group(subscription, group),
            ("PUT", ArmPath::ResourceGroup { subscription, group }) => self.put_group(call, subscription, group),
            ("DELETE", ArmPath::ResourceGroup { subscription, group }) => self.delete_group(call, subscription, group),
            ("GET", ArmPath::RouteTables { subscription, group }) => {
                self.list_parents::<Table>(call, subscription, group.as_deref())
            }
            ("GET", ArmPath::RouteTable(id)) => self.get_parent::<Table>(&call.api_version, id),
            ("PUT", ArmPath::RouteTable(id)) => self.put_parent::<Table>(call, id),
            ("PATCH", ArmPath::RouteTable(id)) => self.patch_parent::<Table>(call, id),
            ("DELETE", ArmPath::RouteTable(id)) => self.delete_parent::<Table>(call, id),
            ("GET", ArmPath::Routes(id)) => self.list_children::<Table>(id),
            ("GET", ArmPath::Route(id, name)) => self.get_child::<Table>(id, name),
            ("PUT", ArmPath::Route(id, name)) => self.put_child::<Table>(call, id, name),
            ("DELETE", ArmPath::Route(id, name)) => self.delete_child::<Table>(call, id, name),
            ("GET", ArmPath::SecurityGroups { subscription, group }) => {
                self.list_parents::<SecurityGroup>(call, subscription, group.as_deref())
            }
            ("GET", ArmPath::SecurityGroup(id)) => self.get_parent::<SecurityGroup>(&call.api_version, id),
            ("PUT", ArmPath::SecurityGroup(id)) => self.put_parent::<SecurityGroup>(call, id),
            ("PATCH", ArmPath::SecurityGroup(id)) => self.patch_parent::<SecurityGroup>(call, id),
            ("DELETE", ArmPath::SecurityGroup(id)) => self.delete_parent::<SecurityGroup>(call, id),
            ("GET", ArmPath::SecurityRules(id)) => self.list_children::<SecurityGroup>(id),
            ("GET", ArmPath::SecurityRule(id, name)) => self.get_child::<SecurityGroup>(id, name),
            ("PUT", ArmPath::SecurityRule(id, name)) => self.put_child::<SecurityGroup>(call, id, name),
            ("DELETE", ArmPath::SecurityRule(id, name)) => self.delete_child::<SecurityGroup>(call, id, name),
            ("GET", ArmPath::DefaultSecurityRules(id)) => self.list_default_rules(id),
            ("GET", ArmPath::DefaultSecurityRule(id, name)) => self.get_default_rule(id, name),
            ("GET", ArmPath::IpGroups { subscription, group }) => self.list_ip_groups(subscription, group.as_deref()),
            ("GET", ArmPath::IpGroup(id)) => self.get_ip_group(id),
            ("PUT", ArmPath::IpGroup(id)) => self.put_ip_group(call, id),
            ("PATCH", ArmPath::IpGroup(id)) => self.patch_ip_group(call, id),
            ("DELETE", ArmPath::IpGroup(id)) => self.delete_ip_group(call, id),
            ("GET", ArmPath::Firewalls { subscription, group }) => self.list_firewalls(subscription, group.as_deref()),
            ("GET", ArmPath::Firewall(id)) => self.get_firewall(id),
            ("PUT", ArmPath::Firewall(id)) => self.put_firewall(call, id),
            ("DELETE", ArmPath::Firewall(id)) => self.delete_firewall(call, id),
            ("GET", ArmPath::FirewallPolicies { subscription, group }) => {
                self.list_firewall_policies(subscription, group.as_deref())
            }
            ("GET", ArmPath::FirewallPolicy(id)) => self.get_firewall_policy(id),
            ("PUT", ArmPath::FirewallPolicy(id)) => self.put_firewall_policy(call, id),
            ("PATCH", ArmPath::FirewallPolicy(id)) => self.patch_firewall_policy(call, id),
            ("DELETE", ArmPath::FirewallPolicy(id)) => self.delete_firewall_policy(call, id),
            ("GET", ArmPath::RuleCollectionGroups(id)) => self.list_rule_collection_groups(id),
            ("GET", ArmPath::RuleCollectionGroup(id, name)) => self.get_rule_collection_group(id, name),
            ("PUT", ArmPath::RuleCollectionGroup(id, name)) => self.put_rule_collection_group(call, id, name),
            ("DELETE", ArmPath::RuleCollectionGroup(id, name)) => self.delete_rule_collection_group(call, id, name),
            ("GET", ArmPath::FirewallPolicyDraft(id)) => self.get_policy_draft(id, None),
            ("PUT", ArmPath::FirewallPolicyDraft(id)) => self.put_policy_draft(call, id, None),
            ("DELETE", ArmPath::FirewallPolicyDraft(id)) => self.delete_policy_draft(id, None),
            ("GET", ArmPath::RuleCollectionGroupDraft(id, name)) => self.get_policy_draft(id, Some(name)),
            ("PUT", ArmPath::RuleCollectionGroupDraft(id, name)) => self.put_policy_draft(call, id, Some(name)),
            ("DELETE", ArmPath::RuleCollectionGroupDraft(id, name)) => self.delete_policy_draft(id, Some(name)),
            ("POST", ArmPath::PolicyDeployment(id)) => self.deploy_policy_drafts(call, id),
            ("GET", ArmPath::PublicAddress(id)) => self.get_public_address(id),
            ("PUT", ArmPath::PublicAddress(id)) => self.put_public_address(call, id),
            ("DELETE", ArmPath::PublicAddress(id)) => self.delete_public_address(call, id),
            (_, ArmPath::UnknownType { namespace, kind, .. }) => {
                Err(error::unknown_type(namespace, kind, &call.api_version))
            }
            (_, ArmPath::Unknown) => Err(error::unknown_path(call.request.path())),
            (method, _) => Err(error::method_not_allowed(method)),
        }
    }
}
