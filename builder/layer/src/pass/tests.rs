use std::io::Read as _;
use std::process::{Command, Stdio};

use flate2::read::MultiGzDecoder;
use proptest::prelude::*;

use super::*;
use crate::entry::Kind;
use crate::sample::{Item, any_layer, archive, entry, every_kind, file, fill};

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("not 0")
}

fn packed(count: usize, items: &[Item]) -> (Written, Vec<u8>) {
    packed_as(Compression::default(), count, items)
}

fn packed_as(compression: Compression, count: usize, items: &[Item]) -> (Written, Vec<u8>) {
    let how = Packing {
        threads: threads(count),
        compression,
    };
    let mut out = Vec::new();
    let (written, ()) =
        write_layer(how, &mut out, |writer| fill(writer, items)).expect("well formed");
    (written, out)
}

/// Gives a layer of some blocks, of which some shrink and some do not.
fn blocks() -> Vec<Item> {
    let mut state = 1_u64;
    let mut items = every_kind();
    items.retain(|(entry, _)| entry.path < crate::sample::path("zz"));
    items.extend((0..40).map(|number| {
        let content: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 60) * (number % 5)) as u8
        })
        .take(250_000 + number as usize)
        .collect();
        file(
            [&[0xff, 0xff][..], &[b'0' + number as u8]].concat(),
            &content,
        )
    }));
    items
}

#[test]
fn the_bytes_of_every_kind_are_known() {
    // Where these change, `LAYER_FORMAT` has to be raised.
    let (written, out) = packed(1, &every_kind());
    assert_eq!(LAYER_FORMAT, 2);
    assert_eq!(
        written.digest.to_string(),
        "sha256:5302ed5db8a4e2db4c84fafa0a802e0d5f95ce5b43cc936ca9129b1cec76ff6b"
    );
    assert_eq!(
        written.diff_id.to_string(),
        "sha256:baa4aadceb07b6fb7d69b0c21f2d82831553d15aa1a1fbaa383af5255fb8d978"
    );
    assert_eq!(written.size, out.len() as u64);
}

#[test]
fn the_bytes_of_many_blocks_are_known() {
    let (written, _) = packed(2, &blocks());
    assert_eq!(
        written.digest.to_string(),
        "sha256:3b7d490c4c1ad83e3eea0987cdd77a8ee8b85b56231c7207b4739a5764502ee0"
    );
    assert_eq!(
        (written.size, written.uncompressed),
        (4_093_187, 10_135_552)
    );
}

#[test]
fn threads_change_nothing() {
    let items = blocks();
    let plain = archive(&items);
    assert!(plain.len() > 8 * Compression::default().block());
    let (first, bytes) = packed(1, &items);
    assert_eq!(first.diff_id, Digest::sha256(&plain));
    assert_eq!(first.uncompressed, plain.len() as u64);
    assert_eq!(first.digest, Digest::sha256(&bytes));
    for count in [2, 3, 8, 1000] {
        let (written, others) = packed(count, &items);
        assert_eq!(written, first, "{count}");
        assert!(others == bytes, "{count}");
    }
    let mut read = Vec::new();
    MultiGzDecoder::new(bytes.as_slice())
        .read_to_end(&mut read)
        .expect("valid");
    assert!(read == plain);
}

#[test]
fn threads_change_nothing_in_any_way() {
    let items = blocks();
    let plain = archive(&items);
    let level = |method, level| Compression::at(method, level).expect("a level");
    let ways = [
        (level(Method::Gzip, 0), "gzip-0"),
        (Compression::of(Method::Zstd), "zstd-3"),
        (Compression::of(Method::Uncompressed), "uncompressed"),
    ];
    let mut digests = Vec::new();
    for (way, name) in ways {
        assert_eq!(way.name(), name);
        let (first, bytes) = packed_as(way, 1, &items);
        assert_eq!(first.diff_id, Digest::sha256(&plain));
        assert_eq!(first.digest, Digest::sha256(&bytes));
        assert_eq!(first.size, bytes.len() as u64);
        assert_eq!(first.uncompressed, plain.len() as u64);
        let (written, others) = packed_as(way, 3, &items);
        assert_eq!(written, first, "{name}");
        assert!(others == bytes, "{name}");
        let mut read = Vec::new();
        crate::decompress(bytes.as_slice())
            .expect("a form that is known")
            .read_to_end(&mut read)
            .expect("valid");
        assert!(read == plain, "{name}");
        digests.push(first.digest.to_string());
    }
    // Where these change, `LAYER_FORMAT` has to be raised.
    assert_eq!(
        digests,
        [
            "sha256:8c5450f6c733fe0918fdad379dbd2f3a3a865c7e291a0bda4a011301a5e0c314",
            "sha256:7fe3622271d5ce9ead20629c3b501270a01c2f46fd8a64050ed4b9c362a29eb9",
            "sha256:b0ba0b631d875fc5674a14e076e6cfc394736b309ba9ce55213277f09548fe9b",
        ]
    );
    let best = [(Method::Gzip, 9), (Method::Zstd, 19)].map(|(method, at)| {
        let (written, _) = packed_as(level(method, at), 2, &every_kind());
        written.digest.to_string()
    });
    assert_eq!(
        best,
        [
            "sha256:70b5a023f8e84bd0e2d41caa83ea04e4958d5ad92f78c3653d23ac0c3fc10adf",
            "sha256:337d0ab2c730fc2f6a2e3011a75e7e3cfb5de00996fb5c86562a931d0c3a5402",
        ]
    );
}

#[test]
fn others_decompress_zstd() {
    let (_, bytes) = packed_as(Compression::of(Method::Zstd), 2, &blocks());
    assert!(gunzipped("zstd", &["-dcq"], bytes) == archive(&blocks()));
}

/// Has a program decompress.
fn gunzipped(program: &str, arguments: &[&str], input: Vec<u8>) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program is installed");
    let mut stdin = child.stdin.take().expect("a pipe");
    let feeding = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program}: {}", output.status);
    feeding.join().expect("no panic").expect("it reads all");
    output.stdout
}

#[test]
fn others_decompress_it() {
    let (_, bytes) = packed(2, &blocks());
    let plain = archive(&blocks());
    let script =
        "import gzip, sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))";
    assert!(gunzipped("gzip", &["-dc"], bytes.clone()) == plain);
    assert!(gunzipped("python3", &["-c", script], bytes) == plain);
}

#[test]
fn what_is_filled_in_comes_out() {
    let filled = write_layer(threads(1), std::io::sink(), |writer| {
        writer.entry(&entry("a", Kind::Fifo))?;
        Ok::<_, Error>(7)
    });
    let (written, value) = filled.expect("well formed");
    assert_eq!((value, written.index.records().len()), (7, 1));
}

/// Is an error of whoever fills in.
#[derive(Debug)]
enum Own {
    Layer(Error),
    Mine,
}

impl From<Error> for Own {
    fn from(error: Error) -> Self {
        Self::Layer(error)
    }
}

#[test]
fn an_error_of_filling_comes_back_as_it_is() {
    let failed = write_layer(threads(2), std::io::sink(), |writer| {
        fill(writer, &blocks())?;
        Err::<(), _>(Own::Mine)
    });
    assert!(matches!(failed, Err(Own::Mine)));

    let failed = write_layer(threads(2), std::io::sink(), |writer| {
        writer.entry(&entry("a", Kind::File { size: 0 }))?;
        Err::<(), _>(Own::Mine)
    });
    match failed {
        Err(Own::Layer(error)) => assert_eq!(error.kind(), ErrorKind::Invalid),
        other => panic!("{other:?}"),
    }
}

/// Takes so many bytes, and fails then.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(piece.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_error_of_writing_comes_back() {
    let size = packed(1, &blocks()).1.len();
    for room in [0, 1, size / 2, size - 1] {
        let failed = write_layer(threads(2), Full(room), |writer| fill(writer, &blocks()));
        let error = failed.expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::Io);
        let source = std::error::Error::source(&error)
            .expect("a cause")
            .to_string();
        assert_eq!(
            source,
            io::Error::from(io::ErrorKind::StorageFull).to_string()
        );
    }
    write_layer(threads(2), Full(size), |writer| fill(writer, &blocks())).expect("room enough");
}

#[test]
fn an_error_that_is_passed_over_is_not_forgotten() {
    let failed = write_layer(threads(2), Full(0), |writer| {
        drop(fill(writer, &blocks()));
        Ok::<_, Error>(())
    });
    assert!(failed.is_err());
}

#[test]
fn what_is_under_way_is_bounded() {
    for method in [Method::Gzip, Method::Zstd, Method::Uncompressed] {
        let compression = Compression::of(method);
        let (jobs, queue) = mpsc::channel();
        let queue = Mutex::new(queue);
        let most = std::thread::scope(|scope| {
            let compressor = Compressor::new(compression).expect("set up");
            start(scope, &queue, compressor).expect("a thread");
            let mut framing = Framing::new((io::sink(), None), jobs, (1, compression));
            let piece = vec![7; 100_000];
            let most = (0..1000).map(|_| {
                framing.write_all(&piece).expect("a sink");
                let largest = framing.spare.iter().map(Vec::capacity).max();
                assert!(largest.is_none_or(|largest| largest <= compression.block()));
                framing.under_way.len() + framing.spare.len()
            });
            let most = most.max();
            framing.drain().expect("a sink");
            most
        });
        assert_eq!(most, Some(1 + WAITING_BLOCKS), "{method:?}");
    }
}

#[test]
fn a_thread_that_panics_is_an_error_and_no_wait() {
    let (jobs, queue) = mpsc::channel::<Job>();
    let worker = std::thread::spawn(move || {
        let job = queue.recv().expect("a job");
        assert!(job.block.is_empty(), "it panics with the job in its hand");
    });
    let mut framing = Framing::new((io::sink(), None), jobs, (1, Compression::default()));
    framing.write_all(&[7; 10]).expect("it is not a block yet");
    let error = framing.drain().expect_err("nobody compresses");
    assert_eq!(error.to_string(), "a thread that compresses has stopped");
    assert!(worker.join().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_layer_is_its_archive(items in any_layer(), count in 1_usize..4) {
        let (written, bytes) = packed(count, &items);
        let mut plain = Vec::new();
        MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).expect("valid");
        prop_assert_eq!(written.diff_id, Digest::sha256(&plain));
        prop_assert_eq!(plain, archive(&items));
    }
}
