//! The Raspberry Pi 3B: usher for 64-bit ARM, a camera of v4l2loopback, and `rppal` on the registers of the emulated BCM2837, which are
//! read from outside the guest.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::guest::{Guest, emulator, prepared, turn};
use super::house::{House, configuration};
use super::pins::{Pins, Scope};
use super::scenes;

/// `iomem=relaxed` lets rppal map the registers through /dev/mem; a real Raspberry Pi's kernel has /dev/gpiomem for it.
const DEVICES: &str = "console=ttyS1,115200 iomem=relaxed panic=-1 loglevel=1 v4l2loopback.devices=1 v4l2loopback.video_nr=10 \
    v4l2loopback.exclusive_caps=1 v4l2loopback.card_label=Porch";
/// The board's clocks count instructions, 2^1 ns each, so it does not miss its own deadlines when the machine is slow or busy.
const INSTRUCTION_TIME: &str = "shift=1";
const RELAY: u32 = 17;
const EXIT_BUTTON: u32 = 6;
const PULSE: Duration = Duration::from_secs(3);

const CONFIG: &str = r#"
[[door]]
name = "front"
driver = "rppal"
lock = "fail-secure"
# Photographs are held before the camera.
assurance = "recognised"
pulse = "3s"
[door.relay]
line = 17
[door.exit_button]
line = 6
[[camera]]
name = "porch"
kind = "v4l2"
device = "/dev/video10"
format = "yuyv"
[control]
group = ""
"#;

/// Builds usher for the board; the folder with `usher` and LiteRT's libraries.
fn built() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hil/build-pi");
    let output = Command::new(script).output().unwrap();
    assert!(output.status.success(), "tests/hil/build-pi:\n{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// The guest's root: usher's installed files, its configuration, the scenes.
fn image(folder: &Path, files: &Path) {
    let (built, root) = (built(), files.join("root"));
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copy = |from: &Path, to: &str| {
        let to = root.join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    };
    copy(&built.join("usher"), "usr/bin/usher");
    // As in the package: also the GPU's, which must not be loaded on this processor.
    for library in ["libLiteRt.so", "libLiteRtWebGpuAccelerator.so"] {
        copy(&built.join(library), &format!("usr/lib/usher/{library}"));
    }
    for entry in std::fs::read_dir(checkout.join("models")).unwrap().map(Result::unwrap).filter(|e| e.path().is_file())
    {
        copy(&entry.path(), &format!("usr/share/usher/models/{}", entry.file_name().display()));
    }
    std::fs::create_dir_all(root.join("etc/usher")).unwrap();
    std::fs::write(root.join("etc/usher/usher.toml"), configuration(CONFIG)).unwrap();
    std::fs::create_dir_all(root.join("scenes")).unwrap();
    scenes::write(&root.join("scenes"));
    scenes::enrolment(&root.join("scenes/ada.jpg"));
    // The kernel unpacks one image after the other; one that is not compressed begins at a multiple of four bytes.
    let packed = format!(
        "cp '{0}/initrd' '{1}/initrd' && truncate --size %4 '{1}/initrd' && cd '{1}/root' && find . | cpio -o -H newc -R 0:0 --quiet >>'{1}/initrd'",
        folder.display(),
        files.display()
    );
    assert!(Command::new("sh").args(["-c", &packed]).status().unwrap().success());
}

/// From a photograph before the camera to the pin, and what a kill leaves.
#[test]
#[ignore = "builds usher for ARM, which takes minutes: script/test --board"]
fn rppal_drives_the_pins_of_a_raspberry_pi() {
    let Some(folder) = prepared("pi") else { return };
    let files = tempfile::tempdir().unwrap();
    // The build runs while the PC has its turn.
    image(&folder, files.path());
    let _turn = turn();
    let socket = files.path().join("pins");
    let mut command = emulator(&folder, "qemu-system-aarch64");
    command.args(["-icount", INSTRUCTION_TIME]);
    command.args(["-M", "raspi3b", "-serial", "null", "-serial", "stdio", "-append", DEVICES, "-qtest-log", "none"]);
    command.arg("-qtest").arg(format!("unix:{},server=on,wait=off", socket.display()));
    command.arg("-dtb").arg(folder.join("board.dtb")).arg("-initrd").arg(files.path().join("initrd"));
    let guest = Guest::boot(&mut command);
    let pins = Arc::new(Mutex::new(Pins::connect(&socket)));
    // The emulator has no resistors: the button's line is high while nobody presses it.
    pins.lock().unwrap().apply(EXIT_BUTTON, true);
    let scope = Scope::watch(pins.clone(), RELAY);
    Board { scope, house: House::new(guest), pins }.works();
}

struct Board {
    /// Before the guest, so that it ends before that does.
    scope: Scope,
    house: House,
    pins: Arc<Mutex<Pins>>,
}

impl Board {
    fn works(mut self) {
        let model = self.house.guest.run("cat /proc/device-tree/model");
        assert!(model.contains("Raspberry Pi 3 Model B"), "{model}");
        self.house.guest.run("mkdir -p /run/usher /var/lib/usher; cd /run; cp /scenes/nobody.yuyv porch; feed /dev/video10 YUYV /run/porch");
        self.house.begin("/scenes/ada.jpg");
        let said = self.house.usher("doctor");
        assert!(
            said.contains("All works; 1 of the checks gave a warning.") && said.contains("a photograph of somebody"),
            "{said}"
        );
        assert!(said.contains("GPIO 17 through rppal"), "{said}");

        self.house.start();
        assert!(self.pins().is_output(RELAY) && self.pins().level(RELAY) == 0);
        self.a_stranger_is_refused();
        self.an_enrolled_face_opens();
        self.the_exit_button_opens();
        self.a_killed_daemon_leaves_the_relay_energised_until_it_is_made_safe();
        self.house.start();
        self.house.stop();
        assert!(self.pins().is_output(RELAY) && self.pins().level(RELAY) == 0, "an output at its safe level");
    }

    fn a_stranger_is_refused(&mut self) {
        self.show("stranger");
        self.house.next("denied");
        self.show("nobody");
        assert!(self.house.rest().iter().all(|kind| kind == "denied"));
        assert_eq!(self.scope.changes(), []);
    }

    fn an_enrolled_face_opens(&mut self) {
        let shown = Instant::now();
        self.show("enrolled");
        let unlocked = self.house.next("unlocked");
        self.show("nobody");
        let locked = self.house.next("locked");
        let changes = self.scope.changes();
        let [(up, 1), (down, 0)] = changes[..] else { panic!("{changes:?}") };
        // Only the board knows how much time passed for it.
        let [before, after] = [&unlocked, &locked].map(|record| record["since_boot_ms"].as_u64().unwrap());
        let pulse = Duration::from_millis(after - before);
        assert!(
            pulse > PULSE - Duration::from_millis(300) && pulse < PULSE + Duration::from_secs(5),
            "a pulse of {pulse:?}"
        );
        println!(
            "pin {RELAY} high {:.1} s after the photograph stood before the camera, for {:.1} s; to the board a pulse of {:.2} s, and {} ms from the \
             frame to the door (emulated)",
            (up - shown).as_secs_f64(),
            (down - up).as_secs_f64(),
            pulse.as_secs_f64(),
            unlocked["content"]["capture_to_door_ms"]
        );
        self.house.rest();
    }

    fn the_exit_button_opens(&mut self) {
        self.pins().apply(EXIT_BUTTON, false);
        assert_eq!(self.house.next("unlocked")["content"]["cause"], "exit");
        self.pins().apply(EXIT_BUTTON, true);
        self.house.next("locked");
        let changes = self.scope.changes();
        assert!(matches!(changes[..], [(_, 1), (_, 0)]), "{changes:?}");
    }

    /// The case that docs/doors.md warns of, and the reason for the service's `ExecStopPost=`.
    fn a_killed_daemon_leaves_the_relay_energised_until_it_is_made_safe(&mut self) {
        self.house.usher("door unlock --for 1m");
        self.house.next("unlocked");
        self.house.kill();
        assert_eq!(self.pins().level(RELAY), 1, "nobody has written the register");
        self.house.usher("door safe");
        assert!(self.pins().is_output(RELAY) && self.pins().level(RELAY) == 0);
    }

    fn show(&mut self, scene: &str) {
        // In one step: a frame must not be of two pictures.
        self.house.guest.run(&format!("cp /scenes/{scene}.yuyv porch.new && mv porch.new porch"));
    }

    fn pins(&self) -> std::sync::MutexGuard<'_, Pins> {
        self.pins.lock().unwrap()
    }
}
