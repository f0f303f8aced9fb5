//! Whole affairs from beginning to end, as people and identity providers live through them.

mod deadline_and_resume;
mod main_job;
mod two_identity_providers;
mod two_nodes;
