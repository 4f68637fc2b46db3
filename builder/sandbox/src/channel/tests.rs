use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::thread;

use rustix::io::FdFlags;

use super::*;

#[test]
fn messages_keep_order_and_bounds() {
    let (mut one, mut other) = Channel::pair().unwrap();
    for message in [&b""[..], b"a", b"", b"longer than the header"] {
        one.send(message, &[]).unwrap();
    }
    drop(one);
    let mut got = Vec::new();
    while let Some((message, descriptors)) = other.receive().unwrap() {
        assert!(descriptors.is_empty());
        got.push(message);
    }
    let expected: [&[u8]; 4] = [b"", b"a", b"", b"longer than the header"];
    assert_eq!(got, expected);
}

#[test]
fn a_large_message_passes_with_descriptors_in_front_and_behind() {
    const SIZE: usize = 20 * 1024 * 1024 + 3;
    let (mut one, mut other) = Channel::pair().unwrap();
    let big: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
    let expected = big.clone();
    let sender = thread::spawn(move || {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"content").unwrap();
        one.send(b"before", &[]).unwrap();
        one.send(&big, &[file.as_fd(), file.as_fd()]).unwrap();
        one.send(b"", &[file.as_fd()]).unwrap();
        one.send(b"after", &[]).unwrap();
    });
    assert_eq!(other.receive().unwrap().unwrap().0, b"before");
    let (message, descriptors) = other.receive().unwrap().unwrap();
    assert!(message == expected);
    assert_eq!(descriptors.len(), 2);
    let (message, descriptors) = other.receive().unwrap().unwrap();
    assert!(message.is_empty());
    let [descriptor]: [OwnedFd; 1] = descriptors.try_into().unwrap();
    assert!(
        rustix::io::fcntl_getfd(&descriptor)
            .unwrap()
            .contains(FdFlags::CLOEXEC)
    );
    let mut file = std::fs::File::from(descriptor);
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "content");
    let (message, descriptors) = other.receive().unwrap().unwrap();
    assert_eq!((message, descriptors.len()), (b"after".to_vec(), 0));
    sender.join().unwrap();
    assert!(other.receive().unwrap().is_none());
}

#[test]
fn as_many_descriptors_as_the_limit_pass_and_no_more() {
    let (mut one, mut other) = Channel::pair().unwrap();
    let file = tempfile::tempfile().unwrap();
    let many = vec![file.as_fd(); DESCRIPTOR_LIMIT + 1];
    let error = one.send(b"x", &many).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Broken);
    one.send(b"x", &many[1..]).unwrap();
    let (message, descriptors) = other.receive().unwrap().unwrap();
    assert_eq!(
        (message.as_slice(), descriptors.len()),
        (&b"x"[..], DESCRIPTOR_LIMIT)
    );
}

#[test]
fn a_message_that_is_cut_off_is_an_error() {
    for sent in [&[5, 0][..], &[5, 0, 0, 0], &[5, 0, 0, 0, 1, 2]] {
        let (one, mut other) = Channel::pair().unwrap();
        send(&one.socket, sent, SendFlags::NOSIGNAL).unwrap();
        drop(one);
        let error = other.receive().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Broken, "{sent:?}: {error}");
    }
}

#[test]
fn a_length_alone_takes_no_memory() {
    let (one, mut other) = Channel::pair().unwrap();
    send(&one.socket, &[0xff; 4], SendFlags::NOSIGNAL).unwrap();
    drop(one);
    // Were the 4 GiB taken at once, this would be slow or fail otherwise.
    let error = other.receive().unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error}");
}

#[test]
fn nobody_there_is_an_error_and_no_signal() {
    let (mut one, other) = Channel::pair().unwrap();
    drop(other);
    let error = one.send(b"x", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Broken);
    let (mut one, other) = Channel::pair().unwrap();
    one.send(b"never read", &[]).unwrap();
    let reader = thread::spawn(move || drop(other));
    let big = vec![0; 8 * 1024 * 1024];
    // It fills the socket until the other end goes.
    let error = one.send(&big, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Broken);
    reader.join().unwrap();
    assert!(one.receive().unwrap().is_none());
}

#[test]
fn pieces_of_any_size_are_put_together() {
    let (one, mut other) = Channel::pair().unwrap();
    let sender = thread::spawn(move || {
        let bytes = [3, 0, 0, 0, b'a', b'b', b'c', 1, 0, 0, 0, b'd'];
        for byte in bytes {
            send(&one.socket, &[byte], SendFlags::NOSIGNAL).unwrap();
        }
    });
    assert_eq!(other.receive().unwrap().unwrap().0, b"abc");
    assert_eq!(other.receive().unwrap().unwrap().0, b"d");
    assert!(other.receive().unwrap().is_none());
    sender.join().unwrap();
}
