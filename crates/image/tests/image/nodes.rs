//! Archives that are no regular files: pipes, devices and links.

use std::os::unix::fs::{FileTypeExt as _, symlink};

use rustix::fs::{CWD, FileType, Mode};

use crate::fixture::{Content, Room, write_files};

/// A room with an image in the layout `in`, and a pipe.
fn room() -> Room {
    let room = Room::new();
    let mut content = Content::default();
    let image = content.image("word", "amd64");
    write_files(&room.path("in"), &content.layout(&[("", &image)]));
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(CWD, room.path("pipe"), FileType::Fifo, mode, 0).expect("a pipe");
    room
}

fn is_pipe(room: &Room) -> bool {
    let kind = fs_err::symlink_metadata(room.path("pipe")).expect("there");
    kind.file_type().is_fifo()
}

#[tokio::test]
async fn nothing_but_files_is_replaced() {
    let room = room();
    symlink(room.path("pipe"), room.path("to-pipe")).expect("a link");
    for form in ["oci-archive", "docker-archive"] {
        for (target, what) in [
            ("pipe", "`@/pipe` is a pipe, no regular file"),
            ("to-pipe", "`@/to-pipe` is a pipe, no regular file"),
            ("in", "`@/in` is a directory, no regular file"),
        ] {
            let error = room
                .refused("oci:@/in", &format!("{form}:@/{target}"))
                .await;
            let expected = format!("Storage: can not write the archive `@/{target}`: {what}");
            assert_eq!(error, expected);
        }
        let error = room.refused("oci:@/in", &format!("{form}:/dev/null")).await;
        assert!(
            error.ends_with("`/dev/null` is a device, no regular file"),
            "{error}"
        );
    }
    assert!(is_pipe(&room));
    assert!(room.path("to-pipe").is_symlink());
}

#[tokio::test]
async fn links_to_files_and_to_nothing_are_followed() {
    let room = room();
    fs_err::create_dir(room.path("archives")).expect("made");
    fs_err::write(room.path("archives/old.tar"), "old").expect("written");
    symlink("archives/old.tar", room.path("old.tar")).expect("a link");
    symlink("next.tar", room.path("new.tar")).expect("a link");
    symlink("archives/new.tar", room.path("next.tar")).expect("a link");
    for name in ["old.tar", "new.tar"] {
        let archive = format!("oci-archive:@/{name}");
        room.copy("oci:@/in", &archive).await.expect("written");
        assert!(room.path(name).is_symlink(), "{name}");
        let written = room.path("archives").join(name);
        assert!(fs_err::symlink_metadata(written).expect("there").is_file());
        room.copy(&archive, "local:again:1").await.expect("read");
    }
    symlink("round", room.path("round")).expect("a link");
    let error = room.refused("oci:@/in", "oci-archive:@/round").await;
    assert!(error.starts_with("Storage: "), "{error}");
}

#[tokio::test]
async fn nothing_but_files_is_read() {
    let room = room();
    for form in ["oci-archive", "docker-archive"] {
        for (source, what) in [("pipe", "a pipe"), ("in", "a directory")] {
            let error = room
                .refused(&format!("{form}:@/{source}"), "oci:@/out:1")
                .await;
            let expected = format!(
                "Storage: can not read the archive `@/{source}`: `@/{source}` is {what}, no regular file"
            );
            assert_eq!(error, expected);
        }
    }
}
