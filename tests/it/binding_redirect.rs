//! BIND-01 to BIND-13 and BIND-19 to BIND-24: HTTP-Redirect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::support::browser::From;
use crate::support::dsig::{EC_256, EC_384, Hex, Query, deflate, percent};
use crate::support::http::send;
use crate::support::idp::FromUs;
use crate::support::story::{INDEX, SLO, Scene, Via, assert_uncached, get_query};

/// Sends the query and says how it was answered, if in SAML.
async fn ask(scene: &Scene, query: &str) -> Option<FromUs> {
    let reply = get_query(&scene.app.authority, SLO, query).await;
    assert!(reply.status < 500, "{}: {query}", reply.status);
    scene.idp.sp.try_front(&reply)
}

/// The query of a right request, shaped by `change`.
fn query(scene: &Scene, change: impl FnOnce(&mut Query)) -> String {
    let mut query = scene.idp.query("SAMLRequest");
    change(&mut query);
    query.signed(&scene.request(Via::Redirect).xml(), scene.idp.key)
}

async fn works(change: impl Fn(&mut Query)) {
    let scene = Scene::new().await;
    let answer = ask(&scene, &query(&scene, change)).await.expect("an answer");
    assert_eq!(answer.status(), "Success");
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

/// The query is refused without any SAML, whoever the Issuer claims to be.
async fn refused_plainly(scene: &Scene, query: &str, rule: &str) {
    let reply = get_query(&scene.app.authority, SLO, query).await;
    assert_eq!(reply.status, 400, "{rule} {query}: {}", reply.body);
    assert!(reply.header("location").is_none());
    scene.assert_refused(rule).await;
}

#[tokio::test]
async fn bind_02_our_redirect_is_raw_deflate_without_line_breaks_and_bind_11_a_303_after_a_post() {
    let scene = Scene::new().await;
    let reply = scene.alice.sign_out().await;
    assert_eq!(reply.status, 303, "BIND-11");
    let request = scene.idp.sp.read_front(&reply);
    let url = reply.location();
    assert!(!url.contains("%0A") && !url.contains("%0a") && !url.contains('\n'));
    // Upper-case hex, which re-encoding peers need.
    for (at, _) in url.match_indices('%') {
        let digits = &url[at + 1..at + 3];
        assert_eq!(digits, digits.to_ascii_uppercase());
    }
    assert_eq!(request.parameter, "SAMLRequest");
    scene.done().await;
}

#[tokio::test]
async fn bind_03_with_and_without_relay_state() {
    works(|_| {}).await;
    works(|query| query.relay_state = Some("relay".to_owned())).await;
}

#[tokio::test]
async fn bind_04_verified_over_the_octets_as_received() {
    works(|query| query.hex = Hex::Lower).await;
    works(|query| {
        query.hex = Hex::Lower;
        query.relay_state = Some("a b+c&d=é/€~!*()'".to_owned());
    })
    .await;
    // `:`, `/` and `#` unencoded where a URL allows them.
    works(|query| query.raw_algorithm = Some(query.algorithm.replace('#', "%23"))).await;
    for raw in ["a+b", "a%20b", "a%2Bb", "%61%62", "a~b", "a%7Eb", "a/b:c?d", "(a)'!*", "a%2fb%2F"] {
        works(|query| query.raw_relay_state = Some(raw.to_owned())).await;
    }
}

#[tokio::test]
async fn bind_04_the_same_values_encoded_otherwise_do_not_verify() {
    let scene = Scene::new().await;
    let good = query(&scene, |query| query.relay_state = Some("a/b".to_owned()));
    let altered = good.replace("RelayState=a%2Fb", "RelayState=a%2fb");
    assert_ne!(good, altered);
    assert_eq!(ask(&scene, &altered).await.unwrap().status(), "Requester/RequestDenied");
    scene.assert_refused("VAL-09").await;
    assert_eq!(ask(&scene, &good).await.unwrap().status(), "Success");
    scene.done().await;
}

#[tokio::test]
async fn bind_05_the_order_is_free_and_other_parameters_do_not_count() {
    let scene = Scene::new().await;
    let good = query(&scene, |query| query.relay_state = Some("r".to_owned()));
    let mut pairs: Vec<_> = good.split('&').collect();
    pairs.reverse();
    let shuffled = format!("foo=1&{}&bar=%zz&baz&SAMLart=x&=", pairs.join("&"));
    let answer = ask(&scene, &shuffled).await.expect("an answer");
    assert_eq!(answer.status(), "Success");
    assert!(!answer.url.contains("foo"));
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn bind_06_every_name_at_most_once_in_whatever_spelling() {
    let scene = Scene::new().await;
    let good = query(&scene, |query| query.relay_state = Some("r".to_owned()));
    let other = {
        let mut request = scene.request(Via::Redirect);
        request.session_indexes.clear();
        query(&scene, |_| {});
        percent(&BASE64.encode(deflate(request.xml().as_bytes())), Hex::Upper)
    };
    let spellings = |name: &str| {
        let first = name.chars().next().unwrap();
        let hex = format!("%{:02X}{}", first as u32, &name[1..]);
        let low = format!("%{:02x}{}", first as u32, &name[1..]);
        [name.to_owned(), hex, low]
    };
    for (name, value) in [
        ("SAMLRequest", other.as_str()),
        ("RelayState", "other"),
        ("SigAlg", "http%3A%2F%2Fwww.w3.org%2F2000%2F09%2Fxmldsig%23hmac-sha1"),
        ("Signature", "AAAA"),
        ("SAMLEncoding", "urn%3Aoasis%3Anames%3Atc%3ASAML%3A2.0%3Abindings%3AURL-Encoding%3ADEFLATE"),
    ] {
        for spelling in spellings(name) {
            let twin = if name == "SAMLEncoding" {
                format!("{spelling}={value}&SAMLEncoding={value}")
            } else {
                format!("{spelling}={value}")
            };
            for doubled in [format!("{twin}&{good}"), format!("{good}&{twin}")] {
                refused_plainly(&scene, &doubled, "BIND-06").await;
            }
        }
    }
    assert_eq!(ask(&scene, &good).await.unwrap().status(), "Success", "the positive twin");
    scene.done().await;
}

#[tokio::test]
async fn bind_06_request_and_response_together_are_refused() {
    let scene = Scene::new().await;
    let good = query(&scene, |_| {});
    let value = good.split('&').next().unwrap().trim_start_matches("SAMLRequest=").to_owned();
    for both in [format!("SAMLResponse={value}&{good}"), format!("{good}&%53AMLResponse={value}")] {
        refused_plainly(&scene, &both, "BIND-06").await;
    }
    // Brackets, a leading space or NUL make another name, which does not count.
    for name in ["SAMLRequest[]", "SAMLRequest%5B%5D", "+SAMLRequest", "%20SAMLRequest", "SAMLRequest%00"] {
        let alone = good.replacen("SAMLRequest", name, 1);
        let reply = get_query(&scene.app.authority, SLO, &alone).await;
        assert_eq!(reply.status, 400, "{name}");
        assert!(scene.alice.is_signed_in().await);
    }
    let beside = format!("{good}&SAMLRequest%5B%5D={value}");
    let answer = ask(&scene, &beside).await;
    let dead = !scene.alice.is_signed_in().await;
    assert_eq!(
        answer.is_some_and(|answer| answer.status() == "Success"),
        dead,
        "ignored or refused, never half"
    );
    scene.done().await;
}

#[tokio::test]
async fn bind_07_an_empty_relay_state_is_present() {
    let scene = Scene::new().await;
    let good = query(&scene, |query| query.relay_state = Some(String::new()));
    assert!(good.contains("&RelayState=&"));
    let dropped = good.replace("&RelayState=&", "&");
    assert_eq!(ask(&scene, &dropped).await.unwrap().status(), "Requester/RequestDenied");
    assert!(scene.alice.is_signed_in().await);
    assert_eq!(ask(&scene, &good).await.unwrap().status(), "Success");
    scene.done().await;
}

#[tokio::test]
async fn bind_08_only_deflate() {
    let scene = Scene::new().await;
    let good = query(&scene, |_| {});
    let other = "&SAMLEncoding=urn%3Aoasis%3Anames%3Atc%3ASAML%3A2.0%3Abindings%3AURL-Encoding%3AOTHER";
    refused_plainly(&scene, &format!("{good}{other}"), "BIND-08").await;
    let deflate = "&SAMLEncoding=urn%3Aoasis%3Anames%3Atc%3ASAML%3A2.0%3Abindings%3AURL-Encoding%3ADEFLATE";
    assert_eq!(ask(&scene, &format!("{good}{deflate}")).await.unwrap().status(), "Success");
    scene.done().await;
}

#[tokio::test]
async fn bind_09_an_xml_signature_inside_does_not_authenticate() {
    let scene = Scene::new().await;
    let signed = scene.request(Via::Redirect).signed(scene.idp.key);
    let value = percent(&BASE64.encode(deflate(signed.as_bytes())), Hex::Upper);
    let answer = ask(&scene, &format!("SAMLRequest={value}")).await.expect("row g");
    assert_eq!(answer.status(), "Requester/RequestDenied");
    assert!(scene.alice.is_signed_in().await);
    scene.assert_right_one_works(Via::Redirect).await;
    scene.done().await;
}

/// Row g or n: denied in SAML, or a plain page; never executed, never a 5xx.
async fn denied_or_plain(scene: &Scene, query: &str) {
    let reply = get_query(&scene.app.authority, SLO, query).await;
    match scene.idp.sp.try_front(&reply) {
        Some(answer) => assert_eq!(answer.status(), "Requester/RequestDenied", "{query}"),
        None => assert_eq!(reply.status, 400, "{query}: {}", reply.body),
    }
    assert!(scene.alice.is_signed_in().await, "{query}");
}

#[tokio::test]
async fn bind_10_half_a_signature_or_broken_encodings_are_refused_without_a_panic() {
    let scene = Scene::new().await;
    let good = query(&scene, |query| query.relay_state = Some("r".to_owned()));
    let pairs: Vec<_> = good.split('&').collect();
    let without =
        |name: &str| pairs.iter().copied().filter(|p| !p.starts_with(name)).collect::<Vec<_>>().join("&");
    let with = |name: &str, value: &str| format!("{}&{name}={value}", without(name));
    denied_or_plain(&scene, &without("SigAlg")).await;
    denied_or_plain(&scene, &without("Signature")).await;
    for value in ["", "%20", "A", "!!!!", "AAAA", "%", "%zz", "%FF%FE", "é", &"A".repeat(10_000)] {
        denied_or_plain(&scene, &with("Signature", value)).await;
        denied_or_plain(&scene, &with("SigAlg", value)).await;
        denied_or_plain(&scene, &with("SAMLRequest", value)).await;
        denied_or_plain(&scene, &with("RelayState", value)).await;
    }
    let zlib = [&[0x78, 0x9c][..], &deflate(b"<a/>")].concat();
    for packed in [zlib, b"plain text".to_vec(), Vec::new(), vec![0; 100], deflate(b""), deflate(&[0xff; 50])]
    {
        denied_or_plain(&scene, &with("SAMLRequest", &percent(&BASE64.encode(&packed), Hex::Upper))).await;
    }
    // Octets after the end of the deflate stream, signed and all.
    let mut tail = deflate(scene.request(Via::Redirect).xml().as_bytes());
    tail.extend_from_slice(b"tail");
    let trailing = query(&scene, |query| query.raw_message = Some(percent(&BASE64.encode(tail), Hex::Upper)));
    denied_or_plain(&scene, &trailing).await;
    scene.assert_right_one_works(Via::Redirect).await;
    scene.done().await;
}

#[tokio::test]
async fn bind_13_ecdsa_is_taken_raw_and_in_der() {
    for key in [&EC_256, &EC_384] {
        for der in [false, true] {
            let scene = Scene::with_key(key).await;
            let good = query(&scene, |query| query.der = der);
            assert_eq!(ask(&scene, &good).await.unwrap().status(), "Success", "DER: {der}");
            assert!(!scene.alice.is_signed_in().await);
            scene.done().await;
        }
    }
}

#[tokio::test]
async fn bind_19_relay_state_comes_back_byte_for_byte() {
    let scene = Scene::new().await;
    let long = "é".repeat(150);
    let longest = "x".repeat(2048);
    let states =
        ["", "plain", "a%b", "a+b", "a&b=c", "ü€𝔞", "a b", "\"'><script>", &"y".repeat(80), &long, &longest];
    for state in states {
        for (name, expected) in
            [("alice@example.org", "Success"), ("nobody@example.org", "Requester/UnknownPrincipal")]
        {
            let mut request = scene.request(Via::Redirect);
            request.session_indexes = vec!["none".to_owned()];
            request.identifier = request.identifier.replace("alice@example.org", name);
            for via in Via::FRONT {
                request.id = Some(scene.idp.fresh_id("lr"));
                let answer = scene.send_with(via, &request, state).await;
                assert_eq!(answer.status(), expected);
                assert_eq!(answer.saml().relay_state.as_deref(), Some(state), "{via:?}");
            }
        }
    }
    let mut request = scene.request(Via::Redirect);
    request.session_indexes = vec!["none".to_owned()];
    assert_eq!(scene.send(Via::Redirect, &request).await.saml().relay_state, None, "none in, none out");
    scene.done().await;
}

#[tokio::test]
async fn bind_19_a_relay_state_beyond_2_kib_is_refused() {
    let scene = Scene::new().await;
    let answer = scene.send_with(Via::Redirect, &scene.request(Via::Redirect), &"x".repeat(2049)).await;
    assert_eq!(answer.reply.status, 400);
    assert!(scene.alice.is_signed_in().await);
    scene.assert_right_one_works(Via::Redirect).await;
    scene.done().await;
}

#[tokio::test]
async fn bind_22_garbage_is_400_and_the_wrong_method_405() {
    let scene = Scene::new().await;
    for query in ["", "a=b", "SAMLart=x", "RelayState=x", "&&&", "=", "SAMLRequest"] {
        let reply = get_query(&scene.app.authority, SLO, query).await;
        assert_eq!(reply.status, 400, "{query:?}");
        assert_uncached(&reply, Via::Redirect);
    }
    scene.assert_refused("BIND-22").await;
    for (method, path) in [
        ("PUT", "/saml/slo"),
        ("DELETE", "/saml/slo"),
        ("GET", "/saml/slo/soap"),
        ("PUT", "/saml/slo/soap"),
        ("POST", "/saml/login"),
        ("POST", "/saml/metadata"),
        ("POST", "/session"),
        ("PUT", "/logout"),
    ] {
        let reply = send(&scene.app.authority, method, path, &[], Some(b"")).await;
        assert_eq!(reply.status, 405, "{method} {path}");
    }
    scene.done().await;
}

#[tokio::test]
async fn bind_24_head_options_and_prefetch_execute_nothing() {
    let scene = Scene::new().await;
    let target = format!("{SLO}?{}", query(&scene, |_| {}));
    for (method, header) in [
        ("HEAD", ("X-Nothing", "1")),
        ("OPTIONS", ("X-Nothing", "1")),
        ("GET", ("Sec-Purpose", "prefetch")),
        ("GET", ("Sec-Purpose", "prefetch;prerender")),
        ("GET", ("Purpose", "prefetch")),
    ] {
        let reply = scene.alice.request(method, &target, &[header], None, From::Elsewhere).await;
        assert!(reply.status < 500);
        assert!(reply.header("location").is_none(), "{method} {header:?}");
        assert!(scene.alice.is_signed_in().await, "{method} {header:?}");
    }
    for path in ["/saml/login?idp=idp-a", "/logout"] {
        let reply = scene.app.browser().request("HEAD", path, &[], None, From::Here).await;
        assert!(reply.header("location").is_none() && reply.header("set-cookie").is_none(), "{path}");
    }
    let reply = scene.alice.get_from_elsewhere(&target).await;
    assert_eq!(scene.idp.sp.read_front(&reply).status(), "Success", "the positive twin");
    scene.done().await;
}

#[tokio::test]
async fn val_01_an_inflate_bomb_is_refused_at_once() {
    let scene = Scene::new().await;
    let bomb = deflate(&vec![b' '; 40 << 20]);
    let value = percent(&BASE64.encode(&bomb), Hex::Upper);
    assert!(value.len() < 64 << 10, "{}", value.len());
    let started = std::time::Instant::now();
    let reply = get_query(&scene.app.authority, SLO, &format!("SAMLRequest={value}")).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
    scene.assert_refused("VAL-01").await;
    scene.assert_right_one_works(Via::Redirect).await;
    scene.done().await;
}

#[tokio::test]
async fn val_19_the_right_message_in_the_wrong_parameter_is_refused() {
    let scene = Scene::new().await;
    let request = scene.request(Via::Redirect).xml();
    let swapped = scene.idp.redirect("SAMLResponse", &request, None);
    refused_plainly(&scene, &swapped, "VAL-19").await;
    let acs =
        get_query(&scene.app.authority, "/saml/acs", &scene.idp.redirect("SAMLRequest", &request, None))
            .await;
    assert!(matches!(acs.status, 400 | 405));
    assert!(scene.alice.is_signed_in().await);
    let indexes = [INDEX];
    assert_eq!(scene.idp.logout_request(&scene.name, &indexes).session_indexes, indexes);
    scene.assert_right_one_works(Via::Redirect).await;
    scene.done().await;
}
