use std::io::Write as _;

use super::*;

/// Content that spans several buffers.
fn content() -> Vec<u8> {
    (0..300_000_u32)
        .flat_map(|number| (number / 7).to_le_bytes())
        .collect()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 1).expect("memory")
}

/// Gives one byte at a time, and is interrupted before each.
struct Slow<'a>(&'a [u8], bool);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let buffer = buffer.get_mut(..1).unwrap_or_default();
        self.0.read(buffer)
    }
}

fn plain(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    decompress(packed)?.read_to_end(&mut read)?;
    Ok(read)
}

/// Has a program compress, which knows the form.
fn packed_by(program: &str, content: &[u8]) -> Vec<u8> {
    let code = format!(
        "import sys, {program}; sys.stdout.buffer.write({program}.compress(sys.stdin.buffer.read()))"
    );
    let mut child = std::process::Command::new("python3")
        .args(["-c", &code])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3 is there");
    let mut input = child.stdin.take().expect("a pipe");
    let content = content.to_vec();
    let feeding = std::thread::spawn(move || input.write_all(&content));
    let output = child.wait_with_output().expect("it ends");
    feeding.join().expect("no panic").expect("it reads");
    output.stdout
}

fn plain_archive(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    decompress_archive(packed)?.read_to_end(&mut read)?;
    Ok(read)
}

fn kind(error: io::Error) -> ErrorKind {
    Error::io("", error).kind()
}

#[test]
fn each_form_is_known_by_its_first_bytes() {
    let content = content();
    let (left, right) = content.split_at(100_000);
    let skipped = [b"\x5e\x2a\x4d\x18\x03\0\0\0abc".as_slice(), &zstd(&content)].concat();
    let members = [gzip(left), gzip(b""), gzip(right)].concat();
    let frames = [zstd(left), zstd(b""), zstd(right), skipped[..11].to_vec()].concat();
    for packed in [
        &content,
        &gzip(&content),
        &zstd(&content),
        &skipped,
        &members,
        &frames,
    ] {
        assert!(
            plain(packed).expect("readable") == content,
            "{:x?}",
            &packed[..4]
        );
    }
    for short in [&b""[..], b"a", b"\x1f", b"\x28\xb5\x2f", b"BZ", &[0; 600]] {
        assert_eq!(plain(short).expect("readable"), short);
    }
}

#[test]
fn a_source_may_give_a_byte_at_a_time() {
    let content = content();
    for packed in [&content[..70_000], &gzip(&content), &zstd(&content)] {
        let mut read = Vec::new();
        let mut plain = decompress(Slow(packed, false)).expect("readable");
        plain.read_to_end(&mut read).expect("readable");
        assert!(read == content[..read.len()] && read.len() >= 70_000);
    }
}

#[test]
fn what_is_damaged_is_no_end() {
    let content = content();
    for packed in [gzip(&content), zstd(&content)] {
        for cut in [7, 20, packed.len() / 2, packed.len() - 1] {
            let error = plain(&packed[..cut]).expect_err("cut off");
            assert_eq!(kind(error), ErrorKind::Invalid, "{cut}");
        }
        let mut damaged = packed.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        let read = plain(&damaged);
        assert!(
            read.is_err() || packed.starts_with(ZSTD),
            "gzip has a checksum"
        );
        assert_ne!(read.unwrap_or_default(), content);
        let behind = [packed.as_slice(), b"something else"].concat();
        assert_eq!(
            kind(plain(&behind).expect_err("neither member nor frame")),
            ErrorKind::Invalid
        );
    }
}

#[test]
fn what_the_source_fails_with_comes_through() {
    struct Fails(ErrorKind);
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(Error::new(self.0, "the source").into())
        }
    }
    let content = content();
    for packed in [&content[..], &gzip(&content), &zstd(&content)] {
        for cut in [0, 3, 1000] {
            let source = packed[..cut].chain(Fails(ErrorKind::Changed));
            let read = decompress(source).map_err(io::Error::from);
            let error = read.and_then(|mut plain| io::copy(&mut plain, &mut io::sink()));
            assert_eq!(
                kind(error.expect_err("the source fails")),
                ErrorKind::Changed,
                "{cut}"
            );
        }
    }
    let missing = (&[0x1f, 0x8b, 8][..]).chain(Slow(b"", true));
    let error = decompress(missing).expect("gzip").read(&mut [0]);
    assert_eq!(kind(error.expect_err("no header")), ErrorKind::Invalid);
}

#[test]
fn other_forms_are_named() {
    for (magic, name) in [(BZIP2, "bzip2"), (XZ, "xz")] {
        let packed = [magic, &[0; 100]].concat();
        let Err(error) = decompress(packed.as_slice()) else {
            panic!("not supported");
        };
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().starts_with(name), "{error}");
    }
}

#[test]
fn archives_may_have_other_forms() {
    let content = content();
    let (left, right) = content.split_at(100_000);
    for program in ["bz2", "lzma"] {
        let packed = packed_by(program, &content);
        assert!(plain_archive(&packed).expect("readable") == content);
        let streams = [packed_by(program, left), packed_by(program, right)].concat();
        assert!(plain_archive(&streams).expect("readable") == content);
        let mut slow = Vec::new();
        let mut reader = decompress_archive(Slow(&packed, false)).expect("readable");
        reader.read_to_end(&mut slow).expect("readable");
        assert!(slow == content);
        let content = content.get(..100_000).expect("there is more");
        let packed = packed_by(program, content);
        for cut in (7..packed.len()).step_by(packed.len() / 50 + 1) {
            let error = plain_archive(&packed[..cut]).expect_err("cut off");
            assert_eq!(kind(error), ErrorKind::Invalid, "{program} {cut}");
        }
        for at in (HEAD..packed.len()).step_by(packed.len() / 60 + 1) {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x55;
            // Both have checksums, and bits that mean nothing.
            let read = plain_archive(&damaged);
            let whole = read.is_err() || read.expect("no error") == *content;
            assert!(whole, "{program} {at}");
        }
        let source = packed[..packed.len() / 2].chain(Refusing);
        let mut reader = decompress_archive(source).expect("its head is there");
        let error = io::copy(&mut reader, &mut io::sink()).expect_err("the source fails");
        assert_eq!(kind(error), ErrorKind::Changed, "{program}");
    }
    for plain in [&content, &gzip(&content), &zstd(&content)] {
        assert!(plain_archive(plain).expect("readable") == content);
    }
}

/// Fails as a file does that changed.
struct Refusing;

impl Read for Refusing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(Error::new(ErrorKind::Changed, "the source").into())
    }
}

#[test]
fn a_dictionary_that_takes_too_much_memory_is_refused() {
    // The header of the block, with another size of the dictionary in it (the
    // .xz file format, section 5.3.1), and its checksum anew.
    let code = "import lzma, sys, zlib\n\
        b = bytearray(lzma.compress(b'x'))\n\
        end = 12 + b[12] * 4\n\
        b[16] = int(sys.argv[1])\n\
        b[end:end + 4] = zlib.crc32(b[12:end]).to_bytes(4, 'little')\n\
        sys.stdout.buffer.write(b)";
    let packed = |size: &str| {
        let mut python = std::process::Command::new("python3");
        let output = python.args(["-c", code, size]).output();
        output.expect("python3 is there").stdout
    };
    assert_eq!(plain_archive(&packed("28")).expect("64 MiB"), b"x");
    let error = plain_archive(&packed("32")).expect_err("256 MiB");
    assert_eq!(kind(error), ErrorKind::Invalid);
}

#[test]
fn a_window_that_takes_too_much_memory_is_refused() {
    // A frame without its size, and with a window of 2^30 bytes.
    let packed = b"\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00";
    let error = plain(packed).expect_err("too large");
    assert_eq!(kind(error), ErrorKind::Invalid);
    // The same with one of 2^20 bytes is an empty layer.
    assert_eq!(
        plain(b"\x28\xb5\x2f\xfd\x00\x50\x01\x00\x00").expect("small"),
        b""
    );
}
