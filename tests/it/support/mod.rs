//! What the tests are made of: a browser, identity providers that share no code with ours, the
//! application on a database of its own.

pub mod app;
pub mod browser;
pub mod database;
pub mod dsig;
pub mod http;
pub mod idp;
pub mod messages;
pub mod metadata;
pub mod process;
pub mod receiver;
pub mod story;
pub mod xml;
pub mod xmlenc;
