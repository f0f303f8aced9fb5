//! One throwaway PostgreSQL for the whole binary, migrated once; a database of its own for each
//! test, copied from that one.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use signoff::database::{Cluster, ClusterOptions};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::OnceCell;

static SERVER: OnceCell<Server> = OnceCell::const_new();
static COUNTER: AtomicU64 = AtomicU64::new(0);

struct Server {
    admin: PgConnectOptions,
    /// The same for another process, which is given a URL.
    url: String,
    template: String,
}

/// A database that belongs to one test.
pub struct TestDatabase {
    pub name: String,
    pub url: String,
    pub options: PgConnectOptions,
    admin: PgConnectOptions,
}

impl TestDatabase {
    /// A migrated database with nothing in it.
    pub async fn fresh() -> Self {
        Self::create(true).await
    }

    /// A database without even a schema.
    pub async fn empty() -> Self {
        Self::create(false).await
    }

    async fn create(migrated: bool) -> Self {
        let server = SERVER.get_or_init(start).await;
        let number = COUNTER.fetch_add(1, Ordering::SeqCst);
        let name = format!("signoff_test_{}_{number}", std::process::id());
        let template = if migrated { &server.template } else { "template0" };
        run(&server.admin, &format!("create database {name} template {template}")).await;
        Self {
            options: server.admin.clone().database(&name),
            url: named(&server.url, &name),
            admin: server.admin.clone(),
            name,
        }
    }

    pub async fn pool(&self, connections: u32) -> PgPool {
        self.pool_of("test", connections).await
    }

    /// A pool whose connections bear a name, by which they can be told from others.
    pub async fn pool_of(&self, name: &str, connections: u32) -> PgPool {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(std::time::Duration::from_secs(3))
            .connect_with(self.options.clone().application_name(name))
            .await
            .unwrap()
    }

    /// Ends all connections of that name, and waits until the server has let go of them: what they
    /// had begun is by then either committed or gone.
    pub async fn cut(&self, name: &str) {
        let mut connection = PgConnection::connect_with(&self.options).await.unwrap();
        let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = $1";
        while sqlx::query_scalar::<_, i64>(cut).bind(name).fetch_one(&mut connection).await.unwrap() > 0 {}
        connection.close().await.unwrap();
    }

    /// Cuts all connections and lets none in: for the application the database is down.
    pub async fn shut(&self) {
        run(&self.admin, &format!("alter database {} allow_connections false", self.name)).await;
        run(
            &self.admin,
            &format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'",
                self.name
            ),
        )
        .await;
    }

    /// Lets connections in again.
    pub async fn reopen(&self) {
        run(&self.admin, &format!("alter database {} allow_connections true", self.name)).await;
    }

    /// Removes the database; a test that fails leaves it for inspection until the server goes.
    pub async fn drop(&self) {
        run(&self.admin, &format!("drop database if exists {} with (force)", self.name)).await;
    }
}

/// The URL of another database on the same server.
fn named(url: &str, database: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = base.rsplit_once('/').unwrap();
    format!("{server}/{database}?{query}")
}

async fn start() -> Server {
    let (admin, url) = match std::env::var("SIGNOFF_TEST_DATABASE_URL") {
        Ok(url) => (url.parse().unwrap(), url),
        Err(_) => tokio::task::spawn_blocking(start_cluster).await.unwrap(),
    };
    let template = format!("signoff_template_{}", std::process::id());
    // A process before this one may have had the same number.
    run(&admin, &format!("drop database if exists {template}")).await;
    run(&admin, &format!("create database {template} template template0")).await;
    let pool = PgPoolOptions::new().connect_with(admin.clone().database(&template)).await.unwrap();
    signoff::database::migrate(&pool).await.unwrap();
    pool.close().await;
    Server { admin, url, template }
}

/// Starts a cluster in a temporary directory. A small shell that waits for the end of this
/// process, however it comes, stops it and removes the directory.
fn start_cluster() -> (PgConnectOptions, String) {
    let directory = tempfile::Builder::new().prefix("signoff-it").tempdir_in("/tmp").unwrap().keep();
    let cluster = Cluster::start(&ClusterOptions::throwaway(&directory)).unwrap();
    let admin = cluster.connect_options("postgres");
    let socket = cluster.socket_directory().display().to_string();
    let script = "cat > /dev/null; kill -QUIT $(head -1 \"$1\"/pg/data/postmaster.pid); rm -rf \"$1\" \"$2\"";
    let mut watcher = Command::new("sh");
    watcher.args(["-c", script, "sh"]).arg(&directory).arg(&socket);
    let mut child =
        watcher.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The pipe closes when this process is gone; until then a thread waits for the shell.
    let pipe = child.stdin.take();
    std::thread::spawn(move || {
        let _held = (pipe, cluster);
        child.wait()
    });
    let user = admin.get_username().to_owned();
    let port = admin.get_port();
    (admin, format!("postgres://{user}@localhost:{port}/postgres?host={socket}"))
}

async fn run(options: &PgConnectOptions, statement: &str) {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
