//! `amlnet crd`: the CRDs, and the reference of their fields.

use super::{Exit, Format, print, print_json};
use crate::api::{crd, reference};
use crate::app::AppError;

/// Prints all CRDs: several documents of YAML, or a JSON list; both are fit for `kubectl apply -f -`.
pub fn crd(format: Format) -> Result<Exit, AppError> {
    match format {
        Format::Json => {
            print_json(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": crd::all()}))?;
        }
        Format::Text => print(&yaml()?)?,
    }
    Ok(Exit::Done)
}

/// Prints docs/custom-resources.md.
pub fn markdown() -> Result<Exit, AppError> {
    print(&reference::markdown())?;
    Ok(Exit::Done)
}

fn yaml() -> Result<String, AppError> {
    let mut text = String::new();
    for crd in crd::all() {
        text += &crd::yaml(&crd).map_err(AppError::new)?;
    }
    Ok(text)
}
