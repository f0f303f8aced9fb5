//! An application that takes everything at once: one thread for each connection, and hardly any work.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[derive(Default)]
struct Inner {
    arrived: AtomicUsize,
    connections: AtomicUsize,
    first: Mutex<Option<Instant>>,
    begun: Condvar,
}

pub struct Receiver {
    pub url: String,
    inner: Arc<Inner>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/notify", listener.local_addr().unwrap());
        let inner = Arc::new(Inner::default());
        let own = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                own.connections.fetch_add(1, Ordering::SeqCst);
                let own = Arc::clone(&own);
                std::thread::spawn(move || converse(stream, &own));
            }
        });
        Self { url, inner }
    }

    /// When the first of this turn arrived.
    pub fn wait_for_first(&self) -> Instant {
        let mut first = self.inner.first.lock().unwrap();
        loop {
            match *first {
                Some(at) => return at,
                None => first = self.inner.begun.wait(first).unwrap(),
            }
        }
    }

    /// Until so many have arrived in this turn.
    pub fn wait_for(&self, many: usize) {
        let limit = Instant::now() + Duration::from_mins(5);
        while self.inner.arrived.load(Ordering::SeqCst) < many {
            assert!(Instant::now() < limit, "not all arrived in five minutes");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many arrived in this turn; the next one begins.
    pub fn take(&self) -> usize {
        *self.inner.first.lock().unwrap() = None;
        self.inner.arrived.swap(0, Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::SeqCst)
    }
}

fn converse(mut stream: TcpStream, inner: &Inner) {
    stream.set_nodelay(true).unwrap();
    let mut octets = Vec::new();
    let mut chunk = [0; 16_384];
    loop {
        while let Some(length) = whole(&octets) {
            octets.drain(..length);
            if inner.arrived.fetch_add(1, Ordering::SeqCst) == 0 {
                *inner.first.lock().unwrap() = Some(Instant::now());
                inner.begun.notify_all();
            }
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => octets.extend(chunk.iter().take(read)),
        }
    }
}

/// The length of the request at the beginning, if it is all there.
fn whole(octets: &[u8]) -> Option<usize> {
    let head = octets.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(octets.get(..head)?).to_ascii_lowercase();
    let length = text.split("\r\n").find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    (octets.len() >= head + length).then_some(head + length)
}
