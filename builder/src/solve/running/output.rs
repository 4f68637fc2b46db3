//! What a command says while it runs: line by line to whoever watches, without
//! secrets; and the last lines of it for the error, should it fail.

use std::collections::VecDeque;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use crate::error::{Error, ErrorKind};
use crate::events::{Event, Progress, Stream};
use crate::pack::layers::locked;
use crate::step::run::mask::Mask;

/// How many lines an error repeats.
const LAST_LINES: usize = 10;
/// The longest line that is told as one, in bytes.
const LINE_LIMIT: usize = 16 * 1024;
/// The bytes that are read at once.
const PIECE: usize = 16 * 1024;

/// Holds the last lines of both streams, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(super) struct LastLines(Arc<Mutex<VecDeque<String>>>);

impl LastLines {
    fn push(&self, line: &str) {
        let mut lines = locked(&self.0);
        if lines.len() >= LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    /// Gives them, one below the other.
    pub(super) fn text(&self) -> String {
        let lines = locked(&self.0);
        lines.iter().cloned().collect::<Vec<_>>().join("\n")
    }
}

/// Makes a pipe: what is read, and what is written.
pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|errno| {
        Error::caused(
            ErrorKind::Sandbox,
            "can not make a pipe",
            std::io::Error::from(errno),
        )
    })
}

/// Tells of what comes out of a pipe, until its other end is closed. It blocks.
pub(super) fn tell(
    pipe: OwnedFd,
    (step, stream): (usize, Stream),
    mask: &Mask,
    (progress, last): (&dyn Progress, &LastLines),
) {
    let mut file = std::fs::File::from(pipe);
    let mut masked = mask.stream();
    let mut shown = Vec::new();
    let mut lines = Lines::default();
    let mut said = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches('\r');
        last.push(line);
        progress.note(&Event::Output { step, stream, line });
    };
    let mut buffer = vec![0; PIECE];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                shown.clear();
                masked.push(buffer.get(..read).unwrap_or_default(), &mut shown);
                lines.take(&shown, &mut said);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    shown.clear();
    masked.finish(&mut shown);
    lines.take(&shown, &mut said);
    lines.finish(&mut said);
}

/// Cuts what comes into lines.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], said: &mut impl FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if self.begun.ends_with(b"\n") {
                self.begun.pop();
                said(&self.begun);
                self.begun.clear();
            } else if self.begun.len() >= LINE_LIMIT {
                said(&self.begun);
                self.begun.clear();
            }
        }
    }

    fn finish(&mut self, said: &mut impl FnMut(&[u8])) {
        if !self.begun.is_empty() {
            said(&self.begun);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_where_they_end_or_are_too_long() {
        let mut said = Vec::new();
        let mut lines = Lines::default();
        lines.take(b"a\nb", &mut |line| said.push(line.to_vec()));
        lines.take(b"c\n\n", &mut |line| said.push(line.to_vec()));
        lines.take(&vec![b'x'; LINE_LIMIT + 1], &mut |line| {
            said.push(line.to_vec());
        });
        lines.take(b"end", &mut |line| said.push(line.to_vec()));
        lines.finish(&mut |line| said.push(line.to_vec()));
        let lengths: Vec<usize> = said.iter().map(Vec::len).collect();
        assert_eq!(said[..3], [b"a".to_vec(), b"bc".to_vec(), b"".to_vec()]);
        assert_eq!(lengths[3..], [LINE_LIMIT + 1, 3]);
    }

    #[test]
    fn the_last_lines_are_kept() {
        let last = LastLines::default();
        for number in 0..LAST_LINES + 3 {
            last.push(&number.to_string());
        }
        assert!(last.text().starts_with("3\n"));
        assert!(last.text().ends_with("\n12"));
    }
}
