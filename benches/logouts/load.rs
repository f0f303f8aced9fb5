//! A client that costs little: threads, connections that are kept open, requests made beforehand.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// All answers, in the order of the requests.
pub struct Answers {
    pub texts: Vec<String>,
    /// Sorted.
    latencies: Vec<Duration>,
    elapsed: Duration,
}

impl Answers {
    #[expect(clippy::cast_precision_loss, reason = "counts of a few thousand")]
    pub fn per_second(&self) -> f64 {
        self.texts.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that so many of a hundred answers do not exceed.
    pub fn percentile_ms(&self, percent: usize) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(last * percent / 100).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// Sends all requests over `concurrency` connections, each with one request on its way.
pub fn send(address: SocketAddr, requests: &[Vec<u8>], concurrency: usize) -> Answers {
    send_announced(address, requests, concurrency, |_| ())
}

/// The same; each is announced by its number when it is sent.
pub fn send_announced(
    address: SocketAddr,
    requests: &[Vec<u8>],
    concurrency: usize,
    announce: impl Fn(usize) + Sync,
) -> Answers {
    let next = AtomicUsize::new(0);
    let connections: Vec<Connection> = (0..concurrency).map(|_| Connection::open(address)).collect();
    let start = Instant::now();
    let mut done: Vec<(usize, Duration, String)> = std::thread::scope(|scope| {
        let work = |mut connection: Connection| {
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(number) else { return done };
                announce(number);
                let sent = Instant::now();
                let answer = connection.ask(request);
                done.push((number, sent.elapsed(), answer));
            }
        };
        let threads = connections.into_iter().map(|connection| scope.spawn(move || work(connection)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let elapsed = start.elapsed();
    done.sort_unstable_by_key(|(number, ..)| *number);
    let mut latencies: Vec<Duration> = done.iter().map(|(_, latency, _)| *latency).collect();
    latencies.sort_unstable();
    Answers { texts: done.into_iter().map(|(.., text)| text).collect(), latencies, elapsed }
}

/// `GET`, or `POST` with a body of that type.
pub fn request(target: &str, body: Option<(&str, &str)>) -> Vec<u8> {
    let head = "HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench";
    match body {
        None => format!("GET {target} {head}\r\n\r\n"),
        Some((kind, body)) => {
            let length = body.len();
            format!("POST {target} {head}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")
        }
    }
    .into_bytes()
}

/// The value of a header.
pub fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.split("\r\n").find_map(|line| {
        let (of, value) = line.split_once(':')?;
        of.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The session cookie that a sign-in gave.
pub fn session_cookie(answer: &str) -> String {
    assert_eq!(status(answer), 303, "{answer}");
    header(answer, "set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

/// What `GET /session` says to that cookie.
pub fn session_status(address: SocketAddr, cookie: &str) -> u16 {
    let request = format!("GET /session HTTP/1.1\r\nHost: bench\r\nCookie: {cookie}\r\n\r\n");
    status(&Connection::open(address).ask(request.as_bytes()))
}

/// A connection that is kept open.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub fn ask(&mut self, request: &[u8]) -> String {
        self.stream.write_all(request).unwrap();
        self.buffer.clear();
        loop {
            let mut chunk = [0; 16 * 1024];
            let read = self.stream.read(&mut chunk).unwrap();
            assert_ne!(read, 0, "the service closed the connection");
            self.buffer.extend(chunk.iter().take(read));
            if let Ok(text) = std::str::from_utf8(&self.buffer)
                && is_whole(text)
            {
                return text.to_owned();
            }
        }
    }
}

fn is_whole(answer: &str) -> bool {
    let Some((_, body)) = answer.split_once("\r\n\r\n") else { return false };
    let length: usize = header(answer, "content-length").map_or(0, |length| length.parse().unwrap());
    body.len() >= length
}
