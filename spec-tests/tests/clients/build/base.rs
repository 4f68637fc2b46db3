//! A base to build on: Debian's root file system, or busybox alone, in a layout.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cage::Cage;
use crate::fixtures;
use crate::layout::architecture;
use crate::tool::Tool;
use spec_tests::{digest, media};

/// Makes a layout of one image with one layer, and returns what `FROM` calls it.
pub(crate) fn layout(cage: &Cage, name: &str, tar: &Path) -> String {
    let directory = cage.make(name);
    let packed = cage.path(&format!("{name}.tar.gz"));
    let line = format!("gzip --no-name --fast --stdout {}", tar.display());
    fs_err::write(&packed, Tool::from_line(&line).run("").bytes).expect("a writable directory");
    let layer = fs_err::read(&packed).expect("written above");
    let diff_id = digest(&fs_err::read(tar).expect("made by this test"));
    let put = |media_type: &str, bytes: &[u8]| {
        let digest = digest(bytes);
        let path = directory.join("blobs").join(digest.replace(':', "/"));
        fs_err::create_dir_all(path.parent().expect("a digest has two parts"))
            .expect("a writable directory");
        fs_err::write(path, bytes).expect("a writable directory");
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        // buildah counts layers by it.
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "the base"}],
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "config": put(media::CONFIG, config.to_string().as_bytes()),
        "layers": [put("application/vnd.oci.image.layer.v1.tar+gzip", &layer)],
    });
    let mut named = put(media::MANIFEST, manifest.to_string().as_bytes());
    named["annotations"] = json!({"org.opencontainers.image.ref.name": "1"});
    let index = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": [named]});
    let version = json!({"imageLayoutVersion": "1.0.0"});
    for (file, content) in [("index.json", index), ("oci-layout", version)] {
        fs_err::write(directory.join(file), content.to_string()).expect("a writable directory");
    }
    format!("oci-layout://{}:1", directory.display())
}

/// Makes a layout of Debian.
pub(crate) fn debian(cage: &Cage) -> String {
    layout(cage, "debian-base", &fixtures::debian())
}

/// Makes a layout of busybox.
pub(crate) fn busybox(cage: &Cage) -> String {
    layout(cage, "busybox-base", &fixtures::busybox(cage))
}

/// Files of [`furnished`], and the number of who owns them.
const FURNITURE: &[(&str, u32, &str)] = &[
    (
        "etc/passwd",
        0,
        "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/srv:/bin/sh\nalone:x:77:88::/:/bin/sh\n",
    ),
    (
        "etc/group",
        0,
        "root:x:0:\nstaff:x:50:app\nappgroup:x:1001:\n",
    ),
    ("etc/motd", 0, "welcome\n"),
    ("srv/real/kept.txt", 0, "kept"),
    ("srv/nested/x", 1000, "x of the base"),
    ("srv/nested/y/z", 1000, "z of the base"),
    ("srv/private/secret", 1000, "secret"),
    ("srv/file", 1000, "a file"),
    ("srv/set/member", 50, "member"),
];

/// Directories of [`furnished`] with other permissions than 0755.
const ROOMS: &[(&str, &str)] = &[
    ("tmp", "1777"),
    ("srv/private", "0700"),
    ("srv/set", "2775"),
    ("srv/nested/y", "0711"),
    ("var/lib/empty", "0555"),
];

/// Links of [`furnished`], and where they lead.
const SIGNS: &[(&str, &str)] = &[
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("var/run", "/run"),
    ("var/lock", "/run/lock"),
    ("opt/absolute", "/srv/real"),
    ("opt/relative", "../srv/real"),
    ("opt/chain", "absolute"),
    ("opt/up", "../../../../srv/real"),
    ("opt/file", "../etc/motd"),
    ("opt/nowhere", "/made/by/nobody"),
];

/// Makes the tar of a small root file system with busybox, users, and links of every
/// kind, merged into `/usr` as Debian's is.
pub(crate) fn furnished(cage: &Cage) -> PathBuf {
    let tar = cage.path("furnished.tar");
    if tar.exists() {
        return tar;
    }
    fixtures::busybox(cage);
    let root = cage.make("furnished");
    let chown = |name: &str, owner: u32| {
        let line = format!("chown -h {owner}:{owner} {}", root.join(name).display());
        Tool::from_line(&line).run("");
    };
    let line = format!(
        "cp -a {} {}",
        cage.path("busybox/bin").display(),
        root.join("usr/bin").display()
    );
    for name in ["usr/lib", "run/lock", "opt", "root", "srv/empty"] {
        fs_err::create_dir_all(root.join(name)).expect("a writable directory");
    }
    Tool::from_line(&line).run("");
    for (name, owner, content) in FURNITURE {
        let path = root.join(name);
        let parent = path.parent().expect("it is below the root");
        fs_err::create_dir_all(parent).expect("a writable directory");
        fs_err::write(&path, content).expect("a writable directory");
        chown(name, *owner);
    }
    for (name, mode) in ROOMS {
        let path = root.join(name);
        fs_err::create_dir_all(&path).expect("a writable directory");
        Tool::from_line(&format!("chmod {mode} {}", path.display())).run("");
    }
    for name in ["srv/nested", "srv/private"] {
        chown(name, 1000);
    }
    for (name, target) in SIGNS {
        fs_err::os::unix::fs::symlink(target, root.join(name)).expect("a writable directory");
    }
    let line = format!(
        "tar --sort=name --numeric-owner -C {} -cf {} .",
        root.display(),
        tar.display()
    );
    Tool::from_line(&line).run("");
    tar
}

/// A program that does what no command of busybox does: sets an attribute, given as
/// hexadecimal digits, makes a socket, asks whether one answers, or leaves a root
/// directory as one that is nothing but that can be left.
const ODD: &str = r#"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
int main(int count, char **words) {
    if (count == 3 && strcmp(words[1], "escape")) {
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        strncpy(at.sun_path, words[2], sizeof at.sun_path - 1);
        int made = socket(AF_UNIX, SOCK_STREAM, 0);
        int (*act)(int, const struct sockaddr *, socklen_t) = connect;
        if (!strcmp(words[1], "socket")) act = bind;
        if (act(made, (struct sockaddr *)&at, sizeof at)) { perror(words[1]); return 1; }
        return 0;
    }
    if (count == 3) {
        int root = open("/", O_RDONLY);
        mkdir("/escape", 0700);
        if (chroot("/escape") || fchdir(root)) return 1;
        for (int up = 0; up < 100; up++) if (chdir("..")) return 1;
        if (chroot(".")) return 1;
        return access(words[2], F_OK) ? 1 : 0;
    }
    if (count != 4) return 2;
    unsigned char value[4096];
    size_t length = strlen(words[2]) / 2;
    for (size_t at = 0; at < length && at < sizeof value; at++)
        sscanf(words[2] + 2 * at, "%2hhx", &value[at]);
    if (lsetxattr(words[3], words[1], value, length, 0)) { perror("lsetxattr"); return 1; }
    return 0;
}
"#;

/// What containers cover with files of their own; a base that lacks them is another case.
const COVERED: &[&str] = &["etc/hosts", "etc/hostname", "etc/resolv.conf"];

/// Makes the tar of [`furnished`] with all commands of busybox, `odd`, hard links, set-id
/// bits and a deep tree, and with everything that containers are mounted on.
pub(crate) fn equipped(cage: &Cage) -> PathBuf {
    let tar = cage.path("equipped.tar");
    if tar.exists() {
        return tar;
    }
    let root = cage.make("equipped");
    let furnished = furnished(cage);
    let place = root.display().to_string();
    Tool::from_line("tar --numeric-owner -xpf").run(&format!("{} -C {place}", furnished.display()));
    for name in ["dev", "proc", "sys", "usr/hard", "srv/deep/a/b/c"] {
        fs_err::create_dir_all(root.join(name)).expect("a writable directory");
    }
    for name in COVERED {
        fs_err::write(root.join(name), "").expect("a writable directory");
    }
    for name in ["one", "a/two", "a/b/three", "a/b/c/four"] {
        fs_err::write(root.join("srv/deep").join(name), name).expect("a writable directory");
    }
    for name in ["first", "second", "third"] {
        let path = root.join("usr/hard").join(name);
        if name == "first" {
            fs_err::write(&path, "one file of three names").expect("a writable directory");
        } else {
            fs_err::hard_link(root.join("usr/hard/first"), path).expect("one file system");
        }
    }
    let commands = Tool::from_line("busybox").run("--list").line();
    for command in commands.lines() {
        // Those of `dpkg` and the like would be in the way of nothing here.
        let link = root.join("usr/bin").join(command);
        if fs_err::symlink_metadata(&link).is_err() {
            fs_err::os::unix::fs::symlink("busybox", link).expect("a writable directory");
        }
    }
    let source = cage.path("odd.c");
    fs_err::write(&source, ODD).expect("a writable directory");
    Tool::from_line("cc -static -O1 -o").run(&format!("{place}/usr/bin/odd {}", source.display()));
    fs_err::write(root.join("srv/elevated"), "set-id").expect("a writable directory");
    Tool::from_line("chmod 6755").run(&format!("{place}/srv/elevated"));
    let line = format!(
        "tar --sort=name --numeric-owner --mtime=@1700000000 -C {place} -cf {} .",
        tar.display()
    );
    Tool::from_line(&line).run("");
    tar
}

/// Opens a directory of the test to every user of this machine.
pub(crate) fn open_to_all(path: &Path) {
    Tool::from_line("chmod 0755").run(&path.display().to_string());
}
