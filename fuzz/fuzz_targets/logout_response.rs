//! A LogoutResponse as XML: read strictly, and believed only if it was signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signoff_fuzz::judge;
use signoff_fuzz::known::posted;
use signoff_fuzz::saml::binding::Parameter;

fuzz_target!(|xml: &str| {
    judge::answer(&posted(xml.to_owned(), Parameter::SamlResponse));
});
