//! Doors that ask for more than a face: histories of heads and prints before them, and the decisions that they lead to.

use super::super::challenge::people::{AHEAD, Pose, Solid, flat, head};
use super::super::cue::CueState;
use super::super::rules::tests::{clear, usual};
use super::super::{CueReport, DoorCues};
use super::*;
use crate::domain::{Assurance, Cue, Match, Side};

/// Twenty frames a second.
const FRAME: Duration = Duration::from_millis(50);

/// A PIN pad that says what a test wants.
struct Pad(CueState);

impl DoorCues for Pad {
    fn report(&mut self, cue: Cue, _: &Shown, _: &Sighting, _: Moment) -> CueReport {
        CueReport { cue, state: self.0, input: "as played".into(), limit: "the PIN".into() }
    }
}

/// A door with one camera, and what has been decided.
struct Scene {
    referee: Referee,
    asks: Vec<Assurance>,
    pin: CueState,
    refused: Option<Reason>,
    frame: u64,
    now: Moment,
    yaw: f64,
    decisions: Vec<Decision>,
    /// Whether the authority was asked about a person who has shown what is asked.
    assured: bool,
}

/// Who stands before the camera.
#[derive(Clone, Copy)]
struct Actor {
    solid: Solid,
    person: u32,
    track: u64,
}

fn ada() -> Actor {
    Actor { solid: head(), person: 1, track: 1 }
}

impl Scene {
    fn asking(asks: &[Assurance]) -> Scene {
        Scene {
            referee: Referee::new(usual()),
            asks: asks.to_vec(),
            pin: CueState::Waiting,
            refused: None,
            frame: 0,
            now: Moment(Duration::from_secs(10)),
            yaw: 0.0,
            decisions: Vec::new(),
            assured: false,
        }
    }

    /// One frame of these people, at their yaws.
    fn frame(&mut self, actors: &[(Actor, f64)]) {
        self.now = self.now + FRAME;
        self.frame += 1;
        for (Actor { solid, person, track }, yaw) in actors {
            let mut sighting = clear(self.frame, self.now);
            sighting.track = TrackId(*track);
            sighting.face.landmarks = solid.seen(&Pose { yaw: *yaw, ..AHEAD });
            sighting.quality.yaw = *yaw as f32;
            // A turned face is farther from its template.
            let distance = Distance(0.6 + 0.012 * yaw.abs() as f32);
            sighting.nearest = Some(Match { person: PersonId(*person), distance, runner_up: None });
            let (asks, refused, assured) = (&self.asks, self.refused, &mut self.assured);
            let mut authorise = |shown: &Shown| {
                *assured |= shown.assured;
                Judgement { refused, assurance: asks.clone(), ..Judgement::default() }
            };
            let decision = self.referee.consider_asking(&sighting, self.now, &mut authorise, &mut Pad(self.pin));
            self.decisions.extend(decision);
        }
        let late = self.referee.tick(self.now, &mut Pad(self.pin));
        self.decisions.extend(late);
    }

    /// Goes to this yaw in four tenths of a second, and stays for a fifth.
    fn to(&mut self, actor: Actor, yaw: f64) -> &mut Scene {
        let from = self.yaw;
        for step in 1..=12 {
            let t = f64::from(step.min(8)) / 8.0;
            self.frame(&[(actor, from + (yaw - from) * t * t * (3.0 - 2.0 * t))]);
        }
        self.yaw = yaw;
        self
    }

    fn stay(&mut self, actor: Actor, frames: u32) -> &mut Scene {
        (0..frames).for_each(|_| self.frame(&[(actor, self.yaw)]));
        self
    }

    /// Nobody is there for a while.
    fn empty(&mut self, frames: u32) -> &mut Scene {
        (0..frames).for_each(|_| self.frame(&[]));
        self
    }

    fn prompt(&self) -> Prompt {
        self.referee.prompt(self.now)
    }

    /// The decisions since the last call, in words.
    fn words(&mut self) -> Vec<String> {
        let word = |decision: Decision| match decision.verdict {
            Verdict::Grant { person } => format!("grant {person}"),
            Verdict::Deny { reason } => reason.as_str().to_owned(),
        };
        self.decisions.drain(..).map(word).collect()
    }

    /// The challenge, left and right, by a head that does as asked.
    fn turns(&mut self, actor: Actor) -> &mut Scene {
        self.to(actor, 35.0).to(actor, 0.0).to(actor, -35.0).to(actor, 0.0)
    }
}

fn gate(decision: &Decision, name: &str) -> (String, &'static str) {
    let gate = decision.gates.iter().find(|gate| gate.name == name).unwrap();
    (gate.input.clone(), gate.answer())
}

const CHALLENGE: [Assurance; 1] = [Assurance::Challenge];

#[test]
fn a_head_that_turns_as_asked_is_let_in_once() {
    let mut scene = Scene::asking(&CHALLENGE);
    scene.stay(ada(), 2);
    assert_eq!(scene.prompt(), Prompt::Idle, "not recognised yet");
    scene.stay(ada(), 1);
    assert_eq!((scene.prompt(), scene.words()), (Prompt::TurnLeft, vec![]), "the frames before are the reference");
    let wanted = |scene: &Scene| scene.referee.wants("door", TrackId(1), scene.now).map(|(wanted, _)| wanted);
    assert_eq!(wanted(&scene), Some(Wanted::Always));
    scene.to(ada(), 35.0);
    assert_eq!(scene.prompt(), Prompt::LookAhead);
    scene.to(ada(), 0.0);
    assert_eq!((scene.prompt(), scene.words()), (Prompt::TurnRight, vec![]));
    scene.to(ada(), -35.0);
    assert!(!scene.assured);
    scene.to(ada(), 0.0);
    assert_eq!((scene.prompt(), scene.assured), (Prompt::Idle, true));
    let granted = scene.decisions[0].clone();
    assert_eq!(scene.words(), ["grant 1"]);
    assert_eq!(gate(&granted, "assurance"), ("challenge".to_owned(), "passed"));
    let (input, answer) = gate(&granted, "challenge");
    assert!(
        answer == "passed" && input.contains("left 0.") && input.ends_with("; then 3 of 3 frames of the person"),
        "{input}"
    );
    // In the cooldown nobody is asked; after it, what was shown counts no longer.
    scene.stay(ada(), 95);
    assert_eq!((scene.prompt(), scene.words()), (Prompt::Idle, vec![]));
    scene.stay(ada(), 10);
    assert_eq!((scene.prompt(), scene.words()), (Prompt::TurnLeft, vec![]));
}

#[test]
fn a_print_that_is_moved_the_same_way_is_refused() {
    let mut scene = Scene::asking(&CHALLENGE);
    let print = Actor { solid: flat(), ..ada() };
    scene.stay(print, 3);
    for _ in 0..4 {
        scene.turns(print);
    }
    scene.empty(60);
    let words = scene.words();
    assert!(words.contains(&"challenge".to_owned()) && !words.contains(&"grant 1".to_owned()), "{words:?}");
    assert!(!scene.assured);
}

#[test]
fn who_does_not_react_is_refused_and_asked_again_without_a_wait() {
    let mut scene = Scene::asking(&CHALLENGE);
    scene.stay(ada(), 3 + 82);
    let refused = scene.decisions[0].clone();
    assert_eq!(scene.words(), ["challenge"]);
    assert_eq!(gate(&refused, "assurance"), ("not shown".to_owned(), "failed"));
    let (input, answer) = gate(&refused, "challenge");
    assert_eq!((input.as_str(), answer), ("did not turn far enough: left", "failed"));
    let first_failed = refused.gates.iter().find(|gate| !gate.passed).unwrap();
    assert_eq!(first_failed.name, "assurance", "what was seen of the face is not the reason");
    assert_eq!(scene.prompt(), Prompt::Idle);
    scene.stay(ada(), 90);
    assert_eq!(scene.words(), [""; 0], "the same refusal is not repeated so soon");
    for _ in 0..9 {
        scene.stay(ada(), 190);
        assert_ne!(scene.prompt(), Prompt::Wait);
    }
    scene.words();
    // They go on being asked, and may come in whenever they like.
    while scene.prompt() != Prompt::TurnLeft {
        scene.stay(ada(), 1);
    }
    scene.words();
    scene.turns(ada());
    assert_eq!(scene.words(), ["grant 1"]);
}

#[test]
fn three_wrong_turns_make_a_person_wait_and_it_is_told() {
    let mut scene = Scene::asking(&CHALLENGE);
    scene.stay(ada(), 3);
    for attempt in 1..=3 {
        let mut waited = 0;
        while scene.prompt() != Prompt::TurnLeft {
            scene.stay(ada(), 1);
            waited += 1;
            assert!(waited < 60, "attempt {attempt}: {:?}", scene.prompt());
        }
        scene.to(ada(), -35.0).to(ada(), 0.0);
        assert_eq!(scene.words(), ["challenge"], "each failed attempt is recorded");
    }
    assert_eq!(scene.prompt(), Prompt::Wait);
    scene.stay(ada(), 110);
    let told = scene.decisions.last().cloned().unwrap();
    let (input, _) = gate(&told, "challenge");
    assert!(input.contains("turned right where left was asked") && input.contains("s left of the wait"), "{input}");
    // On another track, the wait is the person's still.
    let again = Actor { track: 2, ..ada() };
    scene.empty(40).stay(again, 5);
    assert_eq!(scene.prompt(), Prompt::Wait);
    scene.words();
    scene.stay(again, 200);
    while scene.prompt() != Prompt::TurnLeft {
        scene.stay(again, 1);
    }
    scene.words();
    scene.turns(again);
    assert_eq!(scene.words(), ["grant 1"]);
}

#[test]
fn somebody_else_in_between_ends_it() {
    let mut scene = Scene::asking(&CHALLENGE);
    let bob = Actor { person: 2, ..ada() };
    scene.stay(ada(), 3).to(ada(), 35.0).to(ada(), 0.0).stay(bob, 1);
    let refused = scene.decisions[0].clone();
    assert_eq!(scene.words(), ["challenge"]);
    assert_eq!(gate(&refused, "challenge").0.split(", ").last(), Some("a frame shows somebody else"));
    // Nor does the other person inherit what was shown.
    scene.to(bob, -35.0).to(bob, 0.0).stay(bob, 40);
    assert!(scene.words().iter().all(|word| word != "grant 2"));
    assert_eq!(scene.prompt(), Prompt::TurnLeft);
}

#[test]
fn who_goes_away_without_an_answer_leaves_a_denial() {
    let mut scene = Scene::asking(&CHALLENGE);
    scene.stay(ada(), 20).empty(10);
    assert_eq!((scene.words(), scene.prompt()), (vec![], Prompt::TurnLeft), "perhaps they come back");
    scene.empty(40);
    assert_eq!((scene.words(), scene.prompt()), (vec!["challenge".to_owned()], Prompt::Idle));
    scene.empty(40);
    assert_eq!(scene.words(), [""; 0]);
    // A person who was let in leaves none.
    scene.stay(ada(), 3).turns(ada()).empty(60);
    assert_eq!(scene.words(), ["grant 1"]);
}

#[test]
fn frames_before_the_last_turn_do_not_count_for_the_grant() {
    let mut scene = Scene::asking(&CHALLENGE);
    scene.stay(ada(), 3).to(ada(), 35.0).to(ada(), 0.0).to(ada(), -35.0);
    let mut frames = 0;
    while scene.decisions.is_empty() {
        frames += 1;
        scene.frame(&[(ada(), f64::from((-35.0_f32 + 8.0 * frames as f32).min(0.0)))]);
        assert!(frames < 20);
    }
    let granted = &scene.decisions[0];
    let (input, _) = gate(granted, "challenge");
    assert!(input.ends_with("then 3 of 3 frames of the person"), "{input}");
    assert_eq!(scene.words(), ["grant 1"]);
}

#[test]
fn what_the_authority_refuses_comes_first_and_counts_at_once() {
    let mut scene = Scene::asking(&CHALLENGE);
    scene.refused = Some(Reason::Disabled);
    scene.stay(ada(), 5);
    assert_eq!((scene.words(), scene.prompt()), (vec!["disabled".to_owned()], Prompt::Idle), "nobody is asked in vain");
    let mut scene = Scene::asking(&CHALLENGE);
    scene.stay(ada(), 3).to(ada(), 35.0).to(ada(), 0.0);
    scene.refused = Some(Reason::Lockdown);
    scene.stay(ada(), 2);
    assert_eq!((scene.words(), scene.prompt()), (vec!["lockdown".to_owned()], Prompt::Idle));
    scene.refused = None;
    scene.stay(ada(), 1);
    assert_eq!(scene.prompt(), Prompt::TurnLeft, "from the beginning");
}

#[test]
fn any_of_several_suffices() {
    let any = [Assurance::Challenge, Assurance::FacePin];
    let mut scene = Scene::asking(&any);
    scene.stay(ada(), 6);
    assert_eq!((scene.prompt(), scene.words()), (Prompt::TurnLeft, vec![]));
    scene.pin = CueState::Passed;
    scene.stay(ada(), 1);
    let granted = scene.decisions[0].clone();
    assert_eq!(scene.words(), ["grant 1"]);
    assert_eq!(gate(&granted, "assurance"), ("face+pin".to_owned(), "passed"));
    assert_eq!((gate(&granted, "challenge").1, gate(&granted, "pin").1), ("failed", "passed"));
    // A wrong PIN leaves the challenge, and a failed challenge leaves the PIN.
    let mut scene = Scene::asking(&any);
    scene.pin = CueState::Failed;
    scene.stay(ada(), 3).turns(ada());
    assert_eq!(scene.words(), ["grant 1"]);
    let mut scene = Scene::asking(&any);
    scene.stay(ada(), 3).to(ada(), -35.0).to(ada(), 0.0);
    assert_eq!(scene.words(), [""; 0]);
    scene.pin = CueState::Passed;
    scene.stay(ada(), 1);
    assert_eq!(scene.words(), ["grant 1"]);
    // Both failed.
    let mut scene = Scene::asking(&any);
    scene.pin = CueState::Failed;
    scene.stay(ada(), 3).to(ada(), -35.0).to(ada(), 0.0);
    assert_eq!(scene.words(), ["challenge"]);
}

#[test]
fn a_second_factor_is_waited_for_while_the_person_looks_away_and_not_for_ever() {
    let mut scene = Scene::asking(&[Assurance::FacePin]);
    scene.stay(ada(), 4);
    assert_eq!(scene.prompt(), Prompt::EnterPin);
    scene.to(ada(), 60.0).stay(ada(), 200).to(ada(), 0.0);
    assert_eq!(scene.words(), [""; 0], "poor views refuse nobody who is asked");
    scene.pin = CueState::Passed;
    scene.stay(ada(), 4);
    assert_eq!(scene.words(), ["grant 1"]);
    let mut scene = Scene::asking(&[Assurance::FacePin]);
    scene.stay(ada(), 20 * 20 + 10);
    assert_eq!(scene.words(), ["second_factor"]);
    let mut scene = Scene::asking(&[Assurance::FacePin]);
    scene.pin = CueState::Failed;
    scene.stay(ada(), 10);
    assert_eq!(scene.words(), ["second_factor"], "a wrong one is refused at once");
    let mut scene = Scene::asking(&[Assurance::Passive]);
    scene.pin = CueState::CannotJudge;
    scene.stay(ada(), 10).empty(40);
    let refused = scene.decisions[0].clone();
    assert_eq!((scene.words(), gate(&refused, "passive").1), (vec!["presentation".to_owned()], "unsure"));
}

#[test]
fn a_challenge_and_a_pin_are_asked_one_after_the_other() {
    let mut scene = Scene::asking(&[Assurance::ChallengePin]);
    scene.stay(ada(), 3);
    assert_eq!(scene.prompt(), Prompt::TurnLeft);
    scene.turns(ada());
    assert_eq!((scene.prompt(), scene.words()), (Prompt::EnterPin, vec![]));
    scene.to(ada(), 50.0).stay(ada(), 60).to(ada(), 0.0);
    scene.pin = CueState::Passed;
    scene.stay(ada(), 3);
    assert_eq!(scene.words(), ["grant 1"]);
    // What was shown long ago does not last.
    let mut scene = Scene::asking(&[Assurance::ChallengePin]);
    scene.stay(ada(), 3).turns(ada()).stay(ada(), 20 * 31);
    scene.pin = CueState::Passed;
    scene.words();
    scene.stay(ada(), 3);
    assert_eq!((scene.words(), scene.prompt()), (vec![], Prompt::TurnLeft));
}

#[test]
fn one_at_a_time_is_challenged_and_who_fails_goes_to_the_end() {
    let mut scene = Scene::asking(&CHALLENGE);
    let (poster, bob) = (Actor { solid: flat(), ..ada() }, Actor { person: 2, track: 2, ..ada() });
    (0..10).for_each(|_| scene.frame(&[(poster, 0.0)]));
    assert_eq!(scene.prompt(), Prompt::TurnLeft);
    // Bob comes, and the poster's time runs out.
    let mut frames = 0;
    while scene.decisions.is_empty() {
        scene.frame(&[(poster, 0.0), (bob, 0.0)]);
        frames += 1;
        assert!(frames < 100);
    }
    assert_eq!(scene.words(), ["challenge"]);
    scene.frame(&[(poster, 0.0), (bob, 0.0)]);
    assert_eq!(scene.prompt(), Prompt::TurnLeft);
    let mut yaw = 0.0;
    for goal in [35.0, 0.0, -35.0, 0.0] {
        let from = yaw;
        for step in 1..=12 {
            yaw = from + (goal - from) * f64::from(step.min(8)) / 8.0;
            scene.frame(&[(poster, 0.0), (bob, yaw)]);
        }
    }
    assert_eq!(scene.words(), ["grant 2"]);
}

#[test]
fn the_order_is_the_one_that_was_drawn() {
    let liveness = LivenessRules { shuffled: true, ..LivenessRules::default() };
    let mut scene = Scene::asking(&CHALLENGE);
    scene.referee = Referee::with_liveness(usual(), liveness, Dice::default());
    scene.stay(ada(), 3);
    assert_eq!(scene.prompt(), Prompt::turn(Side::Right));
    scene.to(ada(), -35.0).to(ada(), 0.0).to(ada(), 35.0).to(ada(), 0.0);
    assert_eq!(scene.words(), ["grant 1"]);
}

#[test]
fn a_track_that_comes_back_under_the_same_number_begins_anew() {
    let mut scene = Scene::asking(&[Assurance::ChallengePin]);
    scene.stay(ada(), 3).turns(ada());
    assert_eq!(scene.prompt(), Prompt::EnterPin);
    // Longer than the window, and nothing ticked in between.
    scene.now = scene.now + Duration::from_secs(3);
    scene.stay(ada(), 1);
    assert_eq!(scene.words(), ["second_factor"]);
    scene.pin = CueState::Passed;
    scene.stay(ada(), 5);
    assert_eq!((scene.words(), scene.prompt()), (vec![], Prompt::TurnLeft));
}
