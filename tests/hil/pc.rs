//! The PC: usher as installed, cameras of v4l2loopback and vivid, and a chip of gpio-sim whose lines are read in sysfs.

use std::path::Path;
use std::time::{Duration, Instant};

use super::guest::{Guest, emulator, prepared, turn};
use super::house::{House, configuration};
use super::scenes;

/// The kernel's command line: which devices there are.
const DEVICES: &str = "console=ttyS0 panic=-1 loglevel=1 mitigations=off vivid.n_devs=1 v4l2loopback.devices=4 v4l2loopback.video_nr=10,11,12,13 \
    v4l2loopback.exclusive_caps=1,1,1,1 v4l2loopback.card_label=Porch,Hall,Lift,Shed";
/// The chip in configfs.
const CHIP: &str = "/sys/kernel/config/gpio-sim/board";
const RELAY: u32 = 17;
const SENSOR: u32 = 5;
const EXIT_BUTTON: u32 = 6;
const PULSE_S: f64 = 5.0;

/// A door with everything.
const CONFIG: &str = r#"
[[door]]
name = "front"
driver = "gpiocdev"
chip = "board"
lock = "fail-secure"
# Photographs are held before the camera.
assurance = "recognised"
pulse = "5s"
held_open_warning = "1s"
held_open_alarm = "3s"
[door.relay]
line = "GPIO17"
[door.sensor]
line = 5
[door.exit_button]
line = 6
[[camera]]
name = "porch"
kind = "v4l2"
device = "/dev/video10"
format = "yuyv"
"#;

/// Boots the PC and makes its chip, lines 0 to 27 named as on a Raspberry Pi.
fn boot(folder: &Path) -> Guest {
    let mut command = emulator(folder, "qemu-system-x86_64");
    command.args([
        "-M",
        "q35",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max",
        "-smp",
        "2",
        "-m",
        "2048",
        "-serial",
        "stdio",
    ]);
    command.arg("-initrd").arg(folder.join("initrd"));
    command.args([
        "-append",
        DEVICES,
        "-virtfs",
        "local,path=/,mount_tag=machine,security_model=none,readonly=on,multidevs=remap",
    ]);
    let mut guest = Guest::boot(&mut command);
    guest.run(&format!(
        "mkdir -p {CHIP}/bank0; mkdir {CHIP}/bank0/line{{0..27}}; for i in {{0..27}}; do echo GPIO$i >{CHIP}/bank0/line$i/name; done; \
         echo 28 >{CHIP}/bank0/num_lines; echo board >{CHIP}/bank0/label; echo 1 >{CHIP}/live"
    ));
    guest.run(&format!(
        "lines=/sys/devices/platform/$(cat {CHIP}/dev_name)/$(cat {CHIP}/bank0/chip_name); ls $lines/sim_gpio27"
    ));
    guest
}

#[test]
fn the_driver_for_gpio_lines_on_a_real_chip() {
    let Some(folder) = prepared("pc") else { return };
    let _turn = turn();
    let mut guest = boot(&folder);
    let tests = std::env::current_exe().unwrap();
    let answer = guest.ask(&format!(
        "USHER_GPIO_SIM={CHIP} {} --ignored gpio:: readers:: --skip rppal --test-threads 1",
        tests.display()
    ));
    assert!(answer.code == 0 && answer.out.contains("12 passed"), "{}", answer.out);
}

/// A day at the door, in order.
#[test]
fn a_door_with_cameras_and_contacts() {
    let Some(folder) = prepared("pc") else { return };
    let _turn = turn();
    let files = tempfile::tempdir().unwrap();
    scenes::write(files.path());
    scenes::enrolment(&files.path().join("ada.jpg"));
    let mut day = Day::begin(&folder, files.path());
    day.hour("the doctor finds all well", Day::the_doctor_warns_of_photographs_alone);
    day.hour("the doctor sees through a camera module", Day::the_doctor_sees_through_a_camera_module);
    day.hour("the daemon starts", |day| {
        day.start();
        assert_eq!(day.swung(), [], "claimed without a twitch");
    });
    day.hour("a stranger is refused", Day::a_stranger_is_refused);
    day.hour("an enrolled face opens, YUYV", |day| day.an_enrolled_face_opens("yuyv"));
    day.hour("the exit button opens", Day::the_exit_button_opens_and_the_door_locks_behind);
    day.hour("the sensor raises alarms", Day::the_sensor_raises_alarms);
    day.house.guest.run("kill $feeder; feed /dev/video11 MJPG /run/jpg; feeder=$!");
    day.watch("/dev/video11", "mjpeg");
    day.hour("an enrolled face opens, MJPG", |day| day.an_enrolled_face_opens("jpg"));
    day.hour("a camera that falls silent comes back", Day::a_camera_that_falls_silent_comes_back);
    for (device, fourcc, format) in [("/dev/video12", "NV12", "nv12"), ("/dev/video13", "GREY", "grey")] {
        day.house.guest.run(&format!(
            "kill $feeder; cp scenes/nobody.{format} {format}; feed {device} {fourcc} /run/{format}; feeder=$!"
        ));
        day.watch(device, format);
        day.hour(&format!("an enrolled face opens, {fourcc}"), |day| day.an_enrolled_face_opens(format));
    }
    // vivid pads nothing, and offers every format in ranges of rates.
    for format in ["nv12", "grey", "yuyv"] {
        day.watch("/dev/video0", format);
        day.hour(&format!("vivid gives {format}"), |day| {
            day.the_camera_gives(&format!("{} 640x480", format.to_uppercase()));
        });
    }
    day.hour("a camera that is unplugged comes back", Day::a_camera_that_is_unplugged_comes_back);
    day.hour("a killed daemon leaves the line to the resistor", Day::a_killed_daemon_leaves_the_line_to_the_resistor);
}

struct Day {
    house: House,
    /// Changes of the relay's line that have been accounted for.
    swings: usize,
}

impl Day {
    /// The guest with usher in its places, somebody enrolled, and nobody before the cameras.
    fn begin(folder: &Path, files: &Path) -> Day {
        let mut guest = boot(folder);
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).display();
        let library = usher::vision::runtime::Runtime::load(None).unwrap().library().display().to_string();
        guest.run(&format!("strip --strip-debug -o /usr/bin/usher {}", env!("CARGO_BIN_EXE_usher")));
        guest.run(&format!("install -D {library} /usr/lib/usher/libLiteRt.so && mkdir -p /usr/share/usher && cp -r {checkout}/models /usr/share/usher/"));
        guest.run("groupadd --system usher; mkdir -p /etc/usher /run/usher /run/udev/data; export HOME=/nonexistent");
        // libcamera takes devices that udev has finished with; nothing runs udev here.
        guest.run("for device in /sys/class/video4linux/*/dev /sys/bus/media/devices/*/dev; do echo I:1 >/run/udev/data/c$(cat $device); done");
        std::fs::write(files.join("usher.toml"), configuration(CONFIG)).unwrap();
        guest.run(&format!(
            "cp {}/usher.toml /etc/usher/ && cp -r {} /run/scenes && cd /run",
            files.display(),
            files.display()
        ));
        // What is connected to the lines: a resistor to ground at the relay, a door that is closed, a button that nobody presses.
        for (line, level) in [(RELAY, "down"), (SENSOR, "down"), (EXIT_BUTTON, "up")] {
            pull(&mut guest, line, level);
        }
        guest.run("cp scenes/nobody.yuyv yuyv; cp scenes/nobody.jpg jpg");
        guest.run("feed /dev/video10 YUYV /run/yuyv; feeder=$!");
        // Each change of the relay's level, with its time. Waiting on a silent pipe costs no process.
        guest.run("mkfifo silence; exec 9<>silence; : >swings");
        guest.run(&format!(
            "(while :; do read -r level <$lines/sim_gpio{RELAY}/value; [ \"$level\" = \"$before\" ] || echo \"$EPOCHREALTIME $level\" >>swings; \
             before=$level; read -r -t 0.01 -u 9; done) &"
        ));
        let mut house = House::new(guest);
        house.begin("scenes/ada.jpg");
        Day { house, swings: 1 }
    }

    fn the_doctor_warns_of_photographs_alone(&mut self) {
        let said = self.house.usher("doctor");
        assert!(
            said.contains("All works; 1 of the checks gave a warning.") && said.contains("a photograph of somebody"),
            "{said}"
        );
        assert!(said.contains("YUYV 640x480"), "{said}");
    }

    /// A part of the day, with the time it took.
    fn hour(&mut self, what: &str, happens: impl FnOnce(&mut Day)) {
        let begin = Instant::now();
        happens(self);
        println!("{:5.1} s  {what}", begin.elapsed().as_secs_f64());
    }

    /// Starts the daemon. The simulated chip pulls the lines of contacts to where the daemon asks it to, so they are connected anew.
    fn start(&mut self) {
        self.house.start();
        self.house.next("started");
        self.pull(SENSOR, "down");
        self.house.guest.eventually("a closed door", |guest| {
            guest.ask("usher door status | grep -w closed").code.eq(&0).then_some(())
        });
        self.house.rest();
    }

    /// The daemon ends in order, and begins anew with another camera. One at a time: an emulated processor looks at a frame for seconds.
    fn watch(&mut self, device: &str, format: &str) {
        self.house.stop();
        assert_eq!(self.level(), 0);
        self.house.guest.run(&format!("export USHER__CAMERA__0__DEVICE={device} USHER__CAMERA__0__FORMAT={format}"));
        self.start();
    }

    fn a_stranger_is_refused(&mut self) {
        self.show("stranger.yuyv");
        let denied = self.house.next("denied");
        assert_eq!(denied["content"]["reason"], "unknown", "{denied}");
        self.show("nobody.yuyv");
        let since = self.house.rest();
        assert!(!since.iter().any(|kind| kind == "granted" || kind == "unlocked"), "{since:?}");
        assert_eq!(self.swung(), []);
    }

    fn an_enrolled_face_opens(&mut self, format: &str) {
        let shown = self.show(&format!("enrolled.{format}"));
        let granted = self.house.next("granted");
        assert_eq!(granted["content"]["person"]["name"], "Ada Lovelace", "{granted}");
        let unlocked = self.house.next("unlocked");
        self.show(&format!("nobody.{format}"));
        self.house.next("locked");
        let (up, down) = self.pulsed();
        assert!((PULSE_S - 0.1..PULSE_S + 5.0).contains(&(down - up)), "a pulse of {} s", down - up);
        println!(
            "{format}: line high {:.2} s after the photograph stood before the camera, for {:.2} s; {} ms from the frame to the door",
            up - shown,
            down - up,
            unlocked["content"]["capture_to_door_ms"]
        );
        self.house.rest();
    }

    fn the_exit_button_opens_and_the_door_locks_behind(&mut self) {
        self.pull(EXIT_BUTTON, "down");
        let unlocked = self.house.next("unlocked");
        assert_eq!(unlocked["content"]["cause"], "exit", "{unlocked}");
        self.pull(EXIT_BUTTON, "up");
        self.pull(SENSOR, "up");
        self.house.next("door_opened");
        self.pull(SENSOR, "down");
        self.house.next("door_closed");
        self.pulsed();
    }

    fn the_sensor_raises_alarms(&mut self) {
        self.house.rest();
        // Somebody leaves, and leaves the door open.
        self.pull(EXIT_BUTTON, "down");
        self.house.next("unlocked");
        self.pull(SENSOR, "up");
        self.pull(EXIT_BUTTON, "up");
        self.house.next("held_open_warning");
        assert_eq!(self.house.next("alarm_raised")["content"]["alarm"], "held_open");
        self.pull(SENSOR, "down");
        assert_eq!(self.house.next("alarm_ended")["content"]["alarm"], "held_open");
        self.pulsed();
        // Somebody breaks in, later than half a second after the lock closed: a leaf that opens before that counts as opened in time.
        std::thread::sleep(Duration::from_secs(1));
        self.pull(SENSOR, "up");
        assert_eq!(self.house.next("alarm_raised")["content"]["alarm"], "forced_open");
        self.pull(SENSOR, "down");
        assert_eq!(self.house.next("alarm_ended")["content"]["alarm"], "forced_open");
        assert_eq!(self.swung(), []);
        self.house.rest();
    }

    fn the_camera_gives(&mut self, words: &str) {
        self.house.guest.eventually(words, |guest| {
            let open = guest.ask(&format!("grep 'camera open' /run/usher.log | tail -n 1 | grep '{words}'")).code == 0;
            // A line of the camera: how many frames were handled.
            let handled = guest.ask("usher status | grep -E '^ *camera' | grep -E '[1-9][0-9]* handled'").code == 0;
            (open && handled).then_some(())
        });
    }

    /// vimc: the sensor, demosaicer and scaler of a camera module, set up by libcamera. It gives 636 columns where 640 are asked for.
    ///
    /// The doctor looks, and no daemon: libcamera 0.0.3 uses a request of vimc after it has handed it over, and dies of it when the other thread
    /// is quick. On one processor, where no thread is interrupted for another, it is not.
    fn the_doctor_sees_through_a_camera_module(&mut self) {
        // GStreamer reads every plugin that it finds, which would take a minute here.
        self.house.guest.run(
            "mkdir plugins; ln -s /usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgst{app,coreelements,libcamera}.so plugins/; \
             export GST_PLUGIN_SYSTEM_PATH_1_0=/run/plugins GST_REGISTRY=/run/gstreamer.registry",
        );
        let found = self.house.usher("camera list --local");
        let sensor = found.lines().find_map(|line| line.trim().strip_prefix("sensor = "));
        let sensor = sensor.unwrap_or_else(|| panic!("{found}"));
        self.house.guest.run(&format!(
            "sed '/^kind = \"v4l2\"/,$d' /etc/usher/usher.toml >/etc/usher/module.toml; \
             printf 'kind = \"libcamera\"\\nsensor = %s\\n' '{sensor}' >>/etc/usher/module.toml"
        ));
        let said =
            self.house.guest.ask("USHER_CONFIG=/etc/usher/module.toml chrt --batch 0 taskset -c 0 usher doctor").out;
        assert!(said.contains("platform/vimc.0") && said.contains("636x480"), "{said}");
    }

    fn a_camera_that_falls_silent_comes_back(&mut self) {
        self.house.guest.run("kill $feeder");
        self.house.next("camera_lost");
        self.house.guest.run("feed /dev/video11 MJPG /run/jpg; feeder=$!");
        self.house.next("camera_back");
        self.an_enrolled_face_opens("jpg");
    }

    /// Unbinds the driver from its device, as when a webcam is unplugged: the device file is gone.
    fn a_camera_that_is_unplugged_comes_back(&mut self) {
        self.house.guest.run("echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind; [ ! -e /dev/video0 ]");
        self.house.next("camera_lost");
        self.house.guest.run("echo vivid.0 >/sys/bus/platform/drivers/vivid/bind; ls /dev/video0");
        self.house.next("camera_back");
    }

    fn a_killed_daemon_leaves_the_line_to_the_resistor(&mut self) {
        self.killed_in_mid_pulse("down", 0);
        self.start();
        assert_eq!(self.level(), 0, "a pulse does not outlive the daemon");
        self.killed_in_mid_pulse("up", 1);
        self.house.usher("journal verify");
    }

    /// The kernel takes the line back, and it takes the level of its resistor: the safe one only if that is right.
    fn killed_in_mid_pulse(&mut self, resistor: &str, level: u8) {
        self.house.usher("door unlock --for 1m");
        self.house.next("unlocked");
        assert_eq!(self.level(), 1);
        self.pull(RELAY, resistor);
        self.house.kill();
        assert_eq!(self.level(), level, "a resistor {resistor}");
        self.pull(RELAY, "down");
        self.house.usher("door safe");
        assert_eq!(self.level(), 0);
    }

    /// Puts a scene before the camera of its format; when that was, in the guest's seconds.
    fn show(&mut self, scene: &str) -> f64 {
        // In one step: a frame must not be of two pictures.
        let (_, format) = scene.split_once('.').unwrap();
        self.house.guest.run(&format!("cp scenes/{scene} {format}.new && mv {format}.new {format}"));
        self.house.guest.run("echo $EPOCHREALTIME").parse().unwrap()
    }

    fn pull(&mut self, line: u32, to: &str) {
        pull(&mut self.house.guest, line, to);
    }

    /// The level of the relay's line, according to the kernel.
    fn level(&mut self) -> u8 {
        self.house.guest.run(&format!("cat $lines/sim_gpio{RELAY}/value")).parse().unwrap()
    }

    /// Waits for the safe level. The relay was energised once since the last look: when, and until when.
    fn pulsed(&mut self) -> (f64, f64) {
        self.house.guest.eventually("a relay at its safe level", |guest| {
            (guest.run("tail -n 1 swings | cut -d ' ' -f 2") == "0").then_some(())
        });
        let swung = self.swung();
        let [(up, 1), (down, 0)] = swung[..] else { panic!("{swung:?}") };
        (up, down)
    }

    /// The changes of that level since the last call: when, and to which.
    fn swung(&mut self) -> Vec<(f64, u8)> {
        let text = self.house.guest.run("cat swings");
        let swings: Vec<_> = text
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(at, level)| (at.parse().unwrap(), level.parse().unwrap()))
            .collect();
        let new = swings[self.swings..].to_vec();
        self.swings = swings.len();
        new
    }
}

/// Pulls a line to a level from outside.
fn pull(guest: &mut Guest, line: u32, to: &str) {
    guest.run(&format!("echo pull-{to} >$lines/sim_gpio{line}/pull"));
}
