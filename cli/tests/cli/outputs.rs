//! Where `wharf build` brings what it built, and the files and lines by which
//! it tells programs of it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::harness::{Ended, Home, Registry, text};

const BOTH: &str = "--platform=linux/amd64,linux/arm64";

fn furnished() -> Home {
    let home = Home::new();
    home.write("c/Dockerfile", "FROM scratch\nCOPY a /a\nLABEL b=file\n");
    home.write("c/a", "content\n");
    home
}

fn build(home: &Home, flags: &[&str]) -> Ended {
    home.wharf(&[&["build"], flags, &["c"]].concat())
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

fn read(home: &Home, name: &str) -> String {
    fs_err::read_to_string(home.path(name)).expect("written")
}

/// Reads what a place has, byte for byte.
fn raw(home: &Home, what: &str, place: &str) -> Vec<u8> {
    let inspected = home.wharf(&["inspect", "--raw", what, place]);
    inspected.ok();
    inspected.bytes
}

/// Gives the files of a tar archive.
fn entries(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().expect("an archive").map(|entry| {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("whole");
        (path, content)
    });
    entries.collect()
}

#[test]
fn an_index_goes_to_all_that_can_hold_one() {
    let home = furnished();
    let registry = Registry::open(&home);
    let name = format!("{}/shop:1", registry.host);
    let built = build(
        &home,
        &[
            "-q",
            BOTH,
            "-t",
            &name,
            "-o",
            "type=oci,dest=index.tar",
            "-o",
            "type=oci,dest=index.tar.d,tar=false",
            "-o",
            "files",
            "-o",
            "type=tar,dest=files.tar",
            "-o",
            "type=registry",
        ],
    );
    let digest = built.ok().trim().to_owned();
    let remote = format!("docker://{name}");
    let local = format!("local:{name}");
    for place in [
        "oci-archive:index.tar:1",
        "oci:index.tar.d:1",
        &remote,
        &local,
    ] {
        let index = raw(&home, "manifest", place);
        assert_eq!(oci::Digest::sha256(&index).to_string(), digest, "{place}");
        let index = json_of(&index);
        assert_eq!(
            index["mediaType"],
            "application/vnd.oci.image.index.v1+json"
        );
        let platforms: Vec<&Value> = index["manifests"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|manifest| &manifest["platform"]["architecture"])
            .collect();
        assert_eq!(platforms, ["amd64", "arm64"], "{place}");
    }
    for platform in ["linux_amd64", "linux_arm64"] {
        assert_eq!(read(&home, &format!("files/{platform}/a")), "content\n");
    }
    let files = entries(&fs_err::read(home.path("files.tar")).expect("written"));
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "linux_amd64/",
            "linux_amd64/a",
            "linux_arm64/",
            "linux_arm64/a"
        ]
    );
    // Both images are whole in the registry.
    for platform in ["linux/amd64", "linux/arm64"] {
        let to = format!("oci:{}", platform.replace('/', "-"));
        let copied = home.wharf(&["copy", "--platform", platform, &remote, &to]);
        copied.ok();
    }
}

#[test]
fn what_holds_one_image_is_refused_an_index_before_anything_is_built() {
    let home = furnished();
    for (flags, what) in [
        (
            vec!["-o", "type=docker,dest=a.tar"],
            "the output `type=docker,dest=a.tar`",
        ),
        (vec!["--load=podman"], "`--load`"),
    ] {
        let refused = build(&home, &[&[BOTH], flags.as_slice()].concat());
        assert_eq!(
            refused.failed(2),
            format!(
                "error: {what} takes an image for one platform, and this build is for 2: `linux/amd64`, `linux/arm64`\n\
                 hint: `type=oci` and `--push` take an index of all; or build for one with `--platform`\n"
            )
        );
    }
    assert!(!home.path("a.tar").exists());
}

#[test]
fn all_names_go_into_archives() {
    let home = furnished();
    let tags = ["-t", "shop:1", "-t", "shop:2", "-t", "other/shop:2"];
    let outputs = [
        "-q",
        "-o",
        "type=docker,dest=docker.tar",
        "-o",
        "type=oci,dest=oci.tar",
        "-o",
        "type=oci,dest=layout",
        "-o",
        "type=image,\"name=more:3,more:4\"",
        "-o",
        "type=cacheonly",
    ];
    build(&home, &[&tags[..], &outputs[..]].concat()).ok();
    let docker = entries(&fs_err::read(home.path("docker.tar")).expect("written"));
    assert_eq!(
        json_of(&docker["manifest.json"])[0]["RepoTags"],
        json!([
            "docker.io/library/shop:1",
            "docker.io/library/shop:2",
            "docker.io/other/shop:2",
            "docker.io/library/more:3",
            "docker.io/library/more:4"
        ])
    );
    let archive = entries(&fs_err::read(home.path("oci.tar")).expect("written"));
    let layout = fs_err::read(home.path("layout/index.json")).expect("written");
    for index in [&archive["index.json"], &layout] {
        let index = json_of(index);
        let named: Vec<&Value> = index["manifests"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|entry| &entry["annotations"]["io.containerd.image.name"])
            .collect();
        // A tag that is there twice would name nothing.
        assert_eq!(
            named,
            [
                "docker.io/library/shop:1",
                "docker.io/library/shop:2",
                "docker.io/library/more:3",
                "docker.io/library/more:4"
            ]
        );
    }
    home.wharf(&["inspect", "local:more:4"]).ok();
}

#[test]
fn an_image_is_pushed_by_its_digest_alone() {
    let home = furnished();
    let registry = Registry::open(&home);
    let output = format!(
        "type=image,name={}/shop,push-by-digest=true,name-canonical=true,push=true",
        registry.host
    );
    let built = build(&home, &["-q", "-o", &output]);
    let digest = built.ok().trim().to_owned();
    // The library has the same name, and the tag neither there.
    let listed = home.wharf(&["list"]);
    let canonical = format!("{}/shop@{digest} ", registry.host);
    assert!(listed.ok().contains(&canonical), "{}", listed.ok());
    assert!(!listed.ok().contains("/shop:latest "), "{}", listed.ok());
    let place = format!("docker://{}/shop@{digest}", registry.host);
    let manifest = raw(&home, "manifest", &place);
    assert_eq!(oci::Digest::sha256(&manifest).to_string(), digest);
    let tags = home.wharf(&[
        "inspect",
        &format!("docker://{}/shop:latest", registry.host),
    ]);
    assert_eq!(tags.code, Some(3), "{}", tags.stderr);
}

#[test]
fn files_tell_what_was_built() {
    let home = furnished();
    let registry = Registry::open(&home);
    let (one, two) = (
        format!("{}/shop:1", registry.host),
        format!("{}/shop:2", registry.host),
    );
    home.write("iid", "old");
    let flags = [
        "-q",
        "--push",
        "-t",
        &one,
        "-t",
        &two,
        "--metadata-file=metadata.json",
        "--iidfile=iid",
        "--digest-file=digest",
        "--image-refs=names",
        "--image-name-tag-with-digest-file=tagged",
    ];
    let built = build(&home, &flags);
    let digest = built.ok().trim().to_owned();
    assert_eq!(read(&home, "iid"), digest);
    assert_eq!(read(&home, "digest"), digest);
    let host = &registry.host;
    assert_eq!(read(&home, "names"), format!("{host}/shop@{digest}"));
    let tagged = format!("{one}@{digest}\n{two}@{digest}");
    assert_eq!(read(&home, "tagged"), tagged);
    let manifest = raw(&home, "manifest", &format!("docker://{one}"));
    let size = manifest.len();
    let config = json_of(&manifest)["config"]["digest"].clone();
    let platform = json_of(&raw(&home, "config", &format!("docker://{one}")));
    let architecture = platform["architecture"].as_str().expect("a text");
    assert_eq!(
        json_of(read(&home, "metadata.json").as_bytes()),
        json!({
            "containerimage.config.digest": config,
            "containerimage.descriptor": {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest,
                "size": size,
                "platform": { "architecture": architecture, "os": "linux" },
            },
            "containerimage.digest": digest,
            "image.name": format!("{one},{two}"),
            "wharf.images": [{
                "platform": format!("linux/{architecture}"),
                "digest": digest,
                "size": size,
                "config": config,
            }],
        })
    );

    // A build that fails, if only at its end, leaves none of them.
    drop(registry);
    let failed = build(&home, &flags);
    assert_eq!(failed.code, Some(6), "{}", failed.stderr);
    for name in ["metadata.json", "iid", "digest", "names", "tagged"] {
        assert!(!home.path(name).exists(), "{name}");
    }
}

#[test]
fn the_files_tell_of_an_index_too() {
    let mut home = furnished();
    home.write("c/Dockerfile", "from scratch\nCOPY a /a\n");
    home.set("BUILDX_METADATA_WARNINGS", "1");
    let built = build(
        &home,
        &[
            "-q",
            BOTH,
            "--metadata-file=m",
            "--iidfile=iid",
            "--annotation=index-descriptor:x=y",
        ],
    );
    let digest = built.ok().trim().to_owned();
    assert_eq!(read(&home, "iid"), digest);
    let metadata = json_of(read(&home, "m").as_bytes());
    let descriptor = &metadata["containerimage.descriptor"];
    assert_eq!(metadata["containerimage.digest"], digest);
    assert_eq!(descriptor["digest"], digest);
    assert_eq!(
        descriptor["mediaType"],
        "application/vnd.oci.image.index.v1+json"
    );
    assert_eq!(descriptor["annotations"], json!({ "x": "y" }));
    assert_eq!(metadata.get("containerimage.config.digest"), None);
    assert_eq!(metadata.get("image.name"), None);
    assert_eq!(metadata["wharf.images"][1]["platform"], "linux/arm64");
    let warning = &metadata["buildx.build.warnings"][0];
    assert_eq!(warning["range"][0]["start"]["line"], 1, "{warning}");
}

#[test]
fn annotations_and_labels_are_where_they_were_asked_for() {
    let home = furnished();
    let built = build(
        &home,
        &[
            "-q",
            BOTH,
            "--annotation=a=all",
            "--annotation=index,manifest[linux/arm64]:b=c",
            "--annotation=manifest-descriptor[linux/amd64]:d=e",
            "--annotation=index-descriptor:f=g",
            "--label=b=flag",
            "--label=empty",
            "-o",
            "type=oci,dest=layout",
            "-t",
            "shop:1",
        ],
    );
    built.ok();
    let listed = json_of(read(&home, "layout/index.json").as_bytes());
    assert_eq!(listed["manifests"][0]["annotations"]["f"], "g");
    let index = json_of(&raw(&home, "manifest", "oci:layout:1"));
    assert_eq!(index["annotations"], json!({ "b": "c" }));
    assert_eq!(index["manifests"][0]["annotations"], json!({ "d": "e" }));
    assert_eq!(index["manifests"][1].get("annotations"), None);
    for (number, expected) in [
        (0, json!({ "a": "all" })),
        (1, json!({ "a": "all", "b": "c" })),
    ] {
        let digest = index["manifests"][number]["digest"].as_str();
        let hex = digest.expect("a text").trim_start_matches("sha256:");
        let blob =
            |hex: &str| json_of(read(&home, &format!("layout/blobs/sha256/{hex}")).as_bytes());
        let manifest = blob(hex);
        assert_eq!(manifest["annotations"], expected);
        let config = manifest["config"]["digest"].as_str().expect("a text");
        let config = blob(config.trim_start_matches("sha256:"));
        let labels = &config["config"]["Labels"];
        assert_eq!(*labels, json!({ "b": "flag", "empty": "" }));
    }

    // Of one platform there is no index, but a layout lists the manifest.
    let one = build(
        &home,
        &[
            "-q",
            "--annotation=manifest-descriptor:d=e",
            "-o",
            "type=oci,dest=one.tar",
        ],
    );
    one.ok();
    let archive = entries(&fs_err::read(home.path("one.tar")).expect("written"));
    let listed = json_of(&archive["index.json"]);
    assert_eq!(listed["manifests"][0]["annotations"], json!({ "d": "e" }));
    let refused = build(&home, &["--annotation=index:a=b"]);
    let said = refused.failed(2);
    let expected = "error: a build for one platform has no index to annotate\n";
    assert!(said.starts_with(expected), "{said}");
    let refused = build(&home, &["-q", "--format=docker", "--annotation=a=b"]);
    let said = refused.failed(2);
    let expected = "error: manifests in Docker's format have no annotations\n";
    assert!(said.starts_with(expected), "{said}");
}

/// Is what a daemon was asked: the line of a request, and its body.
type Asked = Vec<(String, Vec<u8>)>;

/// Answers as a docker would that says this when it is given an archive.
fn daemon(socket: &Path, said: &'static str) -> JoinHandle<Asked> {
    let listener = UnixListener::bind(socket).expect("a socket");
    std::thread::spawn(move || {
        let mut all = Vec::new();
        for _ in 0..2 {
            let (stream, _) = listener.accept().expect("somebody asks");
            let mut reader = BufReader::new(&stream);
            let (mut first, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("read");
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length: ") {
                    length = value.trim().parse().expect("a number");
                }
                if line == "\r\n" {
                    break;
                }
                if first.is_empty() {
                    first = line.trim().to_owned();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("the whole body");
            let said = if body.is_empty() { "OK" } else { said };
            let length = said.len();
            write!(
                &stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{said}"
            )
            .expect("heard");
            all.push((first, body));
        }
        all
    })
}

#[test]
fn docker_is_given_the_image_through_its_socket() {
    let mut home = furnished();
    let socket = home.path("docker.sock");
    home.set("DOCKER_HOST", format!("unix://{}", text(&socket)));
    let running = daemon(&socket, "{\"stream\":\"Loaded image: shop:1\\n\"}\n");
    let built = build(
        &home,
        &[
            "--load",
            "-t",
            "shop:1",
            "-t",
            "shop:2",
            "--metadata-file=m",
        ],
    );
    let digest = built.ok().trim().to_owned();
    assert!(
        built
            .stderr
            .contains("\nloaded into docker: docker.io/library/shop:1, docker.io/library/shop:2\n"),
        "{}",
        built.stderr
    );
    let asked = running.join().expect("it was asked");
    assert_eq!(asked[0].0, "GET /_ping HTTP/1.1");
    assert_eq!(asked[1].0, "POST /images/load?quiet=1 HTTP/1.1");
    let archive = entries(&asked[1].1);
    let list = json_of(&archive["manifest.json"]);
    assert_eq!(
        list[0]["RepoTags"],
        json!(["docker.io/library/shop:1", "docker.io/library/shop:2"])
    );
    let config = format!(
        "sha256:{}",
        list[0]["Config"]
            .as_str()
            .expect("a text")
            .trim_end_matches(".json")
    );
    let metadata = json_of(read(&home, "m").as_bytes());
    assert_eq!(metadata["containerimage.config.digest"], config);
    assert_eq!(metadata["containerimage.digest"], digest);

    // What docker says in the middle of its answer counts.
    fs_err::remove_file(&socket).expect("there");
    let running = daemon(
        &socket,
        "{\"stream\":\"a\"}\n{\"errorDetail\":{},\"error\":\"no space left\"}\n",
    );
    let refused = build(&home, &["-q", "-o", "type=docker"]);
    assert_eq!(
        refused.failed(1),
        "error: the image is built, but docker did not load it\n\
         caused by: it said: no space left\n"
    );
    running.join().expect("it was asked");
}

#[test]
fn podman_is_given_the_image_where_there_is_no_docker() {
    let mut home = furnished();
    let socket = format!("unix://{}", home.path("docker.sock").display());
    home.set("DOCKER_HOST", socket);
    let script = "#!/bin/sh\necho \"$1 $2 $3\" > asked; cp \"$4\" archive; echo Loaded\n";
    let program = home.write("bin/podman", script);
    let mode = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(&program, mode.clone()).expect("ours");
    let built = build(&home, &["--load"]);
    let digest = built.ok().to_owned();
    assert_eq!(digest.lines().count(), 1, "what podman says is no result");
    let config = json_of(&raw(
        &home,
        "manifest",
        &format!("local:localhost/untagged@{}", digest.trim()),
    ))["config"]["digest"]
        .clone();
    let said = format!(
        "\nloaded into podman: {}\n",
        config.as_str().expect("a text")
    );
    assert!(built.stderr.contains(&said), "{}", built.stderr);
    assert_eq!(read(&home, "asked"), "load --quiet --input\n");
    let archive = entries(&fs_err::read(home.path("archive")).expect("copied"));
    assert_eq!(json_of(&archive["manifest.json"])[0]["RepoTags"], json!([]));

    home.write(
        "bin/podman",
        "#!/bin/sh\necho 'Error: no room' >&2; exit 125\n",
    );
    let refused = build(&home, &["-q", "--load=podman"]);
    let said = refused.failed(1);
    assert!(
        said.starts_with("error: the image is built, but podman did not load it\n")
            && said.contains("podman load`: Error: no room\n"),
        "{said}"
    );
    let refused = build(&home, &["--load=docker"]);
    let said = refused.failed(3);
    assert!(
        said.starts_with("error: docker does not answer at `"),
        "{said}"
    );
}

#[test]
fn progress_is_shown_as_it_was_asked_for() {
    let home = furnished();
    let digest = build(&home, &["-q"]).ok().to_owned();
    for (flags, expected) in [
        (vec!["--progress=quiet"], ""),
        (vec!["-q", "--progress=plain"], ""),
        (vec!["-q", "--progress=rawjson"], ""),
    ] {
        let built = build(&home, &flags);
        assert_eq!(
            (built.ok(), built.stderr.as_str()),
            (digest.as_str(), expected)
        );
    }
    let none = build(&home, &["--progress=none"]);
    assert_eq!(none.ok(), digest);
    let lines: Vec<&str> = none.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[1].starts_with("built `localhost/untagged@"),
        "{lines:?}"
    );
    assert!(
        build(&home, &["--progress=tty"])
            .failed(2)
            .starts_with("error: `--progress=tty` needs a terminal on standard error\n")
    );
}

/// Names the kind of an event.
fn kind(event: &Value) -> String {
    event["event"].as_str().expect("a text").to_owned()
}

#[test]
fn programs_are_told_everything() {
    let mut home = furnished();
    home.set("BUILDKIT_PROGRESS", "rawjson");
    let told = build(&home, &["--no-cache", "-t", "shop:1", "-o", "out"]);
    told.ok();
    let events: Vec<Value> = told
        .stderr
        .lines()
        .map(|line| json_of(line.as_bytes()))
        .collect();
    assert!(events.iter().all(|event| event["time"].is_u64()));
    let kinds: Vec<String> = events
        .iter()
        .map(kind)
        .filter(|kind| !["indexing", "packing", "missed"].contains(&kind.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            "planned", "started", "finished", "started", "finished", "started", "finished",
            "built", "wrote", "summary"
        ]
    );
    let of = |wanted: &str| {
        let mut found = events.iter().filter(|event| event["event"] == wanted);
        found.next().expect("told").clone()
    };
    assert_eq!(of("planned")["steps"], 3);
    assert_eq!(of("built")["image.name"], "docker.io/library/shop:1");
    assert_eq!(of("wrote")["output"], "type=local,dest=out");
    let packed = events.iter().find(|event| event["outcome"] == "packed");
    let packed = packed.expect("a layer");
    assert_eq!(packed["step"], 2);
    let summary = of("summary");
    assert_eq!(summary["bytesRead"], 8);
    assert_eq!(summary["bytesWritten"], packed["size"]);
    assert_eq!(summary["stepsCached"], 0);
    assert_eq!(of("missed")["step"], 2);

    home.set("BUILDKIT_PROGRESS", "plain");
    home.write("c/a", "other\n");
    let explained = build(&home, &["--explain-cache"]);
    explained.ok();
    let why = "\n#2 done, since the file `a` has another content\n";
    assert!(explained.stderr.contains(why), "{}", explained.stderr);
    home.set("BUILDKIT_PROGRESS", "rawjson");

    home.write("c/Dockerfile", "FROM scratch\ncopy a /a\n");
    let warned = build(&home, &[]);
    let mut lines = warned.stderr.lines().map(|line| json_of(line.as_bytes()));
    let diagnostic = lines.find(|event| event["event"] == "diagnostic");
    let diagnostic = diagnostic.expect("instructions are not written alike");
    assert_eq!(diagnostic["code"], "ConsistentInstructionCasing");
    assert_eq!(diagnostic["line"], 2);

    home.write("c/Dockerfile", "FROM scratch\nCOPY none /\n");
    let failed = build(&home, &[]);
    let said = failed.failed(3);
    let last = said.lines().rfind(|line| line.starts_with('{'));
    let last = json_of(last.expect("JSON").as_bytes());
    assert_eq!((kind(&last).as_str(), &last["exit"]), ("failed", &json!(3)));
    let message = last["message"].as_str().expect("a text");
    assert!(said.ends_with(message), "{said}");
}
