//! The Cookie header: a token is taken only if it is the only one under its name, and it survives
//! being set and sent back.
#![no_main]

use axum::http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use signoff_fuzz::cookies::Cookies;

fuzz_target!(|lines: &[u8]| {
    let mut headers = HeaderMap::new();
    for value in lines.split(|octet| *octet == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append(header::COOKIE, value);
    }
    for over_tls in [false, true] {
        let cookies = Cookies::new(over_tls);
        let names =
            if over_tls { ["__Host-signoff", "__Host-signoff_login"] } else { ["signoff", "signoff_login"] };
        if let Some(token) = cookies.session(&headers) {
            check(&headers, names[0], token);
            let back = sent_back(&cookies.keep_session(token).unwrap());
            assert_eq!(cookies.session(&back), Some(token));
            assert_eq!(cookies.correlation(&back), None);
        }
        if let Some(token) = cookies.correlation(&headers) {
            check(&headers, names[1], token);
            let back = sent_back(&cookies.keep_correlation(token).unwrap());
            assert_eq!(cookies.correlation(&back), Some(token));
            assert_eq!(cookies.session(&back), None);
        }
    }
});

fn check(headers: &HeaderMap, name: &str, token: &str) {
    let of_a_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!(token.len() == 43 && token.chars().all(of_a_token));
    let cookie = format!("{name}={token}");
    let lines: Vec<_> = headers.values().filter_map(|value| value.to_str().ok()).collect();
    assert!(lines.iter().any(|line| line.contains(&cookie)), "{cookie} was not sent");
    // Found by another way than the reader's: every place where the name stands before a token.
    for line in lines {
        for pair in line.split(';').map(str::trim) {
            let other = pair.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
            let other = other.filter(|other| other.len() == 43 && other.chars().all(of_a_token));
            assert!(other.is_none_or(|other| other == token), "{other:?} beside {token}");
        }
    }
}

fn sent_back(set: &HeaderValue) -> HeaderMap {
    let cookie = set.to_str().unwrap().split(';').next().unwrap().to_owned();
    HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(cookie).unwrap())])
}
