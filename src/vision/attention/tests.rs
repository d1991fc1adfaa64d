//! Scenes before a camera, frame by frame: what is looked at, and what is embedded.

use super::super::motion::MotionGate;
use super::*;
use crate::domain::Glimpse;

const FACE: Bounds = Bounds { x1: 100.0, y1: 100.0, x2: 220.0, y2: 240.0 };
const SETTINGS: AttentionSettings =
    AttentionSettings { enabled: true, track_ends_after: Duration::from_secs(1), window: Duration::from_millis(1500) };

/// A camera of 15 frames a second, whose doors want what `wanted` says.
struct Scene {
    attention: Attention,
    frame: u64,
    wanted: Wanted,
    bounds: Bounds,
    person: u32,
    /// How the last frame was looked at, and whether the face was embedded.
    look: Look,
    examined: bool,
}

impl Scene {
    fn new() -> Scene {
        let attention = Attention::new(SETTINGS);
        let (wanted, look) = (Wanted::Always, Look::Nothing);
        Scene { attention, frame: 0, wanted, bounds: FACE, person: 1, look, examined: false }
    }

    fn at(&self) -> Moment {
        Moment(Duration::from_millis(1000 + self.frame * 66))
    }

    /// The next frame, with the face if `present`. Whether it was decoded.
    fn step(&mut self, present: bool, motion: &Motion) -> bool {
        self.frame += 1;
        (self.look, self.examined) = (Look::Nothing, false);
        let at = self.at();
        if !self.attention.arrived(at, motion) {
            return false;
        }
        self.look = self.attention.look(at);
        let follows = matches!(&self.look, Look::Follow(places) if present && *places == [self.bounds]);
        if matches!(self.look, Look::Follow(_)) && !follows {
            self.attention.lost_sight(at);
            self.look = Look::Search;
        }
        if self.look != Look::Nothing {
            let searched = self.look == Look::Search;
            let face = (TrackId(1), self.bounds);
            self.examined = present && searched && self.attention.examines(face.0, &face.1, at);
            let person = self.examined.then_some(PersonId(self.person));
            let seen = SeenFace { track: face.0, bounds: face.1, examined: self.examined, person };
            self.attention.looked(at, searched, if present { std::slice::from_ref(&seen) } else { &[] });
            let wanted = self.wanted;
            self.attention.ask(|_| Some((wanted, at)));
        }
        true
    }

    /// Steps with a face and without motion: `S`earched with an embedding, `s`earched without one, `f`ollowed, or `-`.
    fn play(&mut self, frames: usize) -> String {
        (0..frames).map(|_| self.word(&Motion::default())).collect()
    }

    fn word(&mut self, motion: &Motion) -> char {
        self.step(true, motion);
        match self.look {
            Look::Search if self.examined => 'S',
            Look::Search => 's',
            Look::Follow(_) => 'f',
            Look::Nothing => '-',
        }
    }
}

/// Motion in the tile at this column and row.
fn motion_at(column: usize, row: usize) -> Motion {
    let (mut gate, mut glimpse, mut motion) = (MotionGate::default(), Glimpse::default(), Motion::default());
    for frame in 0..30 {
        glimpse.reset(640, 480, 0);
        for (at, cell) in glimpse.cells_mut().iter_mut().enumerate() {
            let inside = (at % 80 / 4, at / 80 / 4) == (column, row);
            *cell = if frame == 29 && inside { 900 } else { 400 };
        }
        gate.see(&glimpse, &mut motion);
    }
    motion
}

#[test]
fn without_motion_a_frame_is_searched_every_half_second_and_others_are_not_decoded() {
    let mut scene = Scene::new();
    let decoded: String = (0..40).map(|_| if scene.step(false, &Motion::default()) { '#' } else { '.' }).collect();
    assert_eq!(decoded, "#......#......#......#......#......#....");
    // At one frame a second, each one.
    let mut slow = Attention::new(SETTINGS);
    for second in 0..10 {
        let at = Moment(Duration::from_secs(second));
        assert!(slow.arrived(at, &Motion::default()) && slow.look(at) == Look::Search);
        slow.looked(at, true, &[]);
    }
    // A clock that goes backwards hides nothing.
    assert!(slow.arrived(Moment::default(), &Motion::default()));
}

#[test]
fn every_frame_with_motion_is_searched() {
    let mut scene = Scene::new();
    scene.step(false, &Motion::default());
    for motion in [Motion::unknown(), motion_at(3, 3)] {
        for _ in 0..5 {
            assert!(scene.step(false, &motion) && scene.look == Look::Search);
        }
    }
    assert!(!scene.step(false, &Motion::default()));
}

#[test]
fn motion_of_a_frame_that_was_replaced_is_searched_in_the_next() {
    let mut attention = Attention::new(SETTINGS);
    let at = |frame: u64| Moment(Duration::from_millis(1000 + 66 * frame));
    attention.arrived(at(0), &Motion::default());
    assert_eq!(attention.look(at(0)), Look::Search);
    // While vision is busy, everything is decoded; the motion comes in the first of two frames.
    assert!(attention.arrived(at(1), &motion_at(9, 9)) && attention.arrived(at(2), &Motion::default()));
    attention.looked(at(0), true, &[]);
    assert_eq!(attention.look(at(2)), Look::Search);
    attention.looked(at(2), true, &[]);
    assert!(!attention.arrived(at(3), &Motion::default()));
}

#[test]
fn a_face_is_embedded_as_often_as_the_doors_want() {
    let mut scene = Scene::new();
    assert_eq!(scene.play(10), "SSSSSSSSSS");
    scene.wanted = Wanted::Often { until: Moment(scene.at().0 + Duration::from_millis(66 * 13)) };
    assert_eq!(scene.play(13), "SfSfSfSfSSSSS");
    let until = Moment(scene.at().0 + Duration::from_millis(66 * 60));
    scene.wanted = Wanted::Seldom { until, frames: 3 };
    scene.play(2);
    let words = scene.play(58);
    // Two embeddings in each window of 22 frames, until six frames before the end.
    assert!(words[..50].matches('S').count() >= 4 && words[..50].matches('S').count() <= 6, "{words}");
    assert!(words[..50].matches(['S', 's']).count() <= 17, "{words}");
    assert!(words.ends_with("SSSSS"), "{words}");
}

#[test]
fn frames_between_are_left_out_only_while_all_were_let_in_and_nobody_else_moves() {
    let mut scene = settled();
    let words = scene.play(60);
    assert!(!words.contains("--") && words.matches('-').count() >= 25, "{words}");
    // Motion of the person changes nothing, motion elsewhere does.
    let (mut own, mut other) = (String::new(), String::new());
    (0..20).for_each(|_| own.push(scene.word(&motion_at(4, 4))));
    (0..20).for_each(|_| other.push(scene.word(&motion_at(18, 2))));
    assert!(own.contains('-') && !other.contains('-'), "{own} {other}");
    // Nobody whom the doors have not let in is left out, and no frame of a slow camera.
    for wanted in [Wanted::Always, Wanted::Often { until: Moment(Duration::from_secs(100)) }] {
        let mut scene = settled();
        scene.wanted = wanted;
        scene.play(3);
        assert!(!scene.play(60).contains('-'));
    }
    let mut slow = settled();
    for _ in 0..20 {
        slow.frame += 1;
        assert_ne!(slow.word(&Motion::default()), '-');
    }
}

#[test]
fn at_a_slow_camera_no_frame_is_left_out_while_a_refusal_stands() {
    let mut attention = Attention::new(SETTINGS);
    for frame in 0..10 {
        let at = Moment(Duration::from_millis(frame * 250));
        assert!(attention.arrived(at, &Motion::default()));
        assert_eq!(attention.look(at), Look::Search);
        assert!(attention.examines(TrackId(1), &FACE, at));
        let person = Some(PersonId(1));
        attention.looked(at, true, &[SeenFace { track: TrackId(1), bounds: FACE, examined: true, person }]);
        attention.ask(|_| Some((Wanted::Often { until: Moment(Duration::from_secs(9)) }, at)));
    }
}

/// A face that the doors want seldom, before a frame in which it is followed, and long before the next embedding.
fn settled() -> Scene {
    let mut scene = Scene::new();
    scene.wanted = Wanted::Seldom { until: Moment(Duration::from_secs(100)), frames: 3 };
    let mut words = scene.play(8);
    while !words.ends_with("S-f-s-") {
        words.push(scene.word(&Motion::default()));
    }
    scene
}

#[test]
fn a_face_that_was_lost_or_has_jumped_is_embedded_at_once() {
    let mut scene = settled();
    scene.step(false, &Motion::default());
    assert_eq!(scene.look, Look::Search, "the frame in which it cannot be followed is searched");
    assert_eq!(scene.play(1), "S");
    let mut scene = settled();
    scene.bounds.x1 += 60.0;
    scene.bounds.x2 += 60.0;
    assert_eq!(scene.play(1), "S");
    // It stays in doubt until the doors have seen it.
    let before = Moment(Duration::ZERO);
    scene.attention.ask(|_| Some((scene.wanted, before)));
    assert!(scene.attention.examines(TrackId(1), &scene.bounds, scene.at()));
    scene.attention.ask(|_| None);
    assert!(scene.attention.examines(TrackId(1), &scene.bounds, scene.at()));
}

#[test]
fn a_face_that_resembles_another_person_is_in_doubt() {
    let mut scene = settled();
    scene.person = 2;
    let words = scene.play(12);
    let noticed = words.find('S').expect("within the half of a window");
    scene.wanted = Wanted::Always;
    // The doors are asked again in the next frame that is looked at.
    scene.play(2);
    assert!(noticed <= 11 && scene.play(5) == "SSSSS", "{words}");
}

#[test]
fn motion_elsewhere_is_searched_in_this_frame_or_the_next() {
    for (tile, own) in [((4, 5), "face"), ((11, 14), "body"), ((4, 13), "body")] {
        let mut scene = settled();
        assert_eq!(scene.word(&motion_at(tile.0, tile.1)), 'f', "the {own}'s own motion");
    }
    let mut scene = settled();
    let words: String = (0..2).map(|_| scene.word(&motion_at(11, 5))).collect();
    assert!(words.contains(['s', 'S']), "beside the head: {words}");
    let mut scene = settled();
    let words: String = (0..8).map(|_| scene.word(&motion_at(15, 10))).collect();
    assert!(words[..2].contains(['s', 'S']) && !words.contains("ff") && !words.contains('-'), "{words}");
    assert!(words.contains('f'), "{words}");
}

#[test]
fn everything_is_looked_at_without_attention_and_for_those_who_enrol() {
    let mut scene = settled();
    scene.attention.set_watched(true);
    assert_eq!(scene.play(6), "SSSSSS");
    let mut scene = settled();
    scene.attention.settings.enabled = false;
    assert_eq!(scene.play(6), "SSSSSS");
    assert!(scene.step(false, &Motion::default()) && scene.look == Look::Search);
}

#[test]
fn a_face_that_has_gone_is_looked_for_until_its_track_ends() {
    let mut scene = settled();
    for _ in 0..14 {
        assert!(scene.step(false, &Motion::default()) && scene.look == Look::Search);
    }
    let decoded = (0..30).filter(|_| scene.step(false, &Motion::default())).count();
    assert!(decoded <= 7, "{decoded}");
}

#[test]
fn tracks_are_bounded() {
    let mut attention = Attention::new(SETTINGS);
    for frame in 0..10 {
        let at = Moment(Duration::from_millis(frame * 10));
        let face = |n: u64| SeenFace { track: TrackId(frame * 64 + n), bounds: FACE, examined: true, person: None };
        attention.looked(at, true, &(0..64).map(face).collect::<Vec<_>>());
    }
    assert_eq!(attention.tracks.len(), MOST_TRACKS);
    assert!(attention.tracks.iter().all(|track| track.id.0 >= 512));
}
