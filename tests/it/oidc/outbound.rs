//! Where OpenID providers and the Management API are asked, and where never.

use serde_json::json;
use signoff::clock::Clock;

use crate::support::dsig::RSA_A;
use crate::support::oidc::{Op, at, configuration};
use crate::support::process::{Service, Site};
use crate::support::receiver::{Behaviour, Receiver};

const LISTED: &str = "10.2.0.0/16";
const PRIVATE: &str = "not asked: it leads into a private network that outbound.allow does not list";
const LOOPBACK: &str = "not asked: it leads to this machine";
const NEVER: &str = "not asked: it leads to an address that is never used";

/// A service with these providers, whose settings a test may change.
async fn serve(
    base: &str,
    allow: &str,
    ops: &[&Op],
    change: impl FnOnce(String) -> String,
) -> (Site, Service) {
    let mut site = Site::new().await;
    let file = configuration(ops);
    std::fs::write(&file, change(std::fs::read_to_string(&file).unwrap())).unwrap();
    site.set("SIGNOFF_CONFIG", &file.display().to_string());
    site.set("SIGNOFF_BASE_URL", base);
    site.set("SIGNOFF_OUTBOUND__ALLOW", allow);
    let service = site.serve();
    for op in ops {
        op.follow(&Clock::system());
    }
    (site, service)
}

/// Nobody can be sent there to sign in, and the log soon says why.
async fn assert_unavailable(service: &Service, why: &str) {
    for _ in 0..200 {
        let reply = service.browser().get("/auth0/login").await;
        assert_eq!(reply.status, 503, "{}", reply.body);
        // The provider is also looked at when the service starts, at its own pace.
        if service.log().contains(why) {
            return;
        }
    }
    panic!("{why}: {}", service.log());
}

async fn done(site: Site, service: Service) {
    service.kill();
    site.database().drop().await;
}

#[tokio::test]
async fn an_issuer_at_an_address_that_is_not_for_us_is_not_asked_and_the_log_says_so() {
    let inside = Receiver::start(Behaviour::Answer(200)).await;
    let port = inside.url.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    let op = Op::start("auth0", &RSA_A).await;
    for (issuer, why) in [
        (format!("https://localhost:{port}/"), LOOPBACK),
        (format!("https://127.0.0.1:{port}/"), LOOPBACK),
        (format!("https://[::ffff:127.0.0.1]:{port}/"), LOOPBACK),
        ("https://169.254.169.254/".to_owned(), NEVER),
        ("https://10.3.0.1/".to_owned(), PRIVATE),
        ("https://issuer.invalid/".to_owned(), "not asked: its host has no address"),
    ] {
        let to = |text: String| text.replace(&op.issuer, &issuer);
        let (site, service) = serve("https://signoff.example", LISTED, &[&op], to).await;
        assert_unavailable(&service, why).await;
        done(site, service).await;
    }
    assert_eq!(inside.connections(), 0);
    // Under a loopback base URL this machine is asked.
    let to = |text: String| text.replace(&op.issuer, &format!("https://localhost:{port}/"));
    let (site, service) = serve("http://127.0.0.1:8080", LISTED, &[&op], to).await;
    assert_unavailable(&service, "it cannot be reached").await;
    assert!(!service.log().contains("not asked"), "{}", service.log());
    assert!(inside.connections() > 0);
    done(site, service).await;
}

#[tokio::test]
async fn a_private_network_is_asked_as_listed() {
    let op = Op::start("auth0", &RSA_A).await;
    for (allow, why) in [(LISTED, "it cannot be reached"), ("10.4.0.0/16", PRIVATE)] {
        let to = |text: String| text.replace(&op.issuer, "https://10.2.0.1/");
        let (site, service) = serve("https://signoff.example", allow, &[&op], to).await;
        assert_unavailable(&service, why).await;
        assert_eq!(service.log().contains("not asked"), why == PRIVATE, "{}", service.log());
        done(site, service).await;
    }
}

#[tokio::test]
async fn what_a_provider_says_of_itself_is_judged_like_what_is_configured() {
    for (name, address, why) in [
        ("jwks_uri", "https://10.3.0.1/jwks", PRIVATE),
        ("jwks_uri", "https://169.254.169.254/latest/meta-data/", NEVER),
        ("token_endpoint", "https://10.3.0.1/token", PRIVATE),
        ("token_endpoint", "https://[fd00:ec2::254]/token", NEVER),
    ] {
        let op = Op::start("auth0", &RSA_A).await;
        let (site, service) = serve("http://127.0.0.1:8080", LISTED, &[&op], |text| text).await;
        let alice = service.browser();
        op.sign_in(&alice, &at("auth0|alice", "sid-1")).await;
        assert!(!service.log().contains("not asked"), "{}", service.log());
        done(site, service).await;

        op.describe(name, json!(address));
        let (site, service) = serve("http://127.0.0.1:8080", LISTED, &[&op], |text| text).await;
        let alice = service.browser();
        if name == "token_endpoint" {
            let reply = op.arrive(&alice, &at("auth0|alice", "sid-1")).await;
            assert!(reply.status >= 400, "{}", reply.status);
            assert!(service.log().contains(why), "{name}: {}", service.log());
        } else {
            assert_unavailable(&service, why).await;
        }
        assert!(!alice.is_signed_in().await);
        done(site, service).await;
    }
}

#[tokio::test]
async fn the_management_api_is_asked_only_where_the_guard_lets_it() {
    let op = Op::start_auth0("auth0", &RSA_A).await;
    for (api, why) in [
        ("https://10.3.0.1/api/v2", Some(PRIVATE)),
        ("https://169.254.169.254/api/v2", Some(NEVER)),
        (op.issuer.as_str(), None),
    ] {
        let own = format!("{}api/v2", op.issuer);
        let to = |text: String| match why {
            Some(_) => text.replace(&own, api),
            None => text,
        };
        let (site, service) = serve("http://127.0.0.1:8080", LISTED, &[&op], to).await;
        let alice = service.browser();
        op.sign_in(&alice, &at("auth0|alice", "sid-1")).await;
        let reply = alice.sign_out().await;
        assert!(matches!(reply.status, 302 | 303), "{}", reply.body);
        let log = service.log();
        match why {
            Some(why) => assert!(log.contains(why), "{api}: {log}"),
            None => assert!(log.contains("Auth0 accepted") && !log.contains("not asked"), "{log}"),
        }
        done(site, service).await;
    }
}
