//! The examples, run against the demonstration as somebody would who tries them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_collect,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and needs not be fast"
)]

#[expect(dead_code, reason = "the tests with an OpenID provider need more of it")]
mod demonstration;
#[path = "../proxies/proxy.rs"]
#[expect(dead_code, reason = "nginx is enough here")]
mod proxy;

use std::path::Path;
use std::process::{Command, Stdio};

use demonstration::{Demonstration, Running};
use proxy::{Kind, Proxy};

/// A program of the examples.
fn example(directory: &str, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
    run(&format!("examples/{directory}"), program, arguments, variables)
}

fn run(directory: &str, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut command = Command::new("node");
    command.arg(program).args(arguments).current_dir(directory);
    command.envs(variables.iter().copied()).stdin(Stdio::null());
    Running::start(command)
}

#[tokio::test]
async fn a_web_application_behind_nginx() {
    let demo = Demonstration::start();
    let application = example("web-app", "app.mjs", &[], &[("PORT", "0")]);
    let port = application.line_after("listening on ");
    let nginx = Proxy::start(Kind::Nginx, &demo.authority(), &format!("127.0.0.1:{port}")).await;
    let address = format!("http://{}", nginx.authority);
    demo.signoff(&["application", "create", "pages", "--form", "pull", "--origin", &address]);
    let page = format!("{address}/");
    demo.sign_in_through(&page).await;
    assert_eq!(demo.open(&page).await.body, "Hello demo|alice\n");
    demo.idp_signs_out().await;
    let way = demo.open(&page).await;
    assert!(way.url.as_str().starts_with(&demo.idp), "sent to sign in: {}", way.url);
}

#[tokio::test]
async fn an_express_application_that_takes_logout_tokens() {
    let demo = Demonstration::start();
    let address = demonstration::free_address();
    let base = format!("http://{address}");
    let told = format!("{base}/backchannel-logout");
    demo.signoff(&[
        "application",
        "create",
        "orders",
        "--form",
        "logout-token",
        "--url",
        &told,
        "--origin",
        &base,
    ]);
    let token = demo.token("orders");
    let (_, port) = address.rsplit_once(':').unwrap();
    let variables = [
        ("SIGNOFF_URL", demo.signoff.as_str()),
        ("SIGNOFF_TOKEN", &token),
        ("APPLICATION", "orders"),
        ("BASE_URL", &base),
        ("PORT", port),
    ];
    let application = example("express", "server.mjs", &[], &variables);
    application.line_after("listening on ");
    assert!(demo.open(&base).await.body.contains("not signed in"));
    demo.sign_in_through(&format!("{base}/sign-in")).await;
    assert!(demo.open(&base).await.body.contains("Hello demo|alice"));
    demo.idp_signs_out().await;
    // It asks nobody: its own session is gone because it was told.
    demo.opens_until(&base, "not signed in").await;
}

#[tokio::test]
async fn a_single_page_that_hears_of_the_end() {
    let demo = Demonstration::start();
    let origin = "http://127.0.0.1:5173";
    demo.signoff(&["application", "create", "page", "--form", "pull", "--origin", origin]);
    demo.sign_in().await;
    let cookie = demo.cookie();
    let variables = [("SIGNOFF_URL", demo.signoff.as_str()), ("ORIGIN", origin), ("COOKIE", &cookie)];
    let page = example("single-page", "check.mjs", &[], &variables);
    assert_eq!(page.line_after("signed in: "), "demo|alice");
    demo.idp_signs_out().await;
    page.line_after("signed out");
    assert!(page.ends());
    // A page of an origin that nobody registered hears nothing at all.
    demo.sign_in().await;
    let cookie = demo.cookie();
    let variables =
        [("SIGNOFF_URL", demo.signoff.as_str()), ("ORIGIN", "http://127.0.0.1:1"), ("COOKIE", &cookie)];
    assert!(!example("single-page", "check.mjs", &[], &variables).ends());
}

#[tokio::test]
async fn a_command_line_program_that_reads_the_feed() {
    let demo = Demonstration::start();
    demo.signoff(&["application", "create", "tool", "--form", "pull"]);
    let token = demo.token("tool");
    demo.sign_in().await;
    let session = demo.session_id().await;
    let variables = [("SIGNOFF_URL", demo.signoff.as_str()), ("SIGNOFF_TOKEN", token.as_str())];
    let program = example("command-line", "watch.mjs", &[&session], &variables);
    program.line_after("registered");
    demo.idp_signs_out().await;
    assert_eq!(program.line_after("signed out: "), "idp");
    assert!(program.ends());
}

/// `express-openid-connect`, unmodified, as its own documentation sets it up.
#[tokio::test]
async fn an_sdk_of_auth0_takes_our_logout_token_and_no_other_applications() {
    let demo = Demonstration::start();
    let address = demonstration::free_address();
    let base = format!("http://{address}");
    let told = format!("{base}/backchannel-logout");
    for (name, counts) in [("sdk", "true"), ("other", "false")] {
        let form = ["--form", "logout-token", "--url", &told, "--counts", counts];
        demo.signoff(&[&["application", "create", name][..], &form].concat());
    }
    let (_, port) = address.rsplit_once(':').unwrap();
    let variables =
        [("SIGNOFF_URL", demo.signoff.as_str()), ("APPLICATION", "sdk"), ("BASE_URL", &base), ("PORT", port)];
    let application = run("tests/examples/sdk", "server.mjs", &[], &variables);
    application.line_after("listening on ");
    demo.sign_in().await;
    let session = demo.session_id().await;
    for name in ["sdk", "other"] {
        demo.register(name, &session).await;
    }
    demo.idp_signs_out().await;
    let over = application.line_after("over: ");
    assert_eq!(over, format!("{}|{session}", demo.signoff));
    let taken = demo.delivery("sdk", "acknowledged").await;
    assert_eq!((&taken["http_status"], &taken["attempts"]), (&204.into(), &1.into()), "{taken}");
    // The same program refuses what was made for another audience.
    let refused = demo.delivery("other", "pending").await;
    assert_eq!(refused["http_status"], 400, "{refused}");
}
