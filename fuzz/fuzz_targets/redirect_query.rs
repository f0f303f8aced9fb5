//! The query of a redirect: decoded as another reader decodes it, its signed octets taken from the
//! query as they came, and no message believed that was not signed.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use signoff_fuzz::form::{self, Packing};
use signoff_fuzz::judge;
use signoff_fuzz::saml::binding::{Detached, Parameter, redirect};
use signoff_fuzz::saml::names::Binding;
use signoff_fuzz::saml::xml::normalized;

fuzz_target!(|query: &str| {
    let Ok(received) = redirect::decode(query) else { return };
    assert_eq!(received.binding, Binding::Redirect);
    form::check(query.as_bytes(), &received);
    let inflated = form::message(query.as_bytes(), received.parameter, Packing::Deflated);
    assert_eq!(inflated.map(normalized), Some(received.octets.clone()));
    if let Detached::Present { algorithm, signed, signature } = &received.detached {
        assert!(!signature.is_empty());
        let pieces: Vec<_> = signed.split('&').collect();
        // Only a parameter without a value may lack its `=`.
        let came = |piece: &str| query.split('&').any(|pair| pair == piece || format!("{pair}=") == piece);
        assert!(pieces.iter().all(|piece| came(piece)), "{signed}");
        let names: Vec<_> = pieces.iter().filter_map(|piece| piece.split_once('=')).map(|(n, _)| n).collect();
        let message = received.parameter.as_str();
        match received.relay_state {
            Some(_) => assert_eq!(names, [message, "RelayState", "SigAlg"]),
            None => assert_eq!(names, [message, "SigAlg"]),
        }
        assert!(
            url::form_urlencoded::parse(query.as_bytes()).any(|(n, v)| n == "SigAlg" && v == **algorithm)
        );
    }
    match received.parameter {
        Parameter::SamlRequest => judge::request(&received),
        Parameter::SamlResponse => {
            judge::answer(&received);
            judge::response(&received);
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    form::mutate(data, size, max_size, seed, Packing::Deflated)
});
