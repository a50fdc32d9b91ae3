//! Why a command failed, told in one line to the person who ran it.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// What was wrong, and what to do about it.
    Told(String),
    /// The arguments contradict each other in a way that clap cannot see.
    Usage(String),
    /// The reader of our output went away, as `head` does: nobody is left to tell.
    OutputClosed,
}

impl Failure {
    /// A failure with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Told(message.into())
    }

    /// Could not write to standard output.
    pub fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Told(format!("cannot write the output: {error}")),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(message) | Self::Usage(message) => f.write_str(message),
            Self::OutputClosed => f.write_str("the output was closed"),
        }
    }
}

/// Tells a failure on standard error. The exit code is 0, 1, or 2 for wrong usage.
pub fn report(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::OutputClosed) => ExitCode::FAILURE,
        Err(failure @ Failure::Told(_)) => {
            eprintln!("rollcall: {failure}");
            ExitCode::FAILURE
        }
        Err(failure @ Failure::Usage(_)) => {
            eprintln!("rollcall: {failure}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use directory_proto::trace::chain;

    use super::*;

    #[test]
    fn a_chain_names_each_cause_once() {
        let inner = io::Error::other("disk\nfull");
        let outer = io::Error::other(inner);

        assert_eq!(chain(&outer), "disk full");
    }

    #[test]
    fn a_closed_pipe_is_not_told() {
        let failure = Failure::output(io::ErrorKind::BrokenPipe.into());

        assert!(matches!(failure, Failure::OutputClosed));
    }
}
