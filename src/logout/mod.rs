//! The Single Logout profile as a state machine. Pure: an event and an instant go in, the new state,
//! what has to be written and one reply come out.
//!
//! [`plan`] says how each identity provider can hear of a logout, [`hearing`] how an application does;
//! [`step`] moves a logout on, and [`outcome`] says what the answers add up to. [`return_url`] says where a
//! browser may go in the end.

pub mod hearing;
pub mod outcome;
pub mod plan;
pub mod return_url;
pub mod step;
