//! `signoff inspect`: an admin holds a message in hand and wants to know what is wrong with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use signoff::clock::Clock;

use crate::support::dsig::{RSA_A, RSA_B};
use crate::support::idp::{Idp, Sp};
use crate::support::messages::Name;
use crate::support::process::Site;

/// The lines of the table, as (rule, result).
fn results(out: &str) -> Vec<(&str, &str)> {
    let lines = out.lines().skip_while(|line| !line.starts_with("RULE")).skip(1);
    let rows = lines.take_while(|line| !line.is_empty()).map(str::split_whitespace);
    rows.map(|mut words| (words.next().unwrap(), words.next().unwrap())).collect()
}

#[tokio::test]
async fn a_message_is_judged_by_the_idp_in_the_database_and_nothing_is_executed() {
    let site = Site::new().await;
    let service = site.serve();
    let idp = site.idp(&service, "idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let alice = service.browser();
    alice.sign_in(&idp, &name, "1").await;

    let request = idp.logout_request(&name, &["1"]);
    let url = format!("{}?{}", idp.sp.slo, idp.redirect("SAMLRequest", &request.xml(), Some("x")));
    let out = site.run(&["inspect", &url]).good();
    assert!(out.contains("alice@example.org") && out.contains("<samlp:LogoutRequest"), "{out}");
    let judged = results(&out);
    assert!(judged.contains(&("VAL-09", "holds")) && judged.contains(&("SLO-24", "?")), "{out}");
    let form = BASE64.encode(request.signed(idp.key));
    site.run_with_input(&["inspect", "-"], &form).good();
    assert!(alice.is_signed_in().await, "looked at, not executed");

    // By another key, to another endpoint: both are said.
    let mut wrong = idp.logout_request(&name, &["1"]);
    wrong.destination = Some("https://elsewhere.example/slo".to_owned());
    let refused = site.run_with_input(&["inspect", "-"], &wrong.signed(&RSA_B));
    let judged = results(&refused.out);
    assert!(judged.contains(&("VAL-08", "FAILS")) && judged.contains(&("VAL-09", "FAILS")), "{refused:?}");
    assert!(refused.one_line(1).contains('2'));
    site.run_with_input(&["inspect", "-"], "no message at all").one_line(1);
    site.run(&["inspect", "/no/such/file"]).one_line(1);
    service.kill();
    site.database().drop().await;
}

#[tokio::test]
async fn with_metadata_at_hand_no_database_is_needed() {
    let mut site = Site::new().await;
    let idp = Idp::new("idp-a", &RSA_A, Sp::read(&site.run(&["metadata"]).good()), Clock::system());
    let metadata = site.directory.path().join("idp.xml");
    std::fs::write(&metadata, idp.metadata().xml()).unwrap();
    let metadata = metadata.display().to_string();
    let message = idp.logout_request(&Name::email("alice@example.org"), &["1"]).signed(idp.key);
    site.set("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    let inspect = ["inspect", "--metadata", &metadata, "-"];
    assert!(results(&site.run_with_input(&inspect, &message).good()).contains(&("VAL-09", "holds")));
    let late = ["inspect", "--metadata", &metadata, "--at", "2099-01-01T00:00:00Z", "-"];
    let late = site.run_with_input(&late, &message);
    assert_eq!(late.code, 1);
    assert!(results(&late.out).contains(&("VAL-15", "FAILS")), "{late:?}");
    assert_eq!(site.run(&["inspect", "--at", "yesterday", "-"]).code, 2);
    site.database().drop().await;
}
