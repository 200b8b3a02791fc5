//! The behaviour of Azure Resource Manager, of its login service and of Microsoft's download page as one value,
//! `World`. Pure: no tokio, no sockets, no clock (time is an argument), randomness from a seed. The only thing read
//! from disk is the service tag file that is being published.

pub mod access;
mod access_dispatch;
mod access_error;
pub mod access_path;
pub mod arm_id;
mod cloud_metadata;
mod control;
pub mod discovery;
mod dispatch;
pub mod download_page;
mod encoding;
pub mod error;
pub mod faults;
mod firewall;
mod firewall_error;
mod firewall_policy;
mod firewall_policy_write;
mod firewall_rules;
mod firewall_write;
mod held_answers;
pub mod history;
pub mod http;
pub mod ip_group;
mod ip_group_attached;
mod ip_group_place;
mod ip_group_request;
mod ip_group_write;
pub mod locations;
pub mod locks;
pub mod log;
mod login;
pub mod managed_identity;
pub mod operation;
pub mod parent;
mod parent_place;
mod parent_write;
pub mod policy;
mod policy_draft;
mod policy_operation;
mod public_address;
pub(crate) mod random;
pub mod resource_group;
mod role_assignment;
mod role_definition;
mod route_request;
pub mod route_table;
pub mod rule_collection_group;
mod rule_collection_group_write;
mod security_error;
pub mod security_group;
pub mod security_rule;
mod security_rule_request;
mod security_tag;
pub mod settings;
mod standard_headers;
mod subscription;
mod throttle;
pub mod time;
pub mod token;
pub mod usages;
mod user_identity;
mod virtual_network;
pub mod world;
pub mod world_file;

pub use http::{ApiRequest, ApiResponse, Delivery};
pub use time::Time;
pub use world::World;
pub use world_file::WorldFileError;

#[cfg(test)]
mod tests;
