//! An S3 server for the tests of wharf.
//!
//! `wharf-test-s3 DIRECTORY PORT [BUCKET...]` serves these buckets (`wharf` when none is
//! named) on 127.0.0.1 and prints `listening http://127.0.0.1:PORT`; port 0 is any free
//! one. Signatures are checked (access key `wharf`, secret `wharf-secret`), and every
//! operation is atomic, conditions included. The directory takes content over 64 KiB;
//! what is where is known to the process alone, so that it starts empty every time.

mod bucket;
mod content;
mod server;

use std::error::Error;
use std::path::PathBuf;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use crate::server::Server;

/// Name and secret that requests are signed with.
const CREDENTIALS: (&str, &str) = ("wharf", "wharf-secret");

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(port)) = (arguments.next(), arguments.next()) else {
        return Err("usage: wharf-test-s3 DIRECTORY PORT [BUCKET...]".into());
    };
    let mut buckets: Vec<String> = arguments.collect();
    if buckets.is_empty() {
        buckets.push("wharf".to_owned());
    }
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder)?;
    let mut service = S3ServiceBuilder::new(Server::new(folder, &buckets));
    let (name, secret) = CREDENTIALS;
    service.set_auth(SimpleAuth::from_single(name, secret));
    let service = service.build();

    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    println!("listening http://{}", listener.local_addr()?);
    let http = Builder::new(TokioExecutor::new());
    loop {
        // Running out of files is the only reason, and passes.
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let _ = socket.set_nodelay(true);
        let connection = http.serve_connection(TokioIo::new(socket), service.clone());
        let connection = connection.into_owned();
        tokio::spawn(async move {
            // A client that hangs up is no matter of the server's.
            let _ = connection.await;
        });
    }
}
