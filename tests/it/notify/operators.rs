//! What administrators do with applications and deliveries, and `kill -9` at the worst moment.

use serde_json::Value;
use signoff::app::applications::{self, ApplicationError, NewApplication};
use signoff::logout::hearing::Form;

use super::{House, TOKEN_FILES, new};
use crate::support::dsig::EC_256;
use crate::support::messages::Name;
use crate::support::process::Site;
use crate::support::receiver::{Behaviour, Receiver};

#[tokio::test]
async fn an_application_is_registered_shown_changed_and_deleted() {
    let site = Site::new().await;
    let said =
        site.run(&["application", "create", "shop", "--form", "webhook", "--url", "http://127.0.0.1:9/hook"]);
    let said = said.good();
    assert!(said.contains("whsec_"), "{said}");
    let secret = said.split_whitespace().find(|word| word.starts_with("whsec_")).unwrap();
    let listed = site.run(&["application", "list", "--json"]).good();
    let shown = site.run(&["application", "show", "shop", "--json"]).good();
    for text in [&listed, &shown] {
        assert!(!text.contains("whsec_") && !text.contains("secret"), "shown once: {text}");
    }
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["id"], &shown["counts_for_success"]), (&"shop".into(), &false.into()));
    let line = site.run(&["application", "create", "shop", "--form", "pull"]).one_line(1);
    assert!(line.contains("another application is called"), "{line}");
    site.run(&["application", "set", "shop", "--counts", "true", "--origin", "http://127.0.0.1:9"]).good();
    let shown: Value =
        serde_json::from_str(&site.run(&["application", "show", "shop", "--json"]).good()).unwrap();
    assert_eq!(shown["counts_for_success"], true);
    assert_eq!(shown["origins"], serde_json::json!(["http://127.0.0.1:9"]));
    assert_eq!(shown["url"], "http://127.0.0.1:9/hook", "what is not named stays");
    site.run(&["application", "delete", "shop"]).good();
    site.run(&["application", "show", "shop"]).one_line(1);
    let pool = site.database().pool(1).await;
    let audit: Vec<String> =
        sqlx::query_scalar("select detail from audit where rule = 'application' order by id")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(audit.len(), 3, "{audit:?}");
    assert!(audit[1].contains("changed shop") && audit[1].contains("counts for Success: true"), "{audit:?}");
    assert!(!audit.join(" ").contains(secret));
    pool.close().await;
    site.database().drop().await;
}

#[tokio::test]
async fn what_is_wrong_with_an_application_is_named() {
    let house = House::new().await;
    let good = || new("shop", Form::Webhook, "http://127.0.0.1:9/");
    for (field, wanted) in [
        ("id", NewApplication { id: "Shop".into(), ..good() }),
        ("name", NewApplication { name: Some(" ".into()), ..good() }),
        ("url", NewApplication { url: None, ..good() }),
        ("url", NewApplication { form: Form::Pull, ..good() }),
        ("origins", NewApplication { origins: vec!["https://a.example/x".into()], ..good() }),
        ("logout_urls", NewApplication { logout_urls: vec!["https://*.com/".into()], ..good() }),
        (
            "counts_for_success",
            NewApplication { form: Form::Pull, url: None, counts_for_success: Some(true), ..good() },
        ),
    ] {
        let error = applications::create(&house.app.app, &wanted).await.unwrap_err();
        assert_eq!(error.field(), Some(field), "{error}");
    }
    assert!(applications::list(&house.app.app).await.unwrap().is_empty());
    applications::create(&house.app.app, &good()).await.unwrap();
    let again = applications::create(&house.app.app, &good()).await;
    assert!(matches!(again, Err(ApplicationError::Taken(_))));
    house.done().await;
}

/// The process is killed while a receiver has what it was told, and has not answered yet.
#[tokio::test]
async fn kill_9_in_the_middle_of_a_delivery_loses_nothing() {
    let mut site = Site::new().await;
    let (key, certificate) = &*TOKEN_FILES;
    site.set("SIGNOFF_TOKENS__SIGNING_KEY", &key.display().to_string());
    site.set("SIGNOFF_TOKENS__SIGNING_CERTIFICATE", &certificate.display().to_string());
    let receiver = Receiver::start(Behaviour::Hang).await;
    let service = site.serve();
    let idp = site.idp(&service, "idp-a", &EC_256).await;
    site.run(&[
        "application",
        "create",
        "shop",
        "--form",
        "logout-token",
        "--url",
        &receiver.url,
        "--counts",
        "false",
    ])
    .good();
    let pool = site.database().pool(1).await;
    let alice = service.browser();
    alice.arrive(&idp, &Name::email("alice@example.org"), "1").await;
    sqlx::query(
        "insert into participation (public_id, application_id, session_id, source, created_at)
         select 'p', a.id, s.id, 'api', s.created_at from application a, session s",
    )
    .execute(&pool)
    .await
    .unwrap();
    alice.sign_out_here().await;
    receiver.wait_for(1).await;
    service.kill();
    let state: String = sqlx::query_scalar("select state from notification").fetch_one(&pool).await.unwrap();
    assert_eq!(state, "pending");
    // The lease of the dead one runs out.
    sqlx::query("update notification set leased_until = due_at").execute(&pool).await.unwrap();
    receiver.behave(Behaviour::Answer(200));
    let service = site.serve();
    receiver.wait_for(2).await;
    assert_eq!(receiver.taken().len(), 1);
    // The acknowledgement is written down a moment after it was given.
    service.signal("TERM");
    assert_eq!(service.wait(), 0);
    let shown: Value = serde_json::from_str(&site.run(&["delivery", "list", "--json"]).good()).unwrap();
    assert_eq!(shown[0]["state"], "acknowledged", "{shown}");
    assert_eq!(shown[0]["application"], "shop");
    let id = shown[0]["id"].to_string();
    assert!(site.run(&["delivery", "show", &id]).good().contains("acknowledged"));
    assert!(site.run(&["delivery", "retry", &id]).good().contains("told again"));
    site.run(&["delivery", "show", "4711"]).one_line(1);
    let logout: Value = serde_json::from_str(&site.run(&["logout", "show", "1", "--json"]).good()).unwrap();
    assert_eq!(logout["applications"][0]["application"], "shop", "{logout}");
    pool.close().await;
    site.database().drop().await;
}
