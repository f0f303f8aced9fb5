//! Somebody who listens to server-sent events.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An open stream of events.
pub struct Events {
    stream: TcpStream,
    /// The head of the answer.
    pub head: String,
    heard: String,
}

impl Events {
    /// Asks for events and reads the head of the answer.
    pub async fn open(authority: &str, target: &str, headers: &[(&str, &str)]) -> Self {
        let mut request =
            format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\nAccept: text/event-stream\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut stream = TcpStream::connect(authority).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut events = Self { stream, head: String::new(), heard: String::new() };
        events.until("\r\n\r\n").await;
        let (head, rest) = events.heard.split_once("\r\n\r\n").unwrap();
        (events.head, events.heard) = (head.to_owned(), rest.to_owned());
        events
    }

    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Reads until a text has been heard; everything that was.
    pub async fn until(&mut self, text: &str) -> &str {
        while !self.heard.contains(text) {
            assert!(self.more().await, "the stream ended before {text:?}: {}", self.heard);
        }
        &self.heard
    }

    /// Reads to the end of the answer; everything that was heard.
    pub async fn rest(&mut self) -> &str {
        // The last chunk is empty.
        while !self.heard.ends_with("0\r\n\r\n") {
            if !self.more().await {
                break;
            }
        }
        &self.heard
    }

    async fn more(&mut self) -> bool {
        let mut octets = [0; 4096];
        let reading = tokio::time::timeout(Duration::from_secs(20), self.stream.read(&mut octets));
        let read = reading.await.unwrap_or_else(|_| panic!("nothing within 20 s after {:?}", self.heard));
        let read = read.unwrap_or(0);
        self.heard.push_str(&String::from_utf8_lossy(&octets[..read]));
        read > 0
    }
}
