//! The part of `usher doctor` about who may touch what: operators may ask the daemon, and only the daemon may write the lines.
//!
//! Knows nothing of the other checks.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;

use super::{Findings, State};
use crate::config::{Config, DoorDriver};
use crate::daemon::user_name;

/// Who can move a relay past the daemon.
pub(super) fn lines(config: &Config, findings: &mut Findings) -> Result<()> {
    let real = |door: &crate::config::Door| door.driver != DoorDriver::Simulated;
    if !config.doors.iter().any(real) {
        return Ok(());
    }
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let people = People::read(&read("/etc/group"), &read("/etc/passwd"));
    let daemon = fs::metadata(&config.store.path).map(|found| user_name(found.uid())).ok();
    let told = reachable(&devices(Path::new("/dev")), &people, config.control.group.as_deref(), daemon.as_deref());
    match told.is_empty() {
        true => findings.tell("access", State::Well, "no operator can move the relay past the daemon"),
        false => told.iter().try_for_each(|told| findings.tell("access", State::Warning, told)),
    }
}

/// A file that leads to lines.
#[derive(Clone, Debug)]
struct Device {
    path: String,
    mode: u32,
    gid: u32,
}

fn devices(folder: &Path) -> Vec<Device> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<Device> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("gpiochip") || name.starts_with("gpiomem")
        })
        .filter_map(|entry| {
            let about = fs::metadata(entry.path()).ok()?;
            Some(Device { path: entry.path().display().to_string(), mode: about.mode(), gid: about.gid() })
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Groups with their members.
#[derive(Default)]
struct People {
    /// Name and number.
    groups: Vec<(String, u32)>,
    /// By the group's number: those whom it lists, and those whose first group it is.
    members: BTreeMap<u32, Vec<String>>,
}

impl People {
    /// From the text of `/etc/group` and `/etc/passwd`.
    fn read(group: &str, passwd: &str) -> People {
        let mut people = People::default();
        for line in group.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = fields[..] else { continue };
            let Ok(gid) = gid.parse() else { continue };
            people.groups.push((name.to_owned(), gid));
            let listed = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
            people.members.entry(gid).or_default().extend(listed);
        }
        for line in passwd.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(gid)) = (fields.next(), fields.nth(2).and_then(|gid| gid.parse().ok())) else {
                continue;
            };
            people.members.entry(gid).or_default().push(name.to_owned());
        }
        people
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.groups.iter().find(|(known, _)| known == name).map(|(_, gid)| *gid)
    }

    fn name(&self, gid: u32) -> String {
        let known = self.groups.iter().find(|(_, known)| *known == gid);
        known.map_or_else(|| format!("number {gid}"), |(name, _)| name.clone())
    }

    fn of(&self, gid: u32) -> &[String] {
        self.members.get(&gid).map_or(&[], Vec::as_slice)
    }
}

/// What is wrong, with what to do. `control` is the group that may use the control socket, `daemon` the daemon's own user.
fn reachable(devices: &[Device], people: &People, control: Option<&str>, daemon: Option<&str>) -> Vec<String> {
    let mut told = Vec::new();
    let with = |which: &dyn Fn(&Device) -> bool| {
        let paths: Vec<&str> = devices.iter().filter(|device| which(device)).map(|device| &*device.path).collect();
        (!paths.is_empty()).then(|| paths.join(", "))
    };
    if let Some(paths) = with(&|device| device.mode & 0o002 != 0) {
        told.push(format!(
            "everybody on this machine can write {paths}, and so move the relay without a record: give it to a group of the daemon's own by \
             a rule of udev, as 60-usher.rules of the package does"
        ));
    }
    let Some((control, number)) = control.and_then(|name| Some((name, people.number(name)?))) else { return told };
    let writable = |device: &Device| device.mode & 0o020 != 0;
    if let Some(paths) = with(&|device| writable(device) && device.gid == number) {
        told.push(format!(
            "the group {control} may use usher's commands, and can also write {paths}: its members can move the relay without a record. Give \
             the lines to the group usher-gpio, with only the daemon's user in it, as 60-usher.rules of the package does"
        ));
    }
    let mut gids: Vec<u32> =
        devices.iter().filter(|device| writable(device) && device.gid != number).map(|device| device.gid).collect();
    gids.sort_unstable();
    gids.dedup();
    for gid in gids {
        let both: Vec<&str> = people
            .of(gid)
            .iter()
            .map(String::as_str)
            .filter(|name| Some(*name) != daemon && *name != "root" && people.of(number).iter().any(|of| of == name))
            .collect();
        if !both.is_empty() {
            let (group, names) = (people.name(gid), both.join(", "));
            told.push(format!(
                "{names}: in the group {control}, for usher's commands, and in {group}, which has the lines, so the relay can be moved \
                 without a record. Take them out of {group} where it is not needed: sudo gpasswd -d {} {group}",
                both[0]
            ));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "root:x:0:\nusher:x:990:ada,bob\nusher-gpio:x:991:usher\ngpio:x:992:usher,pi,ada\nbroken\n";
    const PASSWD: &str =
        "root:x:0:0::/root:/bin/sh\nusher:x:990:990::/var/lib/usher:/bin/false\nada:x:1000:1000::/:/bin/sh\n";

    fn told(gid: u32, mode: u32) -> Vec<String> {
        let device = Device { path: "/dev/gpiochip0".into(), mode: 0o020_000 | mode, gid };
        reachable(&[device], &People::read(GROUP, PASSWD), Some("usher"), Some("usher"))
    }

    #[test]
    fn a_group_of_the_daemon_s_own_is_well() {
        assert_eq!(told(991, 0o660), [""; 0]);
        assert_eq!(told(0, 0o600), [""; 0]);
    }

    #[test]
    fn operators_with_lines_are_told() {
        let all = told(990, 0o660);
        assert!(
            all.len() == 1 && all[0].starts_with("the group usher may use") && all[0].contains("/dev/gpiochip0"),
            "{all:?}"
        );
        let one = told(992, 0o660);
        assert!(
            one.len() == 1 && one[0].starts_with("ada: in the group usher") && one[0].ends_with("gpasswd -d ada gpio"),
            "{one:?}"
        );
        assert_eq!(told(992, 0o640), [""; 0], "reading moves nothing");
        let everybody = told(991, 0o666);
        assert!(everybody.len() == 1 && everybody[0].starts_with("everybody"), "{everybody:?}");
    }

    #[test]
    fn a_user_whose_first_group_it_is_is_a_member() {
        let people =
            People::read("staff:x:50:\ngpio:x:992:\n", "eve:x:1001:50::/:/bin/sh\nmallory:x:1002:992::/:/bin/sh\n");
        assert_eq!((people.of(50), people.of(992)), (&["eve".to_owned()][..], &["mallory".to_owned()][..]));
        assert_eq!((people.number("gpio"), people.name(7)), (Some(992), "number 7".to_owned()));
    }

    #[test]
    fn only_lines_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["gpiochip1", "gpiochip0", "gpiomem", "video0", "null"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found: Vec<String> = devices(folder.path()).into_iter().map(|device| device.path).collect();
        assert!(found.len() == 3 && found[0].ends_with("gpiochip0") && found[2].ends_with("gpiomem"), "{found:?}");
    }
}
