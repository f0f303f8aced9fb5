//! A return target: wherever a browser lands, it is ours or of a listed origin; and a registered URL
//! means itself, or one host more.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signoff_fuzz::config::BaseUrl;
use signoff_fuzz::return_url::{LogoutUrl, ReturnUrl};
use signoff_fuzz::return_target::ReturnTarget;
use url::Url;

fuzz_target!(|text: &str| {
    registered(text);
    let base = BaseUrl::parse("https://sp.example").unwrap();
    let origins = ["https://app.example".to_owned(), "http://localhost:3000".to_owned()];
    let Some(target) = ReturnTarget::parse(text, &base, &origins) else { return };
    let target = target.as_str();
    assert!(target.bytes().all(|octet| octet.is_ascii_graphic()), "{target:?} is no header value");
    // From wherever of ours the redirect comes.
    for here in ["https://sp.example/", "https://sp.example/saml/slo?x=//evil.example/"] {
        let url = Url::parse(here).unwrap().join(target).unwrap();
        let origin = url.origin().ascii_serialization();
        assert!(origin == "https://sp.example" || origins.contains(&origin), "{target} leads to {origin}");
        assert!(url.username().is_empty() && url.password().is_none());
    }
    assert!(target.starts_with('/') != target.contains("://") || target.starts_with('/'));
    let again = ReturnTarget::parse(target, &base, &origins);
    if target.len() <= 2048 {
        assert_eq!(again.as_ref().map(ReturnTarget::as_str), Some(target), "not the same when read again");
    }
});

/// Two texts, the one registered and the other asked for.
fn registered(text: &str) {
    let Some((known, wanted)) = text.split_once('\n') else { return };
    let (Ok(known), Ok(wanted)) = (LogoutUrl::parse(known, true), ReturnUrl::parse(wanted)) else { return };
    if known.allows(&wanted) {
        let url = Url::parse(wanted.as_str()).unwrap();
        assert!(url.username().is_empty() && url.password().is_none());
        let same = known.address().is_none_or(|address| address.origin() == wanted.origin());
        assert!(same, "{known:?} means {wanted:?}");
        assert!(!matches!(url.scheme(), "javascript" | "data" | "file" | "blob"), "{wanted:?}");
    }
}
