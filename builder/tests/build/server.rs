//! A server of files for one test, on this machine.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

/// Serves the files of a directory until the test ends.
pub(crate) struct Server {
    address: SocketAddr,
}

/// When every file was changed last, for whoever asks: second 784,111,777.
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

impl Server {
    pub(crate) fn of(directory: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let root = directory.to_owned();
        // It ends with the process of the test.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let root = root.clone();
                std::thread::spawn(move || answer(&connection, &root));
            }
        });
        Self { address }
    }

    /// Gives the URL of a file.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

/// Answers one request, of which only the path counts.
fn answer(mut connection: &TcpStream, root: &Path) -> Option<()> {
    let mut lines = BufReader::new(connection).lines();
    let line = lines.next()?.ok()?;
    while lines.next()?.is_ok_and(|line| !line.is_empty()) {}
    let path = line.split(' ').nth(1)?.split('?').next()?;
    let path: PathBuf = path.split('/').filter(|part| *part != "..").collect();
    let (status, body) = match fs_err::read(root.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nLast-Modified: {MODIFIED}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).ok()?;
    connection.write_all(&body).ok()
}
