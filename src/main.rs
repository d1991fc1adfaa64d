//! Parses the command line, calls [`usher::cli`], turns its answer into an exit code. Knows nothing else.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    usher::cli::Usher::parse().run()
}
