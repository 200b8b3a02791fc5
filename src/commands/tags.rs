//! `amlnet tags check | show | diff`: validate a Service Tags document, look into it, compare two.

use std::fmt::Write as _;
use std::path::Path;

use super::output::{CheckOutput, DiffOutput, Document, FeaturesOutput, ShowOutput, TagDiffOutput, TagOutput};
use super::{Exit, Format, print, print_json};
use crate::app::{self, AppError};
use crate::domain::accept;
use crate::domain::desired::DocumentId;
use crate::domain::prefix::Prefix;
use crate::domain::service_tags::{self, Tag};
use crate::domain::tag_diff::{self, TagChange, TagDiff};
use crate::feed::file;

/// Whether a file would be accepted as the first document of its own cloud.
pub fn check(path: &Path, regions: Option<&Path>, format: Format) -> Result<Exit, AppError> {
    let regions = app::regions(regions)?;
    let found = file::read(path).map_err(|error| error.to_string()).and_then(|candidate| {
        let document = candidate.document;
        accept::check(&document, document.cloud, &regions)
            .map(|()| document)
            .map_err(|error| format!("{}: {error}", path.display()))
    });
    let output = CheckOutput {
        file: path.display().to_string(),
        acceptable: found.is_ok(),
        problem: found.as_ref().err().cloned(),
        cloud: found.as_ref().ok().map(|document| document.cloud.to_string()),
        change_number: found.as_ref().ok().map(|document| document.change_number),
        digest: found.as_ref().ok().map(|document| document.digest.to_string()),
        tags: found.as_ref().ok().map(|document| document.tags().len()),
        prefixes: found.as_ref().ok().map(service_tags::Document::prefix_count),
    };
    match (format, &found) {
        (Format::Json, _) => print_json(&output)?,
        (Format::Text, Ok(document)) => print(&format!(
            "{}: acceptable\ncloud {}, change number {}, {} tags, {} prefixes\n{}\n",
            path.display(),
            document.cloud,
            document.change_number,
            document.tags().len(),
            document.prefix_count(),
            document.digest
        ))?,
        (Format::Text, Err(problem)) => return Err(AppError(problem.clone())),
    }
    Ok(if output.acceptable { Exit::Done } else { Exit::Error })
}

/// What a document says about some tags.
pub fn show(path: &Path, names: &[String], format: Format) -> Result<Exit, AppError> {
    let document = read(path)?;
    let mut tags = Vec::new();
    for name in names {
        tags.push(document.tag(name).ok_or_else(|| unknown(name, &document))?);
    }
    match format {
        Format::Json => {
            let tags = tags.iter().map(|tag| tag_output(tag)).collect();
            print_json(&ShowOutput { document: (&DocumentId::from(&document)).into(), tags })?;
        }
        Format::Text => {
            let mut text = String::new();
            for tag in tags {
                let region = if tag.region.is_empty() { "no region" } else { &tag.region };
                let features = if tag.network_features.is_empty() {
                    "usable nowhere by name".to_owned()
                } else {
                    tag.network_features.join(", ")
                };
                let _ = writeln!(text, "{} ({region}; {features}; {} prefixes)", tag.name, tag.prefixes.len());
                for prefix in &tag.prefixes {
                    let _ = writeln!(text, "  {prefix}");
                }
            }
            print(&text)?;
        }
    }
    Ok(Exit::Done)
}

fn unknown(name: &str, document: &service_tags::Document) -> AppError {
    let mut near: Vec<(f64, &str)> = document
        .tags()
        .iter()
        .map(|tag| (strsim::jaro_winkler(&tag.name.to_ascii_lowercase(), &name.to_ascii_lowercase()), &*tag.name))
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<&str> = near.into_iter().take(3).map(|(_, name)| name).collect();
    AppError(format!("there is no service tag {name:?} in the document; did you mean {}?", near.join(" or ")))
}

/// What changed between two documents, tag by tag.
pub fn diff(old: &Path, new: &Path, format: Format, colour: bool) -> Result<Exit, AppError> {
    let (old, new) = (read(old)?, read(new)?);
    if old.cloud != new.cloud {
        return Err(AppError(format!("the documents are of two clouds, {} and {}", old.cloud, new.cloud)));
    }
    let diffs = tag_diff::diff(&old, &new);
    match format {
        Format::Json => print_json(&DiffOutput {
            old: document_output(&old),
            new: document_output(&new),
            same: diffs.is_empty(),
            tags: diffs.iter().map(diff_output).collect(),
        })?,
        Format::Text => print(&diff_text(&old, &new, &diffs, colour))?,
    }
    Ok(if diffs.is_empty() { Exit::Done } else { Exit::Changes })
}

fn diff_text(old: &service_tags::Document, new: &service_tags::Document, diffs: &[TagDiff], colour: bool) -> String {
    let paint = |code: &str, text: String| {
        if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text }
    };
    let mut text = format!("{}: change number {} -> {}\n", new.cloud, old.change_number, new.change_number);
    for tag in diffs {
        let what = match tag.change {
            TagChange::Added => "new tag",
            TagChange::Removed => "tag is gone",
            TagChange::Changed => "changed",
        };
        let _ = writeln!(text, "{} ({what}, +{} -{})", tag.name, tag.added.len(), tag.removed.len());
        for prefix in &tag.added {
            let _ = writeln!(text, "{}", paint("32", format!("  + {prefix}")));
        }
        for prefix in &tag.removed {
            let _ = writeln!(text, "{}", paint("31", format!("  - {prefix}")));
        }
        if let Some((before, after)) = &tag.features {
            let _ = writeln!(text, "  networkFeatures: {} -> {}", before.join(","), after.join(","));
        }
    }
    let count = |change| diffs.iter().filter(|tag| tag.change == change).count();
    let (added, removed) =
        (diffs.iter().map(|t| t.added.len()).sum::<usize>(), diffs.iter().map(|t| t.removed.len()).sum::<usize>());
    let _ = writeln!(
        text,
        "{} tags new, {} gone, {} changed; {added} prefixes added, {removed} removed",
        count(TagChange::Added),
        count(TagChange::Removed),
        count(TagChange::Changed)
    );
    text
}

fn read(path: &Path) -> Result<service_tags::Document, AppError> {
    file::read(path).map(|candidate| candidate.document).map_err(AppError::new)
}

fn document_output(document: &service_tags::Document) -> Document {
    (&DocumentId::from(document)).into()
}

fn tag_output(tag: &Tag) -> TagOutput {
    TagOutput {
        name: tag.name.to_string(),
        region: tag.region.to_string(),
        network_features: tag.network_features.iter().map(ToString::to_string).collect(),
        prefixes: texts(&tag.prefixes),
    }
}

fn diff_output(tag: &TagDiff) -> TagDiffOutput {
    TagDiffOutput {
        name: tag.name.clone(),
        change: format!("{:?}", tag.change),
        added: texts(&tag.added),
        removed: texts(&tag.removed),
        features: tag.features.clone().map(|(before, after)| FeaturesOutput { before, after }),
    }
}

fn texts(prefixes: &[Prefix]) -> Vec<String> {
    prefixes.iter().map(ToString::to_string).collect()
}
