//! A small web server in the test itself, for what `ADD` fetches.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use spec_tests::digest;

/// What `/file.txt` and most of the other places have.
pub(crate) const CONTENT: &str = "from the web\n";

/// When `/file.txt` was last changed: 1677666030.
const CHANGED: &str = "Last-Modified: Wed, 01 Mar 2023 10:20:30 GMT\r\n";

/// Longest that a caller may take to send its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Every place, its status, further lines of its head, and whether it has
/// [`CONTENT`] or the archive.
const PLACES: &[(&str, &str, &str, Body)] = &[
    ("/file.txt", "200 OK", CHANGED, Body::Text),
    ("/deep/er/file.txt", "200 OK", CHANGED, Body::Text),
    ("/undated", "200 OK", "", Body::Text),
    ("/a%20b.txt", "200 OK", CHANGED, Body::Text),
    ("/query.txt?v=1&w=a/b", "200 OK", CHANGED, Body::Text),
    (
        "/named",
        "200 OK",
        "Content-Disposition: attachment; filename=\"given.txt\"\r\n",
        Body::Text,
    ),
    (
        "/named/",
        "200 OK",
        "Content-Disposition: attachment; filename=\"given.txt\"\r\n",
        Body::Text,
    ),
    (
        "/moved.txt",
        "302 Found",
        "Location: /deep/er/file.txt\r\n",
        Body::Text,
    ),
    ("/tree.tar.gz", "200 OK", CHANGED, Body::Archive),
    ("/", "200 OK", CHANGED, Body::Text),
];

#[derive(Debug, Clone, Copy)]
enum Body {
    Text,
    Archive,
}

/// A running server; it ends with the test.
pub(crate) struct Web {
    address: SocketAddr,
}

impl Web {
    /// Starts it; `archive` is what `/tree.tar.gz` has.
    pub(crate) fn start(archive: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                // A caller that goes away is its own business.
                let _ = answer(&caller, &archive);
            }
        });
        Self { address }
    }

    /// Replaces `WEB` by host and port, and `SUM` by the digest of what is there.
    pub(crate) fn place(&self, lines: &str) -> String {
        lines
            .replace("WEB", &self.address.to_string())
            .replace("SUM", &digest(CONTENT.as_bytes()))
    }
}

/// Answers one request, and closes the connection.
fn answer(mut caller: &TcpStream, archive: &[u8]) -> std::io::Result<()> {
    caller.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(caller).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = first.split(' ');
    let (method, place) = (words.next(), words.next().unwrap_or_default());
    let found = PLACES.iter().find(|(name, ..)| *name == place);
    let (status, head, body) = match found {
        Some((_, status, head, Body::Text)) => (*status, *head, CONTENT.as_bytes()),
        Some((_, status, head, Body::Archive)) => (*status, *head, archive),
        None => ("404 Not Found", "", &[][..]),
    };
    write!(
        caller,
        "HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    if method != Some("HEAD") {
        caller.write_all(body)?;
    }
    caller.flush()
}
