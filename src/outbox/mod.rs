//! Telling others without a browser. Identity providers: [`deliver`]. Applications: [`forms`] says what
//! is sent, [`guard`] where to, [`notify`] sends it. [`resolver`] holds every connection to what the guard
//! lets pass, [`tls`] is what all clients share. [`retry`] says when to try again.

pub mod deliver;
pub mod forms;
pub mod guard;
pub mod notify;
pub mod resolver;
pub mod retry;
pub mod tls;
