//! This program again, in the namespaces of a tier.
//!
//! It says how a worker is started, entered and ended. What it is asked and
//! answers is not known here: that is for whoever gives `serve`.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::tier::Tier;

mod entry;
mod greeting;
mod maps;
mod process;

use entry::Failure;
use greeting::{Answer, Greeting};
pub(crate) use maps::{find as find_program, is_privileged};
pub use process::Killer;
use process::Process;

/// Says how this program is started again.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program: `/proc/self/exe` where that can be read.
    pub program: PathBuf,
}

/// Is a worker that runs. Dropped, it is killed with all that it started.
#[derive(Debug)]
pub struct Worker {
    // It is closed before the process is killed.
    channel: Channel,
    process: Process,
}

/// Says what a worker is for: the word behind [`ARGUMENT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It does what a build asks.
    Serve,
    /// It tries what the machine allows.
    Probe,
}

/// The argument that makes this program a worker.
const ARGUMENT: &str = "__worker";

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Probe => "probe",
        }
    }
}

impl Worker {
    /// Starts a worker in the namespaces of a tier. It blocks.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Denied`] when the kernel does not allow them,
    /// with [`ErrorKind::Unsupported`] when a program for that is missing, and
    /// with [`ErrorKind::System`] when this program can not be started again.
    pub fn start(launch: &Launch, tier: &Tier) -> Result<Self, Error> {
        Self::start_for(launch, tier, Purpose::Serve)
    }

    /// Starts a worker, for a build or to find out whether there could be one.
    pub(crate) fn start_for(launch: &Launch, tier: &Tier, purpose: Purpose) -> Result<Self, Error> {
        let (channel, theirs) = Channel::pair()?;
        let process = Process::start(launch, &[ARGUMENT, purpose.as_str()], theirs)?;
        let mut worker = Self { channel, process };
        match worker.greet(tier) {
            Ok(()) => Ok(worker),
            Err(error) if error.kind() == ErrorKind::Broken => Err(worker.process.explain(error)),
            Err(error) => Err(error),
        }
    }

    /// Gives the channel to it.
    pub fn channel(&mut self) -> &mut Channel {
        &mut self.channel
    }

    /// Gives the number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Gives what kills it from another thread, so that whoever waits for its
    /// answer finds the channel closed.
    #[must_use]
    pub fn killer(&self) -> Killer {
        self.process.killer()
    }

    /// Closes the channel and waits until the worker has ended by itself.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Broken`] when it ended otherwise than well.
    pub fn finish(self) -> Result<(), Error> {
        let Self { channel, process } = self;
        drop(channel);
        process.wait()
    }

    /// Leads the worker into its namespaces.
    fn greet(&mut self, tier: &Tier) -> Result<(), Error> {
        let greeting = Greeting {
            tier: tier.clone(),
            parent: std::process::id(),
        };
        greeting::send(&mut self.channel, &greeting)?;
        loop {
            match greeting::receive(&mut self.channel)? {
                Answer::NeedsMaps => {
                    maps::write(self.process.id(), &tier.ids)?;
                    greeting::send(&mut self.channel, &())?;
                }
                Answer::Ready => return Ok(()),
                Answer::Failed(error) => return Err(error),
            }
        }
    }
}

/// Does what this program was started for by itself, and `None` where somebody
/// else started it. `arguments` are all of the program, its name first. It has
/// to be called before there is any other thread. `serve` answers the messages
/// of a worker until the channel is closed.
pub fn dispatch(
    arguments: &[OsString],
    serve: impl FnOnce(Channel, Tier) -> Result<(), Error>,
) -> Option<ExitCode> {
    let mut arguments = arguments.iter().skip(1);
    if arguments.next()? != ARGUMENT {
        return None;
    }
    Some(match arguments.next().and_then(|word| word.to_str()) {
        Some("serve") => work(|channel, tier| {
            // While the builder is still at what comes before the first command.
            crate::exec::prepare();
            serve(channel, tier)
        }),
        Some("probe") => work(crate::probe::serve),
        Some("step") => crate::exec::step_main(),
        _ => fail(&Failure::ByHand),
    })
}

/// Is a worker from its beginning to its end.
fn work(serve: impl FnOnce(Channel, Tier) -> Result<(), Error>) -> ExitCode {
    let served =
        entry::enter().and_then(|(channel, tier)| serve(channel, tier).map_err(Failure::Alone));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    match failure {
        Failure::ByHand => {
            let context = "`__worker` is how this program starts itself: it is no command";
            report(&Error::new(ErrorKind::Broken, context));
            // As for any other command line that can not be understood.
            ExitCode::from(2)
        }
        Failure::Told => ExitCode::FAILURE,
        Failure::Alone(error) => {
            report(error);
            ExitCode::FAILURE
        }
    }
}

/// Says on the error output what went wrong: there is nobody else to tell.
fn report(error: &Error) {
    let mut text = format!("error: {error}\n");
    if let Some(hint) = error.hint() {
        text.push_str(&format!("hint: {hint}\n"));
    }
    // Where even this can not be written, the exit code has to do.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
