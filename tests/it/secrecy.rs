//! What is written down of people and messages: nothing, unless an administrator asks for it.

use crate::support::browser::{Browser, path_of};
use crate::support::dsig::{RSA_A, RSA_ATTACKER, RSA_B};
use crate::support::idp::Idp;
use crate::support::messages::{Name, Signed};
use crate::support::process::Site;
use crate::support::story::{SLO, Via, get_query, send_request};

/// Everything that must never be written down, from a story in which all goes wrong that can.
async fn story(site: &Site, authority: &str, idp: &Idp) -> Vec<String> {
    let name = Name::email("very-secret-name@example.org");
    let browser = || Browser::new(authority);
    let alice = browser();
    let begun = alice.begin_sign_in(idp).await;
    let correlation = alice.cookie("signoff_login").unwrap().value;
    let response = idp.response(Some(begun.id()), &name, "secret-index");
    let mut unsigned = response.clone();
    unsigned.signed = Signed::Nothing;
    alice.bring(&unsigned.signed(idp.key), begun.relay_state.as_deref()).await;
    alice.bring(&response.signed(&RSA_ATTACKER), begun.relay_state.as_deref()).await;
    alice.bring("<secret-markup", None).await;
    let signed_in = alice.bring(&response.signed(idp.key), begun.relay_state.as_deref()).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.body);
    alice.bring(&response.signed(idp.key), begun.relay_state.as_deref()).await;
    let cookie = alice.cookie("signoff").unwrap().value;
    for via in Via::ALL {
        let mut request = idp.logout_request(&name, &["another-secret-index"]);
        if via == Via::Soap {
            request.destination = Some(idp.sp.soap.clone());
        }
        send_request(authority, idp, via, &request, Some("secret-relay")).await;
        request.destination = Some("https://secret-destination.example".to_owned());
        send_request(authority, idp, via, &request, Some("secret-relay")).await;
        request.identifier = "<secret-element></secret-element>".to_owned();
        send_request(authority, idp, via, &request, Some("secret-relay")).await;
    }
    get_query(authority, SLO, "SAMLRequest=secret-garbage&RelayState=secret-relay").await;
    browser().get("/saml/login?idp=secret-slug&return_to=/secret-target").await;
    let form = alice.logout_form(Some("/secret-target")).await;
    let csrf = form.field("csrf").unwrap().to_owned();
    alice.submit("/logout", &[("csrf", "secret-token")]).await;
    let asked = idp.sp.read_front(&alice.submit(path_of(&form.action), &form.with(&[])).await);
    let mut answer = idp.logout_response(&asked, &["Responder"]);
    answer.status_message = Some("secret-status-message".to_owned());
    let page = alice.follow(alice.bring_answer(idp, &answer, asked.relay_state.as_deref()).await).await;
    assert!(page.status < 500, "{}", page.body);
    let handle = format!("/logout/{}", "A".repeat(22));
    browser().get(&handle).await;
    let key = std::fs::read_to_string(site.directory.path().join("ours.key")).unwrap();
    let mut secrets = vec![cookie, correlation, csrf, key.lines().nth(3).unwrap().to_owned(), "A".repeat(22)];
    secrets.extend(begun.relay_state.clone());
    secrets
}

/// SLO-55, SLO-56: neither names nor messages nor secrets stand in log or audit, at any level.
#[tokio::test]
async fn slo_56_log_and_audit_of_a_whole_story_name_nobody() {
    let mut site = Site::new().await;
    site.set("SIGNOFF_LOG", "trace");
    let service = site.serve();
    let idp = site.idp(&service, "idp-a", &RSA_A).await;
    let mut secrets = story(&site, &service.authority, &idp).await;
    secrets.extend(
        ["secret-", "SAMLRequest=", "SAMLResponse=", "<saml", "nameid-format", "PRIVATE KEY", "PHNhbWxw"]
            .map(str::to_owned),
    );
    service.signal("TERM");
    assert_eq!(service.wait(), 0);
    let log = std::fs::read_to_string(site.directory.path().join("serve.log")).unwrap();
    assert!(log.contains("VAL-08") && log.contains("SSO-07"), "there is a log of refusals: {log}");
    let pool = site.database().pool(1).await;
    let audit: Vec<String> =
        sqlx::query_scalar("select audit::text from audit").fetch_all(&pool).await.unwrap();
    let audit = audit.join("\n");
    assert!(audit.contains("VAL-08") && audit.contains("SSO-07") && audit.contains("accepted"), "{audit}");
    for secret in &secrets {
        for (what, text) in [("log", &log), ("audit", &audit)] {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            assert!(line.is_none(), "{secret} is in the {what}: {line:?}");
        }
    }
    pool.close().await;
    site.database().drop().await;
}

/// The one way by which a message gets into the log: a switch for one identity provider.
#[tokio::test]
async fn debug_messages_logs_what_one_identity_provider_sends_and_nothing_of_others() {
    let site = Site::new().await;
    let service = site.serve();
    let idp = site.idp(&service, "idp-a", &RSA_A).await;
    let other = site.idp(&service, "idp-b", &RSA_B).await;
    site.run(&["idp", "set", "idp-a", "debug_messages=true"]).good();
    let shown = site.run(&["idp", "show", "idp-a"]).good();
    assert!(shown.contains("debug_messages"), "{shown}");
    // The node hears of the switch when it looks; a new message of an unknown issuer makes it look.
    let mut stranger = idp.logout_request(&Name::bare("x"), &[]);
    stranger.issuer.as_mut().unwrap().value = "https://nobody.example".to_owned();
    send_request(&service.authority, &idp, Via::Post, &stranger, None).await;
    for (from, who) in [(&idp, "debugged-person"), (&other, "private-person")] {
        let request = from.logout_request(&Name::email(who), &["x"]);
        for via in Via::FRONT {
            send_request(&service.authority, from, via, &request, None).await;
        }
    }
    let browser = Browser::new(&service.authority);
    let mut response = idp.response(None, &Name::email("debugged-at-the-acs"), "x");
    response.signed = Signed::Nothing;
    browser.bring(&response.signed(&RSA_A), None).await;
    let log = service.log();
    for (who, there) in [("debugged-person", true), ("debugged-at-the-acs", true), ("private-person", false)]
    {
        assert_eq!(log.contains(who), there, "{who}: {log}");
    }
    let line = log.lines().find(|line| line.contains("debugged-person")).unwrap();
    assert!(line.contains("WARN") && line.contains("debug_messages"), "{line}");
    site.database().drop().await;
}
