//! What the tests are made of: a browser, identity providers that share no code with ours, the
//! application on a database of its own.

pub mod api;
pub mod app;
pub mod applications;
pub mod browser;
pub mod database;
pub mod dsig;
pub mod http;
pub mod idp;
pub mod messages;
pub mod metadata;
pub mod oidc;
pub mod process;
pub mod receiver;
pub mod schema;
pub mod sse;
pub mod story;
pub mod xml;
pub mod xmlenc;
