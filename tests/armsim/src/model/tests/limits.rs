//! Token buckets, the network provider's count, and what the headers say of both.

use super::{Azure, TABLE, code, header, message};
use crate::model::{ApiResponse, World};
use serde_json::json;
use std::path::Path;

fn azure(limits: &str) -> Azure {
    let yaml = format!("resources: [{{id: {TABLE}, location: eastus2}}]\nlimits: {{{limits}}}\n");
    Azure::new(World::from_yaml(&yaml, Path::new(".")).unwrap())
}

fn left(answer: &ApiResponse, what: &str) -> u64 {
    header(answer, &format!("x-ms-ratelimit-remaining-subscription-{what}")).parse().unwrap()
}

#[test]
fn nothing_is_enforced_unless_asked_for_and_headers_tell_what_is_left() {
    let mut azure = Azure::with_table();
    for _ in 0..300 {
        assert_eq!(azure.get(TABLE).status, 200);
    }
    let answer = azure.get(TABLE);
    assert_eq!(left(&answer, "global-reads"), 16_500 - 301);
    assert!(answer.header("x-ms-ratelimit-remaining-subscription-reads").is_none());
}

#[test]
fn a_bucket_of_reads_holds_250_and_fills_by_25_a_second() {
    let mut azure = azure("enforce: true");
    let first = azure.get(TABLE);
    assert_eq!((left(&first, "reads"), left(&first, "global-reads")), (249, 3749));
    for _ in 1..250 {
        assert_eq!(azure.get(TABLE).status, 200);
    }
    let refused = azure.get(TABLE);
    assert_eq!((refused.status, code(&refused).as_str()), (429, "SubscriptionRequestsThrottled"));
    assert_eq!(header(&refused, "retry-after"), "1");
    assert_eq!(left(&refused, "reads"), 0);
    assert!(message(&refused).starts_with("Number of 'read' requests for subscription"), "{}", message(&refused));
    // Writes have a bucket of their own.
    assert_eq!(azure.put_route("a", "20.1.0.0/16").status, 201);
    azure.pass(1000);
    let taken = (0..100).take_while(|_| azure.get(TABLE).status == 200).count();
    assert_eq!(taken, 25);
}

#[test]
fn a_bucket_of_writes_tells_how_long_to_wait() {
    let mut azure = azure("enforce: true, writes: {size: 1, perSecond: 1}, deletes: {size: 1, perSecond: 1}");
    assert_eq!(azure.put_route("a", "20.1.0.0/16").status, 201);
    assert_eq!(code(&azure.put_route("b", "20.2.0.0/16")), "SubscriptionRequestsThrottled");
    azure.pass(2000);
    assert_eq!(azure.put_route("b", "20.2.0.0/16").status, 201);
    azure.pass(2000);
    assert_eq!(azure.delete(&format!("{TABLE}/routes/b")).status, 202);
    assert_eq!(left(&azure.get(TABLE), "reads"), 249);
}

#[test]
fn regions_and_principals_are_apart_and_the_global_bucket_is_not() {
    let mut azure = azure("enforce: true, reads: {size: 2, perSecond: 1}, globalFactor: 2");
    let mut read = |region: &str| {
        let request = azure.request("GET", TABLE).with_header("x-armsim-region", region);
        azure.send(&request).status
    };
    assert_eq!([read("eastus"), read("eastus"), read("eastus")], [200, 200, 429]);
    assert_eq!([read("westus"), read("westus"), read("westus")], [200, 200, 429]);
    assert_eq!(read("northeurope"), 429, "all principals and regions together");
}

#[test]
fn a_world_in_a_hurry_fills_its_buckets_faster() {
    let yaml = format!(
        "resources: [{{id: {TABLE}, location: eastus2}}]\nlimits: {{enforce: true, reads: {{size: 1, perSecond: 1}}}}"
    );
    let mut azure = Azure::new(World::from_yaml(&yaml, Path::new(".")).unwrap().with_time_scale(0.01));
    assert_eq!(azure.get(TABLE).status, 200);
    let refused = azure.get(TABLE);
    assert_eq!(
        (header(&refused, "retry-after").as_str(), header(&refused, "x-ms-retry-after-ms").as_str()),
        ("0", "10")
    );
    azure.pass(10);
    assert_eq!(azure.get(TABLE).status, 200);
}

#[test]
fn the_provider_counts_by_location_in_windows() {
    let mut azure = azure("enforce: true, provider: {writes: 2, reads: 3, window: 5m}");
    for (name, prefix) in [("a", "20.1.0.0/16"), ("b", "20.2.0.0/16")] {
        assert_eq!(azure.put_route(name, prefix).status, 201);
        azure.pass(2000);
    }
    let refused = azure.put_route("c", "20.3.0.0/16");
    assert_eq!((refused.status, code(&refused).as_str()), (429, "TooManyRequests"));
    assert_eq!(header(&refused, "retry-after"), "296");
    assert_eq!(header(&refused, "x-ms-failure-cause"), "service");
    let detail = refused.value()["error"]["details"][0]["message"].as_str().unwrap().to_owned();
    assert!(detail.contains("\"allowedRequestCount\":2,") && detail.contains("\"measuredRequestCount\":3"), "{detail}");
    assert_eq!(code(&azure.delete(&format!("{TABLE}/routes/a"))), "TooManyRequests", "deletions are writes");
    assert_eq!(azure.get(super::GROUP).status, 200, "a resource group is not the provider's");
    azure.pass(300_000);
    assert_eq!(azure.put_route("c", "20.3.0.0/16").status, 201);
}

#[test]
fn limits_can_be_changed_at_run_time() {
    let mut azure = Azure::with_table();
    let settings = azure.world.settings().changed(&json!({"limits": {"enforce": true, "reads": {"size": 1}}})).unwrap();
    assert_eq!(settings.limits.reads.per_second, 25);
    azure.world.set_settings(settings);
    assert_eq!([azure.get(TABLE).status, azure.get(TABLE).status], [200, 429]);
}
