//! A SOAP body: the message is the only child of the Body of the envelope, and is believed only if
//! it was signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signoff_fuzz::judge;
use signoff_fuzz::saml::binding::{Parameter, soap};
use signoff_fuzz::saml::xml::{Document, SOAP, normalized};

fuzz_target!(|body: &[u8]| {
    let Ok(received) = soap::decode(body, Parameter::SamlRequest) else { return };
    assert_eq!(
        Some(&received.octets),
        std::str::from_utf8(body).ok().map(|body| normalized(body.to_owned())).as_ref()
    );
    if let Ok(document) = Document::parse_soap(&received.octets) {
        let soap_body = document.root().parent().unwrap();
        let envelope = soap_body.parent().unwrap();
        assert!(soap_body.is(SOAP, "Body") && envelope.is(SOAP, "Envelope"));
        assert!(envelope.parent().is_none());
        assert!(Document::parse(&received.octets).unwrap().root().is(SOAP, "Envelope"));
    }
    judge::request(&received);
    judge::answer(&soap::decode(body, Parameter::SamlResponse).unwrap());
});
