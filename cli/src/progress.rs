//! Progress for people: bars on a terminal, plain lines elsewhere. Everything
//! goes to standard error.

mod build;
mod counting;
mod form;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use image::{Event, How, Progress, Silent};
use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use oci::{Descriptor, Digest};

use crate::arguments::Global;
use crate::environment::{self, Environment};
use crate::report::say;

pub(crate) use build::{Building, Moving, Way};
pub(crate) use counting::Counting;
pub(crate) use form::{Form, Mode};

/// How many hexadecimal digits of a digest are shown: as many as Docker shows.
const SHOWN_DIGITS: usize = 12;

/// The width of what a line starts with: `layer 0123456789ab`.
const LABEL: usize = 6 + 1 + SHOWN_DIGITS;

/// How a blob on its way looks.
const BAR: &str = "{prefix} [{wide_bar}] {binary_bytes:>10} / {binary_total_bytes:<10} {binary_bytes_per_sec:>12} {eta:>4}";
const COLOURED_BAR: &str = "{prefix} [{wide_bar:.cyan}] {binary_bytes:>10} / {binary_total_bytes:<10} {binary_bytes_per_sec:>12.green} {eta:>4.dim}";

/// How the whole looks, below the blobs.
const TOTAL: &str =
    "{prefix:19} [{wide_bar}] {binary_bytes:>10} / {binary_total_bytes:<10} {elapsed:>17}";

/// The same on a terminal that is too narrow for it.
const NARROW: &str = "{prefix:19} [{wide_bar}] {percent:>3}%";

/// The columns from which on a terminal is wide: what is beside a bar has less.
const WIDE: u16 = 80;

/// Chooses how progress is shown.
pub(crate) fn choose(environment: &Environment, global: &Global) -> Arc<dyn Progress> {
    match (global.quiet, form::is_smart(environment)) {
        (true, _) => Arc::new(Silent),
        (false, true) => Arc::new(Shown::bars(environment.variable("NO_COLOR").is_none())),
        (false, false) => Arc::new(Shown::lines()),
    }
}

/// Tells a number of bytes in words.
pub(crate) fn bytes(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}

/// Shows what happens to blobs.
struct Shown {
    bars: Option<Bars>,
    blobs: Mutex<BTreeMap<Digest, Blob>>,
}

/// Draws bars on a terminal.
struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    style: ProgressStyle,
}

/// Is a blob on its way.
struct Blob {
    label: String,
    size: u64,
    began: Instant,
    position: u64,
    bar: Option<ProgressBar>,
}

impl Shown {
    fn lines() -> Self {
        Self {
            bars: None,
            blobs: Mutex::default(),
        }
    }

    fn bars(coloured: bool) -> Self {
        let template = if coloured { COLOURED_BAR } else { BAR };
        let (template, total) = (fitting(template, NARROW), fitting(TOTAL, NARROW));
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let whole = all.add(
            ProgressBar::new(0)
                .with_style(style(total))
                .with_prefix("total"),
        );
        let style = style(template);
        Self {
            bars: Some(Bars {
                all,
                total: whole,
                style,
            }),
            blobs: Mutex::default(),
        }
    }

    fn start(&self, descriptor: &Descriptor, size: u64) {
        let label = label(descriptor);
        let bar = self.bars.as_ref().map(|bars| {
            let bar = ProgressBar::new(size)
                .with_style(bars.style.clone())
                .with_prefix(label.clone());
            bars.all.insert_before(&bars.total, bar)
        });
        let blob = Blob {
            label,
            size,
            began: Instant::now(),
            position: 0,
            bar,
        };
        self.locked().insert(descriptor.digest, blob);
    }

    fn advance(&self, digest: &Digest, position: u64) {
        let mut blobs = self.locked();
        let Some(blob) = blobs.get_mut(digest) else {
            return;
        };
        // An upload that starts again goes back; the whole does not.
        if let Some(bars) = &self.bars {
            bars.total.inc(position.saturating_sub(blob.position));
        }
        blob.position = blob.position.max(position);
        if let Some(bar) = &blob.bar {
            bar.set_position(position);
        }
    }

    fn finish(&self, digest: &Digest, how: How) {
        let blob = self.locked().remove(digest);
        if let (Some(bars), Some(blob)) = (&self.bars, &blob) {
            // What need not be copied counts as done.
            bars.total.inc(blob.size.saturating_sub(blob.position));
            if let Some(bar) = &blob.bar {
                bar.finish_and_clear();
                bars.all.remove(bar);
            }
        }
        let line = finished(blob.as_ref(), digest, how);
        match &self.bars {
            // Above the bars, where it stays.
            Some(bars) => drop(bars.all.println(line)),
            None => say(&line),
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<Digest, Blob>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Shown {
    fn note(&self, event: &Event<'_>) {
        match event {
            Event::Planned { blobs, bytes } => match &self.bars {
                Some(bars) => bars.total.set_length(*bytes),
                None => say(&format!("{blobs} blobs, {}", BinaryBytes(*bytes))),
            },
            Event::Started { descriptor, total } => self.start(descriptor, *total),
            Event::Advanced {
                digest, position, ..
            } => self.advance(digest, *position),
            Event::Finished { digest, how } => self.finish(digest, *how),
            _ => {}
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.total.finish_and_clear();
        // Whatever is still on its way, after a failure.
        let _ = self.all.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are constants, and tested")
        .progress_chars("=> ")
}

/// Chooses what fits a terminal, which wraps what does not.
fn fitting<'a>(template: &'a str, narrow: &'a str) -> &'a str {
    match environment::columns() >= WIDE {
        true => template,
        false => narrow,
    }
}

/// Names a blob by what it is and the start of its digest.
fn label(descriptor: &Descriptor) -> String {
    let media_type = descriptor.media_type.as_str();
    let noun = if media_type.contains("config") || media_type.contains("container.image") {
        "config"
    } else if media_type.contains("layer") || media_type.contains("rootfs") {
        "layer"
    } else {
        "blob"
    };
    format!(
        "{:LABEL$}",
        format!("{noun:6} {}", short(&descriptor.digest))
    )
}

fn short(digest: &Digest) -> String {
    let text = digest.to_string();
    let hex = text.split_once(':').map_or(text.as_str(), |(_, hex)| hex);
    hex.chars().take(SHOWN_DIGITS).collect()
}

/// Says how it went with a blob, in a line that stays.
fn finished(blob: Option<&Blob>, digest: &Digest, how: How) -> String {
    let label = blob.map_or_else(
        || format!("{:LABEL$}", format!("{:6} {}", "blob", short(digest))),
        |blob| blob.label.clone(),
    );
    let word = match how {
        How::Copied => "copied",
        How::Present => "is there already",
        How::Mounted => "mounted",
        How::Absent => "is not in the source",
    };
    match (blob, how) {
        (Some(blob), How::Copied) => {
            let took = blob.began.elapsed();
            format!("{label} {word} {}", rate(blob.size, took))
        }
        _ => format!("{label} {word}"),
    }
}

/// Tells bytes, seconds and bytes a second.
fn rate(bytes: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let said = format!("{} in {seconds:.1} s", BinaryBytes(bytes));
    // Of less than this the rate says nothing.
    if seconds < 0.05 {
        return said;
    }
    let rate = (bytes as f64 / seconds) as u64;
    format!("{said}, {}/s", BinaryBytes(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(media_type: &str) -> Descriptor {
        let media_type = media_type.parse().expect("a media type");
        Descriptor::new(media_type, Digest::sha256(b"a"), 1)
    }

    #[test]
    fn labels_are_of_one_width() {
        for (media_type, start) in [
            (
                "application/vnd.oci.image.layer.v1.tar+gzip",
                "layer  ca978112ca1b",
            ),
            (
                "application/vnd.oci.image.config.v1+json",
                "config ca978112ca1b",
            ),
            (
                "application/vnd.docker.container.image.v1+json",
                "config ca978112ca1b",
            ),
            ("application/spdx+json", "blob   ca978112ca1b"),
        ] {
            let label = label(&descriptor(media_type));
            assert_eq!(label, start);
            assert_eq!(label.len(), LABEL);
        }
    }

    #[test]
    fn templates_are_valid() {
        for template in [BAR, COLOURED_BAR, TOTAL, NARROW] {
            style(template);
        }
    }

    #[test]
    fn the_whole_neither_goes_back_nor_misses_what_was_there() {
        let shown = Shown::bars(false);
        let bars = shown.bars.as_ref().expect("bars");
        bars.all.set_draw_target(ProgressDrawTarget::hidden());
        let descriptor = descriptor("application/octet-stream");
        shown.note(&Event::Planned {
            blobs: 1,
            bytes: 100,
        });
        shown.note(&Event::Started {
            descriptor: &descriptor,
            total: 100,
        });
        for position in [40, 10, 60] {
            let digest = &descriptor.digest;
            shown.note(&Event::Advanced {
                digest,
                position,
                bytes: 0,
            });
        }
        assert_eq!(bars.total.position(), 60);
        let digest = &descriptor.digest;
        shown.note(&Event::Finished {
            digest,
            how: How::Present,
        });
        assert_eq!(bars.total.position(), 100);
    }

    #[test]
    fn a_rate_needs_time() {
        assert_eq!(rate(1024, Duration::from_millis(10)), "1.00 KiB in 0.0 s");
        assert_eq!(
            rate(2048, Duration::from_secs(2)),
            "2.00 KiB in 2.0 s, 1.00 KiB/s"
        );
    }
}
