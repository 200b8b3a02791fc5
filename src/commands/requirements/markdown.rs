//! The report as tables in Markdown, to be pasted into a change request.

use std::fmt::Write as _;

use super::report::{Report, RequirementOutput, ports};

pub(super) fn markdown(report: &Report) -> String {
    let mut text = format!("# Azure Machine Learning: what the network must let through\n\n{}\n", facts(report));
    let outbound = |row: &&RequirementOutput| !row.is_inbound();
    let of = |wanted: fn(&RequirementOutput) -> bool| {
        report.requirements.iter().filter(outbound).filter(move |row| wanted(row)).collect::<Vec<_>>()
    };
    table(&mut text, "Outbound, by service tag", "Service tag", &of(|row| row.hosts.is_none()));
    table(&mut text, "Outbound, by host", "Hosts", &of(|row| row.hosts.is_some()));
    let inbound: Vec<_> = report.requirements.iter().filter(|row| row.is_inbound()).collect();
    table(&mut text, "Inbound", "Source", &inbound);
    routes(&mut text, report);
    addresses(&mut text, report);
    if !report.notes.is_empty() {
        text.push_str("\n## Notes\n\n");
    }
    for note in &report.notes {
        let _ = writeln!(text, "- {}: {}", note.code, cell(&note.message));
    }
    text
}

fn facts(report: &Report) -> String {
    let mut facts = format!("- Edition of the documentation: {}\n- Cloud: {}\n", report.edition, report.cloud);
    if let Some(region) = &report.region {
        let secondary = report.paired_region.as_deref().unwrap_or("none");
        let _ = writeln!(facts, "- Region: {region} (secondary: {secondary})");
    }
    if let Some(document) = &report.document {
        let _ = writeln!(facts, "- Service Tags: change number {}, `{}`", document.change_number, document.digest);
    }
    facts.trim_end().to_owned()
}

fn table(text: &mut String, title: &str, column: &str, rows: &[&RequirementOutput]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n## {title}\n");
    let _ = writeln!(text, "| Requirement | {column} | Ports | Profile | Purpose |\n|---|---|---|---|---|");
    for row in rows {
        let mut purpose = row.purpose.clone();
        let said = [("Needed", &row.condition), ("Note", &row.notes), ("Rule", &row.rule)];
        let said = said.into_iter().filter_map(|(word, said)| Some((word, said.as_ref()?)));
        for (word, said) in said.chain(row.warnings.iter().map(|warning| ("Warning", warning))) {
            let _ = write!(purpose, " {word}: {said}{}", if said.ends_with('.') { "" } else { "." });
        }
        let mut what = code(&row.destinations());
        if let Some(to) = &row.to {
            let _ = write!(what, " to `{to}`");
        }
        let profile = row.profile.as_deref().unwrap_or("additional");
        let _ = writeln!(text, "| {} | {what} | {} | {profile} | {} |", row.id, ports(&row.ports), cell(&purpose));
    }
}

fn routes(text: &mut String, report: &Report) {
    if report.routes.is_empty() {
        return;
    }
    text.push_str("\n## Routes\n\n| Route | Computes | To | Next hop | Purpose |\n|---|---|---|---|---|\n");
    for row in &report.routes {
        let computes = if row.compute == "PublicIp" { "with a public IP" } else { "without a public IP" };
        let regions = row.regions.as_ref().map(|regions| format!(" of {}", regions.join(" and "))).unwrap_or_default();
        let to = match (&row.service_tag, row.addressing.as_deref()) {
            (Some(tag), Some("Prefixes")) => format!("the prefixes of `{tag}`{regions}"),
            (Some(tag), _) => format!("the tag `{tag}`"),
            _ => code(&row.prefix.as_deref().into_iter().collect::<Vec<_>>()),
        };
        let notes = row.notes.as_ref().map(|notes| format!(" {notes}")).unwrap_or_default();
        let purpose = cell(&format!("{}{notes}", row.purpose));
        let _ = writeln!(text, "| {} | {computes} | {to} | {} | {purpose} |", row.id, row.next_hop);
    }
}

fn addresses(text: &mut String, report: &Report) {
    let rows = report.requirements.iter().filter_map(|row| Some((row, row.prefixes.as_ref()?)));
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return;
    }
    text.push_str("\n## Addresses\n\n| Requirement | Prefixes | |\n|---|---|---|\n");
    for (row, prefixes) in rows {
        let list: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        let _ = writeln!(text, "| {} | {} | {} |", row.id, list.len(), code(&list));
    }
}

fn code(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
}

/// Text within a cell: nothing in it ends the cell or begins HTML or emphasis.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*").replace('\n', " ")
}
