//! The numbers of the challenge. Decision 093 says on what they were measured.

use std::time::Duration;

/// What a turn has to show, and how long a person has for it. Lengths are in eye distances of the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct ChallengeSettings {
    /// How far the nose must move to the asked side: τ. The largest that 540 views of flat prints showed is 0.164.
    pub turn: f32,
    /// How far the nose must move in one frame of the turn at least. A print folded along the nose is geometrically a face, but it hides its far half
    /// when it is turned as far as a head can be: of the two that were rendered, none reached 0.31 on both sides.
    pub reach: f32,
    /// How far the nose must stand out of the plane of eyes and mouth: D. A face's does by about 0.48, that of a print bent round a cylinder with the
    /// eyes at ±60° by 0.29.
    pub depth: f32,
    /// The farthest that it can stand out. Where the map hardly flattens, the depth is far beyond any nose's: that was no turn.
    pub most_depth: f32,
    /// How far the nose may move across the asked direction, as a share of how far it moves along it.
    pub across: f32,
    /// How badly eyes and mouth corners may fit the map.
    pub fit: f32,
    /// The most that a turn may flatten the face, as the ratio of the map's singular values. Beyond it, hardly anything of the far half is seen.
    pub flattening: f32,
    /// So many frames in a row must show the turn.
    pub frames: u32,
    /// The nose of a head that looks ahead has moved by less than this.
    pub ahead: f32,
    /// So many frontal frames make the reference.
    pub reference_frames: usize,
    /// In a frontal frame the nose is no farther than this beside the line from between the eyes to the middle of the mouth.
    pub frontal: f32,
    /// The longest time between two frames in which the face is still taken for the same one.
    pub gap: Duration,
    /// The farthest that the nose can move between two frames.
    pub jump: f32,
    /// The widest turn between two frames, in degrees. It is less than `turn` takes (22.6°), so that a picture of a turned head which replaces one that
    /// looks ahead does not count, however few frames a camera has.
    pub step_deg: f32,
    /// The fastest that a head turns, in degrees a second. The fastest turn of the recordings has 201.
    pub speed_deg: f32,
    /// What landmarks may add to a turn between two frames, in degrees.
    pub slack_deg: f32,
    /// The time for each thing that is asked.
    pub turn_time: Duration,
    /// After a failure, the head must look ahead for so long before the next attempt asks for a turn. A video that is played over and over does not
    /// wait to be asked.
    pub steady: Duration,
    /// After so many failures of a person in a row, the person waits. Zero: nobody ever waits.
    pub attempts: u32,
    /// The first wait; each is twice as long as the one before.
    pub wait: Duration,
}

impl ChallengeSettings {
    /// For most doors. Stops flat and bent prints; some prints that are folded along the nose pass.
    pub fn normal() -> ChallengeSettings {
        ChallengeSettings {
            turn: 0.20,
            reach: 0.20,
            depth: 0.28,
            most_depth: 1.0,
            across: 0.6,
            fit: 0.06,
            flattening: 0.35,
            frames: 3,
            ahead: 0.1,
            reference_frames: 3,
            frontal: 0.15,
            gap: Duration::from_millis(250),
            jump: 0.3,
            step_deg: 20.0,
            speed_deg: 250.0,
            slack_deg: 5.0,
            turn_time: Duration::from_secs(4),
            steady: Duration::from_secs(2),
            attempts: 3,
            wait: Duration::from_secs(10),
        }
    }

    /// Asks for a wider turn, a deeper face and a straighter look ahead, which the folded prints of decision 093 did not show. People have to turn by about
    /// 36°.
    pub fn strict() -> ChallengeSettings {
        ChallengeSettings { turn: 0.25, reach: 0.33, depth: 0.30, frontal: 0.10, ..ChallengeSettings::normal() }
    }
}

impl Default for ChallengeSettings {
    fn default() -> ChallengeSettings {
        ChallengeSettings::normal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_asks_for_more_of_the_turn_and_the_depth_and_is_the_same_otherwise() {
        let (normal, strict) = (ChallengeSettings::normal(), ChallengeSettings::strict());
        assert!(strict.turn > normal.turn && strict.depth > normal.depth && strict.reach > strict.turn);
        let ChallengeSettings { turn, reach, depth, frontal, .. } = normal;
        let same = ChallengeSettings { turn, reach, depth, frontal, ..strict };
        assert_eq!(same, normal);
        // No setting accepts what flat prints show, and a head that looks ahead is not one that turns.
        assert!(normal.turn > 0.164 && normal.ahead < normal.turn);
        assert!((normal.turn / 0.48).atan().to_degrees() > normal.step_deg);
    }
}
