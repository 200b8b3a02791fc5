//! Subscriptions: they exist from the start, or come with the resources that are placed in them.

use super::{
    error::{self, ApiError},
    http::ApiResponse,
    world::World,
};
use serde::Serialize;
use std::collections::BTreeSet;

#[derive(Serialize)]
struct List<T> {
    value: Vec<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubscriptionView {
    id: String,
    authorization_source: &'static str,
    managed_by_tenants: [(); 0],
    subscription_id: String,
    tenant_id: String,
    display_name: String,
    state: &'static str,
    subscription_policies: Policies,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Policies {
    location_placement_id: &'static str,
    quota_id: &'static str,
    spending_limit: &'static str,
}

impl World {
    pub(super) fn place_subscription(&mut self, subscription: &str) {
        if !self.subscriptions.iter().any(|known| known.eq_ignore_ascii_case(subscription)) {
            self.subscriptions.push(subscription.to_owned());
        }
    }

    pub(super) fn require_subscription(&self, subscription: &str) -> Result<&String, ApiError> {
        self.subscriptions
            .iter()
            .find(|known| known.eq_ignore_ascii_case(subscription))
            .ok_or_else(|| error::subscription_not_found(subscription))
    }

    pub(super) fn get_subscription(&self, subscription: &str) -> Result<ApiResponse, ApiError> {
        Ok(ApiResponse::json(200, &self.subscription_view(self.require_subscription(subscription)?)))
    }

    pub(super) fn list_subscriptions(&self) -> ApiResponse {
        let value = self.subscriptions.iter().map(|subscription| self.subscription_view(subscription)).collect();
        ApiResponse::json(200, &List { value })
    }

    /// The tenants that somebody can log in to.
    pub(super) fn list_tenants(&self) -> ApiResponse {
        let tenants: BTreeSet<&str> = self.credentials.iter().map(|known| known.tenant_id.as_str()).collect();
        let view = |tenant: &str| {
            serde_json::json!({
                "id": format!("/tenants/{tenant}"),
                "tenantId": tenant,
                "tenantCategory": "Home",
                "displayName": "armsim",
                "defaultDomain": "armsim.invalid",
            })
        };
        ApiResponse::json(200, &List { value: tenants.into_iter().map(view).collect() })
    }

    fn subscription_view(&self, subscription: &str) -> SubscriptionView {
        SubscriptionView {
            id: format!("/subscriptions/{subscription}"),
            authorization_source: "RoleBased",
            managed_by_tenants: [],
            subscription_id: subscription.to_owned(),
            tenant_id: self.credentials.first().map(|known| known.tenant_id.clone()).unwrap_or_default(),
            display_name: format!("armsim {subscription}"),
            state: "Enabled",
            subscription_policies: Policies {
                location_placement_id: "Public_2014-09-01",
                quota_id: "EnterpriseAgreement_2014-09-01",
                spending_limit: "Off",
            },
        }
    }
}
