//! Which machine this is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a report of a measurement says of the machine. Unknown values are `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name in the device tree or, on a PC, in the firmware: `Raspberry Pi 4 Model B Rev 1.4`.
    pub model: Option<String>,
    /// The processors by name, with the number of each: `4 x Cortex-A72`.
    pub processor: Option<String>,
    /// The highest frequency that the kernel allows, in MHz.
    pub max_mhz: Option<u64>,
    /// The kernel's policy for the frequency: `ondemand`, `performance`.
    pub governor: Option<String>,
    /// The memory that the kernel manages, in MiB.
    pub memory_mib: Option<u64>,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub system: Option<String>,
    /// The kernel's release: `6.12.25+rpt-rpi-v8`.
    pub kernel: Option<String>,
}

/// Arm's part numbers (Linux, `arch/arm64/include/asm/cputype.h`) of processors on supported boards.
const ARM_PARTS: [(&str, &str); 8] = [
    ("0xd03", "Cortex-A53"),
    ("0xd05", "Cortex-A55"),
    ("0xd07", "Cortex-A57"),
    ("0xd08", "Cortex-A72"),
    ("0xd09", "Cortex-A73"),
    ("0xd0b", "Cortex-A76"),
    ("0xd41", "Cortex-A78"),
    ("0xd42", "Cortex-A78AE"),
];

impl Identity {
    /// This machine.
    pub fn read() -> Identity {
        Identity::below(Path::new("/"))
    }

    /// The machine whose files are below `root`.
    fn below(root: &Path) -> Identity {
        let text = |path: &str| {
            let text = fs::read_to_string(root.join(path)).ok()?;
            Some(text.trim_matches(['\0', '\n', ' ']).to_owned()).filter(|text| !text.is_empty())
        };
        let firmware = || {
            let words = [text("sys/class/dmi/id/sys_vendor")?, text("sys/class/dmi/id/product_name")?];
            Some(words.join(" "))
        };
        let frequency = "sys/devices/system/cpu/cpu0/cpufreq";
        let number = |path: &str| text(path)?.parse::<u64>().ok();
        Identity {
            model: text("sys/firmware/devicetree/base/model").or_else(firmware),
            processor: text("proc/cpuinfo").and_then(|info| processors(&info)),
            max_mhz: number(&format!("{frequency}/scaling_max_freq")).map(|khz| khz / 1000),
            governor: text(&format!("{frequency}/scaling_governor")),
            memory_mib: text("proc/meminfo").and_then(|info| memory_mib(&info)),
            system: text("etc/os-release").and_then(|text| value(&text, "PRETTY_NAME")),
            kernel: text("proc/sys/kernel/osrelease"),
        }
    }
}

/// The processors in the text of `/proc/cpuinfo`, as in `4 x Cortex-A72`.
fn processors(info: &str) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in info.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.trim());
        let name = match key {
            // On a PC the processor has a name, on an ARM board a number.
            "model name" => value,
            "CPU part" => ARM_PARTS.iter().find(|(part, _)| *part == value).map_or(value, |(_, name)| name),
            _ => continue,
        };
        *counts.entry(name).or_default() += 1;
    }
    let words: Vec<String> = counts.iter().map(|(name, count)| format!("{count} x {name}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn memory_mib(info: &str) -> Option<u64> {
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// The value of `KEY="value"`.
fn value(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::write;
    use super::*;

    #[test]
    fn a_board_has_a_model_and_processors() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "sys/firmware/devicetree/base/model", "Raspberry Pi 4 Model B Rev 1.4\0");
        write(root.path(), "proc/cpuinfo", "processor : 0\nCPU part\t: 0xd08\n\nprocessor : 1\nCPU part\t: 0xd08\n");
        write(root.path(), "proc/meminfo", "MemTotal:        3884344 kB\nMemFree: 1 kB\n");
        write(root.path(), "etc/os-release", "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
        write(root.path(), "proc/sys/kernel/osrelease", "6.12.25+rpt-rpi-v8\n");
        write(root.path(), "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "1800000\n");
        write(root.path(), "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n");
        let text = |text: &str| Some(text.to_owned());
        let expected = Identity {
            model: text("Raspberry Pi 4 Model B Rev 1.4"),
            processor: text("2 x Cortex-A72"),
            max_mhz: Some(1800),
            governor: text("ondemand"),
            memory_mib: Some(3793),
            system: text("Debian GNU/Linux 12 (bookworm)"),
            kernel: text("6.12.25+rpt-rpi-v8"),
        };
        assert_eq!(Identity::below(root.path()), expected);
    }

    #[test]
    fn a_pc_and_an_unknown_part_keep_their_own_names() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "sys/class/dmi/id/sys_vendor", "QEMU\n");
        write(root.path(), "sys/class/dmi/id/product_name", "Standard PC\n");
        write(root.path(), "proc/cpuinfo", "model name\t: Some CPU\nCPU part : 0x123\n");
        let found = Identity::below(root.path());
        assert_eq!(found.model.as_deref(), Some("QEMU Standard PC"));
        assert_eq!(found.processor.as_deref(), Some("1 x 0x123, 1 x Some CPU"));
        assert_eq!((found.memory_mib, found.kernel), (None, None));
    }
}
