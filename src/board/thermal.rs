//! The processor's temperature, and whether heat or lack of power slow the machine down.
//!
//! The kernel has temperatures and cooling in sysfs (Documentation/driver-api/thermal/sysfs-api.rst). A Raspberry Pi's firmware has a number with
//! flags of its own (documentation of `vcgencmd get_throttled`), which its kernel shows in sysfs as well.

use std::fs;
use std::path::Path;

const ZONES: &str = "/sys/class/thermal";

/// The processor's temperature in degrees Celsius; `None` if the board does not measure it.
pub fn soc_temperature_c() -> Option<f64> {
    warmest(Path::new(ZONES))
}

/// The temperature of the processor's warmest zone, or of the warmest zone if none is marked as the processor's.
fn warmest(zones: &Path) -> Option<f64> {
    let read = |zone: &Path| {
        let text = |name: &str| fs::read_to_string(zone.join(name)).ok();
        // Thousandths of a degree. A sensor that is off gives absurd values.
        let celsius = text("temp")?.trim().parse::<f64>().ok()? / 1000.0;
        let kind = text("type").unwrap_or_default().to_lowercase();
        let is_processor = ["cpu", "soc", "pkg"].iter().any(|word| kind.contains(word));
        (-40.0..150.0).contains(&celsius).then_some((is_processor, celsius))
    };
    let found: Vec<(bool, f64)> = fs::read_dir(zones).ok()?.flatten().filter_map(|zone| read(&zone.path())).collect();
    let of_processor = found.iter().any(|(is_processor, _)| *is_processor);
    let relevant = found.iter().filter(|(is_processor, _)| *is_processor == of_processor);
    relevant.map(|(_, celsius)| *celsius).max_by(f64::total_cmp)
}

/// The bits of the firmware's number: the present, and 16 bits above it what has been since the start.
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

/// What slows the machine down, in words; empty if nothing does. `None` if the machine does not report it.
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

/// The flags of a Raspberry Pi's firmware. Their file is in the folder of a device `soc:firmware`, below one or two folders of the chip.
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
    let flags = FIRMWARE_BITS.iter().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, words)| (*words).to_owned());
    Some(flags.collect())
}

/// Cooling devices that slow the processor down now; fans do not.
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
    fn the_warmest_zone_of_the_processor_counts() {
        let folder = tempfile::tempdir().unwrap();
        let zone = |name: &str, kind: &str, temp: &str| {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("type"), kind).unwrap();
            fs::write(path.join("temp"), temp).unwrap();
        };
        assert_eq!(warmest(folder.path()), None);
        zone("thermal_zone0", "acpitz\n", "70000\n");
        assert_eq!(warmest(folder.path()), Some(70.0));
        zone("thermal_zone1", "cpu-thermal\n", "51250\n");
        zone("thermal_zone2", "CPU-therm\n", "48000\n");
        zone("thermal_zone3", "cpu-off\n", "-274000\n");
        zone("thermal_zone4", "soc\n", "what\n");
        assert_eq!(warmest(folder.path()), Some(51.25));
        assert_eq!(warmest(&folder.path().join("missing")), None);
    }

    #[test]
    fn the_firmware_bits_become_words() {
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
    fn cooling_counts_if_it_slows_the_processor() {
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
