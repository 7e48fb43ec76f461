//! `template.yaml` against the code: what is deployed is what was built.
//!
//! | file | question |
//! |---|---|
//! | `functions` | is there a binary for each function, and a function for each folder? |
//! | `variables` | is each variable set that a function reads, and no other? |
//! | `routes` | does the API have the routes of the router, and no other? |
//! | `permissions` | is each call that the code makes allowed, and nothing else? |
//! | `metrics` | does the code emit each metric that an alarm or the dashboard looks at? |
//! | `local_run` | are the local run's settings those that are deployed? |
//!
//! `day` is a day of the whole pipeline on this machine: the calls and the metrics that the others look at.
//! `yaml`, `stack` and `iam` read the template as CloudFormation and IAM do, as far as the template goes; what they do not
//! know fails the tests instead of being passed over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod day;
mod functions;
mod iam;
mod local_run;
mod metrics;
mod permissions;
mod routes;
mod stack;
mod variables;
mod yaml;
