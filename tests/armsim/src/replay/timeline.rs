//! What a recording implies about time: in which order overlapping requests were handled, when each was, and when each
//! operation ended. The simulator is told these and nothing else about durations.

use super::recording::{Interaction, NIL, last_segment, path_of, top_level};
use crate::model::Time;
use std::{collections::BTreeMap, time::Duration};

/// Where a recording without any time begins.
const START: Time = Time::from_millis(1_735_689_600_000);
/// After all recordings: the operation is never seen to end.
pub(super) const NEVER: Time = Time::from_millis(u64::MAX / 2);

#[derive(Debug)]
pub(super) struct Timeline {
    /// Interactions in the order in which they were handled.
    pub(super) order: Vec<usize>,
    /// When each interaction was handled, strictly growing along `order`.
    pub(super) moments: Vec<Time>,
    /// For an accepted write: when its operation ended, and until when its status said that it was running.
    pub(super) ends: BTreeMap<usize, (Time, Time)>,
}

impl Timeline {
    pub(super) fn of(recording: &[Interaction]) -> Self {
        let order = order(recording);
        let moments = moments(recording, &order);
        let ends = order.iter().enumerate().filter_map(|(place, &write)| {
            let later = &order[place + 1..];
            Some((write, end(recording, write, later, &moments)?))
        });
        let ends = ends.collect();
        Self { order, moments, ends }
    }
}

/// The file's order, but a write that was refused because of another comes after that other one, which may stand below
/// it.
fn order(recording: &[Interaction]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..recording.len()).collect();
    for (refused, interaction) in recording.iter().enumerate() {
        let Some((_, id)) = interaction.named_operation().filter(|(_, id)| *id != NIL) else {
            continue;
        };
        let accepted = recording
            .iter()
            .position(|other| other.status_urls().any(|url| last_segment(path_of(url)).eq_ignore_ascii_case(id)));
        if let Some(accepted) = accepted.filter(|accepted| *accepted > refused) {
            order.retain(|&i| i != refused);
            let at = order.iter().position(|&i| i == accepted).unwrap_or(order.len() - 1);
            order.insert(at + 1, refused);
        }
    }
    order
}

fn moments(recording: &[Interaction], order: &[usize]) -> Vec<Time> {
    let mut moments = vec![START; recording.len()];
    let first = recording.iter().find_map(Interaction::moment).unwrap_or(START);
    let mut last = first;
    let mut asked_to_wait = None;
    for &i in order {
        let interaction = &recording[i];
        let earliest = last.plus(Duration::from_millis(1));
        last = match interaction.moment() {
            Some(stamp) => stamp.max(earliest),
            None => earliest.plus(Duration::from_secs(match asked_to_wait {
                Some(seconds) if interaction.is_poll() => seconds,
                _ if interaction.is_poll() => 3,
                _ => 1,
            })),
        };
        asked_to_wait = interaction.header("retry-after").and_then(|wait| wait.parse().ok()).or(asked_to_wait);
        moments[i] = last;
    }
    moments
}

/// When the operation of an accepted write ended: not after its status said so, nor after the next write of the same
/// resource was taken, nor after a GET shows the resource as it is left.
fn end(recording: &[Interaction], write: usize, later: &[usize], moments: &[Time]) -> Option<(Time, Time)> {
    let accepted = &recording[write];
    let urls: Vec<&str> = accepted.status_urls().collect();
    if urls.is_empty() || accepted.response_body["properties"]["provisioningState"] == "Succeeded" {
        return None;
    }
    let resource = top_level(accepted.path());
    let (mut ended, mut told, mut running) = (None, None, None);
    for &i in later {
        let interaction = &recording[i];
        if told.is_none() && interaction.is_poll() && is_of(interaction, &urls) {
            let body_status = interaction.response_body["status"].as_str();
            if interaction.status == 202 || matches!(body_status, Some("InProgress" | "Updating" | "Deleting")) {
                running = Some(i);
            } else if interaction.status < 300 {
                told = Some(i);
                ended.get_or_insert(i);
            }
        }
        let in_the_way = interaction.is_accepted() && top_level(interaction.path()) == resource;
        if in_the_way || shows_end(accepted, interaction, &resource) {
            ended.get_or_insert(i);
        }
        // Whatever was shown before: it was still running here.
        let is_named =
            |(_, id): (&str, &str)| urls.iter().any(|url| last_segment(path_of(url)).eq_ignore_ascii_case(id));
        if told.is_none() && interaction.named_operation().is_some_and(is_named) {
            ended = None;
        }
        // Recorders that mask ids give all operations one URL.
        let is_reused = interaction.status_urls().any(|url| urls.contains(&url));
        if is_reused || (told.is_some() && ended.is_some()) {
            break;
        }
    }
    let at = |i: Option<usize>| i.map(|i| moments[i]);
    match (at(ended), at(told), running) {
        (None, _, None) => None,
        (None, _, Some(_)) => Some((NEVER, NEVER)),
        (Some(ended), Some(told), _) => Some((ended, if running.is_some() { told } else { ended })),
        (Some(ended), None, Some(_)) => Some((ended, NEVER)),
        (Some(ended), None, None) => Some((ended, ended)),
    }
}

fn is_of(poll: &Interaction, urls: &[&str]) -> bool {
    let same_id = |url: &&str| {
        let id = last_segment(path_of(url));
        id != NIL && id.eq_ignore_ascii_case(last_segment(poll.path()))
    };
    urls.contains(&poll.url.as_str()) || urls.iter().any(same_id)
}

/// A GET after the end: of a resource that is gone, or that is settled with an etag that the accepted write did not
/// have.
fn shows_end(accepted: &Interaction, get: &Interaction, resource: &str) -> bool {
    let top = top_level(get.path());
    let is_inside = top.strip_prefix(resource).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if get.method != "GET" || !is_inside {
        return false;
    }
    let is_same_path = get.path().eq_ignore_ascii_case(accepted.path());
    if accepted.method == "DELETE" {
        return get.status == 404 && (is_same_path || get.error_code() == "ResourceGroupNotFound");
    }
    if get.status != 200 || top != resource {
        return false;
    }
    let body = &get.response_body;
    let etag = body["etag"].as_str().unwrap_or_default();
    let is_settled = body["properties"]["provisioningState"] == "Succeeded";
    let says_little = etag.is_empty() || etag.contains(NIL);
    // The second back end keeps the etag.
    let says_more = says_little || accepted.is_of_second_back_end() || accepted.response_body["etag"] != etag;
    is_settled && (is_same_path || !says_little) && says_more
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const TABLE: &str =
        "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/routeTables/t";
    const OPERATIONS: &str =
        "https://management.azure.com/subscriptions/s/providers/Microsoft.Network/locations/l/operations";
    const A: &str = "842ee685-6acf-4c5f-b9e9-5f4d7a3d5910";
    const B: &str = "c0ba21a3-552d-49f7-950c-e1f6d66a858d";

    fn interaction(
        method: &str,
        url: &str,
        status: u16,
        second: u32,
        operation: Option<&str>,
        body: &Value,
    ) -> Interaction {
        let mut headers = json!({"x-msedge-ref": format!("Ref A: a Ref C: 2024-11-08T01:17:{second:02}Z")});
        if let Some(operation) = operation {
            headers["azure-asyncoperation"] = json!(format!("{OPERATIONS}/{operation}?api-version=1"));
        }
        serde_json::from_value(json!({
            "method": method, "url": url, "status": status, "response_headers": headers, "response_body": body,
        }))
        .unwrap()
    }

    fn route(state: &str, etag: &str) -> Value {
        json!({"etag": etag, "properties": {"provisioningState": state}})
    }

    #[test]
    fn a_refused_write_comes_after_the_one_that_it_met() {
        let message =
            format!("Operation PutRouteOperation ({A}) is updating resource t. The call can be retried in 14 seconds.");
        let refusal =
            json!({"error": {"details": [{"code": "RetryableErrorDueToAnotherOperation", "message": message}]}});
        let recording = [
            interaction("PUT", &format!("{TABLE}/routes/a"), 429, 24, None, &refusal),
            interaction("PUT", &format!("{TABLE}/routes/b"), 201, 24, Some(A), &route("Updating", "1")),
            interaction("PUT", &format!("{TABLE}/routes/a"), 201, 25, Some(B), &route("Updating", "2")),
            interaction(
                "GET",
                &format!("{OPERATIONS}/{A}?api-version=1"),
                200,
                26,
                None,
                &json!({"status": "Succeeded"}),
            ),
            interaction("GET", &format!("{TABLE}/routes/b"), 200, 26, None, &route("Succeeded", "3")),
            interaction(
                "GET",
                &format!("{OPERATIONS}/{B}?api-version=1"),
                200,
                27,
                None,
                &json!({"status": "Succeeded"}),
            ),
        ];
        let timeline = Timeline::of(&recording);
        assert_eq!(timeline.order, [1, 0, 2, 3, 4, 5]);
        assert!(timeline.moments[1] < timeline.moments[0] && timeline.moments[0] < timeline.moments[2]);
        // The second write was taken, so the first was over; the GET shows an etag that neither answer had.
        assert_eq!(timeline.ends[&1], (timeline.moments[2], timeline.moments[2]));
        assert_eq!(timeline.ends[&2], (timeline.moments[4], timeline.moments[4]));
    }

    #[test]
    fn a_settled_ip_group_shows_the_end_although_its_etag_stays() {
        let group = TABLE.replace("routeTables", "ipGroups");
        let recording = [
            interaction("PUT", &group, 200, 1, Some(A), &route("Updating", "1")),
            interaction("GET", &group, 200, 2, None, &route("Updating", "1")),
            interaction("GET", &group, 200, 3, None, &route("Succeeded", "1")),
        ];
        let timeline = Timeline::of(&recording);
        assert_eq!(timeline.ends[&0], (timeline.moments[2], timeline.moments[2]));
        let of_a_table = [
            interaction("PUT", TABLE, 200, 1, Some(A), &route("Updating", "1")),
            interaction("GET", TABLE, 200, 2, None, &route("Succeeded", "1")),
        ];
        assert!(Timeline::of(&of_a_table).ends.is_empty(), "what a replica showed that was behind");
    }

    #[test]
    fn a_status_may_lag_behind_the_resource() {
        let poll = |second, status: &str| {
            interaction(
                "GET",
                &format!("{OPERATIONS}/{A}?api-version=1"),
                200,
                second,
                None,
                &json!({"status": status}),
            )
        };
        let recording = [
            interaction("PUT", TABLE, 201, 1, Some(A), &route("Updating", "1")),
            interaction("GET", TABLE, 200, 2, None, &route("Succeeded", "2")),
            poll(3, "InProgress"),
            poll(4, "Succeeded"),
        ];
        let timeline = Timeline::of(&recording);
        assert_eq!(timeline.ends[&0], (timeline.moments[1], timeline.moments[3]));
        let timeline = Timeline::of(&recording[..1]);
        assert!(timeline.ends.is_empty());
        let cut = [recording[0].clone(), recording[2].clone()];
        assert_eq!(Timeline::of(&cut).ends[&0], (NEVER, NEVER));
    }
}
