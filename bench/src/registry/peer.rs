//! The programs that are measured, each with its files below one directory.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::sample::IMAGE;

/// Longest that a program may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ticks of a processor in `/proc`, by the second: Linux tells every program 100.
const TICKS: f64 = 100.0;

/// Which program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Wharf,
    DockerRegistry,
    Nginx,
    /// What wharf keeps its objects in; it is not measured.
    S3,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Wharf, Self::DockerRegistry, Self::Nginx];

    /// Those that wharf is compared with.
    pub(crate) const OTHERS: [Self; 2] = [Self::DockerRegistry, Self::Nginx];

    /// Those that one can push to.
    pub(crate) const REGISTRIES: [Self; 2] = [Self::Wharf, Self::DockerRegistry];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wharf => "wharf",
            Self::DockerRegistry => "docker-registry",
            Self::Nginx => "nginx",
            Self::S3 => "s3",
        }
    }
}

/// Where programs come from, and where their files go.
#[derive(Debug)]
pub(crate) struct Place {
    /// A copy of wharf that no build replaces meanwhile.
    pub(crate) wharf: PathBuf,
    /// On a disk.
    pub(crate) directory: PathBuf,
    /// What wharf is told by its environment.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// The file that is mounted as the directory; empty where none is.
    pub(crate) image: PathBuf,
}

impl Place {
    /// Returns the file that nginx serves under a path.
    pub(crate) fn served(&self, path: &str) -> PathBuf {
        self.directory
            .join("nginx")
            .join(path.trim_start_matches('/'))
    }

    /// Returns where the files of a program are.
    pub(crate) fn storage(&self, kind: Kind) -> PathBuf {
        self.directory.join(kind.name())
    }
}

/// Removes the files of a part that is done.
impl Drop for Place {
    fn drop(&mut self) {
        if !self.image.as_os_str().is_empty() {
            let _ = Command::new("umount").arg(&self.directory).status();
            let _ = fs_err::remove_file(&self.image);
        }
        let _ = fs_err::remove_dir_all(&self.directory);
    }
}

/// A running program; it ends with this value.
#[derive(Debug)]
pub(crate) struct Peer {
    kind: Kind,
    process: Child,
    address: SocketAddr,
}

/// Memory of a program with its children, in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now: f64,
    pub(crate) peak: f64,
}

impl Peer {
    /// Starts a program with the settings it comes with.
    ///
    /// # Errors
    /// Says that it is missing or does not start.
    pub(crate) fn start(kind: Kind, place: &Place) -> Result<Self, Error> {
        match kind {
            Kind::Wharf => {
                let storage = place.storage(kind);
                Self::start_wharf(place, &storage.to_string_lossy(), &[])
            }
            Kind::DockerRegistry => start_docker_registry(place),
            Kind::Nginx => start_nginx(place),
            Kind::S3 => Err(Error::new("an S3 server is started by its program")),
        }
    }

    /// Starts some programs.
    ///
    /// # Errors
    /// Says which one is missing or does not start.
    pub(crate) fn start_all(kinds: &[Kind], place: &Place) -> Result<Vec<Self>, Error> {
        kinds.iter().map(|kind| Self::start(*kind, place)).collect()
    }

    /// Starts wharf on some storage, with further arguments.
    ///
    /// # Errors
    /// Says that it does not start.
    pub(crate) fn start_wharf(
        place: &Place,
        storage: &str,
        arguments: &[&str],
    ) -> Result<Self, Error> {
        let mut command = Command::new(&place.wharf);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--storage", storage])
            .args(arguments)
            .envs(place.environment.iter().cloned());
        start_and_listen(Kind::Wharf, command)
    }

    /// Starts an S3 server that keeps its objects below a place; it has one bucket, `wharf`,
    /// and says where it listens as wharf does.
    ///
    /// # Errors
    /// Says that it does not start.
    pub(crate) fn start_s3(program: &str, place: &Place) -> Result<Self, Error> {
        let objects = place.directory.join("s3");
        fs_err::create_dir_all(&objects)?;
        let mut command = Command::new(program);
        command.arg(objects).arg("0");
        start_and_listen(Kind::S3, command)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the memory in use now, and the most there was.
    ///
    /// # Errors
    /// Fails when the program has ended.
    pub(crate) fn memory(&self) -> Result<Memory, Error> {
        let mut sum = Memory {
            now: 0.0,
            peak: 0.0,
        };
        for process in self.processes()? {
            let status = fs_err::read_to_string(format!("/proc/{process}/status"))?;
            sum.now += field(&status, "VmRSS:");
            sum.peak += field(&status, "VmHWM:");
        }
        Ok(sum)
    }

    /// Lets the most there was begin anew.
    ///
    /// # Errors
    /// Fails when the program has ended, or is somebody else's.
    pub(crate) fn forget_peak(&self) -> Result<(), Error> {
        for process in self.processes()? {
            // proc(5): 5 resets the peak resident set size.
            fs_err::write(format!("/proc/{process}/clear_refs"), "5")?;
        }
        Ok(())
    }

    /// Returns the seconds of processors that it has taken.
    ///
    /// # Errors
    /// Fails when the program has ended.
    pub(crate) fn processor_seconds(&self) -> Result<f64, Error> {
        let mut ticks = 0.0;
        for process in self.processes()? {
            let stat = fs_err::read_to_string(format!("/proc/{process}/stat"))?;
            // The fields after the name, which may have blanks and is in brackets:
            // the 12th is the time in the program, the 13th that in the kernel.
            let fields = stat.rsplit(')').next().unwrap_or_default();
            let times = fields.split_whitespace().skip(11).take(2);
            ticks += times
                .filter_map(|field| field.parse::<f64>().ok())
                .sum::<f64>();
        }
        Ok(ticks / TICKS)
    }

    fn processes(&self) -> Result<Vec<String>, Error> {
        let parent = self.process.id();
        let children = format!("/proc/{parent}/task/{parent}/children");
        let children = fs_err::read_to_string(children)?;
        let children = children.split_whitespace().map(str::to_owned);
        Ok(children.chain([parent.to_string()]).collect())
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

/// Starts a program that says where it listens.
fn start_and_listen(kind: Kind, mut command: Command) -> Result<Peer, Error> {
    let mut process = command
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
        let words = format!("{} said `{}`", kind.name(), line.trim());
        return Err(Error::new(words));
    };
    Ok(Peer {
        kind,
        process,
        address,
    })
}

/// Starts the peer with the settings that its package has, on a directory of ours.
fn start_docker_registry(place: &Place) -> Result<Peer, Error> {
    let address = free_port()?;
    let config = place.directory.join("docker-registry.yml");
    let text = format!(
        "version: 0.1\nstorage:\n  cache: {{blobdescriptor: inmemory}}\n  \
         filesystem: {{rootdirectory: '{}'}}\n  delete: {{enabled: true}}\n\
         http: {{addr: '{address}'}}\n",
        place.storage(Kind::DockerRegistry).display()
    );
    fs_err::write(&config, text)?;
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(config);
    start(Kind::DockerRegistry, command, address)
}

/// Starts nginx on the files that are there for it.
fn start_nginx(place: &Place) -> Result<Peer, Error> {
    let address = free_port()?;
    let directory: &Path = &place.directory;
    let root = place.served("");
    fs_err::create_dir_all(&root)?;
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
        sleep(Duration::from_millis(2));
    }
    Ok(peer)
}

fn free_port() -> Result<SocketAddr, Error> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Reads a size that `/proc` gives in KiB, in MiB.
fn field(status: &str, name: &str) -> f64 {
    let line = status.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    number.unwrap_or(0.0) / 1024.0
}
