//! The driver `gpiocdev` on a real GPIO character device: a chip of the kernel's simulator `gpio-sim`, whose lines can be read and
//! pulled from outside.
//!
//! Tests that need the chip are ignored by default, and run in the guest of `pc.rs`. `USHER_GPIO_SIM` names the chip's folder
//! in configfs, as in `/sys/kernel/config/gpio-sim/rpi`. It must be live, have one bank, `bank0`, with a label that no other chip has
//! and at least 28 lines, named `GPIO0` and so on. The tests need root: they pull lines in sysfs, and one of them takes the chip away
//! and back.
//!
//! On a Raspberry Pi, `USHER_RPPAL=26 cargo test --test hil -- --ignored rppal` tries the driver `rppal` on that BCM number, with
//! nothing connected to it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use usher::clock::SystemClock;
use usher::door::{
    self, Active, Contact, Contacts, DoorError, Driver, IndicatorSettings, Input, InputChange, InputSettings, LineId,
    OutputSettings, Pull, Signal, Wiring, WiringSettings,
};

/// Long enough for any change to arrive, however slow the machine is.
const LONG: Duration = Duration::from_secs(20);

/// The simulated chip. One test at a time has it.
pub struct Sim {
    configfs: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Sim {
    pub fn take() -> Sim {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let configfs =
            std::env::var_os("USHER_GPIO_SIM").expect("USHER_GPIO_SIM: the configfs folder of a gpio-sim chip");
        Sim { configfs: configfs.into(), _turn: turn }
    }

    /// The simulator's name for the chip. A name changes when the chip comes back while its lines were held.
    fn attribute(&self, name: &str) -> String {
        std::fs::read_to_string(self.configfs.join(name)).unwrap().trim().to_owned()
    }

    /// The chip's device file.
    pub fn chip(&self) -> String {
        format!("/dev/{}", self.attribute("bank0/chip_name"))
    }

    pub fn line(&self, line: u32, attribute: &str) -> PathBuf {
        let (device, chip) = (self.attribute("dev_name"), self.attribute("bank0/chip_name"));
        Path::new("/sys/devices/platform").join(device).join(chip).join(format!("sim_gpio{line}")).join(attribute)
    }

    /// The level on the wire of a line: what it drives, or what it is pulled to.
    pub fn level(&self, line: u32) -> u8 {
        std::fs::read_to_string(self.line(line, "value")).unwrap().trim().parse().unwrap()
    }

    /// Pulls a line from outside, as a contact does.
    pub fn pull(&self, line: u32, high: bool) {
        std::fs::write(self.line(line, "pull"), if high { "pull-up" } else { "pull-down" }).unwrap();
    }

    /// Takes the whole chip away, or brings it back.
    fn set_live(&self, live: bool) {
        std::fs::write(self.configfs.join("live"), if live { "1" } else { "0" }).unwrap();
    }
}

fn input(line: u32, contact: Contact, debounce_ms: u64) -> InputSettings {
    let debounce = Duration::from_millis(debounce_ms);
    InputSettings { line: Some(LineId::Number(line)), contact, pull: Pull::Up, debounce }
}

/// A door on lines 17 (relay), 22 to 24 (lamps), 5, 6 and 13 (inputs), all free.
pub fn settings(chip: &str, active: Active) -> WiringSettings {
    WiringSettings {
        door: "front".into(),
        driver: Driver::Gpiocdev { chip: chip.into() },
        relay: OutputSettings { line: Some(LineId::Number(17)), active },
        indicator: None,
        inputs: Vec::new(),
        readers: Vec::new(),
    }
}

fn with_inputs(chip: &str, debounce_ms: u64) -> WiringSettings {
    let inputs = vec![
        (Input::Sensor, input(5, Contact::NormallyClosed, debounce_ms)),
        (Input::ExitButton, input(6, Contact::NormallyOpen, debounce_ms)),
    ];
    WiringSettings { inputs, ..settings(chip, Active::High) }
}

fn open(settings: &WiringSettings) -> Result<Wiring, DoorError> {
    door::open(settings, Arc::new(SystemClock::new()))
}

fn refusal(settings: &WiringSettings) -> DoorError {
    match open(settings) {
        Ok(_) => panic!("{settings:?} can be opened"),
        Err(error) => error,
    }
}

fn sensor(active: bool) -> InputChange {
    InputChange { input: Input::Sensor, active }
}

fn button(active: bool) -> InputChange {
    InputChange { input: Input::ExitButton, active }
}

/// Waits until something changes.
fn next(contacts: &mut dyn Contacts) -> Vec<InputChange> {
    next_of(1, contacts)
}

/// Waits for this many changes; they may come one by one.
fn next_of(count: usize, contacts: &mut dyn Contacts) -> Vec<InputChange> {
    let mut changes = Vec::new();
    for _ in 0..LONG.as_millis() / 250 {
        changes.extend(contacts.wait(Duration::from_millis(250)).unwrap());
        if changes.len() >= count {
            break;
        }
    }
    changes
}

/// Calls `attempt` until it succeeds.
fn eventually<T>(mut attempt: impl FnMut() -> Result<T, DoorError>) -> T {
    let mut last = None;
    for _ in 0..200 {
        match attempt() {
            Ok(done) => return done,
            Err(error) => last = Some(error),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{last:?}");
}

/// Pulls both contacts to where they are at rest, and waits until that has been debounced. The simulator pulls a line to where the
/// claim asks for, as a chip does with a line that nothing is connected to.
fn bring_to_rest(sim: &Sim, contacts: &mut dyn Contacts) {
    sim.pull(5, false);
    sim.pull(6, true);
    for _ in 0..200 {
        if contacts.read().unwrap() == [sensor(false), button(false)] {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{:?}", contacts.read());
}

#[test]
#[ignore = "needs a chip of gpio-sim; pc.rs runs it in its guest"]
fn the_relay_is_safe_from_the_claim_to_the_end() {
    let sim = Sim::take();
    for (active, safe, energised) in [(Active::High, 0, 1), (Active::Low, 1, 0)] {
        // The worst case beforehand: the wire is at the level that energises.
        sim.pull(17, energised == 1);
        assert_eq!(sim.level(17), energised);
        let mut wiring = open(&settings(&sim.chip(), active)).unwrap();
        assert_eq!(sim.level(17), safe, "{active}: claimed");
        for _ in 0..2 {
            wiring.relay.energise().unwrap();
            assert_eq!(sim.level(17), energised, "{active}");
            wiring.relay.safe().unwrap();
            wiring.relay.safe().unwrap();
            assert_eq!(sim.level(17), safe, "{active}");
        }
        sim.pull(17, safe == 1);
        wiring.relay.energise().unwrap();
        drop(wiring);
        // The kernel gives the line back to the resistor outside, which is why there has to be one.
        assert_eq!(sim.level(17), safe, "{active}: given back");
    }
}

#[test]
#[ignore = "needs a chip of gpio-sim; pc.rs runs it in its guest"]
fn lamps_show_one_signal_at_a_time() {
    let sim = Sim::take();
    let line = |number| Some(LineId::Number(number));
    let lamps = IndicatorSettings {
        granted: line(22),
        denied: line(23),
        fault: line(24),
        left: None,
        right: None,
        active: Active::Low,
    };
    let wiring = open(&WiringSettings { indicator: Some(lamps), ..settings(&sim.chip(), Active::High) }).unwrap();
    let mut indicator = wiring.indicator.unwrap();
    let lit = || [22, 23, 24].map(|number| sim.level(number) == 0);
    assert_eq!(lit(), [false, false, false]);
    for (signal, expected) in [
        (Signal::Granted, [true, false, false]),
        (Signal::Denied, [false, true, false]),
        (Signal::Fault, [false, false, true]),
        (Signal::Idle, [false, false, false]),
    ] {
        indicator.show(signal).unwrap();
        assert_eq!(lit(), expected, "{signal:?}");
    }
}

#[test]
#[ignore = "needs a chip of gpio-sim; pc.rs runs it in its guest"]
fn a_line_by_its_name_and_a_chip_by_its_label_or_name() {
    let sim = Sim::take();
    for chip in [sim.attribute("bank0/label"), sim.attribute("bank0/chip_name")] {
        let mut settings = settings(&chip, Active::High);
        settings.relay.line = Some(LineId::Name("GPIO17".into()));
        let mut wiring = open(&settings).unwrap();
        assert_eq!(wiring.relay.describe(), format!("line 17 (\"GPIO17\") of {}, active high", sim.chip()));
        wiring.relay.energise().unwrap();
        assert_eq!(sim.level(17), 1);
    }
}

#[test]
#[ignore = "needs a chip of gpio-sim; pc.rs runs it in its guest"]
fn an_error_about_a_missing_line_lists_those_that_exist() {
    let sim = Sim::take();
    for chip in ["/dev/gpiochip250", "no-such-label", "/dev/null", "/", "gpiochip251"] {
        let error = refusal(&settings(chip, Active::High));
        assert!(matches!(error, DoorError::NoChip { .. }), "{chip}: {error}");
        assert!(error.to_string().contains(&sim.chip()), "{chip}: {error}");
    }
    let mut unknown = settings(&sim.chip(), Active::High);
    unknown.relay.line = Some(LineId::Name("GPIO99".into()));
    let error = refusal(&unknown);
    assert!(matches!(error, DoorError::NoLine { .. }) && error.to_string().contains("\"GPIO17\""), "{error}");
    unknown.relay.line = Some(LineId::Number(900));
    let error = refusal(&unknown);
    assert!(matches!(error, DoorError::NoLine { .. }) && error.to_string().contains("its lines are 0 to "), "{error}");
}

#[test]
#[ignore = "needs a chip of gpio-sim; pc.rs runs it in its guest"]
fn a_line_in_use_is_reported_with_its_user_and_read_without_claiming() {
    let sim = Sim::take();
    let held = open(&with_inputs(&sim.chip(), 0)).unwrap();
    let error = refusal(&settings(&sim.chip(), Active::High));
    assert!(matches!(error, DoorError::LineInUse { .. }), "{error}");
    assert!(error.to_string().contains("line 17") && error.to_string().contains("\"usher relay front\""), "{error}");

    let mut other = settings(&sim.chip(), Active::High);
    other.relay.line = Some(LineId::Number(18));
    other.inputs = vec![
        (Input::Tamper, input(13, Contact::NormallyClosed, 0)),
        (Input::Sensor, input(5, Contact::NormallyClosed, 0)),
    ];
    let error = refusal(&other);
    assert!(
        error.to_string().contains("door sensor: line 5") && error.to_string().contains("usher inputs front"),
        "{error}"
    );

    let survey = door::survey(&other).unwrap();
    let users: Vec<_> = survey.lines.iter().map(|line| (line.what.as_str(), line.used_by.as_deref())).collect();
    assert_eq!(users, [("relay", None), ("tamper contact", None), ("door sensor", Some("\"usher inputs front\""))]);
    drop(held);
    assert!(open(&other).is_ok(), "all are free again");
}

#[test]
#[ignore = "needs a chip of gpio-sim; pc.rs runs it in its guest"]
fn edges_arrive_debounced_and_in_their_order() {
    let sim = Sim::take();
    let mut contacts = open(&with_inputs(&sim.chip(), 40)).unwrap().contacts.unwrap();
    assert!(contacts.describe()[0].contains("edges by the kernel"), "{:?}", contacts.describe());
    assert_eq!(contacts.read(), Ok(vec![sensor(true), button(false)]), "a cut wire is an open door");
    bring_to_rest(&sim, contacts.as_mut());
    assert_eq!(contacts.wait(Duration::ZERO), Ok(vec![]));

    // The door's contact opens, bouncing faster than the debouncing lasts.
    for _ in 0..20 {
        sim.pull(5, true);
        sim.pull(5, false);
    }
    sim.pull(5, true);
    assert_eq!(next(contacts.as_mut()), [sensor(true)]);
    assert_eq!(contacts.wait(Duration::from_millis(300)), Ok(vec![]), "once");

    sim.pull(6, false);
    assert_eq!(next(contacts.as_mut()), [button(true)]);
    sim.pull(6, true);
    sim.pull(5, false);
    let rest = next_of(2, contacts.as_mut());
    assert!(rest.contains(&button(false)) && rest.contains(&sensor(false)) && rest.len() == 2, "{rest:?}");
}

#[test]
#[ignore = "needs a chip of gpio-sim; pc.rs runs it in its guest"]
fn a_short_press_is_two_changes_even_when_nobody_polled() {
    let sim = Sim::take();
    let mut contacts = open(&with_inputs(&sim.chip(), 0)).unwrap().contacts.unwrap();
    bring_to_rest(&sim, contacts.as_mut());
    sim.pull(6, false);
    // The kernel takes the level some time after the edge.
    std::thread::sleep(Duration::from_millis(200));
    sim.pull(6, true);
    assert_eq!(next_of(2, contacts.as_mut()), [button(true), button(false)]);
    // More edges than the kernel keeps: the levels are right in the end.
    for _ in 0..200 {
        sim.pull(6, false);
        sim.pull(6, true);
    }
    sim.pull(6, false);
    let mut last = None;
    while let Ok([.., change]) = contacts.wait(Duration::from_millis(600)).as_deref() {
        last = Some(*change);
    }
    assert_eq!(last, Some(button(true)));
}

#[test]
#[ignore = "needs a chip of gpio-sim; pc.rs runs it in its guest"]
fn a_vanished_chip_is_an_error_at_each_use_and_claimed_again_when_it_is_back() {
    let sim = Sim::take();
    let mut wiring = open(&with_inputs(&sim.chip(), 10)).unwrap();
    let contacts = wiring.contacts.as_mut().unwrap();
    bring_to_rest(&sim, contacts.as_mut());
    wiring.relay.energise().unwrap();
    sim.set_live(false);

    let first = wiring.relay.safe().unwrap_err();
    assert!(matches!(first, DoorError::ChipGone { .. }), "{first}");
    for _ in 0..3 {
        let later = wiring.relay.safe().unwrap_err();
        assert!(matches!(later, DoorError::ChipGone { .. }), "{later}");
        assert!(wiring.relay.energise().is_err());
    }
    let first = contacts.wait(LONG).unwrap_err();
    assert!(matches!(first, DoorError::ChipGone { .. }), "{first}");
    for _ in 0..3 {
        assert!(matches!(contacts.wait(LONG), Err(DoorError::ChipGone { .. })));
        assert!(matches!(contacts.read(), Err(DoorError::ChipGone { .. })));
    }
    assert!(contacts.describe()[0].contains("lost"), "{:?}", contacts.describe());

    // It comes back under another path, because the kernel keeps the old one while somebody holds a line of it.
    sim.set_live(true);
    // Nothing is connected to the new chip, which reads as an open door.
    let back = eventually(|| contacts.wait(LONG));
    assert_eq!(back, [sensor(true)]);
    sim.pull(5, false);
    assert_eq!(next(contacts.as_mut()), [sensor(false)]);
    eventually(|| wiring.relay.safe());
    assert_eq!(sim.level(17), 0);
    wiring.relay.energise().unwrap();
    assert_eq!(sim.level(17), 1);
}

#[test]
#[ignore = "needs a Raspberry Pi"]
fn rppal_keeps_the_relay_safe() {
    let pin = std::env::var("USHER_RPPAL").ok().and_then(|pin| pin.parse().ok());
    let pin: u8 = pin.expect("USHER_RPPAL: a free BCM number");
    let gpio = || rppal::gpio::Gpio::new().unwrap();
    for (active, safe) in [(Active::High, rppal::gpio::Level::Low), (Active::Low, rppal::gpio::Level::High)] {
        let mut settings = settings("", active);
        settings.driver = Driver::Rppal;
        settings.relay.line = Some(LineId::Number(u32::from(pin)));
        let mut wiring = open(&settings).unwrap();
        wiring.relay.energise().unwrap();
        let error = refusal(&settings);
        assert!(matches!(error, DoorError::LineInUse { .. }), "{error}");
        drop(wiring);
        // The line stays an output at its safe level when usher is gone.
        let pin = gpio().get(pin).unwrap();
        assert_eq!((pin.mode(), pin.read()), (rppal::gpio::Mode::Output, safe), "{active}");
    }
}

#[test]
fn without_a_chip_the_error_lists_the_machine_s_chips() {
    let missing = settings("/dev/gpiochip250", Active::High);
    let error = refusal(&missing);
    assert!(
        matches!(error, DoorError::NoChip { .. }) && error.to_string().contains("set chip of this [[door]]"),
        "{error}"
    );
    assert!(!Path::new("/dev/gpiochip250").exists());
}
