//! What a Network asks for, as scopes are asked about it: by target, and by the field of the spec that says it.
//!
//! Must not judge: `scope` does.

use std::collections::BTreeSet;

use super::intent::{Intent, NextHop};
use super::outbound::{ListContent, Outbound, SecurityGroupIntent};
use super::prefix::Prefix;
use super::region::Regions;
use super::requirement::{Destination, Direction, OpenHost, Requirements, Selected, Selection, meant};
use super::scope::Wanted;
use super::service_tags::Cloud;

type Row = Selected<OpenHost>;

/// All that a Network asks of one target: what is wanted, by the field of the spec that asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand<'a>(pub Vec<(String, Wanted<'a>)>);

/// What `intent` asks of each of its targets, lists among them. Where the cloud is not known, rows of every cloud count.
pub fn demands<'a>(
    intent: &'a Intent,
    requirements: &Requirements,
    regions: &Regions,
    cloud: Option<Cloud>,
) -> Vec<Demand<'a>> {
    let mut demands = route_tables(intent);
    let Some(outbound) = &intent.outbound else { return demands };
    let clouds = cloud.map_or_else(|| Cloud::ALL.to_vec(), |cloud| vec![cloud]);
    let region = |cloud: Cloud| regions.find_documented(&intent.region, cloud).ok().map(|region| region.name);
    // What cannot be selected is said elsewhere: nothing is written for it.
    let selections: Vec<_> = clouds
        .into_iter()
        .filter_map(|cloud| requirements.list(outbound, cloud, region(cloud).as_ref()).ok())
        .collect();
    for (index, group) in outbound.ip_groups.iter().enumerate() {
        let id = (format!("spec.outbound.ipGroups[{index}].id"), Wanted::Id(&group.id));
        let mut demand = Demand(vec![id]);
        demand.add_outbound(outbound, &selections, |rows| meant(rows.iter(), &group.requirement), false);
        demands.push(demand);
    }
    for (index, policy) in outbound.firewall_policies.iter().enumerate() {
        let id = (format!("spec.outbound.firewallPolicies[{index}].id"), Wanted::Id(&policy.id));
        let mut demand = Demand(vec![id]);
        // The tags of the platform are known to network security groups only.
        let is_written =
            |row: &&Row| row.direction == Direction::Outbound && !matches!(row.destination, Destination::Platform(_));
        demand.add_outbound(outbound, &selections, |rows| rows.iter().filter(is_written).collect(), true);
        demands.push(demand);
    }
    for list in &outbound.lists {
        let mut demand = Demand::default();
        let hosts = matches!(list.content, ListContent::All | ListContent::Hosts);
        let requirement = list.requirement.as_deref();
        demand.add_outbound(
            outbound,
            &selections,
            |rows| requirement.map_or_else(|| rows.iter().collect(), |name| meant(rows.iter(), name)),
            hosts,
        );
        demands.push(demand);
    }
    for (index, SecurityGroupIntent { id, directions, .. }) in intent.security_groups.iter().enumerate() {
        let mut demand = Demand(vec![(format!("spec.networkSecurityGroups[{index}].id"), Wanted::Id(id))]);
        let is_written = |row: &&Row| directions.contains(&row.direction);
        // Hosts cannot stand there.
        demand.add_outbound(outbound, &selections, |rows| rows.iter().filter(is_written).collect(), false);
        if outbound.sources.is_empty() && directions.contains(&Direction::Outbound) {
            // Its rules are for everybody in the network.
            let everybody = intent.families.iter().map(|family| Wanted::Source(Prefix::everything(*family)));
            demand.0.extend(everybody.map(|source| ("spec.outbound.sourceAddresses".to_owned(), source)));
        }
        demands.push(demand);
    }
    demands
}

fn route_tables(intent: &Intent) -> Vec<Demand<'_>> {
    let mut demands = Vec::new();
    for (index, table) in intent.route_tables.iter().enumerate() {
        let at = |field: &str| format!("spec.routes.routeTables[{index}].{field}");
        let mut demand = Demand(vec![(at("id"), Wanted::Id(&table.id))]);
        for (number, tag) in intent.services.iter().enumerate() {
            demand.0.push((format!("spec.routes.services[{number}]"), Wanted::Tag(tag.into())));
        }
        if !intent.services.is_empty() {
            // A table with nothing but a default route sends nothing to its next hop.
            demand.0.push((at("nextHop"), Wanted::NextHop(table.next_hop.clone())));
        }
        if let Some(firewall) = table.default_route {
            let hop = NextHop::VirtualAppliance(firewall);
            demand.0.push((at("defaultRoute.ipAddress"), Wanted::NextHop(hop)));
        }
        demands.push(demand);
    }
    demands
}

impl Demand<'_> {
    /// The tags, and with `hosts` the hosts, of those rows that go there, and from where.
    fn add_outbound(
        &mut self,
        outbound: &Outbound,
        selections: &[Selection<OpenHost>],
        rows: impl Fn(&[Row]) -> Vec<&Row>,
        hosts: bool,
    ) {
        let mut all = BTreeSet::new();
        for selection in selections {
            for row in rows(&selection.rows) {
                let path = match row.profile {
                    Some(_) => "spec.outbound.profiles".to_owned(),
                    None => format!("spec.outbound.additional ({})", row.id),
                };
                all.extend(row.tag().map(|tag| (path.clone(), false, tag.to_owned())));
                let named = row.hosts().iter().filter(|_| hosts);
                all.extend(named.map(|host| (path.clone(), true, host.text.clone())));
            }
        }
        for (path, is_host, text) in all {
            self.0.push((path, if is_host { Wanted::Host(text.into()) } else { Wanted::Tag(text.into()) }));
        }
        for (index, source) in outbound.sources.iter().enumerate() {
            self.0.push((format!("spec.outbound.sourceAddresses[{index}]"), Wanted::Source(*source)));
        }
    }
}

#[cfg(test)]
#[path = "demand_tests.rs"]
mod tests;
