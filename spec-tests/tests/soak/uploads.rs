//! Every way to upload a blob, and a manifest.

use std::io;

use crate::dice::Dice;
use crate::http::{Answer, Client};

/// The media type of the images that these tests push.
pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Largest piece of an upload in chunks, in bytes.
const CHUNK: usize = 512 * 1024;

/// Uploads a blob in a random way. The blob is acknowledged when this returns well.
///
/// # Panics
/// Panics when the registry refuses it.
pub(crate) fn push_blob(
    client: &mut Client,
    dice: &mut Dice,
    repository: &str,
    (digest, bytes): (&str, &[u8]),
) -> io::Result<()> {
    let uploads = format!("/v2/{repository}/blobs/uploads/");
    let way = dice.below(4);
    let answer = if way == 0 {
        let line = format!("POST {uploads}?digest={digest}");
        let answer = client.send(&line, &[OCTETS], bytes)?;
        if answer.status == 202 {
            // It does not take a blob in one request, and says how to go on.
            let line = format!("PUT {}", finish_at(&answer, digest));
            client.send(&line, &[OCTETS], bytes)?
        } else {
            answer
        }
    } else {
        let begun = begin(client, repository)?;
        match way {
            1 => {
                let line = format!("PUT {}", finish_at(&begun, digest));
                client.send(&line, &[OCTETS], bytes)?
            }
            2 => streamed(client, dice, &begun, (digest, bytes))?,
            _ => chunked(client, dice, begun, (digest, bytes))?,
        }
    };
    expect(&answer, 201, &format!("way {way} to push {digest}"));
    Ok(())
}

/// Begins an upload.
pub(crate) fn begin(client: &mut Client, repository: &str) -> io::Result<Answer> {
    let line = format!("POST /v2/{repository}/blobs/uploads/");
    let answer = client.send(&line, &[], b"")?;
    expect(&answer, 202, &line);
    Ok(answer)
}

/// Appends a piece that starts at `offset`.
pub(crate) fn append(
    client: &mut Client,
    location: &str,
    offset: usize,
    piece: &[u8],
) -> io::Result<Answer> {
    let range = format!("{offset}-{}", offset + piece.len() - 1);
    let head = [OCTETS, ("Content-Range", range.as_str())];
    client.send(&format!("PATCH {location}"), &head, piece)
}

/// Ends an upload whose bytes are all there.
pub(crate) fn finish(client: &mut Client, at: &Answer, digest: &str) -> io::Result<Answer> {
    client.send(&format!("PUT {}", finish_at(at, digest)), &[], b"")
}

/// Puts a manifest under a tag or its digest.
pub(crate) fn put_manifest(
    client: &mut Client,
    repository: &str,
    reference: &str,
    bytes: &[u8],
) -> io::Result<Answer> {
    let line = format!("PUT /v2/{repository}/manifests/{reference}");
    client.send(&line, &[("Content-Type", IMAGE)], bytes)
}

/// Returns the path at which an upload goes on.
pub(crate) fn location(answer: &Answer) -> String {
    let location = answer.header("location").expect("an upload has a place");
    match location.split_once("://") {
        Some((_, rest)) => rest[rest.find('/').expect("a path")..].to_owned(),
        None => location.to_owned(),
    }
}

/// Returns how many bytes of an upload the registry says it has.
pub(crate) fn received(answer: &Answer) -> usize {
    let range = answer.header("range").expect("it says what it has");
    let (first, last) = range.split_once('-').expect("a range");
    assert_eq!(first, "0", "in `{range}`");
    let last: usize = last.parse().expect("a number");
    // `0-0` says both one byte and none.
    if last == 0 { 0 } else { last + 1 }
}

/// # Panics
/// Panics unless the status is the one wanted.
pub(crate) fn expect(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
}

const OCTETS: (&str, &str) = ("Content-Type", "application/octet-stream");

/// Returns the path, with its query, at which an upload is ended.
pub(crate) fn finish_at(answer: &Answer, digest: &str) -> String {
    let location = location(answer);
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}digest={digest}")
}

/// One PATCH in pieces and without a length, as docker sends it.
fn streamed(
    client: &mut Client,
    dice: &mut Dice,
    begun: &Answer,
    (digest, bytes): (&str, &[u8]),
) -> io::Result<Answer> {
    let size = 1 + dice.below(CHUNK);
    let mut pieces = bytes.chunks(size).map(<[u8]>::to_vec);
    let line = format!("PATCH {}", location(begun));
    let answer = client.stream(&line, &[OCTETS], &mut pieces)?;
    expect(&answer, 202, &line);
    finish(client, &answer, digest)
}

/// Several PATCH with their ranges; the last piece comes with the closing PUT at times.
fn chunked(
    client: &mut Client,
    dice: &mut Dice,
    begun: Answer,
    (digest, bytes): (&str, &[u8]),
) -> io::Result<Answer> {
    let mut answer = begun;
    let mut sent = 0;
    while sent < bytes.len() {
        let size = (1 + dice.below(CHUNK)).min(bytes.len() - sent);
        let piece = &bytes[sent..sent + size];
        if sent + size == bytes.len() && dice.chance(50) {
            let line = format!("PUT {}", finish_at(&answer, digest));
            return client.send(&line, &[OCTETS], piece);
        }
        answer = append(client, &location(&answer), sent, piece)?;
        expect(&answer, 202, "a chunk in order");
        sent += size;
        let last = sent - 1;
        assert_eq!(answer.header("range"), Some(format!("0-{last}").as_str()));
    }
    finish(client, &answer, digest)
}
