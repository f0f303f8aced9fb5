//! An HTTP/1.1 client that sends exactly the octets it is given: a URL library would tidy up the
//! very things that the tests are about.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct HttpReply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl HttpReply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no Location: {} {}", self.status, self.body))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Sends one request to `authority` (host:port) and reads the whole answer.
///
/// An answer that does not come within 20 s fails the test: nothing of ours may hang.
pub async fn send(
    authority: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> HttpReply {
    let has = |name: &str| headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    let mut head = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    if !has("host") {
        head.push_str(&format!("Host: {authority}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body
        && !has("content-length")
    {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let exchange = async {
        let stream = TcpStream::connect(authority).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut from, mut to) = stream.into_split();
        let mut octets = head.into_bytes();
        octets.extend_from_slice(body.unwrap_or_default());
        // A server may answer and close before it has read a body that is too large: reading
        // and writing have to go on side by side.
        let writing = tokio::spawn(async move {
            let _ = to.write_all(&octets).await;
            to
        });
        let mut answer = Vec::new();
        let _ = from.read_to_end(&mut answer).await;
        writing.abort();
        answer
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), exchange)
        .await
        .unwrap_or_else(|_| panic!("no answer within 20 s: {method} {}", &target[..target.len().min(60)]));
    read(&answer).unwrap_or_else(|| panic!("no HTTP answer to {method} {}", &target[..target.len().min(60)]))
}

/// One GET that may find nobody there, or lose them on the way.
pub async fn try_send(authority: &str, method: &str, target: &str) -> Option<HttpReply> {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(authority).await.ok()?;
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    let whole = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    whole.ok()?.ok()?;
    read(&answer)
}

fn read(octets: &[u8]) -> Option<HttpReply> {
    let split = octets.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&octets[..split]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut body = octets[split + 4..].to_vec();
    let chunked = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked")
    };
    if headers.iter().any(chunked) {
        body = unchunked(&body)?;
    }
    Some(HttpReply { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

fn unchunked(mut octets: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = octets.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&octets[..line]).ok()?.trim(), 16).ok()?;
        octets = &octets[line + 2..];
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(octets.get(..size)?);
        octets = octets.get(size + 2..)?;
    }
}
