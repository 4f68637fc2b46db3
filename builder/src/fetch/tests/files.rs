//! Files by HTTP.

use std::io::Read as _;

use layer::Time;
use oci::{Algorithm, Digest};

use super::server::{Reply, Server, Then};
use super::*;
use crate::error::ErrorKind;

fn content(fetched: Fetched) -> Vec<u8> {
    let mut content = Vec::new();
    let mut file = fetched.file;
    file.read_to_end(&mut content).expect("read");
    content
}

/// Fetches what can not be had, and spells the error.
async fn fails(bench: &Bench, address: &url::Url) -> (ErrorKind, String) {
    let error = url(&bench.way(), address).await.expect_err("it fails");
    assert!(bench.left().is_empty());
    (error.kind(), whole(&error))
}

#[tokio::test]
async fn a_file_is_fetched_with_what_is_known_of_it() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let sent = body.clone();
    let server = Server::new(move |_, _| {
        let headers = "last-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                       content-disposition: attachment; filename=other\r\n";
        Reply::new("200 OK", headers, &sent)
    });
    let bench = Bench::new();
    let address = server.url("/a/b%20c.bin?x=y#z");
    let fetched = url(&bench.way(), &address).await.expect("fetched");
    assert_eq!(fetched.size, 3_000_000);
    assert_eq!(fetched.digest, Digest::sha256(&body));
    assert_eq!(fetched.modified, Some(Time::from_seconds(784_111_777)));
    assert_eq!(fetched.name().expect("a name"), "b c.bin");
    assert_eq!(content(fetched), body);
    assert!(bench.left().is_empty());
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("GET /a/b%20c.bin?x=y HTTP/1.1"));
    assert!(requests[0].contains("user-agent: wharf-test/1\r\n"));
    assert!(!requests[0].contains("accept-encoding"));
    let told = bench.told.0.lock().expect("not poisoned").clone();
    assert_eq!(told[0].1, 0);
    assert!(
        told.len() > 1 && told[1].1 > 0 && told[1].2 == 3_000_000,
        "{told:?}"
    );
}

#[tokio::test]
async fn redirects_are_followed_and_the_name_stays() {
    let server = Server::new(|target, _| match target {
        "/a" => Reply::new("302 Found", "location: /b?c\r\n", b"not this"),
        "/b?c" => Reply::new("308 Permanent Redirect", "location: d/e\r\n", b""),
        "/d/e" => Reply::new("200 OK", "", b"this"),
        _ => Reply::new("404 Not Found", "", b""),
    });
    let bench = Bench::new();
    let fetched = url(&bench.way(), &server.url("/a")).await.expect("fetched");
    assert_eq!(fetched.name().expect("a name"), "a");
    assert_eq!(content(fetched), b"this");
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::new(|_, _| Reply::new("302 Found", "location: /again\r\n", b""));
    let (kind, text) = fails(&Bench::new(), &server.url("/again")).await;
    assert_eq!(kind, ErrorKind::Fetch);
    assert!(
        text.contains("leads from one place to the next, 10 times"),
        "{text}"
    );
    assert_eq!(server.requests().len(), 11);
    for (location, message) in [
        (
            "location: file:///etc/passwd\r\n",
            "is not encrypted, or no web address",
        ),
        ("location: https://\r\n", "does not say where to"),
        ("", "does not say where to"),
    ] {
        let server = Server::new(move |_, _| Reply::new("301 Moved", location, b""));
        let (_, text) = fails(&Bench::new(), &server.url("/x")).await;
        assert!(text.contains(message), "{text}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn failures_that_stay_are_reported_at_once() {
    for (status, headers, kind) in [
        ("404 Not Found", "", ErrorKind::NotFound),
        ("410 Gone", "", ErrorKind::NotFound),
        ("403 Forbidden", "", ErrorKind::Fetch),
        ("501 Not Implemented", "", ErrorKind::Fetch),
        (
            "429 Too Many Requests",
            "retry-after: 3600\r\n",
            ErrorKind::Fetch,
        ),
        ("304 Not Modified", "", ErrorKind::Fetch),
    ] {
        let server = Server::new(move |_, _| Reply::new(status, headers, b"no"));
        let (found, text) = fails(&Bench::new(), &server.url("/x")).await;
        assert_eq!(found, kind, "{status}");
        assert!(text.contains(&format!("/x` answered {status}")), "{text}");
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn failures_that_pass_are_waited_for() {
    let server = Server::new(|_, number| match number {
        0 => Reply::new("503 Service Unavailable", "", b"later"),
        1 => Reply::new("429 Too Many Requests", "retry-after: 0\r\n", b"later"),
        2 => Reply::raw(""),
        _ => Reply::new("200 OK", "", b"now"),
    });
    let bench = Bench::new();
    let fetched = url(&bench.way(), &server.url("/x")).await.expect("fetched");
    assert_eq!(content(fetched), b"now");
    assert_eq!(server.requests().len(), 4);

    let server = Server::new(|_, _| Reply::new("500 Internal Server Error", "", b""));
    let (kind, text) = fails(&bench, &server.url("/x")).await;
    assert_eq!(kind, ErrorKind::Fetch);
    assert!(
        text.contains("answered 500 Internal Server Error, 4 times"),
        "{text}"
    );
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn checksums_are_compared_before_anything_is_given() {
    let server = Server::new(|_, _| Reply::new("200 OK", "", b"abc"));
    let bench = Bench::new();
    let address = server.url("/x");
    let sha512 = Digest::of(Algorithm::Sha512, b"abc").to_string();
    let sha384 = "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                  8086072ba1e7cc2358baeca134c825a7";
    for right in [&Digest::sha256(b"abc").to_string(), &sha512, sha384] {
        let checksum = right.parse().expect("a checksum");
        let fetched = url_checked(&bench.way(), &address, &checksum).await;
        assert_eq!(content(fetched.expect("fetched")), b"abc");
    }
    let before = server.requests().len();
    for wrong in [
        Digest::sha256(b"abd").to_string(),
        Digest::of(Algorithm::Sha512, b"abd").to_string(),
        format!("sha384:{}", "0".repeat(96)),
    ] {
        let checksum: Checksum = wrong.parse().expect("a checksum");
        let fetched = url_checked(&bench.way(), &address, &checksum).await;
        let error = fetched.expect_err("another file");
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        assert!(whole(&error).contains(&wrong));
        assert!(bench.left().is_empty());
    }
    // It is not asked for again: it would be the same.
    assert_eq!(server.requests().len(), before + 3);
}

#[tokio::test]
async fn a_server_that_sends_nothing_is_left() {
    let mut bench = Bench::new();
    bench.network.limits.stall = Duration::from_millis(150);
    bench.network.limits.attempts = 2;
    let dripping = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
    for (reply, then) in [
        ("", 0),
        ("HTTP/1.1 200 OK\r\n", 0),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345", 0),
        (dripping, 1),
    ] {
        let server = Server::new(move |_, _| {
            let then = if then == 0 { Then::Silence } else { Then::Drip };
            Reply::raw(reply).then(then)
        });
        let (kind, text) = fails(&bench, &server.url("/x")).await;
        assert_eq!(kind, ErrorKind::Fetch);
        assert!(
            text.contains("gave nothing for 0.15 seconds, 2 times"),
            "{text}"
        );
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_fetched() {
    let mut bench = Bench::new();
    bench.network.limits.size = 1000;
    let promised = "HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n";
    let server = Server::new(|_, _| Reply::raw(promised).then(Then::Silence));
    let (_, text) = fails(&bench, &server.url("/x")).await;
    assert!(text.contains("is larger than 1000 bytes"), "{text}");
    // Without a length it is found out on the way.
    let endless = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    let server = Server::new(|_, _| Reply::raw(endless).then(Then::Drip));
    bench.network.limits.size = 10;
    let (_, text) = fails(&bench, &server.url("/x")).await;
    assert!(text.contains("is larger than 10 bytes"), "{text}");
    assert_eq!(server.requests().len(), 1);
    let server = Server::new(|_, _| Reply::new("200 OK", "", b"0123456789"));
    let fetched = url(&bench.way(), &server.url("/x")).await.expect("fetched");
    assert_eq!(fetched.size, 10);
}

#[tokio::test]
async fn a_part_of_a_file_is_not_the_file() {
    for status in ["204 No Content", "206 Partial Content", "203 Other"] {
        let server = Server::new(move |_, _| Reply::new(status, "", b""));
        let (kind, text) = fails(&Bench::new(), &server.url("/x")).await;
        assert_eq!(kind, ErrorKind::Fetch);
        assert!(text.contains(status.get(..3).expect("digits")), "{text}");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_gives_no_file() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345";
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n";
    for cut in [half, chunk] {
        let server = Server::new(move |_, number| match number {
            0 => Reply::raw(cut),
            _ => Reply::new("200 OK", "", b"0123456789"),
        });
        let bench = Bench::new();
        let fetched = url(&bench.way(), &server.url("/x")).await.expect("fetched");
        assert_eq!(content(fetched), b"0123456789");

        let server = Server::new(move |_, _| Reply::raw(cut));
        let (kind, text) = fails(&bench, &server.url("/x")).await;
        assert_eq!(kind, ErrorKind::Fetch);
        assert!(text.contains("can not be fetched, 4 times"), "{text}");
    }
}

#[tokio::test]
async fn the_server_names_what_the_url_does_not() {
    let server = Server::new(|target, _| match target {
        "/" => Reply::new(
            "200 OK",
            "content-disposition: attachment; filename=\"../a b\"\r\n",
            b"",
        ),
        _ => Reply::new("200 OK", "", b""),
    });
    let bench = Bench::new();
    let fetched = url(&bench.way(), &server.url("/")).await.expect("fetched");
    assert_eq!(fetched.name().expect("a name"), "a b");
    assert_eq!((fetched.size, fetched.modified), (0, None));
    let fetched = url(&bench.way(), &server.url("/?x"))
        .await
        .expect("fetched");
    let error = fetched.name().expect_err("no name");
    assert_eq!(error.kind(), ErrorKind::Step);
    assert!(whole(&error).contains("name the file in the destination"));
}

#[tokio::test]
async fn secrets_are_sent_and_never_shown() {
    let other = Server::new(|_, _| Reply::new("200 OK", "", b"got"));
    let port = other.port();
    let server = Server::new(move |target, _| match target.split('?').next() {
        Some("/gone") => Reply::new("404 Not Found", "", b""),
        Some("/cut") => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"),
        Some("/here") => Reply::new("302 Found", "location: /there\r\n", b""),
        Some("/away") => {
            let location = format!("location: http://localhost:{port}/x\r\n");
            Reply::new("302 Found", &location, b"")
        }
        _ => Reply::new("200 OK", "", b"got"),
    });
    let bench = Bench::new();
    let secret = |target: &str| {
        let mut address = server.url(target);
        address.set_username("someone").expect("a host");
        address.set_password(Some("hunter2")).expect("a host");
        address
    };
    for target in ["/gone?token=hunter2", "/cut?token=hunter2"] {
        let (_, text) = fails(&bench, &secret(target)).await;
        assert!(
            !text.contains("hunter2") && !text.contains("someone"),
            "{text}"
        );
        assert!(text.contains("[redacted]@127.0.0.1"), "{text}");
    }
    url(&bench.way(), &secret("/here")).await.expect("fetched");
    url(&bench.way(), &secret("/away")).await.expect("fetched");
    // `someone:hunter2`, as RFC 7617 has it.
    let proof = "authorization: Basic c29tZW9uZTpodW50ZXIy\r\n";
    let requests = server.requests();
    assert!(
        requests.iter().all(|head| head.contains(proof)),
        "{requests:?}"
    );
    assert!(requests.iter().any(|head| head.starts_with("GET /there ")));
    // Another host is told nothing.
    assert_eq!(other.requests().len(), 1);
    assert!(!other.requests()[0].contains("authorization"));
    let told = bench.told.0.lock().expect("not poisoned").clone();
    assert!(
        told.iter().all(|(url, ..)| !url.contains("hunter2")),
        "{told:?}"
    );
}

#[tokio::test]
async fn nobody_there_is_reported() {
    let address = Server::new(|_, _| Reply::raw("")).url("/x?token=hunter2");
    let (kind, text) = fails(&Bench::new(), &address).await;
    assert_eq!(kind, ErrorKind::Fetch);
    assert!(text.contains("Connection refused"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn proxies_are_values() {
    let mut bench = Bench::new();
    let proxy = Server::new(|_, _| Reply::new("200 OK", "", b"by the proxy"));
    bench.network.proxies.http = proxy.url("").to_string();
    let address = "http://files.example/x".parse().expect("a URL");
    let fetched = url(&bench.way(), &address).await.expect("fetched");
    assert_eq!(content(fetched), b"by the proxy");
    assert!(proxy.requests()[0].starts_with("GET http://files.example/x "));
    bench.network.proxies.http = "http://me:hunter2@[".to_owned();
    let (_, text) = fails(&bench, &address).await;
    assert!(text.contains("the proxy for `http` is no URL"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}
