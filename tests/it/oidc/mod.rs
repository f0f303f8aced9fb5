//! OpenID providers, Auth0 tenants among them: signing in through them, and their logout tokens.

mod backchannel;
mod matrix;
mod outbound;
mod race;
mod sign_in;
mod sign_out;
mod sp_of_record;
mod there;
