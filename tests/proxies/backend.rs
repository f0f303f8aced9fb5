//! An application that remembers what reached it.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub line: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub fn values(&self, name: &str) -> Vec<&str> {
        let own = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value.as_str()).collect()
    }
}

pub struct Backend {
    pub authority: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Backend {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let seen = Arc::<Mutex<Vec<Request>>>::default();
        let noted = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let noted = Arc::clone(&noted);
                tokio::spawn(async move {
                    let mut octets = Vec::new();
                    while !octets.windows(4).any(|four| four == b"\r\n\r\n") {
                        let mut more = [0; 4096];
                        match stream.read(&mut more).await {
                            Ok(read) if read > 0 => octets.extend_from_slice(&more[..read]),
                            _ => return,
                        }
                    }
                    noted.lock().unwrap().push(read(&String::from_utf8_lossy(&octets)));
                    let answer =
                        "HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\nthe application";
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { authority, seen }
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

fn read(text: &str) -> Request {
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    Request { line, headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
}
