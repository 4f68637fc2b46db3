//! The programs that are measured, each with its files below one directory.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::sample::{IMAGE, REPOSITORY, Sample};

/// Longest that a program may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wharf,
    DockerRegistry,
    Nginx,
}

/// A running program; it ends with this value.
#[derive(Debug)]
pub(crate) struct Peer {
    kind: Kind,
    process: Child,
    address: SocketAddr,
}

/// Memory of a program with its children, in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

impl Peer {
    /// Starts all of them; wharf is the first.
    ///
    /// # Errors
    /// Says which program is missing or does not start.
    pub(crate) fn start_all(directory: &Path, sample: &Sample) -> Result<Vec<Self>, Error> {
        Ok(vec![
            start_wharf(directory)?,
            start_docker_registry(directory)?,
            start_nginx(directory, sample)?,
        ])
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Wharf => "wharf",
            Kind::DockerRegistry => "docker-registry",
            Kind::Nginx => "nginx",
        }
    }

    /// Says whether one can push to it.
    pub(crate) fn is_registry(&self) -> bool {
        self.kind != Kind::Nginx
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the memory in use now, and the most there was.
    ///
    /// # Errors
    /// Fails when the program has ended.
    pub(crate) fn memory(&self) -> Result<Memory, Error> {
        let parent = self.process.id();
        let children = format!("/proc/{parent}/task/{parent}/children");
        let children = fs_err::read_to_string(children)?;
        let own = parent.to_string();
        let mut sum = Memory { now: 0, peak: 0 };
        for process in children.split_whitespace().chain([own.as_str()]) {
            let status = fs_err::read_to_string(format!("/proc/{process}/status"))?;
            sum.now += field(&status, "VmRSS:");
            sum.peak += field(&status, "VmHWM:");
        }
        Ok(sum)
    }
}

impl Drop for Peer {
    /// Asks it to end before it is killed: nginx has children to end.
    fn drop(&mut self) {
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let start = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) && start.elapsed() < PATIENCE {
            sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts wharf as it is released, from beside this program.
fn start_wharf(directory: &Path) -> Result<Peer, Error> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name("wharf");
    if !program.is_file() {
        let words = format!("no `{}`: build it first", program.display());
        return Err(Error::new(words));
    }
    let mut process = Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:0", "--storage"])
        .arg(directory.join("wharf"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    if let Some(output) = process.stdout.as_mut() {
        BufReader::new(output).read_line(&mut line)?;
    }
    let address = line.trim().strip_prefix("listening http://");
    let Some(address) = address.and_then(|text| text.parse().ok()) else {
        process.kill()?;
        process.wait()?;
        return Err(Error::new(format!("wharf said `{}`", line.trim())));
    };
    let kind = Kind::Wharf;
    Ok(Peer {
        kind,
        process,
        address,
    })
}

/// Starts the peer with the settings that its package has, on a directory of ours.
fn start_docker_registry(directory: &Path) -> Result<Peer, Error> {
    let address = free_port()?;
    let storage = directory.join("docker-registry");
    let config = directory.join("docker-registry.yml");
    let text = format!(
        "version: 0.1\nstorage:\n  cache: {{blobdescriptor: inmemory}}\n  \
         filesystem: {{rootdirectory: '{}'}}\n  delete: {{enabled: true}}\n\
         http: {{addr: '{address}'}}\n",
        storage.display()
    );
    fs_err::write(&config, text)?;
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(config);
    start(Kind::DockerRegistry, command, address)
}

/// Starts nginx with the sample as files under the same paths.
fn start_nginx(directory: &Path, sample: &Sample) -> Result<Peer, Error> {
    let address = free_port()?;
    let root = directory.join("nginx");
    let blobs = root.join("v2").join(REPOSITORY).join("blobs");
    let manifests = root.join("v2").join(REPOSITORY).join("manifests");
    fs_err::create_dir_all(&blobs)?;
    fs_err::create_dir_all(&manifests)?;
    fs_err::write(manifests.join("latest"), &sample.manifest)?;
    for (digest, bytes) in &sample.blobs {
        fs_err::write(blobs.join(digest), bytes)?;
    }
    let at = directory.display();
    // The user is ours, since the files are. A connection serves without end, as those of
    // the registries do.
    let text = format!(
        "daemon off; worker_processes auto; user root; pid {at}/nginx.pid; \
         error_log /dev/null;\nevents {{ worker_connections 1024; }}\nhttp {{\n\
         access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;\n\
         default_type {IMAGE};\n\
         client_body_temp_path {at}/nginx-body; proxy_temp_path {at}/nginx-proxy;\n\
         fastcgi_temp_path {at}/nginx-fastcgi; uwsgi_temp_path {at}/nginx-uwsgi;\n\
         scgi_temp_path {at}/nginx-scgi;\n\
         server {{ listen {address}; root {}; }}\n}}\n",
        root.display()
    );
    let config = directory.join("nginx.conf");
    fs_err::write(&config, text)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(directory).arg("-c").arg(config);
    start(Kind::Nginx, command, address)
}

fn start(kind: Kind, mut command: Command, address: SocketAddr) -> Result<Peer, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let process = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| Error::new(format!("`{program}` does not start: {error}")))?;
    let mut peer = Peer {
        kind,
        process,
        address,
    };
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        if peer.process.try_wait()?.is_some() || start.elapsed() > PATIENCE {
            return Err(Error::new(format!("`{program}` does not listen")));
        }
        sleep(Duration::from_millis(10));
    }
    Ok(peer)
}

fn free_port() -> Result<SocketAddr, Error> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.unwrap_or(0)
}
