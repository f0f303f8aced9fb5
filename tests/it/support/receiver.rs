//! An application that takes notifications, or does not: a real HTTP server that remembers what it got.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What it does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers with this status, and no more.
    Answer(u16),
    /// Answers with this status and this JSON.
    Say(u16, &'static str),
    /// Answers 307 to there.
    Redirect(String),
    /// Reads, and never answers.
    Hang,
    /// Closes the connection in the middle of the request.
    Die,
}

/// A request that arrived whole.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// What it was answered with; none if it was not.
    pub answered: Option<u16>,
}

impl Arrived {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or_else(|| panic!("no {name} in {self:?}"), |(_, value)| value.as_str())
    }

    /// The logout token in its form.
    pub fn logout_token(&self) -> &str {
        assert_eq!(self.header("content-type"), "application/x-www-form-urlencoded");
        self.body.strip_prefix("logout_token=").unwrap()
    }

    /// `sid` of a webhook.
    pub fn session_id(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        body["data"]["session_id"].as_str().unwrap().to_owned()
    }
}

#[derive(Debug)]
struct Inner {
    behaviour: Mutex<Behaviour>,
    arrived: Mutex<Vec<Arrived>>,
    connections: Mutex<usize>,
    news: Notify,
}

/// The server; it ends with the test.
#[derive(Debug, Clone)]
pub struct Receiver {
    pub url: String,
    inner: Arc<Inner>,
}

impl Receiver {
    pub async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/notify", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            behaviour: Mutex::new(behaviour),
            arrived: Mutex::default(),
            connections: Mutex::new(0),
            news: Notify::new(),
        });
        let own = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *own.connections.lock().unwrap() += 1;
                tokio::spawn(converse(stream, Arc::clone(&own)));
            }
        });
        Self { url, inner }
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.inner.behaviour.lock().unwrap() = behaviour;
    }

    /// Everything that arrived.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.inner.arrived.lock().unwrap().clone()
    }

    /// What was answered with 2xx.
    pub fn taken(&self) -> Vec<Arrived> {
        let good = |one: &Arrived| one.answered.is_some_and(|status| (200..300).contains(&status));
        self.arrived().into_iter().filter(good).collect()
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        *self.inner.connections.lock().unwrap()
    }

    /// Waits until that many requests have arrived.
    pub async fn wait_for(&self, many: usize) {
        let waiting = async {
            loop {
                let news = self.inner.news.notified();
                if self.arrived().len() >= many {
                    return;
                }
                news.await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(in_time.is_ok(), "{} of {many} arrived within 20 s", self.arrived().len());
    }
}

async fn converse(mut stream: TcpStream, inner: Arc<Inner>) {
    let _ = stream.set_nodelay(true);
    let mut octets = Vec::new();
    loop {
        let Some(head) = head(&mut stream, &mut octets).await else { return };
        let behaviour = inner.behaviour.lock().unwrap().clone();
        if behaviour == Behaviour::Die {
            return;
        }
        let Some(mut arrived) = whole(&mut stream, &mut octets, &head).await else { return };
        let answer = match &behaviour {
            Behaviour::Answer(status) => Some(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n")),
            Behaviour::Say(status, text) => Some(format!(
                "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            )),
            Behaviour::Redirect(to) => {
                Some(format!("HTTP/1.1 307 x\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
            }
            Behaviour::Hang | Behaviour::Die => None,
        };
        arrived.answered = answer.as_ref().map(|answer| answer[9..12].parse().unwrap());
        inner.arrived.lock().unwrap().push(arrived);
        inner.news.notify_waiters();
        match answer {
            Some(answer) => {
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            None => std::future::pending::<()>().await,
        }
    }
}

/// The head of the next request; what was read beyond it stays in `octets`.
async fn head(stream: &mut TcpStream, octets: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&octets[..end]).into_owned();
            octets.drain(..end + 4);
            return Some(head);
        }
        if stream.read_buf(octets).await.ok()? == 0 {
            return None;
        }
    }
}

async fn whole(stream: &mut TcpStream, octets: &mut Vec<u8>, head: &str) -> Option<Arrived> {
    let mut lines = head.split("\r\n");
    lines.next()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while octets.len() < length {
        if stream.read_buf(octets).await.ok()? == 0 {
            return None;
        }
    }
    let body: Vec<u8> = octets.drain(..length).collect();
    Some(Arrived { headers, body: String::from_utf8(body).unwrap(), answered: None })
}
