//! The command line: one file a command. Commands that need the store act through [`client`].

#[macro_use]
mod print;

mod align;
mod api;
mod argument;
mod attendance;
mod backup;
mod bench;
mod calibrate;
mod camera;
mod client;
mod cluster;
mod config;
mod context;
mod demo;
mod detect;
mod doctor;
mod door;
mod enroll;
mod evaluate;
mod export;
mod fleet;
mod hub;
mod identify;
mod init;
mod journal;
mod listing;
mod liveness;
mod marking;
mod models;
mod next;
mod overview;
mod people;
mod places;
mod refusals;
mod restore;
mod run;
mod schedule;
mod secret;
mod site_rules;
mod status;
mod store;
mod train;
mod web;
mod when;
mod whom;
mod why;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::names;
use context::Context;
use print::{Tone, err_has_colour, paint};

/// Opens a door for the faces it knows.
///
/// usher reads a camera, finds faces, compares them with the people you enrolled, and drives a door's relay. It records every decision with
/// its reasons.
///
/// First steps: `usher demo` runs without any hardware. `usher init` sets up a first door and enrols a first face; `usher run` watches
/// the door. Without a command, usher says what is there and what to do next.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub struct Usher {
    /// The configuration file [default: /etc/usher/usher.toml; if that is not there, ~/.config/usher/usher.toml]
    #[arg(long, global = true, value_name = "FILE", env = "USHER_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The running daemon's socket [default: the configuration's, else /run/usher/usher.sock]
    #[arg(long, global = true, value_name = "PATH", env = "USHER_SOCKET", hide_env_values = true)]
    socket: Option<PathBuf>,
    /// Ask the office of a fleet about all boards, instead of the daemon; for attendance, journal, why, people list and web
    ///
    /// FOLDER is the office's, after an equals sign; without it, USHER_OFFICE, else /var/lib/usher-office.
    #[arg(long, global = true, value_name = "FOLDER", num_args = 0..=1, require_equals = true)]
    office: Option<Option<PathBuf>>,
    #[command(subcommand)]
    command: Option<Command>,
}

// A doc comment here would replace the program's help.
#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Init(init::Init),
    Run(run::Run),
    Enroll(enroll::Enroll),
    People(people::People),
    Models(models::Models),
    Detect(detect::Detect),
    Align(align::Align),
    Cluster(cluster::Cluster),
    Identify(identify::Identify),
    Evaluate(evaluate::Evaluate),
    Calibrate(calibrate::Calibrate),
    Liveness(liveness::Liveness),
    Train(train::Train),
    Journal(journal::Journal),
    Door(door::Door),
    Camera(camera::Camera),
    Schedule(schedule::Schedule),
    Why(why::Why),
    Attendance(attendance::Attendance),
    Refusals(refusals::RefusalsCommand),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Store(store::StoreCommand),
    Hub(hub::HubCommand),
    Fleet(fleet::Fleet),
    Web(web::Web),
    Status(status::Status),
    Api(api::Api),
    Doctor(doctor::Doctor),
    Bench(bench::Bench),
    Config(config::ConfigCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder, one a command
    ///
    /// For packages. Writes usher.1, usher-run.1 and so on.
    #[command(hide = true)]
    Manual {
        /// An existing folder
        folder: PathBuf,
    },
}

impl Usher {
    /// The command line.
    ///
    /// # Errors
    /// It is wrong, or asks for help; that is printed. The code to end with.
    pub fn of_command_line() -> Result<Usher, ExitCode> {
        let given: Vec<OsString> = std::env::args_os().collect();
        Usher::try_parse_from(&given).map_err(|error| {
            // Nobody can be told that nobody can be told.
            drop(error.print());
            if let Some(folder) = folder_after_office(&given).filter(|_| error.kind() == ErrorKind::InvalidSubcommand) {
                note!("\n  tip: the office's folder follows an equals sign: --office={}", folder.to_string_lossy());
            }
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
        })
    }

    /// Runs the command and prints its error. Exits with 0, or with 1 on failure; clap exits with 2 for a wrong command line. A change of a fleet that is
    /// not in force everywhere yet exits with 3.
    pub fn run(self) -> ExitCode {
        let context = Context::new(self.config, self.socket, self.office.map(fleet::office_folder));
        let Some(command) = self.command else { return ended(overview::run(&context), &context) };
        if context.is_of_office() && !command.asks_the_office() {
            let wrong = anyhow::anyhow!(
                "--office is for attendance, journal, why, people list and web; `usher fleet --help` has the rest"
            );
            return ended(Err(wrong), &context);
        }
        let done = match command {
            Command::Demo(command) => command.run(),
            Command::Init(command) => command.run(&context),
            Command::Run(command) => command.run(&context),
            Command::Enroll(command) => command.run(&context),
            Command::People(command) => command.run(&context),
            Command::Models(command) => command.run(&context),
            Command::Detect(command) => command.run(&context),
            Command::Align(command) => command.run(&context),
            Command::Cluster(command) => command.run(&context),
            Command::Identify(command) => command.run(&context),
            Command::Evaluate(command) => command.run(&context),
            Command::Calibrate(command) => command.run(&context),
            Command::Liveness(command) => command.run(&context),
            Command::Train(command) => command.run(&context),
            Command::Journal(command) => command.run(&context),
            Command::Door(command) => command.run(&context),
            Command::Camera(command) => command.run(&context),
            Command::Schedule(command) => command.run(&context),
            Command::Why(command) => command.run(&context),
            Command::Attendance(command) => command.run(&context),
            Command::Refusals(command) => command.run(&context),
            Command::Backup(command) => command.run(&context),
            Command::Restore(command) => command.run(&context),
            Command::Store(command) => command.run(&context),
            Command::Hub(command) => command.run(&context),
            Command::Fleet(command) => command.run(&context),
            Command::Web(command) => command.run(&context),
            Command::Status(command) => command.run(&context),
            Command::Api(command) => command.run(),
            Command::Doctor(command) => command.run(&context),
            Command::Bench(command) => command.run(&context),
            Command::Config(command) => command.run(&context),
            Command::Completions { shell } => {
                // Into memory first: it panics where the reader has gone.
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Usher::command(), "usher", &mut script);
                std::io::stdout().write_all(&script).map_err(anyhow::Error::from)
            }
            Command::Manual { folder } => clap_mangen::generate_to(Usher::command(), &folder)
                .with_context(|| format!("the manual pages cannot be written into {}", folder.display())),
        };
        ended(done, &context)
    }
}

/// What follows `--office` without an equals sign, if it looks like a folder.
fn folder_after_office(given: &[OsString]) -> Option<&OsString> {
    let at = given.iter().position(|argument| argument == "--office")?;
    given.get(at.checked_add(1)?).filter(|next| next.to_string_lossy().contains('/'))
}

impl Command {
    /// Whether it can ask the office of a fleet in place of a daemon.
    fn asks_the_office(&self) -> bool {
        matches!(
            self,
            Command::Attendance(_) | Command::Journal(_) | Command::Why(_) | Command::People(_) | Command::Web(_)
        )
    }
}

/// Prints a command's error, if there is one.
fn ended(done: anyhow::Result<()>, context: &Context) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that stops early (`usher people list | head`) is no failure.
        Err(error) if broken_pipe(&error) => ExitCode::SUCCESS,
        // All of it is printed.
        Err(error) if error.is::<fleet::NotInForce>() => ExitCode::from(fleet::NotInForce::EXIT),
        Err(error) => {
            let text = names::shown(&format!("{error:#}")).into_owned();
            note!("{} {text}", paint(Tone::Bad, "usher:", err_has_colour()));
            let unexpected = context.unexpected().map(|path| path.display().to_string());
            if let Some(path) = unexpected.filter(|path| !text.contains(path.as_str())) {
                note!("usher: the configuration in use is {path}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Whether the reader of standard output has gone. A daemon that has gone is another matter.
fn broken_pipe(error: &anyhow::Error) -> bool {
    let of_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    };
    let of_daemon = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<hyper::Error>().is_some();
    error.chain().any(of_pipe) && !error.chain().any(of_daemon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Usher::command().debug_assert();
    }

    #[test]
    fn the_folder_of_an_office_follows_an_equals_sign() {
        let args = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let office = |text: &str| Usher::try_parse_from(args(text)).map(|usher| usher.office);
        assert_eq!(office("usher --office why").unwrap(), Some(None));
        assert_eq!(office("usher --office=/x why").unwrap(), Some(Some("/x".into())));
        let wrong = args("usher --office /x why");
        assert_eq!(Usher::try_parse_from(&wrong).err().unwrap().kind(), ErrorKind::InvalidSubcommand);
        assert_eq!(folder_after_office(&wrong), Some(&"/x".into()));
        assert_eq!(folder_after_office(&args("usher --office wyh")), None);
    }

    #[test]
    fn every_option_of_the_fleet_has_a_help() {
        fn check(command: &clap::Command, path: &str) {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "`usher {path} --help` says nothing of {}", argument.get_id());
            }
            command.get_subcommands().for_each(|sub| check(sub, &format!("{path} {}", sub.get_name())));
        }
        check(Usher::command().find_subcommand("fleet").unwrap(), "fleet");
    }

    #[test]
    fn every_command_has_a_long_help() {
        for command in Usher::command().get_subcommands().filter(|c| c.get_name() != "completions") {
            assert!(command.get_long_about().is_some(), "`usher {} --help` shows no more than -h", command.get_name());
        }
    }
}
