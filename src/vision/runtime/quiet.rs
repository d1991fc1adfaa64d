//! Keeps off the terminal what LiteRT, its accelerators and their drivers print while something is created (`INFO: Created TensorFlow Lite
//! XNNPACK delegate for CPU.`, WebGPU's complaints about a missing Vulkan). They write to standard error themselves, and no option turns all of
//! it off. It goes to the log, at the level `debug`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::fcntl_dupfd_cloexec;

/// More than a library prints; the rest is dropped.
const MOST: u64 = 64 << 10;
/// File descriptor of standard error.
const STDERR: i32 = 2;

/// Does `act` with the libraries' chatter kept away. Call it with the lock of [`super::litert::lock_building`] held: only one thread at a time may
/// redirect. What other threads print meanwhile comes a moment later.
pub(super) fn quietly<T>(act: impl FnOnce() -> T) -> T {
    let capture = Capture::begin();
    let done = act();
    drop(capture);
    done
}

/// Standard error, redirected until this is dropped.
struct Capture {
    stderr: OwnedFd,
    kept: File,
}

impl Capture {
    /// `None` where it cannot be redirected: then everything is printed.
    fn begin() -> Option<Capture> {
        let kept = File::from(memfd_create("usher-stderr", MemfdFlags::CLOEXEC).ok()?);
        let stderr = fcntl_dupfd_cloexec(io::stderr(), STDERR + 1).ok()?;
        redirect(kept.as_raw_fd()).then_some(Capture { stderr, kept })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        redirect(self.stderr.as_raw_fd());
        let mut text = Vec::new();
        // Whatever cannot be read back is lost; it was chatter.
        if self.kept.seek(SeekFrom::Start(0)).is_ok() && (&mut self.kept).take(MOST).read_to_end(&mut text).is_ok() {
            let text = String::from_utf8_lossy(&text);
            let (chatter, others): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| is_chatter(line));
            for line in chatter {
                tracing::debug!(line, "LiteRT");
            }
            for line in others {
                drop(writeln!(io::stderr(), "{line}"));
            }
        }
    }
}

/// Makes standard error write to another open file.
fn redirect(to: i32) -> bool {
    // SAFETY: both descriptors are open, and standard error stays open all the time: dup2 replaces it in one step.
    unsafe { libc::dup2(to, STDERR) == STDERR }
}

/// Whether a line has the form of the libraries: TensorFlow Lite's and Dawn's levels, Abseil's `E0000 00:00:…`, and the traces below them.
fn is_chatter(line: &str) -> bool {
    let abseil = |line: &str| {
        let mut chars = line.chars();
        let level = chars.next().is_some_and(|c| matches!(c, 'I' | 'W' | 'E' | 'F'));
        level && line.get(1..5).is_some_and(|date| date.bytes().all(|c| c.is_ascii_digit())) && line.contains("] ")
    };
    let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| line.starts_with(beginning));
    line.trim().is_empty()
        || abseil(line)
        || begins(&["INFO: ", "VERBOSE: ", "WARNING: ", "Warning: ", "ERROR: ", "=== Source Location Trace"])
        || begins(&["third_party/", "    at ", "litert/", "tflite/"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_lines_are_known_from_ours() {
        for line in [
            "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
            "Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file",
            "    at operator() (third_party/dawn/src/dawn/native/vulkan/BackendVk.cpp:368)",
            "",
            "WARNING: Logging before InitGoogle() is written to STDERR",
            "E0000 00:00:1796022837.538994    4207 delegate_webgpu.cc:736] Failed to get or create delegate",
            "=== Source Location Trace: ===",
            "third_party/odml/litert/ml_drift/delegate/delegate_webgpu.cc:432",
        ] {
            assert!(is_chatter(line), "{line}");
        }
        for line in [
            "2026-01-02T03:04:05Z  INFO ready socket=/run/usher/usher.sock",
            "thread 'camera porch' panicked at src/a.rs:1:2",
            "usher: the store is damaged",
            "{\"level\":\"INFO\"}",
            "Enrolled 1234 people",
        ] {
            assert!(!is_chatter(line), "{line}");
        }
    }
}
