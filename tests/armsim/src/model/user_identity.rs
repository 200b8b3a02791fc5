//! User-assigned identities and the tokens of other issuers that they trust (federated credentials). What an identity
//! may do is in `role_assignment`.

use super::{
    access_error as refused,
    access_path::IdentityId,
    arm_id::group_key,
    encoding,
    error::{self, ApiError},
    http::ApiResponse,
    locations::normalised,
    random::Random,
    route_request,
    route_table::List,
    token::{Credentials, Federated},
    world::{Call, World},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The documented limit of one identity.
const FEDERATIONS: usize = 20;

#[derive(Clone, Debug)]
pub(super) struct UserIdentity {
    id: IdentityId,
    location: String,
    tags: BTreeMap<String, String>,
    client: String,
    principal: String,
    /// By their names without capitals.
    federations: BTreeMap<String, Federation>,
}

#[derive(Clone, Debug)]
struct Federation {
    name: String,
    trusted: Federated,
    audiences: Vec<String>,
}

#[derive(Deserialize)]
struct IdentityBody {
    location: Option<String>,
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct FederationBody {
    properties: Option<FederationProperties>,
}

#[derive(Deserialize)]
struct FederationProperties {
    issuer: Option<String>,
    subject: Option<String>,
    #[serde(default)]
    audiences: Vec<String>,
}

impl UserIdentity {
    fn view(&self, tenant: &str) -> Value {
        json!({
            "id": self.id.shown(),
            "name": self.id.name,
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
            "location": self.location,
            "tags": self.tags,
            "properties": {"tenantId": tenant, "principalId": self.principal, "clientId": self.client},
        })
    }

    fn view_federation(&self, federation: &Federation) -> Value {
        let Federation { name, trusted, audiences } = federation;
        json!({
            "id": format!("{}/federatedIdentityCredentials/{name}", self.id.shown()),
            "name": name,
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
            "properties": {"issuer": trusted.issuer, "subject": trusted.subject, "audiences": audiences},
        })
    }
}

impl World {
    fn identity(&self, id: &IdentityId) -> Result<&UserIdentity, ApiError> {
        self.require_group(&id.subscription, &id.group)?;
        self.user_identities.get(&id.key()).ok_or_else(|| refused::identity_not_found(id))
    }

    pub(super) fn first_tenant(&self) -> &str {
        self.credentials.first().map(|known| known.tenant_id.as_str()).unwrap_or_default()
    }

    /// What the directory calls a client: an app's service principal, or an identity's.
    pub(super) fn principal_of(&self, client: &str) -> String {
        Random::new(encoding::hash(self.key, client.as_bytes())).uuid()
    }

    pub(super) fn is_user_identity(&self, client: &str) -> bool {
        self.user_identities.values().any(|identity| identity.client == client)
    }

    pub(super) fn knows_principal(&self, principal: &str) -> bool {
        self.user_identities.values().any(|identity| identity.principal == principal)
            || self.credentials.iter().any(|known| self.principal_of(&known.client_id) == principal)
    }

    /// How an identity that was made through ARM logs in: with the tokens that it trusts for `audience`, and never with a
    /// secret.
    pub(super) fn login_of_identity(&self, tenant: &str, client: &str, audience: &str) -> Option<Credentials> {
        let identity = self.user_identities.values().find(|identity| identity.client == client)?;
        let for_audience = |federation: &&Federation| federation.audiences.iter().any(|known| known == audience);
        let federated = identity.federations.values().filter(for_audience).map(|known| known.trusted.clone()).collect();
        (tenant == self.first_tenant()).then(|| Credentials {
            tenant_id: tenant.to_owned(),
            client_id: client.to_owned(),
            client_secret: String::new(),
            federated,
        })
    }

    pub(super) fn list_identities(&self, subscription: &str, group: Option<&str>) -> Result<ApiResponse, ApiError> {
        if let Some(group) = group {
            self.require_group(subscription, group)?;
        }
        let is_in = |id: &IdentityId| {
            id.subscription.eq_ignore_ascii_case(subscription)
                && group.is_none_or(|group| id.group.eq_ignore_ascii_case(group))
        };
        let all = self.user_identities.values().filter(|identity| is_in(&identity.id));
        Ok(ApiResponse::json(200, &List { value: all.map(|identity| identity.view(self.first_tenant())).collect() }))
    }

    pub(super) fn get_identity(&self, id: &IdentityId) -> Result<ApiResponse, ApiError> {
        Ok(ApiResponse::json(200, &self.identity(id)?.view(self.first_tenant())))
    }

    /// Tags that a PUT does not name are gone afterwards.
    pub(super) fn put_identity(&mut self, call: &Call<'_>, id: &IdentityId) -> Result<ApiResponse, ApiError> {
        let body: IdentityBody = route_request::read(&call.request.body)?;
        self.require_group(&id.subscription, &id.group)?;
        let kind = "Microsoft.ManagedIdentity/userAssignedIdentities";
        let location = normalised(&body.location.ok_or_else(error::location_required)?);
        self.check_location(&location, kind)?;
        let tags = body.tags.unwrap_or_default();
        let is_new = match self.user_identities.get_mut(&id.key()) {
            Some(present) if present.location != location => {
                return Err(error::other_location(&id.name, &id.group, &present.location, &location));
            }
            Some(present) => {
                present.tags = tags;
                false
            }
            None => {
                let client = self.random.uuid();
                let principal = self.principal_of(&client);
                let federations = BTreeMap::new();
                let made = UserIdentity { id: id.clone(), location, tags, client, principal, federations };
                self.user_identities.insert(id.key(), made);
                true
            }
        };
        let mut response = self.get_identity(id)?;
        response.status = if is_new { 201 } else { 200 };
        Ok(response)
    }

    /// Its role assignments stay, as in Azure, and mean nobody any more.
    pub(super) fn delete_identity(&mut self, id: &IdentityId) -> ApiResponse {
        ApiResponse::empty(if self.user_identities.remove(&id.key()).is_some() { 200 } else { 204 })
    }

    pub(super) fn remove_identities_of(&mut self, group: &str) {
        self.user_identities.retain(|_, identity| group_key(&identity.id.subscription, &identity.id.group) != group);
    }

    pub(super) fn list_federations(&self, id: &IdentityId) -> Result<ApiResponse, ApiError> {
        let identity = self.identity(id)?;
        let value = identity.federations.values().map(|federation| identity.view_federation(federation)).collect();
        Ok(ApiResponse::json(200, &List { value }))
    }

    pub(super) fn get_federation(&self, id: &IdentityId, name: &str) -> Result<ApiResponse, ApiError> {
        let identity = self.identity(id)?;
        let federation = identity.federations.get(&name.to_ascii_lowercase());
        let federation = federation.ok_or_else(|| refused::federation_not_found(name))?;
        Ok(ApiResponse::json(200, &identity.view_federation(federation)))
    }

    pub(super) fn put_federation(
        &mut self,
        call: &Call<'_>,
        id: &IdentityId,
        name: &str,
    ) -> Result<ApiResponse, ApiError> {
        self.identity(id)?;
        let body: FederationBody = route_request::read(&call.request.body)?;
        let Some(FederationProperties { issuer: Some(issuer), subject: Some(subject), audiences }) = body.properties
        else {
            return Err(refused::federation_incomplete());
        };
        if issuer.is_empty() || subject.is_empty() || audiences.is_empty() {
            return Err(refused::federation_incomplete());
        }
        let trusted = Federated { issuer, subject };
        let Some(identity) = self.user_identities.get_mut(&id.key()) else {
            return Err(refused::identity_not_found(id));
        };
        let key = name.to_ascii_lowercase();
        if identity.federations.iter().any(|(other, known)| *other != key && known.trusted == trusted) {
            return Err(refused::federation_exists());
        }
        let is_new = !identity.federations.contains_key(&key);
        if is_new && identity.federations.len() >= FEDERATIONS {
            return Err(refused::too_many_federations(FEDERATIONS));
        }
        identity.federations.insert(key, Federation { name: name.to_owned(), trusted, audiences });
        let mut response = self.get_federation(id, name)?;
        response.status = if is_new { 201 } else { 200 };
        Ok(response)
    }

    pub(super) fn delete_federation(&mut self, id: &IdentityId, name: &str) -> Result<ApiResponse, ApiError> {
        self.identity(id)?;
        let federations = self.user_identities.get_mut(&id.key()).map(|identity| &mut identity.federations);
        let removed = federations.and_then(|all| all.remove(&name.to_ascii_lowercase()));
        Ok(ApiResponse::empty(if removed.is_some() { 200 } else { 204 }))
    }
}
