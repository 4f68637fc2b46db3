//! `wharf build`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::Value;

use crate::harness::{Home, Registry, text};

/// What most of these tests build: two stages, two layers.
const DOCKERFILE: &str = "\
FROM scratch AS gathered
COPY web /srv/web
FROM scratch
ARG GREETING=hello
COPY --from=gathered /srv /srv
COPY <<END /etc/motd
${GREETING}
END
ENV PATH=/bin
CMD [\"/bin/serve\"]
";

/// Its digest on every machine, for as long as the format of layers is 1.
const DIGEST: &str = "sha256:aab3285b4be4d3b660b15171f74cac77f78932d1e3944cb68f7ae285600e10b9";

fn furnished() -> Home {
    let home = Home::new();
    home.write("shop/Dockerfile", DOCKERFILE);
    home.write("shop/web/index.html", "<p>wares</p>\n");
    home.write("shop/web/secret.key", "1234");
    home.write("shop/.dockerignore", "**/*.key\n");
    home
}

/// Reads a tar archive: paths, modes and contents.
fn entries(bytes: &[u8]) -> BTreeMap<String, (u32, String)> {
    let mut archive = tar::Archive::new(bytes);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.expect("an archive");
        let path = entry.path().expect("a path").display().to_string();
        let mode = entry.header().mode().expect("a mode");
        let mut content = String::new();
        entry.read_to_string(&mut content).expect("text");
        (path, (mode, content))
    };
    archive.entries().expect("an archive").map(read).collect()
}

/// What the files of the image are.
fn expected() -> BTreeMap<String, (u32, String)> {
    [
        ("etc/", 0o755, ""),
        ("etc/motd", 0o644, "hello\n"),
        ("srv/", 0o755, ""),
        ("srv/web/", 0o755, ""),
        ("srv/web/index.html", 0o644, "<p>wares</p>\n"),
    ]
    .into_iter()
    .map(|(path, mode, content)| (path.to_owned(), (mode, content.to_owned())))
    .collect()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

#[test]
fn steps_go_to_the_screen_and_the_digest_to_standard_output() {
    let home = furnished();
    let digest = format!("{DIGEST}\n");
    let built = home.wharf(&["build", "-t", "shop:1", "shop"]);
    assert_eq!(built.ok(), digest);
    let layers = |word: &str, more: &str, cached: usize| {
        format!(
            "times are 0 (1970); SOURCE_DATE_EPOCH or `--source-date-epoch` sets another\n\
             #1 [gathered, 1/8] FROM scratch AS gathered\n\
             #2 [gathered, 2/8] COPY web /srv/web\n#2 {word} layer LAYER\n\
             #3 [stage 1, 3/8] FROM scratch\n\
             #4 [stage 1, 4/8] ARG GREETING=hello\n\
             #5 [stage 1, 5/8] COPY --from=gathered /srv /srv\n#5 cached layer LAYER\n\
             #6 [stage 1, 6/8] COPY <<END /etc/motd\n#6 {word} layer LAYER\n\
             #7 [stage 1, 7/8] ENV PATH=/bin\n\
             #8 [stage 1, 8/8] CMD [\"/bin/serve\"]\n\
             built `docker.io/library/shop:1`: 2 layers, SIZE{more}\n\
             cached {cached} of 3 steps, NUMBERS\n"
        )
    };
    assert_eq!(plain(&built.talk()), layers("packed", "", 1));

    let again = home.wharf(&["build", "-t", "shop:1", "shop"]);
    assert_eq!(again.ok(), digest);
    assert_eq!(
        plain(&again.talk()),
        layers(
            "cached",
            "; nothing changed, and the library was not written to",
            3
        )
    );

    let quiet = home.wharf(&["build", "-q", "--no-cache", "shop"]);
    assert_eq!((quiet.ok(), quiet.stderr.as_str()), (digest.as_str(), ""));
}

/// Takes digests, sizes and times out of what is on the screen, and puts what
/// is of a step together: others run meanwhile.
fn plain(talk: &str) -> String {
    let mut lines = String::new();
    let mut all: Vec<&str> = talk.lines().collect();
    let first = all.iter().position(|line| line.starts_with('#'));
    let steps = all.iter().filter(|line| line.starts_with('#')).count();
    let number = |line: &&str| {
        let word = line.split_whitespace().next().unwrap_or_default();
        word.trim_start_matches('#').parse::<usize>().ok()
    };
    let first = first.expect("steps");
    all[first..first + steps].sort_by_key(number);
    let is_lasting = |line: &&str| !line.starts_with("slowest: ");
    for line in all.into_iter().filter(|line| is_lasting(line)) {
        if let Some((cached, _)) = line.split_once(" steps, ") {
            lines.push_str(&format!("{cached} steps, NUMBERS\n"));
            continue;
        }
        let line = match (line.split_once(" layer "), line.split_once(" layers, ")) {
            (Some((start, _)), _) => format!("{start} layer LAYER"),
            (_, Some((start, rest))) => {
                let rest = rest.split_once(';').map_or("", |(_, rest)| rest);
                let rest = if rest.is_empty() {
                    String::new()
                } else {
                    format!(";{rest}")
                };
                format!("{start} layers, SIZE{rest}")
            }
            _ => line.to_owned(),
        };
        lines.push_str(&line);
        lines.push('\n');
    }
    lines
}

#[test]
fn each_form_of_a_context_is_the_same_context() {
    let home = furnished();
    let archive = home.path("shop.tar");
    let mut builder = tar::Builder::new(fs_err::File::create(&archive).expect("made"));
    builder
        .append_dir_all(".", home.path("shop"))
        .expect("packed");
    builder.into_inner().expect("packed");
    let file = home.write("Elsewhere", DOCKERFILE);
    home.write("Elsewhere.dockerignore", "**/*.key\n");
    fs_err::remove_file(home.path("shop/Dockerfile")).expect("there");
    let rows: [(&[&str], &str); 4] = [
        (&["build", "-q", "-f", text(&file), "shop"], ""),
        (&["build", "-q", "-f", "-", "shop"], DOCKERFILE),
        (&["build", "-q", "shop.tar"], ""),
        (&["build", "-q", "--no-cache", "shop.tar"], ""),
    ];
    for (arguments, told) in rows {
        let built = home.wharf_told(arguments, told);
        assert_eq!(built.ok(), format!("{DIGEST}\n"), "{arguments:?}");
    }
    let refused = home.wharf(&["build", "-q", "shop"]);
    assert_eq!(
        refused.failed(3),
        "error: there is no Dockerfile `Dockerfile`\n\
         hint: name it with `-f FILE`, or `-f -` for standard input\n"
    );
}

#[test]
fn a_dockerfile_alone_is_built_without_a_context() {
    let home = Home::new();
    let built = home.wharf_told(&["build", "-q", "-"], "FROM scratch\nLABEL a=b\n");
    let digest = built.ok().trim().to_owned();
    let refused = home.wharf_told(&["build", "-"], "FROM scratch\nCOPY a /\n");
    assert!(refused.failed(3).contains("COPY a /"), "{}", refused.stderr);
    let kept = home.wharf(&[
        "inspect",
        "--raw",
        "config",
        &format!("local:localhost/untagged@{digest}"),
    ]);
    kept.ok();
    assert_eq!(json(&kept.bytes)["config"]["Labels"]["a"], "b");
}

#[test]
fn files_of_the_image_are_written_as_an_archive() {
    let home = furnished();
    let built = home.wharf(&["build", "-q", "-o", "type=tar,dest=out.tar", "shop"]);
    assert_eq!(built.ok(), format!("{DIGEST}\n"));
    let bytes = fs_err::read(home.path("out.tar")).expect("written");
    assert_eq!(entries(&bytes), expected());

    // On standard output there is nothing else.
    let piped = home.wharf(&["build", "-o", "-", "shop"]);
    assert_eq!(piped.code, Some(0), "{}", piped.stderr);
    assert!(piped.bytes == bytes);
    assert!(piped.stderr.contains(DIGEST), "{}", piped.stderr);

    // A file that is there is replaced, and nothing is left beside it.
    home.write("out.tar", "old");
    let before = files(&home.path("."));
    home.wharf(&["build", "-q", "-o", "type=tar,dest=out.tar", "shop"])
        .ok();
    assert!(fs_err::read(home.path("out.tar")).expect("there") == bytes);
    assert_eq!(files(&home.path(".")), before);

    fs_err::os::unix::fs::symlink("real.tar", home.path("link.tar")).expect("made");
    home.write("real.tar", "old");
    home.wharf(&["build", "-q", "-o", "type=tar,dest=link.tar", "shop"])
        .ok();
    assert!(fs_err::read(home.path("real.tar")).expect("there") == bytes);
    home.wharf(&["build", "-q", "-o", "type=tar,dest=/dev/null", "shop"])
        .ok();
    let null = fs_err::metadata("/dev/null").expect("there");
    assert!(!null.is_file());
    home.wharf(&["build", "-q", "-o", "type=tar,dest=shop", "shop"])
        .failed(2);
}

#[test]
fn files_of_the_image_are_written_to_a_directory() {
    let home = furnished();
    home.write("out/srv/web/other", "stays");
    home.wharf(&["build", "-q", "-o", "out", "shop"]).ok();
    for (path, (mode, content)) in expected() {
        let path = home.path("out").join(path);
        let there = fs_err::metadata(&path).expect("written");
        assert_eq!(
            there.permissions().mode() & 0o7777,
            mode,
            "{}",
            path.display()
        );
        assert_eq!(there.mtime(), 0, "{}", path.display());
        if there.is_file() {
            assert_eq!(fs_err::read_to_string(path).expect("text"), content);
        }
    }
    assert_eq!(
        fs_err::read_to_string(home.path("out/srv/web/other")).expect("there"),
        "stays"
    );
}

#[test]
fn images_are_written_as_layouts_and_archives() {
    let home = furnished();
    let built = home.wharf(&[
        "build",
        "-q",
        "-t",
        "shop:1",
        "-o",
        "type=oci,dest=layout",
        "-o",
        "type=oci,dest=image.tar",
        "-o",
        "type=docker,dest=docker.tar",
        "shop",
    ]);
    assert_eq!(built.ok(), format!("{DIGEST}\n"));
    let list = fs_err::read(home.path("layout/index.json")).expect("written");
    assert_eq!(
        json(&list)["manifests"][0]["annotations"],
        serde_json::json!({
            "io.containerd.image.name": "docker.io/library/shop:1",
            "org.opencontainers.image.ref.name": "1",
        })
    );
    for place in ["oci:layout:1", "oci-archive:image.tar:1"] {
        let manifest = home.wharf(&["inspect", "--raw", "manifest", place]);
        manifest.ok();
        assert_eq!(oci::Digest::sha256(&manifest.bytes).to_string(), DIGEST);
    }
    let docker = fs_err::read(home.path("docker.tar")).expect("written");
    let mut archive = tar::Archive::new(docker.as_slice());
    let mut listed = archive
        .entries()
        .expect("an archive")
        .map(|entry| entry.expect("an entry"));
    let mut manifest = listed
        .find(|entry| entry.path().expect("a path") == Path::new("manifest.json"))
        .expect("docker looks for it");
    let mut bytes = Vec::new();
    manifest.read_to_end(&mut bytes).expect("whole");
    let manifest = json(&bytes);
    assert_eq!(
        manifest[0]["RepoTags"],
        serde_json::json!(["docker.io/library/shop:1"])
    );
    assert_eq!(manifest[0]["Layers"].as_array().map(Vec::len), Some(2));

    let piped = home.wharf(&[
        "build",
        "-q",
        "-t",
        "shop:1",
        "-o",
        "type=oci,dest=-",
        "shop",
    ]);
    assert_eq!(piped.code, Some(0), "{}", piped.stderr);
    assert!(piped.bytes == fs_err::read(home.path("image.tar")).expect("written"));
}

#[test]
fn outputs_that_would_do_harm_are_refused() {
    let home = furnished();
    let output = |output: &str| home.wharf(&["build", "-q", "-t", "shop:1", "-o", output, "shop"]);
    let before = files(&home.path("shop"));
    let refused = output("type=oci,dest=shop");
    assert!(
        refused.failed(1).ends_with(
            "caused by: `shop` is no OCI layout: it has `.dockerignore`, and no file `oci-layout`\n\
             hint: choose a directory that is empty, absent or an OCI layout\n"
        ),
        "{}",
        refused.stderr
    );
    assert_eq!(files(&home.path("shop")), before);

    let archive = "caused by: can not write the archive `none/a.tar`\n";
    for (kind, what) in [("tar", ""), ("oci", archive), ("docker", archive)] {
        let refused = output(&format!("type={kind},dest=none/a.tar"));
        let expected = format!(
            "error: can not write the output `type={kind},dest=none/a.tar`\n{what}\
             caused by: there is no directory `none`\n"
        );
        let said = refused.failed(1);
        assert!(said.ends_with(&expected), "{kind}: {said}");
    }
    assert!(!home.path("none").exists());

    let twice = ["type=oci,dest=out", "type=local,dest=./out"];
    let refused = home.wharf(&["build", "-o", twice[0], "-o", twice[1], "shop"]);
    assert_eq!(refused.failed(2), "error: two outputs go to `./out`\n");
    assert!(!home.path("out").exists());
}

/// Lists the names in a directory.
fn files(directory: &Path) -> Vec<std::ffi::OsString> {
    let entries = fs_err::read_dir(directory).expect("a directory");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_built_is_pushed_and_is_a_base() {
    let home = furnished();
    let registry = Registry::open(&home);
    let name = format!("{}/shop:1", registry.host);
    let latest = format!("{}/shop:latest", registry.host);
    let built = home.wharf(&["build", "-q", "--push", "-t", &name, "-t", &latest, "shop"]);
    assert_eq!(built.ok(), format!("{DIGEST}\n"));
    for name in [&name, &latest] {
        let manifest = home.wharf(&["inspect", "--raw", "manifest", &format!("docker://{name}")]);
        manifest.ok();
        assert_eq!(oci::Digest::sha256(&manifest.bytes).to_string(), DIGEST);
    }

    // Somebody else has the base only in its registry, and needs no layer of it.
    let mut other = Home::new();
    other.set("WHARF_HOME", text(&other.path("library")));
    let file = format!("FROM {name}\nUSER 7\n");
    let child = format!("{}/child:1", registry.host);
    let built = other.wharf_told(&["build", "-q", "--push", "-t", &child, "-"], &file);
    built.ok();
    let config = other.wharf(&["inspect", "--raw", "config", &format!("docker://{child}")]);
    config.ok();
    let config = json(&config.bytes);
    assert_eq!(config["config"]["User"], "7");
    assert_eq!(config["config"]["Cmd"], serde_json::json!(["/bin/serve"]));
    assert_eq!(
        config["rootfs"]["diff_ids"].as_array().map(Vec::len),
        Some(2)
    );
    let blobs = fs_err::read_dir(other.path("library/blobs/sha256")).expect("there");
    let sizes: Vec<u64> = blobs
        .map(|entry| entry.expect("there").metadata().expect("there").len())
        .collect();
    assert_eq!(sizes.len(), 2, "a manifest and a config: {sizes:?}");
    // It can be had whole all the same.
    other
        .wharf(&["copy", &format!("docker://{child}"), "oci:child"])
        .ok();
}

#[test]
fn arguments_and_targets_choose_what_is_built() {
    let mut home = furnished();
    let config = |home: &Home, arguments: &[&str]| {
        let built = home.wharf(&[&["build", "-q"], arguments, &["shop"]].concat());
        let name = format!("local:localhost/untagged@{}", built.ok().trim());
        let config = home.wharf(&["inspect", "--raw", "config", &name]);
        config.ok();
        json(&config.bytes)
    };
    let count = |config: &Value| config["rootfs"]["diff_ids"].as_array().map(Vec::len);
    assert_eq!(count(&config(&home, &["--target", "gathered"])), Some(1));
    assert_eq!(count(&config(&home, &["--target", "1"])), Some(2));
    let plain = config(&home, &[]);
    let greeted = config(&home, &["--build-arg", "GREETING=ahoy"]);
    assert_ne!(greeted["rootfs"], plain["rootfs"]);
    home.set("GREETING", "ahoy");
    assert_eq!(config(&home, &["--build-arg", "GREETING"]), greeted);
    assert_eq!(config(&home, &[]), plain, "the environment is not asked");
    let later = config(&home, &["--source-date-epoch", "86400"]);
    assert_eq!(later["created"], "1970-01-02T00:00:00Z");
    home.set("SOURCE_DATE_EPOCH", "86400");
    assert_eq!(config(&home, &[]), later);
    let refused = home.wharf(&["build", "--target", "none", "shop"]);
    assert!(
        refused.failed(2).contains("`gathered`"),
        "{}",
        refused.stderr
    );
}

#[test]
fn nothing_is_written_that_would_run_as_another_owner() {
    let home = furnished();
    let file = "FROM scratch\nCOPY --chown=5:6 --chmod=4711 web/index.html /su\n";
    let built = home.wharf_told(&["build", "-f", "-", "-o", "out", "shop"], file);
    built.ok();
    let warning =
        "warning: `/su` runs as its owner in the image, and is written without that permission\n";
    assert!(built.stderr.contains(warning), "{}", built.stderr);
    let mode = fs_err::metadata(home.path("out/su"))
        .expect("written")
        .mode();
    assert_eq!(mode & 0o7777, 0o711);
}

#[test]
fn a_stage_that_is_misspelt_is_told() {
    let home = furnished();
    // A registry where nothing listens, so that nobody is asked.
    home.write(
        "wharf.toml",
        "[[registry]]\nprefix = \"docker.io\"\nmirrors = [\"127.0.0.1:1\"]\nfallback = false\n",
    );
    let file = "FROM scratch AS build\nFROM scratch\nCOPY --from=bulid / /\n";
    let refused = home.wharf_told(
        &["--config", "wharf.toml", "build", "-q", "-f", "-", "shop"],
        file,
    );
    let hint = "hint: did you mean the stage `build`?\n";
    assert!(refused.failed(6).contains(hint), "{}", refused.stderr);
}
