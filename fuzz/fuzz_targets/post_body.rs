//! The body of a form: decoded as another reader decodes it, and no message believed that was not
//! signed.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use signoff_fuzz::form::{self, Packing};
use signoff_fuzz::judge;
use signoff_fuzz::saml::binding::{Detached, Parameter, post};
use signoff_fuzz::saml::names::Binding;
use signoff_fuzz::saml::xml::normalized;

fuzz_target!(|body: &[u8]| {
    let Ok(received) = post::decode(body) else { return };
    assert_eq!((received.binding, &received.detached), (Binding::Post, &Detached::Absent));
    form::check(body, &received);
    let message = form::message(body, received.parameter, Packing::Plain);
    assert_eq!(message.map(normalized), Some(received.octets.clone()));
    match received.parameter {
        Parameter::SamlRequest => judge::request(&received),
        Parameter::SamlResponse => {
            judge::answer(&received);
            judge::response(&received);
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    form::mutate(data, size, max_size, seed, Packing::Plain)
});
