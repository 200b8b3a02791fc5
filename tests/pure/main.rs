//! The pure part from outside: golden plans, properties, the real documents, the import order. No process, no socket.

// A test that cannot go on fails where it stands, with the line.
#![allow(clippy::unwrap_used)]

mod built_in;
mod crds;
mod damage;
mod discovery;
mod golden;
mod golden_rules;
mod groups;
mod imports;
mod lanes;
mod layering;
mod logs;
mod metrics;
#[path = "../objects/mod.rs"]
mod objects;
mod pages;
mod properties;
mod real_documents;
mod requirements;
mod requirements_facts;
mod requirements_rules;
mod requirements_seeds;
mod requirements_traced;
mod rules;
mod rules_edited;
mod rules_guards;
mod rules_limits;
mod rules_properties;
mod rules_shared;
mod scopes;
mod support;
