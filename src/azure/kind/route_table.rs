//! Route tables: read as a whole, written one child route at a time.
//!
//! Must never write the table itself: a PUT of the parent replaces other people's routes (docs/facts.md).

use std::net::IpAddr;

use azure_mgmt_network::package_2024_03::models;
use models::RouteNextHopType;
use serde_json::Value;

use super::{Kind, Request, UnreadableResource, Write};
use crate::domain::desired::Address;
use crate::domain::intent::NextHop;
use crate::domain::plan::{Observed, ObservedEntry, Step, TargetInput};
use crate::domain::resource_id::ResourceId;

#[derive(Debug)]
pub struct RouteTable;

impl Kind for RouteTable {
    fn observe(&self, id: &ResourceId, body: &Value) -> Result<Observed, UnreadableResource> {
        let refuse = |what: &str| UnreadableResource { id: id.clone(), what: what.to_owned() };
        let properties = body["properties"].as_object().ok_or_else(|| refuse("it has no properties"))?;
        // A table without routes has an empty list. No list at all is an answer we do not understand, and an empty
        // table would be filled, so it must not be taken for one.
        let routes = properties.get("routes").and_then(Value::as_array).ok_or_else(|| refuse("it has no routes"))?;
        let location = body["location"].as_str().ok_or_else(|| refuse("it has no location"))?;
        let entries = routes.iter().map(|route| entry(route).ok_or_else(|| refuse("a route has no name or address")));
        let entries: Vec<ObservedEntry> = entries.collect::<Result<_, _>>()?;
        let updating =
            |value: &Value| matches!(value["properties"]["provisioningState"].as_str(), Some("Updating" | "Deleting"));
        Ok(Observed {
            location: location.to_owned(),
            entries,
            subnets: properties.get("subnets").and_then(Value::as_array).map_or(0, Vec::len),
            updating: updating(body) || routes.iter().any(updating),
            whole: None,
            rules: None,
        })
    }

    fn requests(&self, input: &TargetInput, steps: &[Step], _: &Observed) -> Option<Vec<Request>> {
        let request = |step: &Step| Some(Request { steps: vec![step.clone()], write: write(input, step)? });
        steps.iter().map(request).collect()
    }
}

fn write(input: &TargetInput, step: &Step) -> Option<Write> {
    let (table, name) = (input.id.clone(), step.entry.clone());
    let Some(next_hop) = &step.next_hop else {
        return Some(Write::DeleteRoute { table, name });
    };
    let (kind, address) = match next_hop {
        NextHop::Internet => (RouteNextHopType::Internet, None),
        NextHop::VirtualAppliance(address) => (RouteNextHopType::VirtualAppliance, Some(address.to_string())),
        NextHop::Other(text) => (RouteNextHopType::UnknownValue(text.clone()), None),
        NextHop::Member => return None,
    };
    let properties = models::RoutePropertiesFormat {
        address_prefix: Some(step.address.to_string()),
        next_hop_ip_address: address,
        ..models::RoutePropertiesFormat::new(kind)
    };
    let route = models::Route { properties: Some(properties), name: Some(name.clone()), ..Default::default() };
    Some(Write::PutRoute { table, name, route: Box::new(route) })
}

fn entry(route: &Value) -> Option<ObservedEntry> {
    let properties = &route["properties"];
    let address = properties["addressPrefix"].as_str()?;
    Some(ObservedEntry {
        name: route["name"].as_str()?.to_owned(),
        address: address.parse().map_or_else(|_| Address::Tag(address.to_owned()), Address::Prefix),
        next_hop: next_hop(properties),
        failed: properties["provisioningState"].as_str() == Some("Failed"),
    })
}

fn next_hop(properties: &Value) -> NextHop {
    let kind = properties["nextHopType"].as_str().unwrap_or_default();
    let address = properties["nextHopIpAddress"].as_str().filter(|text| !text.is_empty());
    match (kind, address.map(str::parse::<IpAddr>)) {
        ("Internet", None) => NextHop::Internet,
        ("VirtualAppliance", Some(Ok(address))) => NextHop::VirtualAppliance(address),
        _ => NextHop::Other([Some(kind), address].into_iter().flatten().collect::<Vec<_>>().join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id() -> ResourceId {
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/routeTables/rt"
            .parse()
            .unwrap()
    }

    fn table(routes: &Value) -> Value {
        json!({"location": "eastus2", "properties": {"provisioningState": "Succeeded", "routes": routes}})
    }

    fn route(prefix: &str, kind: &str, address: Option<&str>) -> Value {
        json!({"name": "r", "properties": {"addressPrefix": prefix, "nextHopType": kind, "nextHopIpAddress": address}})
    }

    #[test]
    fn next_hops_and_addresses_are_read_as_azure_spells_them() {
        for (value, address, hop) in [
            (route("13.66.87.128/26", "Internet", None), "13.66.87.128/26", NextHop::Internet),
            (route("Storage.EastUS", "Internet", Some("")), "Storage.EastUS", NextHop::Internet),
            (
                route("cab:cab::/96", "VirtualAppliance", Some("ace:cab:deca:f00d::1")),
                "cab:cab::/96",
                NextHop::VirtualAppliance("ace:cab:deca:f00d::1".parse().unwrap()),
            ),
            (
                route("10.0.0.0/8", "VirtualNetworkGateway", None),
                "10.0.0.0/8",
                NextHop::Other("VirtualNetworkGateway".into()),
            ),
            (route("10.0.0.0/8", "None", None), "10.0.0.0/8", NextHop::Other("None".into())),
        ] {
            let observed = RouteTable.observe(&id(), &table(&json!([value]))).unwrap();
            assert_eq!(
                (observed.entries[0].address.to_string().as_str(), &observed.entries[0].next_hop),
                (address, &hop)
            );
        }
    }

    #[test]
    fn an_answer_without_routes_is_not_an_empty_table() {
        for body in [
            json!({}),
            json!({"location": "x", "properties": {}}),
            json!({"location": "x", "properties": {"routes": null}}),
        ] {
            assert!(RouteTable.observe(&id(), &body).is_err(), "{body}");
        }
        assert!(RouteTable.observe(&id(), &table(&json!([{"name": "r"}]))).is_err());
    }

    #[test]
    fn an_operation_under_way_is_seen_on_the_table_and_on_its_routes() {
        let mut body = table(&json!([route("13.66.87.128/26", "Internet", None)]));
        assert!(!RouteTable.observe(&id(), &body).unwrap().updating);
        body["properties"]["routes"][0]["properties"]["provisioningState"] = "Updating".into();
        assert!(RouteTable.observe(&id(), &body).unwrap().updating);
        body["properties"]["routes"] = json!([]);
        body["properties"]["provisioningState"] = "Updating".into();
        assert!(RouteTable.observe(&id(), &body).unwrap().updating);
    }
}
