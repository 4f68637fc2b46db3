//! Pages of a repository with many tags, and of a catalog of many repositories.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::connection::{Body, Connection};
use super::peer::{Kind, Peer, Place};
use super::push::died;
use super::table::Row;
use super::{Bench, settle};
use crate::error::Error;
use crate::table::percentile;

/// The media type of an index.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An index of nothing: a manifest that needs no blobs.
const EMPTY: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// Clients that fill a registry.
const FILLERS: u32 = 8;

/// Pages behind one value.
const PAGES: u32 = 300;

/// Longest that all of them may take, as where a page takes a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// The repository with many tags.
const TAGGED: &str = "tagged/all";

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Tags,
    Catalog,
}

/// The rows of a page of some size.
#[derive(Debug)]
struct Pages {
    list: List,
    names: u32,
    half: Row,
    most: Row,
}

const PAGES_OF: [Pages; 4] = [
    Pages {
        list: List::Tags,
        names: 100,
        half: row("tags, page of 100: p50", ""),
        most: row("tags, page of 100: p99", "20 ms"),
    },
    Pages {
        list: List::Tags,
        names: 1000,
        half: row("tags, page of 1000: p50", ""),
        most: row("tags, page of 1000: p99", "20 ms"),
    },
    Pages {
        list: List::Catalog,
        names: 100,
        half: row("catalog, page of 100: p50", ""),
        most: row("catalog, page of 100: p99", "20 ms"),
    },
    Pages {
        list: List::Catalog,
        names: 1000,
        half: row("catalog, page of 1000: p50", ""),
        most: row("catalog, page of 1000: p99", "20 ms"),
    },
];

const FIRST_TAGS: Row = row("tags, first page of 100 after the start", "");
const FIRST_CATALOG: Row = row("catalog, first page of 100 after the start", "");
const PUSHED_HALF: Row = row("tags, page of 100 after a push of a tag: p50", "");
const PUSHED_MOST: Row = row("tags, page of 100 after a push of a tag: p99", "20 ms");
const START: Row = row("start until it listens, with all of that", "");

const fn row(name: &'static str, target: &'static str) -> Row {
    Row {
        name,
        unit: "ms",
        target,
    }
}

/// Measures both registries.
///
/// # Errors
/// Says what was answered wrongly.
pub(crate) fn run(bench: &mut Bench) -> Result<(), Error> {
    let place = bench.vast_place("lists")?;
    let many = bench.scale.many;
    fill_wharf(&place, many)?;
    fill_docker_registry(&place, many)?;
    settle()?;
    for round in 0..bench.scale.rounds {
        let mut kinds = Kind::REGISTRIES;
        kinds.rotate_left(round % Kind::REGISTRIES.len());
        for kind in kinds {
            let start = Instant::now();
            let peer = Peer::start(kind, &place)?;
            bench.table.add(START, kind, milliseconds(start));
            let mut connection = Connection::open(peer.address())?;
            for (list, row) in [(List::Tags, FIRST_TAGS), (List::Catalog, FIRST_CATALOG)] {
                let time = page(&mut connection, &path(list, 100, 0))?;
                bench.table.add(row, kind, time);
            }
            for pages in PAGES_OF {
                let times = turn(|number| {
                    // Anywhere, and never twice the same place in a row.
                    let after = number.wrapping_mul(7919) % (many - pages.names);
                    page(&mut connection, &path(pages.list, pages.names, after))
                })?;
                bench.table.add(pages.half, kind, of(&times, 50)?);
                bench.table.add(pages.most, kind, of(&times, 99)?);
            }
            if kind == Kind::Wharf {
                let times = turn(|number| {
                    let tag = format!("pushed{round}-{number}");
                    put(&mut connection, TAGGED, &tag)?;
                    let after = number.wrapping_mul(7919) % (many - 100);
                    page(&mut connection, &path(List::Tags, 100, after))
                })?;
                bench.table.add(PUSHED_HALF, kind, of(&times, 50)?);
                bench.table.add(PUSHED_MOST, kind, of(&times, 99)?);
            }
        }
    }
    Ok(())
}

/// Takes one value after another, as many as there is time for.
fn turn(mut one: impl FnMut(u32) -> Result<f64, Error>) -> Result<Vec<f64>, Error> {
    let start = Instant::now();
    let mut times = Vec::new();
    for number in 1..=PAGES {
        times.push(one(number)?);
        if start.elapsed() > PATIENCE {
            break;
        }
    }
    Ok(times)
}

fn of(times: &[f64], hundredths: usize) -> Result<f64, Error> {
    percentile(times.to_vec(), hundredths).ok_or_else(died)
}

fn page(connection: &mut Connection, path: &str) -> Result<f64, Error> {
    let start = Instant::now();
    let length = connection.fetch(path)?;
    let time = milliseconds(start);
    // A hundred names of six letters have more.
    if length < 1000 {
        return Err(Error::new(format!("`{path}` has {length} bytes")));
    }
    Ok(time)
}

fn path(list: List, names: u32, after: u32) -> String {
    match list {
        List::Tags => format!("/v2/{TAGGED}/tags/list?n={names}&last={}", tag(after)),
        List::Catalog => format!("/v2/_catalog?n={names}&last={}", repository(after)),
    }
}

fn tag(number: u32) -> String {
    format!("t{number:06}")
}

fn repository(number: u32) -> String {
    format!("many/r{number:06}")
}

/// Pushes all of it, without syncing, by a wharf that ends then.
fn fill_wharf(place: &Place, many: u32) -> Result<(), Error> {
    let storage = place.storage(Kind::Wharf);
    let peer = Peer::start_wharf(place, &storage.to_string_lossy(), &["--unsafe-no-sync"])?;
    let address = peer.address();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..FILLERS)
            .map(|first| scope.spawn(move || fill_part(address, first, many)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(died())))
    })
}

fn fill_part(address: SocketAddr, first: u32, many: u32) -> Result<(), Error> {
    let mut connection = Connection::open(address)?;
    for number in (first..many).step_by(FILLERS as usize) {
        put(&mut connection, TAGGED, &tag(number))?;
        put(&mut connection, &repository(number), "latest")?;
    }
    Ok(())
}

fn put(connection: &mut Connection, repository: &str, tag: &str) -> Result<(), Error> {
    let line = format!("PUT /v2/{repository}/manifests/{tag}");
    connection.ask(&line, INDEX, Body::Whole(EMPTY), 201)?;
    Ok(())
}

/// Makes the directories that the peer lists: by requests it would take minutes.
fn fill_docker_registry(place: &Place, many: u32) -> Result<(), Error> {
    let root = place.storage(Kind::DockerRegistry);
    let root = root.join("docker/registry/v2/repositories");
    let tags = root.join(TAGGED).join("_manifests/tags");
    for number in 0..many {
        fs_err::create_dir_all(tags.join(tag(number)))?;
        let repository = root.join(repository(number));
        fs_err::create_dir_all(repository.join("_layers"))?;
        fs_err::create_dir(repository.join("_manifests"))?;
    }
    fs_err::create_dir_all(root.join(TAGGED).join("_layers"))?;
    Ok(())
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_begin_after_a_name() {
        let tags = path(List::Tags, 100, 7);
        assert_eq!(tags, "/v2/tagged/all/tags/list?n=100&last=t000007");
        let catalog = path(List::Catalog, 1000, 0);
        assert_eq!(catalog, "/v2/_catalog?n=1000&last=many/r000000");
    }
}
