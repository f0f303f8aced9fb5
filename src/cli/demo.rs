//! `signoff demo`: the whole service with an identity provider and two applications around it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tools::Tools;
use super::{CliError, output, serve};
use crate::app::App;
use crate::app::applications::{self, ApplicationError, NewApplication, Subject, TokenType};
use crate::app::idps::{self, ImportOptions, Source};
use crate::app::tokens::{self, WantedToken};
use crate::config::{Flags, Machine, Settings};
use crate::demo::{self, Membership, OpenIdProvider, Stage, Told};
use crate::keys::KeyRing;
use crate::logout::hearing::Form;

/// Shows the demonstration until SIGTERM or SIGINT; with `check`, clicks through it on free ports
/// and in a directory of its own, and ends.
pub(super) async fn run(tools: &Tools, check: bool) -> Result<(), CliError> {
    let stop = serve::stop_signal()?;
    let address = if check { SocketAddr::from(([127, 0, 0, 1], 0)) } else { tools.settings.listen };
    let listener = TcpListener::bind(address).await.map_err(|source| CliError::Bind { address, source })?;
    let bound = listener.local_addr().map_err(|source| CliError::Bind { address, source })?;
    if !check {
        let directory = tools.settings.data_dir.join("demo");
        let base_url = tools.settings.base_url.to_string();
        return show(tools, &base_url, bound, &directory, listener, &stop, false).await;
    }
    let directory = scratch(tools)?;
    let result = show(tools, &format!("http://{bound}"), bound, &directory, listener, &stop, true).await;
    // What is left of a check is of no use to anybody.
    let _ = std::fs::remove_dir_all(&directory);
    result
}

/// An empty directory that nobody else uses.
fn scratch(tools: &Tools) -> Result<PathBuf, CliError> {
    let name = format!("signoff-check-{:016x}", u64::from_be_bytes(tools.entropy.bytes()?));
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir(&directory).map_err(CliError::Runtime)?;
    Ok(directory)
}

/// Puts the cast on the stage, and either waits for the stop or walks through.
///
/// The demonstration has settings of its own: nothing of a real service's configuration, database
/// or identity providers gets into it, and nothing of it gets into those.
async fn show(
    tools: &Tools,
    base_url: &str,
    listen: SocketAddr,
    directory: &Path,
    listener: TcpListener,
    stop: &CancellationToken,
    check: bool,
) -> Result<(), CliError> {
    let openid = OpenIdProvider::start(base_url, check, &tools.entropy).await;
    let stage = Stage::set(base_url, check, &openid, tools.clock.clone()).await?;
    let flags = Flags {
        config: None,
        listen: Some(listen.to_string()),
        base_url: Some(base_url.to_owned()),
        data_dir: Some(directory.display().to_string()),
    };
    let mut settings = Settings::load(&flags, &Machine::bare(directory))?;
    let (first, second) = stage.addresses().applications.clone();
    settings.return_origins = vec![first, second];
    settings.oidc = openid.iter().map(OpenIdProvider::settings).collect();
    // Whatever stands in front of it stands on this machine.
    settings.trusted_proxies = vec![IpNet::from(IpAddr::from([127, 0, 0, 1]))];
    let tools = Tools { settings, clock: tools.clock.clone(), entropy: tools.entropy.clone() };
    tools
        .with_database(async |database| {
            let app = tools.app(database).await?;
            let keys = KeyRing::open(&tools.settings, None, false, tools.clock.now(), &tools.entropy)?;
            let idp = stage.identity_provider(&tools.settings, &keys.signing, &tools.entropy)?;
            let options = ImportOptions {
                slug: Some("demo".to_owned()),
                allow_unsolicited: false,
                source: Source::Command,
            };
            idps::import(&app, idp.metadata().as_bytes(), &options).await?;

            let addresses = stage.addresses().clone();
            let members = members(&app, &stage).await?;
            let tasks = TaskTracker::new();
            stage.play(idp, members, &tools.entropy, &tasks, stop)?;
            let walk = async {
                if !check {
                    output::answer(&playbill(&addresses, directory))?;
                    stop.cancelled().await;
                    return Ok(());
                }
                let walked = demo::check::run(&addresses).await;
                stop.cancel();
                Ok::<_, CliError>(walked?)
            };
            let (walked, served) = tokio::join!(walk, serve::until(listener, &app, stop));
            tasks.close();
            tasks.wait().await;
            walked.and(served)
        })
        .await
}

/// Registers the two applications anew: one is told by logout token, the other by webhook.
async fn members(app: &App, stage: &Stage) -> Result<[Membership; 2], CliError> {
    let [timesheets, wiki] = stage.applications();
    let (token, _) = member(app, &timesheets, Form::LogoutToken).await?;
    let first = Membership { token, told: Told::LogoutToken { audience: timesheets.0.to_owned() } };
    let (token, secret) = member(app, &wiki, Form::Webhook).await?;
    let told = secret.as_deref().and_then(Told::by_webhook).ok_or(demo::DemoError::Secret)?;
    Ok([first, Membership { token, told }])
}

/// Registers an application; its token, and the secret of its webhooks.
async fn member(
    app: &App,
    (id, name, url): &(&str, &str, String),
    form: Form,
) -> Result<(String, Option<String>), CliError> {
    match applications::delete(app, id).await {
        Ok(()) | Err(ApplicationError::Unknown(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let origin = url.rsplit_once('/').map_or(url.as_str(), |(origin, _)| origin);
    let wanted = NewApplication {
        id: (*id).to_owned(),
        name: Some((*name).to_owned()),
        form,
        url: Some(url.clone()),
        origins: vec![origin.to_owned()],
        logout_urls: Vec::new(),
        token_type: TokenType::default(),
        subject: Subject::default(),
        counts_for_success: None,
    };
    let secret = applications::create(app, &wanted).await?.secret;
    let wanted = WantedToken {
        name: format!("{name} of the demonstration"),
        role: "application".to_owned(),
        application: Some((*id).to_owned()),
        expires_at: None,
    };
    Ok((tokens::create_by_command(app, &wanted).await?.secret, secret))
}

fn playbill(at: &demo::Addresses, directory: &Path) -> String {
    let (first, second) = &at.applications;
    let openid = match &at.openid {
        Ok(address) => address.clone(),
        Err(why) => format!("not here: {why}"),
    };
    let three_layers = at.openid.as_ref().map_or_else(
        |_| String::new(),
        |address| {
            format!(
                "  5. All three layers: when you are signed in, press \"Sign in at the OpenID provider, too\" and be
     Alice there. \"Sign out everywhere\" now leads past the OpenID provider, which asks, and then
     past the identity provider.
  6. Sign in at both again, open {address} and sign out there: its logout token ends the
     session, the applications are told, and the identity provider by SOAP.
"
            )
        },
    );
    format!(
        "
  Signoff             {signoff}
  identity provider   {idp}
  OpenID provider     {openid}
  Timesheets          {first}
  Wiki                {second}

What to click:
  1. Open {first}, press \"Sign in\", be Alice.
  2. Open {second}: it accepts the same session. Each has a session of its own from then on.
  3. Press \"Sign out\", then \"Sign out everywhere\": the page says what ended, and the identity
     provider at {idp} knows nobody any more.
  4. Sign in again, open {idp} and sign out there by Redirect, by POST or
     by SOAP: the applications are told, one by logout token and one by webhook, and know nobody
     at the next click.
{three_layers}
The session's rows: signoff --data-dir {data} session list, signoff --data-dir {data} logout list
Ctrl-C ends it.
",
        signoff = at.signoff,
        idp = at.idp,
        openid = openid,
        data = directory.display(),
    )
}
