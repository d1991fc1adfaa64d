//! Whether the machine is held back: too warm, or too little power.
//!
//! A Raspberry Pi's firmware tells it (documentation of `vcgencmd get_throttled`; its kernel shows the same number in sysfs), other
//! boards show how far their cooling has gone (Documentation/driver-api/thermal/sysfs-api.rst). Knows nothing of who asks.

use std::fs;
use std::path::Path;

/// The bits of the Raspberry Pi's number: what is now, and 16 bits above it what has been since the start.
const FIRMWARE_BITS: [(u32, &str); 8] = [
    (0, "under-voltage now"),
    (1, "frequency capped now"),
    (2, "throttled now"),
    (3, "soft temperature limit now"),
    (16, "under-voltage since the start"),
    (17, "frequency capped since the start"),
    (18, "throttled since the start"),
    (19, "soft temperature limit since the start"),
];

/// What holds the machine back, in words; empty when nothing does. `None` when the machine tells nothing of it.
pub fn held_back() -> Option<Vec<String>> {
    below(Path::new("/sys"))
}

fn below(sys: &Path) -> Option<Vec<String>> {
    let (firmware, cooling) = (firmware(sys), cooling(&sys.join("class/thermal")));
    match (firmware, cooling) {
        (None, None) => None,
        (firmware, cooling) => Some([firmware.unwrap_or_default(), cooling.unwrap_or_default()].concat()),
    }
}

/// What the Raspberry Pi's firmware says. Its file lies in the folder of a device `soc:firmware`, below one or two folders of the chip.
fn firmware(sys: &Path) -> Option<Vec<String>> {
    let folders = |path: &Path| -> Vec<_> {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect()
    };
    let chips = folders(&sys.join("devices/platform")).into_iter().filter(|path| file_name(path).starts_with("soc"));
    let devices = chips.flat_map(|chip| folders(&chip)).filter(|path| file_name(path).ends_with(":firmware"));
    let text = devices.map(|device| device.join("get_throttled")).find_map(|file| fs::read_to_string(file).ok())?;
    let bits = u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()?;
    let said = FIRMWARE_BITS.iter().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, words)| (*words).to_owned());
    Some(said.collect())
}

/// Cooling that slows the processor, where it is at work. Fans are no matter.
fn cooling(class: &Path) -> Option<Vec<String>> {
    let read = |path: &Path, name: &str| fs::read_to_string(path.join(name)).ok().map(|text| text.trim().to_owned());
    let devices = fs::read_dir(class).ok()?.flatten().map(|entry| entry.path());
    let slowing = devices.filter_map(|device| {
        let kind = read(&device, "type")?;
        let slows = ["cpufreq", "Processor", "cpu"].iter().any(|word| kind.contains(word));
        let state: u64 = read(&device, "cur_state").filter(|_| slows)?.parse().ok()?;
        Some((kind, state))
    });
    let found: Vec<(String, u64)> = slowing.collect();
    let at_work = found.iter().filter(|(_, state)| *state > 0);
    (!found.is_empty()).then(|| at_work.map(|(kind, state)| format!("{kind} slows down by {state} steps")).collect())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::write;
    use super::*;

    #[test]
    fn the_raspberry_pi_s_bits_are_put_into_words() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(below(sys.path()), None);
        write(sys.path(), "devices/platform/soc/soc:firmware/get_throttled", "50005\n");
        let words =
            ["under-voltage now", "throttled now", "under-voltage since the start", "throttled since the start"];
        assert_eq!(below(sys.path()).unwrap(), words);
        write(sys.path(), "devices/platform/soc/soc:firmware/get_throttled", "0\n");
        assert_eq!(below(sys.path()), Some(vec![]));
    }

    #[test]
    fn cooling_counts_when_it_slows_the_processor() {
        let sys = tempfile::tempdir().unwrap();
        write(sys.path(), "class/thermal/cooling_device0/type", "pwm-fan\n");
        write(sys.path(), "class/thermal/cooling_device0/cur_state", "3\n");
        assert_eq!(below(sys.path()), None, "a fan slows nothing");
        write(sys.path(), "class/thermal/cooling_device1/type", "cpufreq-cpu0\n");
        write(sys.path(), "class/thermal/cooling_device1/cur_state", "0\n");
        assert_eq!(below(sys.path()), Some(vec![]));
        write(sys.path(), "class/thermal/cooling_device1/cur_state", "2\n");
        assert_eq!(below(sys.path()).unwrap(), ["cpufreq-cpu0 slows down by 2 steps"]);
    }
}
