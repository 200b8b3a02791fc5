//! The report as comma-separated values (RFC 4180): one line for each port and each host, tag or prefix, so that any
//! column can be filtered by itself.

use super::report::{Report, RequirementOutput};

const HEAD: &str = "requirement,profile,direction,kind,destination,serviceTag,region,protocol,port,condition,purpose,\
                    edition,cloud,source\n";

pub(super) fn csv(report: &Report) -> String {
    let mut text = HEAD.to_owned();
    for row in &report.requirements {
        let kind = match row {
            RequirementOutput { prefixes: Some(_), .. } => "Prefix",
            RequirementOutput { hosts: Some(_), .. } => "Host",
            RequirementOutput { platform_tag: Some(_), .. } => "PlatformTag",
            _ => "ServiceTag",
        };
        let destinations: Vec<&str> = match &row.prefixes {
            Some(prefixes) => prefixes.iter().map(String::as_str).collect(),
            None => row.destinations(),
        };
        for destination in destinations {
            for port in &row.ports {
                let number = port.port.to_string();
                let fields = [
                    &row.id,
                    row.profile.as_deref().unwrap_or_default(),
                    &row.direction,
                    kind,
                    destination,
                    row.service_tag.as_deref().unwrap_or_default(),
                    row.region.as_deref().unwrap_or_default(),
                    &port.protocol,
                    &number,
                    row.condition.as_deref().unwrap_or_default(),
                    &row.purpose,
                    &report.edition,
                    &report.cloud,
                    &row.source,
                ];
                let fields: Vec<String> = fields.into_iter().map(field).collect();
                text.push_str(&fields.join(","));
                text.push('\n');
            }
        }
    }
    text
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
