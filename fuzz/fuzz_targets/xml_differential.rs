//! Two readers of XML: what ours takes, quick-xml reads as the same elements, attributes and text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signoff_fuzz::saml::xml::Document;
use signoff_fuzz::second_reader;

fuzz_target!(|xml: &str| {
    let Ok(document) = Document::parse(xml) else { return };
    if let Some(other) = second_reader::read(xml).expect("what ours takes, the other reads") {
        other.compare(&document);
    }
});
