//! A Chromium without a window, told what to do over its debugging pipe (Chrome DevTools Protocol).

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Dropping it ends it.
pub struct Chromium {
    child: Child,
    commands: File,
    answers: Receiver<Value>,
    next: Cell<u64>,
    _directory: TempDir,
}

impl Chromium {
    /// Starts the one that `scripts/has-chromium` finds.
    pub fn start() -> Self {
        let found =
            Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/has-chromium")).output().unwrap();
        let program = String::from_utf8(found.stdout).unwrap();
        assert!(found.status.success(), "there is no Chromium here");
        let directory = TempDir::with_prefix("signoff-browser").unwrap();
        let (into, out) = (directory.path().join("in"), directory.path().join("out"));
        assert!(Command::new("mkfifo").args([&into, &out]).status().unwrap().success());
        // The pipe is the descriptors 3 and 4. Its own sandbox wants rights that a container lacks, and it
        // opens no page but ours.
        let script = "in=$1; out=$2; shift 2; exec \"$@\" 3<\"$in\" 4>\"$out\"";
        let child = Command::new("sh")
            .args(["-c", script, "sh"])
            .args([&into, &out])
            .arg(program.trim())
            .args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"])
            .arg(format!("--user-data-dir={}", directory.path().join("profile").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = OpenOptions::new().write(true).open(&into).unwrap();
        let mut output = BufReader::new(File::open(&out).unwrap());
        let (heard, answers) = channel();
        std::thread::spawn(move || {
            let mut octets = Vec::new();
            while output.read_until(0, &mut octets).is_ok_and(|read| read > 0) {
                let message = octets.strip_suffix(b"\0").unwrap_or(&octets);
                let Ok(message) = serde_json::from_slice(message) else { return };
                if heard.send(message).is_err() {
                    return;
                }
                octets.clear();
            }
        });
        Self { child, commands, answers, next: Cell::new(1), _directory: directory }
    }

    /// A new tab.
    pub fn tab(&self) -> Tab<'_> {
        let made = self.call(None, "Target.createTarget", &json!({ "url": "about:blank" }));
        let target = made["result"]["targetId"].as_str().unwrap();
        let attach = json!({ "targetId": target, "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", &attach);
        Tab { chromium: self, session: attached["result"]["sessionId"].as_str().unwrap().to_owned() }
    }

    fn call(&self, session: Option<&str>, method: &str, params: &Value) -> Value {
        let id = self.next.replace(self.next.get() + 1);
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut octets = message.to_string().into_bytes();
        octets.push(0);
        (&self.commands).write_all(&octets).unwrap();
        let began = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(began.elapsed());
            let answer = self.answers.recv_timeout(left).unwrap_or_else(|_| panic!("no answer to {method}"));
            if answer["id"] == id {
                return answer;
            }
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One page at a time.
pub struct Tab<'a> {
    chromium: &'a Chromium,
    session: String,
}

impl Tab<'_> {
    fn call(&self, method: &str, params: &Value) -> Value {
        self.chromium.call(Some(&self.session), method, params)
    }

    /// Goes to an address, as if it were typed.
    pub fn open(&self, url: &str) {
        let went = self.call("Page.navigate", &json!({ "url": url }));
        assert!(went["result"]["errorText"].is_null(), "{url}: {went}");
    }

    /// What a script in the page comes to; null while there is no page to run it in.
    pub fn run(&self, script: &str) -> Value {
        let params = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        self.call("Runtime.evaluate", &params)["result"]["result"]["value"].take()
    }

    /// What the page says to who looks at it.
    pub fn text(&self) -> String {
        self.run("document.body ? document.body.innerText : ''").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says something.
    pub fn says(&self, text: &str) {
        let began = Instant::now();
        while !self.text().contains(text) {
            assert!(began.elapsed() < PATIENCE, "it does not say {text:?}: {}", self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Clicks what a selector finds, as soon as it is there.
    pub fn click(&self, selector: &str) {
        let script = format!(
            "(() => {{ const found = document.querySelector({}); if (found) found.click(); return !!found }})()",
            json!(selector)
        );
        let began = Instant::now();
        while self.run(&script) != true {
            assert!(began.elapsed() < PATIENCE, "there is no {selector}: {}", self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A picture of the page, for people: `target/tmp/browser/NAME.png`.
    pub fn picture(&self, name: &str) {
        let shot = self.call("Page.captureScreenshot", &json!({}));
        let octets = STANDARD.decode(shot["result"]["data"].as_str().unwrap()).unwrap();
        let directory = concat!(env!("CARGO_TARGET_TMPDIR"), "/browser");
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(format!("{directory}/{name}.png"), octets).unwrap();
    }
}
