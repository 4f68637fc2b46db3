//! Contexts and Dockerfiles that are elsewhere, and contexts with names.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use crate::harness::Home;

/// Serves files to the end of the test, and gives its address.
fn serve(files: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(stream.try_clone().expect("a handle")).lines();
            let first = lines.next().expect("a line").expect("text");
            let path = first.split(' ').nth(1).expect("a path").to_owned();
            // All of it is read, so that closing loses nothing.
            for line in lines {
                if line.is_ok_and(|line| line.is_empty()) {
                    break;
                }
            }
            let found = files.iter().find(|(name, _)| *name == path);
            let (status, body) = match found {
                Some((_, body)) => ("200 OK", body.as_slice()),
                None => ("404 Not Found", &b""[..]),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            // Whoever asked may be gone.
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(body));
        }
    });
    format!("http://{address}")
}

const DOCKERFILE: &str = "FROM scratch\nCOPY web /srv\n";

/// A home with a context, and the same context as an archive.
fn furnished() -> (Home, Vec<u8>) {
    let home = Home::new();
    home.write("shop/Dockerfile", DOCKERFILE);
    home.write("shop/web/index.html", "<p>wares</p>\n");
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_dir_all(".", home.path("shop"))
        .expect("packed");
    let archive = builder.into_inner().expect("packed");
    (home, archive)
}

#[test]
fn archives_and_dockerfiles_are_fetched() {
    let (home, archive) = furnished();
    let host = serve(vec![
        ("/shop.tar", archive),
        ("/Dockerfile", DOCKERFILE.into()),
        ("/alone", b"FROM scratch\nLABEL a=b\n".to_vec()),
    ]);
    let here = home.wharf(&["build", "-q", "shop"]);
    let url = |path: &str| format!("{host}{path}");
    let archive = home.wharf(&["build", "-q", &url("/shop.tar")]);
    assert_eq!(archive.ok(), here.ok());
    let beside = home.wharf(&["build", "-q", "-f", &url("/Dockerfile"), "shop"]);
    assert_eq!(beside.ok(), here.ok());
    home.wharf(&["build", "-q", &url("/alone")]).ok();

    let checked = home.wharf(&[
        "check",
        "--format=github",
        "-f",
        &url("/Dockerfile"),
        "shop",
    ]);
    assert_eq!(checked.ok(), "");
    assert_eq!(
        checked.stderr,
        format!("checked `{host}/Dockerfile`: nothing was found\n")
    );
    let missing = home.wharf(&["build", &url("/none.tar")]);
    let name = format!("`{host}/none.tar`");
    assert!(missing.failed(3).contains(&name), "{}", missing.stderr);
}

#[test]
fn what_does_not_answer_is_asked_again() {
    let home = Home::new();
    let url = "http://eve:s3cret@127.0.0.1:1/shop.tar";
    let built = home.wharf(&["build", url]);
    let shown = "http://[redacted]@127.0.0.1:1/shop.tar";
    let fetching = format!("      fetching {shown}");
    let times = "times are 0 (1970); SOURCE_DATE_EPOCH or `--source-date-epoch` sets another";
    let expected = format!(
        "{times}\n{fetching}\n{fetching} again\n{fetching} again\n{fetching} again\n\
         error: `{shown}` can not be fetched, 4 times\ncaused by: "
    );
    assert!(built.failed(6).starts_with(&expected), "{}", built.stderr);
}

#[test]
fn repositories_take_no_part_in_what_time_it_is() {
    let home = Home::new();
    let context = "https://eve:s3cret@h.test/r.git";
    let built = home.wharf(&["build", "--source-date-epoch=git", context]);
    assert_eq!(
        built.failed(2),
        "error: `--source-date-epoch git` asks for the last commit of a directory here, and the context `https://[redacted]@h.test/r.git` is none\n\
         hint: give the seconds themselves, as `git log -1 --format=%ct` prints them\n"
    );
}

#[test]
fn names_mean_what_they_are_told_to() {
    let (home, archive) = furnished();
    let host = serve(vec![("/shop.tar", archive.clone())]);
    fs_err::write(home.path("shop.tar"), archive).expect("written");
    let file = "FROM scratch AS other\nCOPY web /srv\nFROM scratch\nCOPY --from=goods web /srv\n";
    home.write("empty/Dockerfile", file);
    home.write("empty/web/other", "");
    let build = |place: &str| {
        let context = format!("Goods={place}");
        home.wharf(&["build", "-q", "--build-context", &context, "empty"])
    };
    let from_directory = build("shop");
    let digest = from_directory.ok();
    assert_eq!(build("shop.tar").ok(), digest);
    assert_eq!(build(&format!("{host}/shop.tar")).ok(), digest);

    home.layout("layout", "1");
    let image = "FROM base\nUSER 7\n";
    let bases = ["oci-layout://layout:1", "oci-layout://layout"].map(|place| {
        let context = format!("base={place}");
        let build = ["build", "-q", "--build-context", &context, "-"];
        home.wharf_told(&build, image).ok().to_owned()
    });
    assert_eq!(bases[0], bases[1]);
    home.wharf(&["copy", "oci:layout:1", "local:stored:1"]).ok();
    let build = [
        "build",
        "-q",
        "--build-context",
        "base=docker-image://stored:1",
        "-",
    ];
    assert_eq!(home.wharf_told(&build, image).ok(), bases[0]);

    // A stage in the place of an image.
    let file = "FROM scratch AS mine\nLABEL a=b\nFROM nobody.test/base:1\nUSER 7\n";
    let context = "nobody.test/base:1=target:mine";
    home.wharf_told(&["build", "-q", "--build-context", context, "-"], file)
        .ok();
}

#[test]
fn names_without_a_meaning_are_told() {
    let (home, _) = furnished();
    let refused = |context: &str| {
        let built = home.wharf(&["build", "--build-context", context, "shop"]);
        (built.code, built.stderr)
    };
    let (code, said) = refused("goods");
    assert_eq!(code, Some(2));
    assert!(
        said.starts_with("error: `--build-context goods` is not of the form `NAME=PLACE`\nhint: "),
        "{said}"
    );
    let (code, said) = refused("goods=none");
    assert_eq!(code, Some(3));
    assert!(said.starts_with("error: can not use the build context `goods`\ncaused by: there is nothing at `none`\nhint: "), "{said}");
}

#[test]
fn a_signal_leaves_neither_files_nor_programs() {
    use std::os::unix::process::ExitStatusExt as _;

    let git = std::process::Command::new("git").arg("version").output();
    if git.is_err() {
        eprintln!("skipped: there is no git");
        return;
    }
    let mut home = Home::new();
    let scratch = home.path("tmp");
    fs_err::create_dir(&scratch).expect("made");
    home.set("TMPDIR", scratch.display().to_string());
    // It takes connections, and never says anything.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = listener.local_addr().expect("an address");
    let url = format!("http://someone:hunter2@{host}/x.git");
    for (signal, code) in [
        (rustix::process::Signal::TERM, 143),
        (rustix::process::Signal::INT, 130),
        (rustix::process::Signal::HUP, 129),
    ] {
        let child = home.command(&["build", "-q", &url]).spawn();
        let mut child = child.expect("the program runs");
        // From here on git waits for an answer.
        let (mut asked, _) = listener.accept().expect("a connection");
        for room in fs_err::read_dir(&scratch).expect("a directory") {
            let room = room.expect("readable").path();
            let found = std::process::Command::new("grep")
                .args(["-r", "hunter2"])
                .arg(&room)
                .output();
            let found = found.expect("grep runs");
            assert!(found.stdout.is_empty(), "{found:?}");
        }
        let process = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(process, signal).expect("it runs");
        let ended = child.wait().expect("it ends");
        assert_eq!((ended.code(), ended.signal()), (Some(code), None));
        let left = fs_err::read_dir(&scratch).expect("a directory").count();
        assert_eq!(left, 0);
        // Who asked is gone: the connection ends.
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut asked, &mut rest).expect("it ended");
    }
}

#[test]
fn a_mistake_is_shown_in_what_was_fetched() {
    let home = Home::new();
    let host = serve(vec![("/alone", b"FROM scratch\nCOPPY a /\n".to_vec())]);
    let ended = home.wharf(&["build", &format!("{host}/alone")]);
    assert_eq!(ended.code, Some(2));
    let place = format!("--> {host}/alone:2:1");
    assert!(ended.stderr.contains(&place), "{}", ended.stderr);
}
