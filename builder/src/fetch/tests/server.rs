//! A server of HTTP that answers as a test says, one request a connection.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Says how a server answers.
pub(super) struct Reply {
    bytes: Vec<u8>,
    then: Then,
}

/// Says what comes behind the bytes of an answer.
pub(super) enum Then {
    /// The end.
    Close,
    /// Nothing, not even the end.
    Silence,
    /// A byte now and then.
    Drip,
}

impl Reply {
    /// Answers with headers, each with its line end, and a body.
    pub(super) fn new(status: &str, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let mut reply = Self::raw(&format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
        ));
        reply.bytes.extend_from_slice(body);
        reply
    }

    /// Answers with these bytes.
    pub(super) fn raw(text: &str) -> Self {
        Self {
            bytes: text.as_bytes().to_vec(),
            then: Then::Close,
        }
    }

    pub(super) fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    fn send(&self, mut stream: TcpStream) {
        // The client may have left, which is what some tests are about.
        let _ = stream.write_all(&self.bytes);
        match self.then {
            Then::Close => {}
            Then::Silence => {
                let _ = stream.read(&mut [0]);
            }
            Then::Drip => {
                while stream.write_all(b"x").is_ok() {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
    }
}

/// Is a server; it ends with this value.
pub(super) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one that is told the target of each request and which one it is,
    /// from 0.
    pub(super) fn new(answer: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::seeing(move |head, number| {
            let target = head.split(' ').nth(1).unwrap_or_default();
            answer(target, number)
        })
    }

    /// Starts one that is told the head of each request.
    pub(super) fn seeing(answer: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        // Threads that still wait for a client end with the test: to join them
        // would keep the client from leaving, which shares this thread.
        let accepting = std::thread::spawn(move || {
            let answer = Arc::new(answer);
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let head = head(&mut stream);
                if head.starts_with("STOP") {
                    break;
                }
                let mut seen = seen.lock().expect("not poisoned");
                let number = seen.len();
                seen.push(head.clone());
                drop(seen);
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || answer(&head, number).send(stream));
            }
        });
        Self {
            address,
            requests,
            accepting: Some(accepting),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn url(&self, target: &str) -> url::Url {
        let text = format!("http://{}{target}", self.address);
        text.parse().expect("a URL")
    }

    /// Gives the heads of all requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("not poisoned").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let _ = stream.write_all(b"STOP\r\n\r\n");
        }
        // Nobody is there any more from now on.
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn head(stream: &mut TcpStream) -> String {
    // A client that says nothing does not keep others from being heard.
    let patience = Some(Duration::from_secs(5));
    stream.set_read_timeout(patience).expect("a time");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.extend_from_slice(&byte),
            _ => break,
        }
    }
    stream.set_read_timeout(None).expect("no time");
    String::from_utf8_lossy(&head).into_owned()
}
