//! What only a real browser shows: that its rules for cookies, origins and event streams let the examples
//! do what they promise.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod chromium;
#[path = "../examples/demonstration.rs"]
#[expect(dead_code, reason = "here a real browser goes there")]
mod demonstration;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use chromium::Chromium;
use demonstration::Demonstration;

/// The single-page example at an origin of its own, with our address in the place of the example's.
fn single_page(signoff: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let signoff = signoff.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let signoff = signoff.clone();
            std::thread::spawn(move || serve(stream, &signoff));
        }
    });
    origin
}

fn serve(mut stream: TcpStream, signoff: &str) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    for line in lines {
        if line.is_empty() {
            break;
        }
    }
    let (kind, body) = match first.split(' ').nth(1) {
        Some("/") => {
            let page = include_str!("../../examples/single-page/index.html");
            assert!(page.contains("https://sso.example.com"));
            ("text/html", page.replace("https://sso.example.com", signoff))
        }
        Some("/session.mjs") => {
            ("text/javascript", include_str!("../../examples/single-page/session.mjs").to_owned())
        }
        _ => ("text/plain", String::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close");
    let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
}

#[test]
fn a_single_page_signs_in_and_hears_of_the_end_without_asking() {
    let demo = Demonstration::start();
    let (origin, stranger) = (single_page(&demo.signoff), single_page(&demo.signoff));
    demo.signoff(&["application", "create", "page", "--form", "pull", "--origin", &origin]);
    let chromium = Chromium::start();
    let page = chromium.tab();
    page.open(&origin);
    page.says("You are signed out");
    page.click("#who a");
    page.click("form:has(input[value=alice]) button");
    page.says("Hello demo|alice");
    page.run("window.same = true");
    page.picture("signed-in");

    // A page of an origin that nobody registered may not even read the answer, cookie or not.
    let other = chromium.tab();
    other.open(&stranger);
    other.says("…");
    let ask = format!(
        "fetch('{}/session', {{ credentials: 'include' }}).then((reply) => String(reply.status), () => 'refused')",
        demo.signoff
    );
    assert_eq!(other.run(&ask), "refused");
    assert_eq!(page.run(&ask), "200");

    // The person signs out at the identity provider, in another tab; it tells us over SOAP.
    let idp = chromium.tab();
    idp.open(&demo.idp);
    idp.click("form:has(input[value=soap]) button");
    page.says("You are signed out");
    page.picture("signed-out");
    assert_eq!(page.run("window.same"), true, "the same page: it was not loaded again");
    assert_eq!(page.run(&ask), "401");
    assert_eq!(other.text().trim(), "…", "and this one knew nothing all the time");
}
