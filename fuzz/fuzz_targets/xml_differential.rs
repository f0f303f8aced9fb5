//! Two readers of XML: what ours takes, quick-xml reads as the same elements, attributes and text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signoff_fuzz::saml::xml::{Document, normalized};
use signoff_fuzz::second_reader;

fuzz_target!(|xml: &str| {
    // Ours goes through this first; the other reader does it by itself.
    let normal = normalized(xml.to_owned());
    let Ok(document) = Document::parse(&normal) else { return };
    if let Some(other) = second_reader::read(xml).expect("what ours takes, the other reads") {
        other.compare(&document);
    }
});
