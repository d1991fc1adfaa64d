//! `usher fleet rules`

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{done, show, unexpected};
use crate::config::holidays_named;
use crate::fleet::{AccessText, MAX_ACCESS, Site, SiteAccess};
use crate::names::shown;
use crate::office::fleet::protocol::{Answer, Request};
use crate::setup::fleet::check;

/// Say who may pass at a site, and when.
///
/// Without rules of the site, each of its boards goes by its own configuration.
#[derive(Args)]
pub struct Rules {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Check a file of rules, and push it to all boards of a site
    ///
    /// The file is TOML with the sections [[schedule]] and [[permit]] of usher.toml, and [[door]] with the keys `name` and `assurance`. Lists of
    /// holidays that it names are read now, from the file's folder, and travel with it. Schedules and permits replace those of every board of the site. A door
    /// that the file does not name keeps what it asks. A [[permit]] without keys lets everybody pass who is enrolled. A board that cannot use the
    /// rules goes on by the last ones, and says why.
    Push {
        /// The file of rules
        file: PathBuf,
        /// The site
        #[arg(long)]
        site: Site,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the rules of a site as they were pushed
    Show {
        /// The site
        #[arg(long)]
        site: Site,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let each board of a site go by its own permits and schedules again
    Clear {
        /// The site
        #[arg(long)]
        site: Site,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Rules {
    pub fn run(self, out: &mut impl Write, ask: &dyn Fn(&Request) -> Result<Answer>) -> Result<()> {
        match self.act {
            Act::Push { file, site, json } => {
                let rules = Some(read(&file)?);
                show::done(out, &done(ask(&Request::PushRules { site, rules })?)?, json)
            }
            Act::Clear { site, json } => show::done(out, &done(ask(&Request::PushRules { site, rules: None })?)?, json),
            Act::Show { site, json } => match ask(&Request::Rules { site: site.clone() })? {
                Answer::Rules { access } if json => Ok(writeln!(out, "{}", serde_json::to_string(&access)?)?),
                Answer::Rules { access: Some(SiteAccess { version, by, since_ms, rules: Some(rules) }) } => {
                    print(out, &site, (version, &by, since_ms), &rules)
                }
                Answer::Rules { .. } => bail!(
                    "{site} has no rules: each of its boards goes by its own permits; `usher fleet rules push` sets some"
                ),
                _ => unexpected(),
            },
        }
    }
}

/// Reads a file of rules with the lists of holidays that it names, and checks them as the office will.
fn read(file: &Path) -> Result<AccessText> {
    let name = file.display().to_string();
    let text = read_text(file)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut holidays = BTreeMap::new();
    for path in holidays_named(&name, &text)? {
        require_inside(&name, &path)?;
        let list = read_text(&folder.join(&path)).with_context(|| format!("{name} names a list of holidays"))?;
        holidays.insert(path, list);
    }
    let rules = AccessText { text, holidays };
    check(&name, &SiteAccess { version: u64::MAX, by: String::new(), since_ms: 0, rules: Some(rules.clone()) })?;
    Ok(rules)
}

/// Fails unless a path stays in the folder of the file that names it. What is pushed is shown to all boards, and the command may run as root.
fn require_inside(name: &str, path: &str) -> Result<()> {
    match Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        true => Ok(()),
        false => bail!(
            "{name} names the list of holidays {path:?}: put the list into the folder of {name}, and name it without / at its beginning and without .."
        ),
    }
}

fn read_text(file: &Path) -> Result<String> {
    use std::io::Read;
    let place = || format!("{} cannot be read", file.display());
    let mut bytes = Vec::new();
    let most = MAX_ACCESS as u64 + 1;
    std::fs::File::open(file).with_context(place)?.take(most).read_to_end(&mut bytes).with_context(place)?;
    if bytes.len() > MAX_ACCESS {
        bail!("{} has more than {MAX_ACCESS} bytes, which is the most: shorten it", file.display());
    }
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8 text; save it as UTF-8", file.display()))
}

/// Prints rules so that they can be pushed again: what is not TOML is in comments.
fn print(
    out: &mut impl Write,
    site: &Site,
    (version, by, since_ms): (u64, &str, u64),
    rules: &AccessText,
) -> Result<()> {
    let since = i64::try_from(since_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    writeln!(out, "# rules {version} of {site}, pushed by {by} at {}", since.strftime("%Y-%m-%dT%H:%M:%SZ"))?;
    rules.text.trim_end().lines().try_for_each(|line| writeln!(out, "{}", shown(line)))?;
    for (path, list) in &rules.holidays {
        writeln!(out, "\n# the list of holidays {path:?}:")?;
        list.lines().try_for_each(|line| writeln!(out, "#   {}", shown(line)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_with_its_lists_and_printed_so_that_it_can_be_pushed_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("berlin.toml");
        let text = "[[schedule]]\nname = \"office\"\nhours = [\"mon-fri 08:00-18:00\"]\nholidays = \"days.txt\"\n[[permit]]\nschedule = \"office\"\n";
        std::fs::write(&file, text).unwrap();
        let missing = format!("{:#}", read(&file).unwrap_err());
        assert!(
            missing.contains("names a list of holidays") && missing.contains("days.txt cannot be read"),
            "{missing}"
        );
        for outside in ["/etc/hostname", "../days.txt", "days/../../x"] {
            std::fs::write(&file, text.replace("days.txt", outside)).unwrap();
            assert!(read(&file).unwrap_err().to_string().contains("into the folder"), "{outside}");
        }
        std::fs::write(&file, text).unwrap();
        std::fs::write(dir.path().join("days.txt"), "12-25 Christmas\n").unwrap();
        let rules = read(&file).unwrap();
        assert_eq!(rules.holidays["days.txt"], "12-25 Christmas\n");
        let mut out = Vec::new();
        print(&mut out, &"berlin".parse().unwrap(), (7, "anna", 1_800_000_000_000), &rules).unwrap();
        let printed = String::from_utf8(out).unwrap();
        assert!(printed.starts_with("# rules 7 of berlin, pushed by anna at 2027-01-15T08:00:00Z\n"), "{printed}");
        assert!(printed.contains("#   12-25 Christmas"), "{printed}");
        std::fs::write(&file, &printed).unwrap();
        assert_eq!(read(&file).unwrap().holidays, rules.holidays);
        std::fs::write(&file, "[[permit]]\nschedule = \"night\"\n").unwrap();
        let wrong = format!("{:#}", read(&file).unwrap_err());
        assert!(wrong.contains("berlin.toml:2: permit[0].schedule: there is no schedule"), "{wrong}");
        std::fs::write(&file, "#".repeat(MAX_ACCESS + 1)).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("shorten it"));
    }
}
