//! What was there before, and what others changed: resources that a recording uses but did not make are put into the
//! world from what it first shows of them. Nothing that the recording itself wrote is ever put there.

use super::recording::{Interaction, last_segment, path_of, top_level};
use crate::model::{
    Time, World,
    arm_id::ArmPath,
    discovery::{DiscoveryDocument, DiscoveryProperties, DiscoveryTag},
    locations::Location,
    usages::Quota,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Seeder {
    /// Ids, in lower case, that the recording wrote.
    written: BTreeSet<String>,
    /// Those of them that everything inside belongs to: made, replaced or deleted. A group that was only written again
    /// still has in it what was there.
    covering: BTreeSet<String>,
    /// What was put into the world, so that it is put there again only when it was seen to change.
    placed: BTreeMap<String, Value>,
    /// The etags that top-level resources were last seen with.
    etags: BTreeMap<String, String>,
}

impl Seeder {
    /// Remembers an accepted write.
    pub(super) fn wrote(&mut self, interaction: &Interaction) {
        if interaction.is_accepted() {
            let id = interaction.path().to_ascii_lowercase();
            let is_group = matches!(ArmPath::parse(&id), ArmPath::ResourceGroup { .. });
            if !is_group || interaction.method == "DELETE" || interaction.status == 201 {
                self.covering.insert(id.clone());
            }
            self.written.insert(id);
        }
    }

    /// Written itself, or inside something that was, or with something inside that was.
    fn is_own(&self, id: &str) -> bool {
        let id = id.to_ascii_lowercase();
        let is_lock = |id: &str| id.contains("/providers/microsoft.authorization/locks/");
        self.written.iter().any(|written| {
            let inside = |id: &str, scope: &str| id.strip_prefix(scope).is_some_and(|rest| rest.starts_with('/'));
            let is_inside = inside(&id, written) && self.covering.contains(written);
            *written == id || is_inside || (inside(written, &id) && !is_lock(written))
        })
    }

    /// Puts into the world what this interaction needs to be there.
    pub(super) fn prepare(&mut self, world: &mut World, now: Time, all: &[Interaction], at: usize) {
        let interaction = &all[at];
        let path = ArmPath::parse(interaction.path());
        if let Some(subscription) = path.subscription().filter(|_| interaction.error_code() != "SubscriptionNotFound") {
            self.place(world, now, &json!({"id": format!("/subscriptions/{subscription}")}));
        }
        self.group(world, now, all, interaction);
        let id = interaction.path();
        let has_parent = !["ResourceNotFound", "ResourceGroupNotFound"].contains(&interaction.error_code());
        match &path {
            ArmPath::Route(parent, _)
            | ArmPath::Routes(parent)
            | ArmPath::SecurityRule(parent, _)
            | ArmPath::SecurityRules(parent)
            | ArmPath::DefaultSecurityRule(parent, _)
            | ArmPath::DefaultSecurityRules(parent)
                if has_parent =>
            {
                self.parent(world, now, all, at, &parent.to_string());
            }
            ArmPath::Subnet(network, _) | ArmPath::Subnets(network) if has_parent => {
                self.parent(world, now, all, at, &network.to_string());
            }
            ArmPath::RuleCollectionGroup(policy, _)
            | ArmPath::RuleCollectionGroups(policy)
            | ArmPath::FirewallPolicyDraft(policy)
            | ArmPath::RuleCollectionGroupDraft(policy, _)
            | ArmPath::PolicyDeployment(policy)
                if !matches!(interaction.error_code(), "ResourceNotFound" | "ParentResourceNotFound") =>
            {
                self.parent(world, now, all, at, &policy.to_string());
            }
            _ => {}
        }
        self.references(world, now, all, at, &path);
        match (interaction.method.as_str(), interaction.status) {
            ("GET", 200) => self.shown(world, now, interaction, &path),
            // Changed, and never seen before: anything but what it became.
            ("PUT", 200) if !self.is_known(world, now, id) => {
                let mut before = interaction.response_body.clone();
                if before["properties"]["provisioningState"] == "Updating" {
                    before = other_than(&path, before);
                }
                before["id"] = json!(id);
                self.place_other(world, now, &before);
            }
            ("DELETE", 202 | 409 | 429) | ("PUT", 409 | 412 | 429) if !self.is_known(world, now, id) => {
                if interaction.method == "PUT"
                    && matches!(path, ArmPath::Route(..) | ArmPath::SecurityRule(..) | ArmPath::Subnet(..))
                {
                    return;
                }
                let before = minimal(id, &path, &shown_location(all, at));
                self.place_other(world, now, &before);
            }
            ("DELETE", 200) if matches!(path, ArmPath::Lock { .. }) && !self.is_known(world, now, id) => {
                self.place_other(world, now, &json!({"id": id, "properties": {"level": "CanNotDelete"}}));
            }
            ("DELETE", 200)
                if matches!(path, ArmPath::IpGroup(_) | ArmPath::FirewallPolicy(_))
                    && !self.is_known(world, now, id) =>
            {
                let before = minimal(id, &path, &shown_location(all, at));
                self.place_other(world, now, &before);
            }
            _ => {}
        }
    }

    /// What a write that was not refused for it refers to: policies, IP groups, subnets, public addresses.
    fn references(&mut self, world: &mut World, now: Time, all: &[Interaction], at: usize, path: &ArmPath) {
        let interaction = &all[at];
        let is_of_firewall = matches!(
            path,
            ArmPath::Firewall(_)
                | ArmPath::FirewallPolicy(_)
                | ArmPath::RuleCollectionGroup(..)
                | ArmPath::RuleCollectionGroupDraft(..)
        );
        let is_complete = interaction.is_accepted() || matches!(interaction.status, 409 | 429);
        if !is_of_firewall || !is_complete || interaction.method != "PUT" {
            return;
        }
        let mut ids = vec![];
        referenced(&interaction.request_body["properties"], &mut ids);
        let location = shown_location(all, at);
        for id in ids {
            let referenced = ArmPath::parse(&id);
            if self.is_known(world, now, &id) {
                continue;
            }
            match referenced {
                ArmPath::Subnet(network, _) => {
                    self.parent(world, now, all, at, &network.to_string());
                    self.place_other(world, now, &json!({"id": id}));
                }
                ArmPath::FirewallPolicy(_) | ArmPath::IpGroup(_) | ArmPath::PublicAddress(_) => {
                    self.place_other(world, now, &minimal(&id, &referenced, &location));
                }
                _ => {}
            }
        }
    }

    fn is_known(&self, world: &mut World, now: Time, id: &str) -> bool {
        self.is_own(id) || world.get_resource(now, id).is_ok()
    }

    fn place(&mut self, world: &mut World, now: Time, resource: &Value) {
        // What others are writing is there as they will leave it.
        let mut settled = resource.clone();
        if settled["properties"]["provisioningState"] == "Updating" {
            settled["properties"]["provisioningState"] = json!("Succeeded");
        }
        // What the simulator cannot hold shows as a difference of the interaction.
        let _ = world.put_resource(now, &settled);
        if let Some(id) = resource["id"].as_str() {
            self.placed.insert(id.to_ascii_lowercase(), resource.clone());
            if let Some(etag) = resource["etag"].as_str() {
                self.etags.insert(etag_scope(id), etag.to_owned());
            }
        }
    }

    fn place_other(&mut self, world: &mut World, now: Time, resource: &Value) {
        let Some(id) = resource["id"].as_str() else { return };
        let is_as_before = match resource["etag"].as_str() {
            // A child has the etag of the whole; nothing changed while that stays.
            Some(etag) => {
                self.etags.get(&etag_scope(id)).is_some_and(|last| last == etag) && world.get_resource(now, id).is_ok()
            }
            None => self.placed.get(&id.to_ascii_lowercase()) == Some(resource),
        };
        if !is_as_before && !self.is_own(id) {
            self.place(world, now, resource);
        }
    }

    fn group(&mut self, world: &mut World, now: Time, all: &[Interaction], interaction: &Interaction) {
        let Some(id) = group_of(interaction.path()) else { return };
        let is_missing = interaction.error_code() == "ResourceGroupNotFound"
            || (interaction.status == 404 && interaction.path().eq_ignore_ascii_case(&id));
        let is_made =
            interaction.method == "PUT" && interaction.status == 201 && interaction.path().eq_ignore_ascii_case(&id);
        if is_missing || is_made || self.is_known(world, now, &id) || self.is_own_group(&id) {
            return;
        }
        let bodies = all.iter().map(|other| &other.response_body);
        let shown =
            bodies.clone().find(|body| body["id"].as_str().is_some_and(|shown| shown.eq_ignore_ascii_case(&id)));
        let location = || {
            let inside = |body: &&Value| {
                body["id"].as_str().and_then(group_of).is_some_and(|group| group.eq_ignore_ascii_case(&id))
            };
            let body = bodies.clone().filter(inside).find_map(|body| body["location"].as_str());
            body.unwrap_or("eastus").to_owned()
        };
        let group = shown.cloned().unwrap_or_else(|| json!({"id": id, "location": location()}));
        self.place(world, now, &group);
    }

    /// The group itself was written, not only something in it.
    fn is_own_group(&self, id: &str) -> bool {
        self.written.contains(&id.to_ascii_lowercase())
    }

    /// The table of a route, as it is first shown, without what the recording puts into it before.
    fn parent(&mut self, world: &mut World, now: Time, all: &[Interaction], at: usize, id: &str) {
        if self.written.contains(&id.to_ascii_lowercase()) || world.get_resource(now, id).is_ok() {
            return;
        }
        let is_it = |body: &Value| body["id"].as_str().is_some_and(|shown| shown.eq_ignore_ascii_case(id));
        let listed = |body: &Value| body["value"].as_array()?.iter().find(|element| is_it(element)).cloned();
        let find = |other: &Interaction| {
            if is_it(&other.response_body) { Some(other.response_body.clone()) } else { listed(&other.response_body) }
        };
        let later = all[at..].iter().enumerate().find_map(|(i, other)| Some((at + i, find(other)?)));
        let (place, mut body) =
            later.unwrap_or_else(|| (at, minimal(id, &ArmPath::parse(id), &shown_location(all, at))));
        let made: Vec<String> = all[at..=place]
            .iter()
            .filter(|other| other.method == "PUT" && other.status == 201)
            .map(|other| other.path().to_ascii_lowercase())
            .collect();
        for list in ["routes", "securityRules", "subnets"] {
            if let Some(children) = body["properties"][list].as_array_mut() {
                children
                    .retain(|child| !child["id"].as_str().is_some_and(|id| made.contains(&id.to_ascii_lowercase())));
            }
        }
        self.place(world, now, &body);
    }

    /// What a GET shows and the recording did not write is so in the world.
    fn shown(&mut self, world: &mut World, now: Time, interaction: &Interaction, path: &ArmPath) {
        let body = &interaction.response_body;
        match path {
            ArmPath::Locations { .. } => world.set_locations(locations(body)),
            ArmPath::Usages { .. } => usages(world, body),
            ArmPath::ServiceTags { .. } => world.set_discovery(discovery(body)),
            _ => match body["value"].as_array() {
                Some(elements) => {
                    self.vanished(world, now, interaction, elements);
                    for element in elements {
                        self.place_other(world, now, element);
                    }
                }
                None => self.place_other(world, now, body),
            },
        }
    }

    /// What was put into the world and is no longer listed was removed by others.
    fn vanished(&mut self, world: &mut World, now: Time, interaction: &Interaction, elements: &[Value]) {
        let list = interaction.path().to_ascii_lowercase();
        let listed = |id: &str| {
            elements.iter().any(|element| element["id"].as_str().is_some_and(|shown| shown.eq_ignore_ascii_case(id)))
        };
        let kind = format!("/{}/", last_segment(&list));
        let scope = list.split("/providers/").next().unwrap_or_default().to_owned();
        let gone: Vec<String> = self
            .placed
            .keys()
            .filter(|id| {
                id.starts_with(&scope)
                    && id.rsplit_once('/').is_some_and(|(parent, _)| format!("{parent}/").ends_with(&kind))
            })
            .filter(|id| !listed(id) && !self.is_own(id))
            .cloned()
            .collect();
        for id in gone {
            world.delete_resource(now, &id);
            self.placed.remove(&id);
        }
    }
}

/// What has an etag of its own: a top-level resource with all in it, but a rule collection group by itself.
fn etag_scope(id: &str) -> String {
    match ArmPath::parse(id) {
        ArmPath::RuleCollectionGroup(..) => id.to_ascii_lowercase(),
        _ => top_level(id),
    }
}

/// The id of the group that a path leads into, in the spelling of the path.
pub(super) fn group_of(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('/').collect();
    let is_group = segments.len() >= 5
        && segments[1].eq_ignore_ascii_case("subscriptions")
        && segments[3].eq_ignore_ascii_case("resourcegroups");
    is_group.then(|| segments[..5].join("/"))
}

/// Where a resource is, as far as this and later interactions with it tell.
fn shown_location(all: &[Interaction], at: usize) -> String {
    let resource = top_level(all[at].path());
    let mut same = all[at..].iter().filter(|other| top_level(other.path()) == resource);
    same.find_map(location_of).unwrap_or_else(|| "eastus".to_owned())
}

/// From the body, or from the URL of the operation.
fn location_of(interaction: &Interaction) -> Option<String> {
    if let Some(location) = interaction.response_body["location"].as_str() {
        return Some(location.to_owned());
    }
    let url = interaction.status_urls().next()?;
    let (_, rest) = path_of(url).split_once("/locations/")?;
    Some(rest.split('/').next()?.to_owned())
}

fn minimal(id: &str, path: &ArmPath, location: &str) -> Value {
    match path {
        ArmPath::Route(..) => json!({"id": id, "properties": {"addressPrefix": "192.0.2.0/32", "nextHopType": "None"}}),
        ArmPath::RuleCollectionGroup(..) => json!({"id": id, "properties": {"priority": 100}}),
        ArmPath::SecurityRule(..) => json!({"id": id, "properties": {
            "protocol": "*", "access": "Deny", "direction": "Inbound", "priority": 4096,
            "sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "*",
        }}),
        _ => json!({"id": id, "location": location}),
    }
}

/// A resource that a write of `body` changes.
fn other_than(path: &ArmPath, mut body: Value) -> Value {
    match path {
        ArmPath::RouteTable(_) => {
            let was = body["properties"]["disableBgpRoutePropagation"] == true;
            body["properties"]["disableBgpRoutePropagation"] = json!(!was);
        }
        ArmPath::SecurityGroup(_) => {
            let was = body["properties"]["flushConnection"] == true;
            body["properties"]["flushConnection"] = json!(!was);
        }
        ArmPath::SecurityRule(..) => {
            let is_denied = body["properties"]["access"] == "Deny";
            body["properties"]["access"] = json!(if is_denied { "Allow" } else { "Deny" });
        }
        ArmPath::Route(..) => {
            let is_none = body["properties"]["nextHopType"] == "None";
            body["properties"]["nextHopType"] = json!(if is_none { "Internet" } else { "None" });
        }
        ArmPath::Firewall(_) => {
            let is_off = body["properties"]["threatIntelMode"] == "Off";
            body["properties"]["threatIntelMode"] = json!(if is_off { "Alert" } else { "Off" });
        }
        _ => {}
    }
    body
}

/// The texts in a body that are ids.
fn referenced(body: &Value, found: &mut Vec<String>) {
    let is_id = |text: &&str| text.starts_with("/subscriptions/");
    match body {
        Value::String(text) => found.extend(Some(text.as_str()).filter(is_id).map(str::to_owned)),
        Value::Array(elements) => elements.iter().for_each(|element| referenced(element, found)),
        Value::Object(fields) => fields.values().for_each(|field| referenced(field, found)),
        _ => {}
    }
}

fn locations(body: &Value) -> Vec<Location> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let location = |shown: &Value| {
        let metadata = &shown["metadata"];
        Location {
            name: text(&shown["name"]).unwrap_or_default(),
            display_name: text(&shown["displayName"]),
            paired_region: metadata.get("pairedRegion").map(|pairs| text(&pairs[0]["name"]).unwrap_or_default()),
            geography_group: text(&metadata["geographyGroup"]),
            regional_display_name: text(&shown["regionalDisplayName"]),
            region_type: text(&metadata["regionType"]),
            region_category: text(&metadata["regionCategory"]),
            geography: text(&metadata["geography"]),
            longitude: text(&metadata["longitude"]).or_else(|| text(&shown["longitude"])),
            latitude: text(&metadata["latitude"]).or_else(|| text(&shown["latitude"])),
            physical_location: text(&metadata["physicalLocation"]),
            availability_zone_mappings: shown.get("availabilityZoneMappings").cloned(),
        }
    };
    body["value"].as_array().into_iter().flatten().map(location).collect()
}

fn usages(world: &mut World, body: &Value) {
    let shown = || body["value"].as_array().into_iter().flatten();
    let quota = |shown: &Value| Quota {
        name: shown["name"]["value"].as_str().unwrap_or_default().to_owned(),
        text: shown["name"]["localizedValue"].as_str().unwrap_or_default().to_owned(),
        limit: shown["limit"].as_u64().unwrap_or_default(),
        is_adjustable: shown["isAdjustable"].as_bool(),
    };
    let mut settings = world.settings().clone();
    for shown in shown() {
        if let (Some(name), Some(count)) = (shown["name"]["value"].as_str(), shown["currentValue"].as_i64()) {
            settings.usage_counts.insert(name.to_owned(), count);
        }
    }
    world.set_settings(settings);
    world.set_quotas(shown().map(quota).collect());
}

fn discovery(body: &Value) -> DiscoveryDocument {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tag = |shown: &Value| {
        let properties: DiscoveryProperties = serde_json::from_value(shown["properties"].clone()).ok()?;
        let number = shown["serviceTagChangeNumber"].as_str().map(str::to_owned);
        Some(DiscoveryTag { name: text(&shown["name"]), service_tag_change_number: number, properties })
    };
    DiscoveryDocument {
        number: text(&body["changeNumber"]),
        cloud: text(&body["cloud"]),
        next_link: body["nextLink"].as_str().map(str::to_owned),
        tags: body["values"].as_array().into_iter().flatten().filter_map(tag).collect(),
    }
}
