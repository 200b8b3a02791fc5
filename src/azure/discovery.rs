//! The source `discovery`: Azure's Service Tag Discovery API.
//!
//! It lags behind the published files by up to four weeks, numbers its documents otherwise, and has no regional tag of
//! Azure Machine Learning (`docs/facts.md`). So it only adds; it must not start a removal.

use std::sync::Arc;

use async_trait::async_trait;

use super::arm::Arm;
use crate::domain::service_tags::{Document, DocumentError};
use crate::feed::{Candidate, Fetched, Source, SourceError, Validators};

/// One copy of the API.
#[derive(Debug)]
pub struct Discovery {
    pub arm: Arc<Arm>,
    pub subscription: String,
    pub location: String,
}

impl Discovery {
    fn place(&self) -> String {
        format!("Discovery API, subscription {}, {}", self.subscription, self.location)
    }
}

#[async_trait]
impl Source for Discovery {
    fn name(&self) -> &'static str {
        "discovery"
    }

    fn only_adds(&self) -> bool {
        true
    }

    async fn fetch(&self, _: Option<&Validators>) -> Result<Fetched, SourceError> {
        let answer = self.arm.service_tags(&self.subscription, &self.location).await;
        let text = answer
            .map_err(|refusal| SourceError::Unreachable { place: self.place(), what: refusal.failure().to_string() })?;
        let refuse = |error: DocumentError| SourceError::Document { place: self.place(), error };
        let document = Document::parse_discovery(&text).map_err(refuse)?;
        Ok(Fetched::Document(Box::new(Candidate {
            document,
            text,
            published: None,
            strategy: "discovery".to_owned(),
            validators: None,
        })))
    }
}
