//! The report as text for a terminal: a block a row, grouped by profile.

use std::fmt::Write as _;

use super::report::{Report, RequirementOutput, RouteOutput, ports};

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    let region = match (&report.region, &report.paired_region) {
        (Some(region), Some(paired)) => format!(", region {region} (secondary {paired})"),
        (Some(region), None) => format!(", region {region} (no secondary)"),
        (None, _) => String::new(),
    };
    let _ = writeln!(text, "Azure Machine Learning, edition {}, cloud {}{region}", report.edition, report.cloud);
    if let Some(document) = &report.document {
        let _ = writeln!(text, "document: change number {}, {}", document.change_number, document.digest);
    }
    let mut profile = None;
    for row in &report.requirements {
        let heading = row.profile.as_deref().unwrap_or("additional");
        if profile != Some(heading) {
            let _ = writeln!(text, "\n{heading}");
            profile = Some(heading);
        }
        requirement(&mut text, row);
    }
    if !report.routes.is_empty() {
        text.push_str("\nroutes\n");
    }
    for row in &report.routes {
        route(&mut text, row);
    }
    if !report.notes.is_empty() {
        text.push_str("\nnotes\n");
    }
    for note in &report.notes {
        let _ = writeln!(text, "  {}: {}", note.code, note.message);
    }
    text
}

fn requirement(text: &mut String, row: &RequirementOutput) {
    let (word, way) = if row.is_inbound() { ("inbound", "from") } else { ("outbound", "to") };
    let to = row.to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
    let destinations = row.destinations().join(", ");
    let _ = writeln!(text, "  {}: {word} {way} {destinations}{to}, {}", row.id, ports(&row.ports));
    let _ = writeln!(text, "      {}", row.purpose);
    let said = [("needed", &row.condition), ("note", &row.notes), ("rule", &row.rule)];
    for (word, said) in said.into_iter().filter_map(|(word, said)| Some((word, said.as_ref()?))) {
        let _ = writeln!(text, "      {word}: {said}");
    }
    for warning in &row.warnings {
        let _ = writeln!(text, "      warning: {warning}");
    }
    if !row.missing_parameters.is_empty() {
        let _ = writeln!(text, "      parameters: {}", row.missing_parameters.join(", "));
    }
    prefixes(text, row.prefixes.as_deref());
}

fn route(text: &mut String, row: &RouteOutput) {
    let computes = if row.compute == "PublicIp" { "with a public IP" } else { "without a public IP" };
    let to = match (&row.service_tag, &row.addressing, &row.regions) {
        (Some(tag), Some(addressing), None) => format!("{tag} ({addressing})"),
        (Some(tag), Some(addressing), Some(regions)) => format!("{tag} ({addressing}) of {}", regions.join(" and ")),
        _ => row.prefix.clone().unwrap_or_default(),
    };
    let _ = writeln!(text, "  {}: computes {computes}, {to}, next hop {}", row.id, row.next_hop);
    let _ = writeln!(text, "      {}", row.purpose);
    if let Some(notes) = &row.notes {
        let _ = writeln!(text, "      note: {notes}");
    }
    prefixes(text, row.prefixes.as_deref());
}

fn prefixes(text: &mut String, prefixes: Option<&[String]>) {
    if let Some(prefixes) = prefixes {
        let _ = writeln!(text, "      prefixes ({}):", prefixes.len());
        for prefix in prefixes {
            let _ = writeln!(text, "        {prefix}");
        }
    }
}
