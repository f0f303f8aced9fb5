//! Black-box tests: HTTP to the real application on a real PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and looks into the database by itself"
)]
#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    clippy::items_after_statements,
    clippy::assigning_clones,
    clippy::struct_field_names,
    clippy::unnecessary_wraps,
    clippy::large_futures,
    reason = "what is read top-down as a story need not be fast"
)]

mod api;
mod architecture;
mod binding_post;
mod binding_redirect;
mod binding_soap;
mod cli;
#[expect(
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "a list of cases is as long as it is, with one column for each thing that differs"
)]
mod corpus;
mod crash;
mod encryption;
mod feed;
mod forward_auth;
mod inspect;
mod interleavings;
mod limits;
mod messages;
mod metadata;
mod notify;
mod oidc;
mod peer_algorithms;
mod promises;
mod race;
mod refusals;
mod return_after_logout;
#[cfg(feature = "second-opinion")]
mod second_opinion;
mod secrecy;
mod session_page;
mod slo_initiate;
mod slo_receive;
mod sso;
mod status_table;
mod stories;
mod support;
mod switches;
mod validation;
mod web;
mod wrapping;
