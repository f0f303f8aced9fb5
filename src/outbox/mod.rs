//! Telling others without a browser. Identity providers: [`deliver`]. Applications: [`forms`] says what
//! is sent, [`guard`] where to, [`notify`] sends it. [`retry`] says when to try again; [`tls`] is
//! what all clients share.

pub mod deliver;
pub mod forms;
pub mod guard;
pub mod notify;
pub mod retry;
pub mod tls;
