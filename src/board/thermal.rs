//! How warm the processor is, as the kernel tells it (Documentation/driver-api/thermal/sysfs-api.rst).
//!
//! Knows nothing of who asks.

use std::fs;
use std::path::Path;

const ZONES: &str = "/sys/class/thermal";

/// Degrees Celsius; `None` where the board does not tell.
pub fn soc_temperature_c() -> Option<f64> {
    warmest(Path::new(ZONES))
}

/// The warmest zone of the processor; where none says that it is one, the warmest of all.
fn warmest(zones: &Path) -> Option<f64> {
    let read = |zone: &Path| {
        let text = |name: &str| fs::read_to_string(zone.join(name)).ok();
        // Thousandths of a degree; a sensor that is off says nonsense.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_s_warmest_zone_counts() {
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
}
