//! What `wharf build` says of what it can not do: to whom, and what helps.

use crate::harness::{Home, Registry};

#[test]
fn the_registry_of_a_base_is_blamed() {
    let home = Home::new();
    let registry = Registry::closed(&home);
    let host = registry.host.as_str();
    let hint = format!("hint: give credentials for `{host}`: `wharf login {host}`\n");
    for dockerfile in [
        format!("FROM {host}/a:1\n"),
        format!("FROM scratch\nCOPY --from={host}/a:1 /x /\n"),
    ] {
        for names in [&[][..], &["-t", "shop:1"], &["-t", "127.0.0.1:1/shop:1"]] {
            let build = [&["build"], names, &["-"]].concat();
            let built = home.wharf_told(&build, &dockerfile);
            assert!(built.failed(4).ends_with(&hint), "{}", built.stderr);
        }
    }
}

#[test]
fn names_are_no_places() {
    let home = Home::new();
    let refused = |name: &str| {
        let built = home.wharf_told(&["build", "-t", name, "-"], "FROM scratch\n");
        built.failed(2).to_owned()
    };
    let form = "hint: a name is as `shop:1` or `localhost:5000/shop:1`, in lower case\n";
    for (name, error, hint) in [
        (
            "docker://localhost:5000/x:1",
            "is a place, where a name is needed",
            "hint: leave out the word before it: `localhost:5000/x:1`\n",
        ),
        (
            "local:h.test/x:1",
            "is a place, where a name is needed",
            "hint: leave out the word before it: `h.test/x:1`\n",
        ),
        ("oci:x", "is a place, where a name is needed", form),
        ("Bad", "is no name for an image", form),
        ("docker://Bad", "is no name for an image", form),
        ("docker-daemon:x", "is no name for an image", form),
    ] {
        let said = refused(name);
        let start = format!("error: `{name}` {error}\n");
        assert!(said.starts_with(&start) && said.ends_with(hint), "{said}");
    }
}

#[test]
fn flags_of_docker_are_explained() {
    let home = Home::new();
    assert_eq!(
        home.wharf(&["build", "--squash", "."]).failed(2),
        "error: `--squash` of `docker build` is not supported\n\
         hint: a last stage of `FROM scratch` and `COPY --from=STAGE / /` has one layer\n"
    );
    let other = home.wharf(&["build", "--lode", "."]);
    assert!(other.failed(2).contains("unexpected argument '--lode'"));
}

#[test]
fn a_commit_is_one_of_a_directory() {
    let home = Home::new();
    let built = home.wharf_told(&["build", "--source-date-epoch=git", "-"], "FROM scratch\n");
    assert_eq!(
        built.failed(2),
        "error: `--source-date-epoch git` asks for the last commit of a directory here, and the context `-` is none\n\
         hint: give the seconds themselves, as `git log -1 --format=%ct` prints them\n"
    );
}

#[test]
fn what_other_programs_do_not_find_is_told() {
    let home = Home::new();
    let warned = |format: &str, output: &str| {
        let build = ["build", "--format", format, "-t", "x:1", "-o", output, "-"];
        let built = home.wharf_told(&build, "FROM scratch\n");
        built.ok();
        built.stderr.contains("warning: ")
    };
    assert!(warned("docker", "type=oci,dest=a"));
    assert!(!warned("docker", "type=docker,dest=a.tar"));
    assert!(!warned("oci", "type=oci,dest=b"));
}

#[test]
fn a_dockerfile_alone_has_nothing_to_copy() {
    let home = Home::new();
    let built = home.wharf_told(&["build", "-"], "FROM scratch\nCOPY a /\n");
    let hint = "hint: the build has a Dockerfile alone: name a directory to copy from, \
                `wharf build -f - DIR`\n";
    assert!(built.failed(3).ends_with(hint), "{}", built.stderr);
}

#[test]
fn content_that_is_not_what_was_promised_is_said_to_be_so() {
    let mut home = Home::new();
    let library = home.path("library");
    home.set("WHARF_HOME", library.to_str().expect("UTF-8"));
    home.write("c/a", &"some text ".repeat(5000));
    home.write("c/Dockerfile", "FROM scratch\nCOPY a /a\n");
    home.wharf(&["build", "-t", "base:1", "c"]).ok();
    let blobs = fs_err::read_dir(library.join("blobs/sha256")).expect("there");
    let layer = blobs
        .map(|entry| entry.expect("readable").path())
        .find(|path| {
            fs_err::read(path)
                .expect("readable")
                .starts_with(b"\x1f\x8b")
        });
    let layer = layer.expect("a layer");
    let digest = layer.file_name().expect("a name").to_str().expect("ASCII");
    let whole = fs_err::read(&layer).expect("readable");
    home.write("d/Dockerfile", "FROM scratch\nCOPY --from=base:1 /a /b\n");
    // In the middle, at the end, and all of it.
    for (start, end) in [
        (whole.len() / 2, whole.len() / 2 + 4),
        (whole.len() - 4, whole.len()),
        (0, whole.len()),
    ] {
        let mut wrong = whole.clone();
        wrong[start..end].iter_mut().for_each(|byte| *byte ^= 0x55);
        fs_err::remove_file(&layer).expect("ours");
        fs_err::write(&layer, wrong).expect("writable");
        for build in [
            &["build", "d"][..],
            &["build", "c", "-o", "type=local,dest=out"],
        ] {
            let built = home.wharf(build);
            let said = built.failed(5);
            let expected = format!("caused by: expected digest `sha256:{digest}`, got ");
            assert!(said.contains(&expected), "{said}");
        }
    }
}

/// Builds nothing with these flags, and gives what is said of it.
fn said(home: &Home, code: i32, flags: &[&str]) -> String {
    let built = home.wharf_told(&[&["build"], flags, &["-"]].concat(), "FROM scratch\n");
    assert_eq!(built.code, Some(code), "{}", built.stderr);
    built.stderr
}

#[test]
fn a_cache_takes_the_place_of_nothing() {
    let home = Home::new();
    // Nobody listens there, and nobody is asked.
    let (name, cache) = ("127.0.0.1:1/r:1", "type=registry,ref=127.0.0.1:1/r:1");
    let image = "type=image,\"name=127.0.0.1:1/r:2,127.0.0.1:1/r:1\",push=true";
    for flags in [
        &["-t", name, "--push", "--cache-to", cache][..],
        &["-o", image, "--cache-to", cache],
    ] {
        let said = said(&home, 2, flags);
        let start = "error: the image and the cache of `--cache-to` would both be pushed to `127.0.0.1:1/r:1`\nhint: give the cache a tag of its own";
        assert!(said.starts_with(start), "{said}");
    }
    let here = home.path("d");
    let absolute = format!("type=local,tag=1,dest={}", here.display());
    for (output, to, cache) in [
        ("type=oci,dest=d", "--cache-to", "type=local,dest=./d,tag=1"),
        ("type=oci,dest=d", "--cache-to", absolute.as_str()),
        ("d", "--cache-to", "type=local,dest=d"),
        (
            "type=oci,tar=true,dest=d",
            "--cache-to",
            "type=local,dest=d,tag=2",
        ),
        ("type=tar,dest=d", "--cache-mount-to", "type=local,dest=d"),
    ] {
        let said = said(&home, 2, &["-t", "r:1", "-o", output, to, cache]);
        let (first, _) = said.split_once('\n').expect("a line");
        assert!(
            first.starts_with("error: the output `type=")
                && first.contains(&format!(" of `{to}` would be in one place")),
            "{said}"
        );
    }
    let twice = [
        "--cache-to=type=local,dest=d",
        "--cache-to=type=local,dest=./d",
    ];
    assert!(said(&home, 2, &twice).starts_with("error: two caches would be written to ./d:latest"));
    assert!(!here.exists());
    // What has a name of its own may be beside the others.
    let beside = [
        "-t=r:1",
        "-o=type=oci,dest=d",
        "--cache-to=type=local,dest=d",
        "--cache-to=type=local,dest=d,tag=2",
        "--cache-mount-to=type=local,dest=d",
    ];
    said(&home, 0, &beside);
    for tag in ["1", "2", "latest"] {
        home.wharf(&["inspect", "--raw", "manifest", &format!("oci:d:{tag}")])
            .ok();
    }
}

#[test]
fn what_does_nothing_is_told() {
    let home = Home::new();
    let from = ["--no-cache", "--cache-from=type=local,src=none"];
    let warning = "warning: with `--no-cache`, nothing is taken from `--cache-from`\n   hint: ";
    let told = said(&home, 0, &from);
    assert!(told.contains(warning), "{told}");
    assert!(!said(&home, 0, &from[1..]).contains(warning));

    let refused = said(&home, 2, &["-o=type=image,name=r,push-by-digest=true"]);
    let start = "error: `--output type=image,name=r,push-by-digest=true` has `push-by-digest=true`, and pushes nothing\n";
    assert!(refused.starts_with(start), "{refused}");

    let flags = [
        "--push",
        "-o=type=oci,dest=d",
        "--load",
        "--cache-to=type=local,dest=d",
        "--iidfile=d",
    ];
    let warning = "warning: nothing is built, so these do nothing: `--push`, `--output`, `--load`, `--cache-to`, files for results\n   hint: ";
    for call in [
        "--check",
        "--call=check",
        "--call=targets",
        "--call=outline",
    ] {
        let told = said(&home, 0, &[&[call][..], &flags].concat());
        assert!(told.starts_with(warning), "{told}");
        let quiet = said(&home, 0, &[&["-q", call][..], &flags].concat());
        assert_eq!(quiet, "");
        let alone = said(&home, 0, &[call]);
        assert!(!alone.contains("nothing is built"), "{alone}");
    }
    assert!(!home.path("d").exists());
}

#[test]
fn a_name_gets_the_digest_where_that_is_asked_for() {
    let home = Home::new();
    let named = |flags: &[&str]| {
        let built = home.wharf_told(
            &[&["build", "-q"], flags, &["-"]].concat(),
            "FROM scratch\n",
        );
        let digest = built.ok().trim().to_owned();
        let listed = home.wharf(&["list"]);
        let listed = listed.ok().to_owned();
        move |repository: &str| listed.contains(&format!("/{repository}@{digest} "))
    };
    let lacks = named(&["-o=type=image,name=a:1,name-canonical=false"]);
    assert!(!lacks("a"));
    let has = named(&["-o=type=image,name=a:1,name-canonical=true"]);
    assert!(has("a"));
    let has = named(&["-t=b:1", "-o=type=image,name-canonical=true"]);
    assert!(has("b"));
    let refused = said(&home, 2, &["-o=type=image,name-canonical=true"]);
    let start = "error: `name-canonical` needs a name: there is no `-t`\n";
    assert!(refused.starts_with(start), "{refused}");
}
