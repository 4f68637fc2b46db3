//! Any ignore file has an answer for any path, and a directory that can hold
//! nothing that is kept holds nothing that is kept.

#![no_main]

use dockerfile::Ignore;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The last line is a path; the lines above are the file.
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    let (file, path) = match end {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &b"a/b/c"[..]),
    };
    let (ignore, diagnostics) = Ignore::parse(file);
    for said in &diagnostics {
        assert!(said.span.start <= said.span.end && said.span.end <= file.len());
        assert!(!said.message.contains('\n'));
    }
    let mut state = ignore.root();
    let mut closed = false;
    let mut walked = Vec::new();
    for name in path
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
    {
        let (next, excluded) = state.enter(name);
        if !walked.is_empty() {
            walked.push(b'/');
        }
        walked.extend_from_slice(name);
        assert_eq!(ignore.matches(&walked), excluded);
        assert!(
            excluded || !closed,
            "kept below a directory that holds nothing kept"
        );
        closed |= excluded && !next.may_hold_included();
        state = next;
    }
});
