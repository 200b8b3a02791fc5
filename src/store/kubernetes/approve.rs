//! Puts a PlanApproval into a cluster, in the name of whoever asks. Must not decide whether it counts.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::PostParams;
use kube::core::DynamicObject;
use kube::{Api, Client};
use serde_json::Value;

use super::explain;
use super::objects::Kind;
use super::watch::api;
use crate::store::StoreError;

/// The user as the API server knows them; `None` where it does not say.
pub async fn who_asks(client: &Client) -> Result<Option<String>, StoreError> {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    match reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await {
        Ok(review) => Ok(review.status.and_then(|status| status.user_info?.username)),
        Err(kube::Error::Api(status)) if [403, 404].contains(&status.code) => Ok(None),
        Err(error) => Err(StoreError { place: "who asks".to_owned(), what: explain(&error) }),
    }
}

/// Creates the approval.
pub async fn create(client: &Client, namespace: &str, approval: &Value) -> Result<(), StoreError> {
    let refuse = |what: String| StoreError { place: format!("the PlanApproval in namespace {namespace}"), what };
    let object: DynamicObject = serde_json::from_value(approval.clone()).map_err(|error| refuse(error.to_string()))?;
    let api = api(client.clone(), Kind::Approval, Some(namespace));
    match api.create(&PostParams::default(), &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            Err(refuse(format!("{}; the role amlnet-approver allows it, see deploy/rbac/people.yaml", status.message)))
        }
        Err(kube::Error::Api(status)) if status.code == 404 && !status.message.starts_with("namespaces ") => {
            Err(refuse(
                "the CRD is not installed: apply the output of `amlnet crd` (or the chart with its CRDs)".to_owned(),
            ))
        }
        Err(error) => Err(refuse(explain(&error))),
    }
}
