//! Parses the command line, calls [`usher::cli`], turns its answer into an exit code. Knows nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    usher::cli::Usher::of_command_line().map_or_else(|code| code, usher::cli::Usher::run)
}
