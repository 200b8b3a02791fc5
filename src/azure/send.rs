//! A write as the request that it is: which method of which address with which body.
//!
//! Must not wait, repeat or decide: `arm` does.

use azure_core::Response;
use azure_mgmt_network::package_2024_03::Client;

use super::arm::into_refusal;
use super::error::Refusal;
use super::kind::Write;
use crate::domain::resource_id::ResourceId;

/// Sends a write; method, path and answer.
pub(super) async fn request(client: &Client, write: &Write) -> Result<(&'static str, String, Response), Refusal> {
    let sent = match write {
        Write::PutRoute { table, name, route } => {
            let ResourceId { subscription, resource_group, name: table_name, .. } = table;
            let routes = client.routes_client();
            let request = routes.create_or_update(resource_group, table_name, name, (**route).clone(), subscription);
            let answer = request.send().await.map_err(into_refusal)?;
            ("PUT", format!("{table}/routes/{name}"), answer.into_raw_response())
        }
        Write::DeleteRoute { table, name } => {
            let ResourceId { subscription, resource_group, name: table_name, .. } = table;
            let request = client.routes_client().delete(resource_group, table_name, name, subscription);
            let answer = request.send().await.map_err(into_refusal)?;
            ("DELETE", format!("{table}/routes/{name}"), answer.into_raw_response())
        }
        Write::PutIpGroup { id, group } => {
            let ResourceId { subscription, resource_group, name, .. } = id;
            let groups = client.ip_groups_client();
            let request = groups.create_or_update(resource_group, name, (**group).clone(), subscription);
            ("PUT", id.to_string(), request.send().await.map_err(into_refusal)?.into_raw_response())
        }
        Write::PutRuleCollectionGroup { policy, name, group } => {
            let ResourceId { subscription, resource_group, name: policy_name, .. } = policy;
            let groups = client.firewall_policy_rule_collection_groups_client();
            let request = groups.create_or_update(resource_group, policy_name, name, (**group).clone(), subscription);
            let answer = request.send().await.map_err(into_refusal)?;
            ("PUT", format!("{policy}/ruleCollectionGroups/{name}"), answer.into_raw_response())
        }
        Write::DeleteRuleCollectionGroup { policy, name } => {
            let ResourceId { subscription, resource_group, name: policy_name, .. } = policy;
            let groups = client.firewall_policy_rule_collection_groups_client();
            let request = groups.delete(resource_group, policy_name, name, subscription);
            let answer = request.send().await.map_err(into_refusal)?;
            ("DELETE", format!("{policy}/ruleCollectionGroups/{name}"), answer.into_raw_response())
        }
        Write::PutSecurityRule { group, name, rule } => {
            let ResourceId { subscription, resource_group, name: group_name, .. } = group;
            let rules = client.security_rules_client();
            let request = rules.create_or_update(resource_group, group_name, name, (**rule).clone(), subscription);
            let answer = request.send().await.map_err(into_refusal)?;
            ("PUT", format!("{group}/securityRules/{name}"), answer.into_raw_response())
        }
        Write::DeleteSecurityRule { group, name } => {
            let ResourceId { subscription, resource_group, name: group_name, .. } = group;
            let request = client.security_rules_client().delete(resource_group, group_name, name, subscription);
            let answer = request.send().await.map_err(into_refusal)?;
            ("DELETE", format!("{group}/securityRules/{name}"), answer.into_raw_response())
        }
    };
    Ok(sent)
}
