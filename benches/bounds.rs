//! What a stranger's octets cost at most: for each decoder the worst inputs that the limits let in, with
//! time and peak of memory.
//!
//! `cargo bench --bench bounds` prints the worst of each decoder and fails if one is over the aim. A
//! time is the middle of several runs, and the CPU's: what else the machine does is not in it, as far as
//! it does not take the caches. The figures are of one thread; how many work at the same time is
//! bounded elsewhere (`app/heavy.rs`).

#![expect(clippy::unwrap_used, reason = "a bench stops by panicking")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use openssl::encrypt::Encrypter;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::symm::{Cipher, encrypt_aead};
use peak_alloc::PeakAlloc;
use signoff::saml::binding::{Detached, Parameter, Received, post, redirect, soap};
use signoff::saml::encryption::DecryptionKeys;
use signoff::saml::logout_request::LogoutRequest;
use signoff::saml::logout_response::LogoutResponse;
use signoff::saml::message::{Limits, Message};
use signoff::saml::metadata::{IdpMetadata, Policy};
use signoff::saml::names::{Binding, EntityId, Location};
use signoff::saml::open::Unopened;
use signoff::saml::response::Response;
use signoff::saml::signature::{SignaturePolicy, TrustedKeys};
use signoff::saml::xml::{MAX_MESSAGE, normalized};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// No decoder may cost more, before it is known who sent the octets.
const AIM: Duration = Duration::from_millis(20);
const NOW: DateTime<Utc> = DateTime::from_timestamp_nanos(1_795_000_000_000_000_000);
const LIMITS: Limits =
    Limits { skew: TimeDelta::minutes(3), max_age: TimeDelta::minutes(5), accept_offset_times: false };
const NAMES: &str = "xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"";
const IDP: &str = "https://idp.example/metadata";

fn main() {
    // Without the argument it is "cargo test": only to see that it still works.
    let thorough = std::env::args().any(|argument| argument == "--bench");
    let turns = if thorough { 15 } else { 1 };
    // The longest key that can be loaded.
    let ground = Ground::new(if thorough { 4096 } else { 2048 });
    let mut over = Vec::new();
    for (decoder, worst) in decoders(&ground) {
        let figures = worst.iter().map(|(input, decode)| (*input, measure(turns, decode.as_ref())));
        let (input, (time, peak)) = figures.max_by_key(|(_, (time, _))| *time).unwrap();
        let most = worst.iter().map(|(_, decode)| measure(1, decode.as_ref()).1).max().unwrap().max(peak);
        println!(
            "{decoder}: {:.2} ms at most ({input}), {:.0} KiB at most",
            time.as_secs_f64() * 1000.0,
            f64::from(u32::try_from(most / 1024).unwrap())
        );
        if time > AIM {
            over.push(decoder);
        }
    }
    let (time, peak) = measure(1, &|| drop(black_box(IdpMetadata::read(&ground.metadata, POLICY, NOW))));
    println!(
        "metadata of {} MiB, which only an administrator can bring: {:.0} ms, {:.0} MiB",
        ground.metadata.len() / (1024 * 1024),
        time.as_secs_f64() * 1000.0,
        f64::from(u32::try_from(peak / (1024 * 1024)).unwrap())
    );
    assert!(over.is_empty() || !thorough, "over {AIM:?}: {over:?}");
}

const POLICY: Policy = Policy { loopback_http: false };

type Decode<'a> = Box<dyn Fn() + 'a>;

/// Each decoder with inputs of which any could be its worst.
fn decoders(ground: &Ground) -> Vec<(&'static str, Vec<(&'static str, Decode<'_>)>)> {
    let queries = queries();
    let bodies = bodies();
    vec![
        ("redirect query", {
            let all = queries.into_iter();
            all.map(|(name, query)| -> (_, Decode<'_>) {
                (name, Box::new(move || drop(black_box(redirect::decode(&query)))))
            })
            .collect()
        }),
        ("form body", {
            let all = bodies.into_iter();
            all.map(|(name, body)| -> (_, Decode<'_>) {
                (name, Box::new(move || drop(black_box(post::decode(body.as_bytes())))))
            })
            .collect()
        }),
        ("SOAP envelope", opened::<LogoutRequest>(ground, Binding::Soap)),
        ("LogoutRequest", opened::<LogoutRequest>(ground, Binding::Post)),
        ("LogoutResponse", opened::<LogoutResponse>(ground, Binding::Post)),
        ("Response", responses(ground)),
        ("encrypted assertion", encrypted(ground)),
    ]
}

/// The middle of some times, and the most memory over what was held before.
fn measure(turns: usize, decode: &dyn Fn()) -> (Duration, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let mut times: Vec<Duration> = (0..turns)
        .map(|_| {
            let start = on_cpu();
            decode();
            on_cpu().saturating_sub(start)
        })
        .collect();
    times.sort_unstable();
    let peak = MEMORY.peak_usage().saturating_sub(before);
    (times.get(turns / 2).copied().unwrap_or_default(), peak)
}

/// How long this thread has been on a CPU. Linux brings the figure up to date when the thread gives way.
fn on_cpu() -> Duration {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// What messages are held against: three keys of an identity provider, three of our own.
struct Ground {
    trusted: TrustedKeys,
    own: Vec<PKey<Private>>,
    decryption: DecryptionKeys,
    metadata: Vec<u8>,
}

impl Ground {
    fn new(bits: u32) -> Self {
        let key = || PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
        let own: Vec<_> = (0..3).map(|_| key()).collect();
        let spki: Vec<_> = (0..3).map(|_| key().public_key_to_der().unwrap()).collect();
        let idp = EntityId::parse(IDP).unwrap();
        Self {
            trusted: TrustedKeys::new(idp, spki.iter().map(Vec::as_slice), SignaturePolicy::default())
                .unwrap(),
            decryption: DecryptionKeys::new(own.iter().cloned()),
            own,
            metadata: federation(10 * 1024 * 1024),
        }
    }
}

/// Reads a message and tries to open it, as when it arrives.
fn opened<'a, M: Message + 'a>(ground: &'a Ground, binding: Binding) -> Vec<(&'static str, Decode<'a>)> {
    let request = M::PARAMETER == Parameter::SamlRequest;
    let name = if request { "LogoutRequest" } else { "LogoutResponse" };
    let rest = if request {
        "<saml:NameID>a</saml:NameID>"
    } else {
        "<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>"
    };
    let all = fillings(ROOM).into_iter().map(move |(what, filling)| {
        let body = format!("<samlp:Extensions>{filling}</samlp:Extensions>{rest}");
        let mut xml = signed(name, &body);
        if binding == Binding::Soap {
            xml = format!(
                "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>{xml}</e:Body></e:Envelope>"
            );
        }
        let open: Decode<'a> = Box::new(move || {
            let received = received(M::PARAMETER, binding, &xml);
            let me = Location::parse("https://sp.example/saml/slo").unwrap();
            if let Ok(unopened) = Unopened::<M>::read(&received) {
                let _ = black_box(unopened.authenticate(&ground.trusted, Some(&me)));
            }
        });
        (what, open)
    });
    all.collect()
}

/// An assertion with a signature of the right shape.
fn assertion(filling: &str) -> String {
    format!(
        "<saml:Assertion {NAMES} ID=\"_a\" Version=\"2.0\" IssueInstant=\"{INSTANT}\"><saml:Issuer>{IDP}</saml:Issuer>{}<saml:Subject><saml:NameID>a</saml:NameID></saml:Subject><saml:Advice>{filling}</saml:Advice></saml:Assertion>",
        signature("_a")
    )
}

fn responses(ground: &Ground) -> Vec<(&'static str, Decode<'_>)> {
    let all = fillings(ROOM).into_iter().map(|(what, filling)| (what, respond(ground, &assertion(&filling))));
    all.collect()
}

/// As many operations of a private key as there can be, and then the longest ciphertext. Our public
/// key is for everybody, so what is inside can be anything that is dear to read.
fn encrypted(ground: &Ground) -> Vec<(&'static str, Decode<'_>)> {
    let mut all = vec![
        ("a short ciphertext of nothing", respond_sealed(ground, None, &[0x22; 64])),
        ("a long ciphertext of nothing", respond_sealed(ground, None, &vec![0x22; 90 * 1024])),
    ];
    for (what, filling) in fillings(ROOM * 3 / 4 - 2 * 1024) {
        let (key, first) = ([0x33; 32], [0x44; 12]);
        let mut tag = [0; 16];
        // The prefix that nobody declares makes it fail in the end, so that all else has been read.
        let text = assertion(&filling).replace("</saml:Advice>", "<nobody:x/></saml:Advice>");
        let sealed =
            encrypt_aead(Cipher::aes_256_gcm(), &key, Some(&first), &[], text.as_bytes(), &mut tag).unwrap();
        all.push((what, respond_sealed(ground, Some(&key), &[&first[..], &sealed, &tag].concat())));
    }
    all
}

/// A Response with that ciphertext; its key is wrapped, or nothing is.
fn respond_sealed<'a>(ground: &'a Ground, content_key: Option<&[u8]>, octets: &[u8]) -> Decode<'a> {
    let own = ground.own.first().unwrap();
    let wrapped = content_key.map_or_else(
        || vec![0x11; own.size()],
        |content_key| {
            let mut encrypter = Encrypter::new(own).unwrap();
            encrypter.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
            let mut wrapped = vec![0; encrypter.encrypt_len(content_key).unwrap()];
            let length = encrypter.encrypt(content_key, &mut wrapped).unwrap();
            wrapped.truncate(length);
            wrapped
        },
    );
    let (wrapped, content) = (STANDARD.encode(wrapped), STANDARD.encode(octets));
    let key = format!(
        "<xenc:EncryptedKey><xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p\"/><xenc:CipherData><xenc:CipherValue>{wrapped}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>"
    );
    let assertion = format!(
        "<saml:EncryptedAssertion><xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes256-gcm\"/><ds:KeyInfo>{key}{key}</ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{content}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>"
    );
    let before = ground.decryption.operations();
    let respond = respond(ground, &assertion);
    respond();
    assert_eq!(ground.decryption.operations() - before, 2);
    respond
}

fn respond<'a>(ground: &'a Ground, assertion: &str) -> Decode<'a> {
    let xml = format!(
        "<samlp:Response {NAMES} ID=\"_r\" Version=\"2.0\" IssueInstant=\"{INSTANT}\" Destination=\"https://sp.example/saml/acs\"><saml:Issuer>{IDP}</saml:Issuer><samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>{assertion}</samlp:Response>"
    );
    Box::new(move || {
        let received = received(Parameter::SamlResponse, Binding::Post, &xml);
        let me = Location::parse("https://sp.example/saml/acs").unwrap();
        if let Ok(unopened) = Unopened::<Response>::read(&received) {
            let unopened = unopened.decrypting_with(&ground.decryption);
            let _ = black_box(unopened.open(&ground.trusted, &me, false, &LIMITS, NOW));
        }
    })
}

const INSTANT: &str = "2026-11-18T11:06:40Z";

fn received(parameter: Parameter, binding: Binding, xml: &str) -> Received {
    if binding == Binding::Soap {
        return soap::decode(xml.as_bytes(), parameter).unwrap();
    }
    let octets = normalized(xml.to_owned());
    Received { binding, parameter, octets, relay_state: None, detached: Detached::Absent }
}

/// A message with a signature of the right shape, which every key is tried on.
fn signed(name: &str, body: &str) -> String {
    format!(
        "<samlp:{name} {NAMES} ID=\"_m\" Version=\"2.0\" IssueInstant=\"{INSTANT}\" Destination=\"https://sp.example/saml/slo\"><saml:Issuer>{IDP}</saml:Issuer>{}{body}</samlp:{name}>",
        signature("_m")
    )
}

fn signature(id: &str) -> String {
    let value = STANDARD.encode([0x33; 384]);
    let digest = STANDARD.encode([0; 32]);
    format!(
        "<ds:Signature><ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/><ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/><ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/><ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"
    )
}

/// What a message has room for beside what it must have.
const ROOM: usize = MAX_MESSAGE - 6 * 1024;

/// Content that fills so much room, in all the ways that are known to be dear.
fn fillings(room: usize) -> Vec<(&'static str, String)> {
    let repeated = |part: &str| part.repeat(room / part.len());
    let mut attributes = String::new();
    let mut namespaces = String::new();
    while attributes.len() < room - 4096 {
        attributes.push_str("<x");
        for n in 0..256 {
            let _ = write!(attributes, " a{n:x}=\"\"");
        }
        attributes.push_str("/>");
    }
    while namespaces.len() < room - 8192 {
        namespaces.push_str("<x");
        for n in 0..256 {
            let _ = write!(namespaces, " xmlns:n{n:x}=\"u{n:x}\"");
        }
        namespaces.push_str("/>");
    }
    let all = vec![
        ("empty elements", repeated("<x/>")),
        ("elements with text", repeated("<x>y</x>")),
        ("references", format!("<x>{}</x>", repeated("&lt;"))),
        ("character references", format!("<x>{}</x>", repeated("&#9;"))),
        ("text", format!("<x>{}</x>", "y".repeat(room - 7))),
        ("256 attributes to an element", attributes),
        ("256 namespaces to an element", namespaces),
        ("256 namespaces around", surrounded(room)),
        ("namespaces in all depths", nested(room)),
        ("one prefix for each element", repeated("<n:x xmlns:n=\"u\" n:a=\"\"/>")),
        ("line breaks", format!("<x>{}</x>", repeated("\r\n"))),
        ("white space in attributes", repeated("<x a=\"\t\n\r\n\"/>")),
        ("CDATA", format!("<x>{}</x>", repeated("<![CDATA[]]>"))),
        ("IDs", (0..room / 17).map(|n| format!("<x ID=\"i{n:06}\"/>")).collect::<Vec<_>>().concat()),
    ];
    // One that does not fit would be refused at once, and measure nothing.
    assert!(all.iter().all(|(_, filling)| (room - 8192..room + 16).contains(&filling.len())));
    all
}

/// Many namespaces in scope, and many elements that use one of them.
fn surrounded(room: usize) -> String {
    let mut text = String::from("<x");
    for n in 0..256 {
        let _ = write!(text, " xmlns:n{n:x}=\"u{n:x}\"");
    }
    text.push('>');
    while text.len() < room - 64 {
        text.push_str("<nff:x nfe:a=\"\"/>");
    }
    text.push_str("</x>");
    text
}

/// Namespaces declared anew in every depth, with elements at the bottom that use the outermost.
fn nested(room: usize) -> String {
    let depth = 56;
    let mut text = String::new();
    for level in 0..depth {
        text.push_str("<x");
        for n in 0..24 {
            let _ = write!(text, " xmlns:n{n:x}=\"u{level:x}\"");
        }
        text.push('>');
    }
    while text.len() < room - 8 * depth {
        text.push_str("<n1:x n2:a=\"\"/>");
    }
    (0..depth).for_each(|_| text.push_str("</x>"));
    text
}

fn queries() -> Vec<(&'static str, String)> {
    let room = 128 * 1024;
    let packed = |octets: &[u8]| {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(octets).unwrap();
        let text = STANDARD.encode(encoder.finish().unwrap());
        let escaped: String = text.bytes().fold(String::new(), |mut all, octet| {
            let _ = write!(all, "%{octet:02x}");
            all
        });
        format!("SAMLRequest={escaped}&SigAlg=x&Signature=AAAA")
    };
    let noise: Vec<u8> = (0..30 * 1024_u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_be_bytes())
        .take(30 * 1024)
        .collect();
    vec![
        ("a bomb", packed(&vec![b' '; 64 * 1024 * 1024])),
        ("spaces up to the limit", packed(&vec![b' '; MAX_MESSAGE])),
        ("what hardly deflates", packed(&noise)),
        ("parameters", "a&".repeat(room / 2)),
        ("escapes", format!("SAMLRequest={}", "%41".repeat(room / 3 - 4))),
    ]
}

fn bodies() -> Vec<(&'static str, String)> {
    let room = 1024 * 1024;
    let text = STANDARD.encode(vec![b'<'; MAX_MESSAGE]);
    let escaped: String = text.bytes().fold(String::new(), |mut all, octet| {
        let _ = write!(all, "%{octet:02x}");
        all
    });
    vec![
        ("a message up to the limit, all escaped", format!("SAMLResponse={escaped}")),
        ("parameters", "a&".repeat(room / 2)),
        ("one long value", format!("SAMLResponse={}", "%41".repeat(room / 3 - 5))),
        ("broken into lines", format!("SAMLResponse={}", "A%0D%0A".repeat(room / 7 - 2))),
    ]
}

/// The metadata of a federation, of about so many octets.
fn federation(octets: usize) -> Vec<u8> {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut certificate = openssl::x509::X509::builder().unwrap();
    certificate.set_not_before(&openssl::asn1::Asn1Time::from_unix(0).unwrap()).unwrap();
    certificate.set_not_after(&openssl::asn1::Asn1Time::from_unix(1).unwrap()).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.sign(&key, openssl::hash::MessageDigest::sha256()).unwrap();
    let certificate = STANDARD.encode(certificate.build().to_der().unwrap());
    let mut text = String::from("<EntitiesDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">");
    let mut number = 0;
    while text.len() < octets - 4096 {
        number += 1;
        let _ = write!(
            text,
            "<EntityDescriptor entityID=\"https://idp-{number}.example/\"><IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><KeyDescriptor use=\"signing\"><KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo></KeyDescriptor><SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://idp-{number}.example/sso\"/></IDPSSODescriptor></EntityDescriptor>"
        );
    }
    text.push_str("</EntitiesDescriptor>");
    text.into_bytes()
}
