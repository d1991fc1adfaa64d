//! Whether this processor can run LiteRT, from `/proc/cpuinfo`. Checked before LiteRT is loaded, because LiteRT does not check for itself
//! and dies with SIGILL.

/// The processor as `/proc/cpuinfo` describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// Its name, if the kernel gives one.
    pub name: Option<String>,
    /// In lower case; empty if the kernel lists none.
    features: Vec<String>,
}

impl Processor {
    /// This machine's.
    pub fn here() -> Processor {
        Processor::read(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    /// The first processor in the text of a `/proc/cpuinfo`.
    pub fn read(cpuinfo: &str) -> Processor {
        let field = |names: &[&str]| {
            let pairs = cpuinfo.lines().filter_map(|line| line.split_once(':'));
            pairs
                .map(|(name, value)| (name.trim(), value.trim()))
                .find(|(name, _)| names.contains(name))
                .map(|(_, v)| v)
        };
        let features = field(&["flags", "Features"]).unwrap_or_default();
        Processor {
            name: field(&["model name", "Model", "Hardware"]).filter(|name| !name.is_empty()).map(str::to_owned),
            features: features.split_whitespace().map(str::to_lowercase).collect(),
        }
    }

    /// Why LiteRT cannot run here; `None` if it can, or if the kernel lists no features. `arch` is as in [`std::env::consts::ARCH`].
    pub fn lacks(&self, arch: &str) -> Option<String> {
        let needed: &[&str] = match arch {
            "x86_64" | "x86" => &["sse4_1"],
            "aarch64" => &["asimd"],
            "arm" => &["neon"],
            _ => &[],
        };
        if self.features.is_empty() {
            return None;
        }
        let missing = needed.iter().find(|feature| !self.has(feature))?;
        let (feature, hint) = match *missing {
            "sse4_1" => ("SSE4.1", "Intel processors have it since 2008, AMD processors since 2011"),
            "neon" => ("NEON", "the Raspberry Pi 1 and the first Zero do not have it"),
            _ => ("Advanced SIMD", "all supported ARM boards have it"),
        };
        Some(format!("{} has no {feature}, which LiteRT needs ({hint}): use another computer", self.description()))
    }

    /// Why LiteRT's GPU library cannot be loaded here; `None` if it can. For 64-bit ARM it is compiled with the atomic instructions of Armv8.1
    /// (LSE) and kills the process where they are missing. Without a list of features nothing proves that they are there.
    pub fn lacks_for_gpu(&self, arch: &str) -> Option<String> {
        (arch == "aarch64" && !self.has("atomics")).then(|| {
            format!(
                "{} has no LSE atomics, which LiteRT's GPU library needs (the Raspberry Pi 5 has them, older ones do not): use the cpu",
                self.description()
            )
        })
    }

    /// Why LiteRT may silently give wrong results here; `None` if there is no such reason.
    pub fn doubtful(&self) -> Option<String> {
        let sve = self.has("sve") || self.has("sve2");
        sve.then(|| format!("{} has SVE, on which LiteRT's networks have failed to find faces", self.description()))
    }

    fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|own| own == feature)
    }

    fn description(&self) -> String {
        match &self.name {
            Some(name) => format!("this processor ({name})"),
            None => "this processor".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD_PC: &str = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD Phenom(tm) II X4 955 Processor\nflags\t\t: fpu sse sse2 ht syscall nx mmxext lm 3dnow pni cx16 popcnt sse4a\n";
    const PC: &str =
        "processor\t: 0\nmodel name\t: Intel(R) N100\nflags\t\t: fpu sse sse2 ssse3 sse4_1 sse4_2 avx avx2\n";
    const PI_4: &str = "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n";
    const PI_5: &str = "processor\t: 0\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\n\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n";
    const PI_1: &str = "processor\t: 0\nmodel name\t: ARMv6-compatible processor rev 7 (v6l)\nFeatures\t: half thumb fastmult vfp edsp java tls\n";
    const SERVER: &str = "processor\t: 0\nFeatures\t: fp asimd evtstrm aes sve asimdfhm sve2\n";

    #[test]
    fn a_processor_that_cannot_run_litert_is_named() {
        let why = Processor::read(OLD_PC).lacks("x86_64").unwrap();
        assert!(why.contains("AMD Phenom(tm) II X4 955") && why.contains("SSE4.1"), "{why}");
        let why = Processor::read(PI_1).lacks("arm").unwrap();
        assert!(why.contains("ARMv6") && why.contains("NEON"), "{why}");
        for (text, arch) in
            [(PC, "x86_64"), (PI_4, "aarch64"), (SERVER, "aarch64"), ("", "x86_64"), (OLD_PC, "riscv64")]
        {
            assert_eq!(Processor::read(text).lacks(arch), None, "{text}");
        }
        assert_eq!(Processor::here().lacks(std::env::consts::ARCH), None, "the tests run LiteRT");
    }

    #[test]
    fn the_gpu_library_is_loaded_only_where_it_does_not_kill_the_process() {
        let why = Processor::read(PI_4).lacks_for_gpu("aarch64").unwrap();
        assert!(why.contains("Raspberry Pi 4") && why.contains("LSE"), "{why}");
        assert!(Processor::read("").lacks_for_gpu("aarch64").is_some(), "nothing is known of this one");
        for (text, arch) in [(PI_5, "aarch64"), (PC, "x86_64"), ("", "x86_64")] {
            assert_eq!(Processor::read(text).lacks_for_gpu(arch), None, "{text}");
        }
    }

    #[test]
    fn sve_is_doubtful() {
        assert!(Processor::read(SERVER).doubtful().unwrap().contains("SVE"));
        for text in [PC, PI_4, OLD_PC, ""] {
            assert_eq!(Processor::read(text).doubtful(), None);
        }
        assert_eq!(Processor::read(PI_4).name.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
    }
}
