//! Access: operators may use the daemon, and only the daemon may write the GPIO lines.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::api::checks::Check;
use crate::api::users::{group_id, group_members, group_name, groups_of, user_name};
use crate::config::{Config, DoorDriver};

/// Who can move a relay past the daemon.
pub fn lines(config: &Config) -> Vec<Check> {
    let real = |door: &crate::config::Door| door.driver != DoorDriver::Simulated;
    if !config.doors.iter().any(real) {
        return Vec::new();
    }
    let daemon = fs::metadata(&config.store.path).map(|found| user_name(found.uid())).ok();
    let control = config.control.group.as_deref().and_then(|name| Some((name, group_id(name)?)));
    let problems = problems(&devices(Path::new("/dev")), &System, control, daemon.as_deref());
    match problems.is_empty() {
        true => vec![Check::well("access", "no operator can move the relay past the daemon")],
        false => problems.into_iter().map(|problem| Check::warning("access", problem)).collect(),
    }
}

/// Where users and groups are looked up.
trait Directory {
    fn group_name(&self, gid: u32) -> String;
    /// The users whom the group's own entry lists.
    fn members(&self, gid: u32) -> Vec<String>;
    /// All groups of a user, the primary one included.
    fn groups_of(&self, user: &str) -> Vec<u32>;
}

struct System;

impl Directory for System {
    fn group_name(&self, gid: u32) -> String {
        group_name(gid)
    }

    fn members(&self, gid: u32) -> Vec<String> {
        group_members(gid)
    }

    fn groups_of(&self, user: &str) -> Vec<u32> {
        groups_of(user)
    }
}

/// The users who are in both groups. A user has one primary group, so at least one of the two lists each of them.
fn in_both(directory: &dyn Directory, one: u32, other: u32) -> Vec<String> {
    let mut users = directory.members(one);
    users.extend(directory.members(other));
    users.sort();
    users.dedup();
    users.retain(|user| {
        let groups = directory.groups_of(user);
        groups.contains(&one) && groups.contains(&other)
    });
    users
}

/// A device file through which lines can be written.
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

/// What is wrong, with what to do. `control` is the group that may use the control socket, `daemon` the daemon's own user.
fn problems(
    devices: &[Device],
    directory: &dyn Directory,
    control: Option<(&str, u32)>,
    daemon: Option<&str>,
) -> Vec<String> {
    let mut problems = Vec::new();
    let with = |which: &dyn Fn(&Device) -> bool| {
        let paths: Vec<&str> = devices.iter().filter(|device| which(device)).map(|device| &*device.path).collect();
        (!paths.is_empty()).then(|| paths.join(", "))
    };
    if let Some(paths) = with(&|device| device.mode & 0o002 != 0) {
        problems.push(format!(
            "everybody on this machine can write {paths}, and so move the relay without a record: give it to a group of the daemon's own \
             with a udev rule, as the package's 60-usher.rules does"
        ));
    }
    let Some((control, gid)) = control else { return problems };
    let writable = |device: &Device| device.mode & 0o020 != 0;
    if let Some(paths) = with(&|device| writable(device) && device.gid == gid) {
        problems.push(format!(
            "the group {control} may use usher's commands, and can also write {paths}: its members can move the relay without a record. Give \
             the lines to the group usher-gpio, with only the daemon's user in it, as the package's 60-usher.rules does"
        ));
    }
    let mut line_groups: Vec<u32> =
        devices.iter().filter(|device| writable(device) && device.gid != gid).map(|device| device.gid).collect();
    line_groups.sort_unstable();
    line_groups.dedup();
    for line_group in line_groups {
        let mut both = in_both(directory, line_group, gid);
        both.retain(|user| Some(user.as_str()) != daemon && user != "root");
        if let Some(first) = both.first() {
            let (group, names) = (directory.group_name(line_group), both.join(", "));
            problems.push(format!(
                "{names}: in the group {control}, for usher's commands, and in {group}, which has the lines, so the relay can be moved \
                 without a record. Take them out of {group} where it is not needed: sudo gpasswd -d {first} {group}"
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups as (name, number, listed members), and users as (name, primary group).
    struct Fixed(Vec<(&'static str, u32, &'static str)>, Vec<(&'static str, u32)>);

    impl Directory for Fixed {
        fn group_name(&self, gid: u32) -> String {
            self.0.iter().find(|group| group.1 == gid).map_or_else(String::new, |group| group.0.to_owned())
        }

        fn members(&self, gid: u32) -> Vec<String> {
            let listed = self.0.iter().filter(|group| group.1 == gid).flat_map(|group| group.2.split(','));
            listed.filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }

        fn groups_of(&self, user: &str) -> Vec<u32> {
            let primary = self.1.iter().filter(|(name, _)| *name == user).map(|(_, gid)| *gid);
            let listed = self.0.iter().filter(|group| group.2.split(',').any(|name| name == user)).map(|group| group.1);
            primary.chain(listed).collect()
        }
    }

    fn found(gid: u32, mode: u32) -> Vec<String> {
        let groups = vec![("usher", 990, "ada,bob"), ("usher-gpio", 991, "usher"), ("gpio", 992, "usher,pi,ada")];
        let directory = Fixed(groups, vec![("root", 0), ("usher", 990), ("ada", 1000)]);
        let device = Device { path: "/dev/gpiochip0".into(), mode: 0o020_000 | mode, gid };
        problems(&[device], &directory, Some(("usher", 990)), Some("usher"))
    }

    #[test]
    fn a_group_of_the_daemon_alone_is_no_problem() {
        assert_eq!(found(991, 0o660), [""; 0]);
        assert_eq!(found(0, 0o600), [""; 0]);
    }

    #[test]
    fn operators_who_can_write_the_lines_are_reported() {
        let all = found(990, 0o660);
        assert!(
            all.len() == 1 && all[0].starts_with("the group usher may use") && all[0].contains("/dev/gpiochip0"),
            "{all:?}"
        );
        let one = found(992, 0o660);
        assert!(
            one.len() == 1 && one[0].starts_with("ada: in the group usher") && one[0].ends_with("gpasswd -d ada gpio"),
            "{one:?}"
        );
        assert_eq!(found(992, 0o640), [""; 0], "reading moves nothing");
        let everybody = found(991, 0o666);
        assert!(everybody.len() == 1 && everybody[0].starts_with("everybody"), "{everybody:?}");
    }

    #[test]
    fn a_user_whose_primary_group_it_is_counts_as_a_member() {
        let directory = Fixed(vec![("staff", 50, ""), ("gpio", 992, "eve")], vec![("eve", 50), ("mallory", 992)]);
        assert_eq!(in_both(&directory, 50, 992), ["eve"]);
    }

    #[test]
    fn only_gpio_devices_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["gpiochip1", "gpiochip0", "gpiomem", "video0", "null"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found: Vec<String> = devices(folder.path()).into_iter().map(|device| device.path).collect();
        assert!(found.len() == 3 && found[0].ends_with("gpiochip0") && found[2].ends_with("gpiomem"), "{found:?}");
    }
}
