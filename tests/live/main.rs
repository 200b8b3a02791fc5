//! The real binary against the simulator, over real HTTPS: what a user sees, what Azure sees, and what became of the
//! table at every moment in between.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]
#![allow(clippy::needless_pass_by_value, reason = "json!({…}) reads better than &json!({…}) at every call")]

mod approvals;
mod audit;
mod campaign;
mod campaign_disk;
mod campaign_each;
mod campaign_random;
mod campaign_rules;
mod campaign_rules_each;
mod campaign_world;
mod clock;
mod commands;
mod costs;
mod deletions;
#[path = "../shared/dice.rs"]
mod dice;
mod discovery;
mod documents;
mod documents_by_http;
mod download;
mod exit_codes;
mod faults;
mod follow;
mod harness;
mod histories;
mod holds;
mod ip_groups;
mod ip_groups_attached;
mod ip_groups_documents;
mod ip_groups_faults;
mod ip_groups_guards;
mod ip_groups_sharing;
mod lifecycle;
mod lists;
mod lists_guarded;
mod lists_real;
mod logins;
mod logs;
mod memory_lost;
mod metrics;
mod refusals;
mod removals;
mod requirements;
mod review_documents;
mod review_sharing;
mod review_stopping;
mod review_writes;
mod role;
mod role_firewall_policies;
mod role_ip_groups;
mod role_security_groups;
mod rules;
mod rules_attached;
mod rules_faults;
mod rules_groups;
mod rules_life;
mod rules_refused;
mod rules_shadow;
mod rules_specs;
mod rules_writers;
mod scopes;
mod secrets;
mod security_groups;
mod security_groups_faults;
mod security_groups_guards;
mod security_groups_others;
mod security_groups_refusals;
mod security_groups_sharing;
mod sharing;
mod specs;
mod stops;
mod tables;
mod tags;
